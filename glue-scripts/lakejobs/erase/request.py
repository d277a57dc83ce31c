"""What an erasure is asked for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lakejobs.declared import Column, Dataset
from lakejobs.manifest import Manifest
from lakejobs.shapes import Fields, ShapeError

# The folder of requests in the artifacts bucket.
REQUESTS = "erasures/requests/"
MOST_VALUES = 100

_WHOLE = re.compile(r"[+-]?[0-9]+")
_LIMITS = {"int": 31, "bigint": 63}


@dataclass(frozen=True)
class Request:
    """`subject` is the kind of data subject, `values` what identifies those to erase, as text.

    `expire_history` removes earlier states of the tables at once instead of when maintenance would.
    """

    subject: str
    values: tuple[str, ...]
    expire_history: bool = False

    def __repr__(self) -> str:
        """Without the values, which no log is to hold."""
        return f"Request(subject={self.subject!r}, {len(self.values)} values)"

    @classmethod
    def parse(cls, body: bytes, manifest: Manifest) -> Request:
        """Reads `{"subject": …, "values": […], "expire_history"?: true}`. Raises ShapeError, which tells no value."""
        try:
            found = json.loads(body)
        except ValueError:
            raise ShapeError("request: is no JSON") from None
        if not isinstance(found, dict) or not isinstance(found.get("values"), list):
            raise ShapeError("request.values: is no list of texts")
        f = Fields(found, "request")
        subject, listed = f.take("subject", str), f.take("values", list)
        expire = f.take("expire_history", bool) if f.has("expire_history") else False
        f.done()
        known = sorted({d.subject.name for d in manifest.datasets if d.subject})
        if subject not in known:
            allowed = ", ".join(known) or "none: no dataset declares a Subject"
            raise ShapeError(f"request.subject: is {subject!r}; allowed: {allowed}")
        if not 1 <= len(listed) <= MOST_VALUES:
            raise ShapeError(f"request.values: has {len(listed)}; allowed: 1 to {MOST_VALUES} in one request")
        found = [d for d in manifest.datasets if d.subject and d.subject.name == subject]
        for i, value in enumerate(listed):
            if not isinstance(value, str) or value == "":
                raise ShapeError(f"request.values[{i}]: a text is needed that is not empty, also for numbers")
            if all(identifier(value, column_of(d).type) is None for d in found):
                types = ", ".join(sorted({f"{column_of(d).type} in {d.id}" for d in found}))
                raise ShapeError(f"request.values[{i}]: is no value that a column could hold: {types}")
        return cls(subject, tuple(dict.fromkeys(listed)), expire)


def column_of(dataset: Dataset) -> Column:
    """The column that identifies the subject of a row."""
    return next(c for c in dataset.columns if c.name == dataset.subject.column)


def identifier(value: str, kind: str) -> str | None:
    """The one text of a value in a column of that type; None if the column cannot hold it."""
    if kind == "string":
        return value
    if not _WHOLE.fullmatch(value):
        return None
    number, bits = int(value), _LIMITS[kind]
    return str(number) if -(2**bits) <= number < 2**bits else None
