"""What a run of the job is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lakejobs.manifest import Manifest
from lakejobs.shapes import Fields, ShapeError


@dataclass(frozen=True)
class Request:
    """`dataset` is the only one to work on, None for all and the models; `force` compacts whatever has two files."""

    dataset: str | None = None
    force: bool = False

    @classmethod
    def parse(cls, text: str, manifest: Manifest) -> Request:
        """Reads `{"dataset"?: "<id>", "force"?: true}`; other fields are refused, and datasets the lake has not."""
        f = Fields(json.loads(text), "request")
        request = cls(
            f.optional("dataset", str) if f.has("dataset") else None,
            f.take("force", bool) if f.has("force") else False,
        )
        f.done()
        known = [d.id for d in manifest.datasets]
        if request.dataset is not None and request.dataset not in known:
            raise ShapeError(f"request.dataset: is {request.dataset!r}; allowed: {', '.join(known)}, or none for all")
        return request
