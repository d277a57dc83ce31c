"""What a validation is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from lakejobs.shapes import Fields, ShapeError


@dataclass(frozen=True)
class Request:
    """The ids of the datasets to compare, each once, in order."""

    datasets: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, known: Iterable[str]) -> Self:
        """Reads `{"datasets"?: ["<id>", …]}`; without, all that the source has are compared.

        Raises ShapeError naming every dataset that the source does not have.
        """
        allowed = sorted(known)
        f = Fields(json.loads(text), "request")
        listed = f.texts("datasets") if f.has("datasets") else tuple(allowed)
        f.done()
        unknown = [f"datasets[{i}] is {name!r}" for i, name in enumerate(listed) if name not in allowed]
        if unknown:
            raise ShapeError(f"request: {'; '.join(unknown)}; allowed: {', '.join(allowed)}, or no datasets for all")
        if not listed:
            raise ShapeError(f"request.datasets: is empty; allowed: {', '.join(allowed)}, or no datasets for all")
        return cls(tuple(sorted(set(listed))))
