"""Protections of columns as the manifest states them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from lakejobs.shapes import Fields, ShapeError

NONE, HASH, DROP, NULL = PLAIN = ("none", "hash", "drop", "null")
_UNITS = ("day", "month", "quarter", "year")


@dataclass(frozen=True)
class NamedHash:
    """Hashes under the key of this name; the lake's own is `HASH`."""

    kind: ClassVar[str] = "hash"
    key: str


@dataclass(frozen=True)
class Mask:
    """Replaces every character of a text by `rest` but the `first` and `last` ones."""

    kind: ClassVar[str] = "mask"
    first: int
    last: int
    rest: str


@dataclass(frozen=True)
class Bucket:
    """Rounds a number down to a multiple of `width`, a decimal number above zero."""

    kind: ClassVar[str] = "bucket"
    width: str


@dataclass(frozen=True)
class Truncate:
    """Cuts a date or timestamp to the start of its `unit`: day, month, quarter or year."""

    kind: ClassVar[str] = "truncate"
    unit: str


@dataclass(frozen=True)
class Prefix:
    """Keeps the first `length` characters of a text."""

    kind: ClassVar[str] = "prefix"
    length: int


Protection = str | NamedHash | Mask | Bucket | Truncate | Prefix
"""One of `PLAIN`, or one with parameters."""


def protection(value: Any, path: str) -> Protection:
    """Reads a protection: a name, or an object if it has parameters."""
    if isinstance(value, str):
        if value not in PLAIN:
            raise ShapeError(f"{path}: is {value!r}; allowed: {', '.join(PLAIN)}, or an object")
        return value
    f = Fields(value, path)
    kind = f.choice("kind", (NamedHash.kind, Mask.kind, Bucket.kind, Truncate.kind, Prefix.kind))
    found: Protection
    if kind == NamedHash.kind:
        found = NamedHash(f.take("key", str))
    elif kind == Mask.kind:
        found = Mask(f.take("first", int), f.take("last", int), f.take("rest", str))
    elif kind == Bucket.kind:
        found = Bucket(f.take("width", str))
    elif kind == Truncate.kind:
        found = Truncate(f.choice("unit", _UNITS))
    else:
        found = Prefix(f.take("length", int))
    f.done()
    return found


def hash_key(value: Protection) -> str | None:
    """The name of the key that a column is hashed under, empty for the lake's own; None if it is not hashed."""
    if isinstance(value, NamedHash):
        return value.key
    return "" if value == HASH else None


def text_of(value: Protection) -> str:
    """The protection as one text: its name, or the JSON object of one with parameters."""
    return value if isinstance(value, str) else json.dumps(stated(value), separators=(",", ":"), ensure_ascii=False)


def stated(value: Protection) -> Any:
    """The protection as the manifest states it."""
    return value if isinstance(value, str) else {"kind": value.kind, **vars(value)}
