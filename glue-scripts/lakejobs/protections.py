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
class Tokenise:
    """Stores tokens that the vault of this name can turn back."""

    kind: ClassVar[str] = "tokenise"
    vault: str


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


Protection = str | NamedHash | Tokenise | Mask | Bucket | Truncate | Prefix
"""One of `PLAIN`, or one with parameters."""


def protection(value: Any, path: str) -> Protection:
    """Reads a protection: a name, or an object if it has parameters."""
    if isinstance(value, str):
        if value not in PLAIN:
            raise ShapeError(f"{path}: is {value!r}; allowed: {', '.join(PLAIN)}, or an object")
        return value
    f = Fields(value, path)
    kind = f.choice("kind", (NamedHash.kind, Tokenise.kind, Mask.kind, Bucket.kind, Truncate.kind, Prefix.kind))
    found: Protection
    if kind == NamedHash.kind:
        found = NamedHash(f.take("key", str))
    elif kind == Tokenise.kind:
        found = Tokenise(f.take("vault", str))
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


# No key of hashes has a name that begins so.
_VAULT = "_vault_"


def key_of(value: Protection) -> str | None:
    """The id of the key under which a column is hashed or tokenised: empty for the lake's own, the name of a named one,
    `vault_key` of a vault's; None if the column needs no key."""
    if isinstance(value, NamedHash):
        return value.key
    if isinstance(value, Tokenise):
        return vault_key(value.vault)
    return "" if value == HASH else None


def vault_key(vault: str) -> str:
    """The id of the key under which tokens of a vault are made."""
    return _VAULT + vault


def told_key(key: str) -> str:
    """The key of this id in words."""
    if key.startswith(_VAULT):
        return f"the key of the vault {key.removeprefix(_VAULT)!r}"
    return f"the key {key!r}" if key else "the own key of the lake"


def text_of(value: Protection) -> str:
    """The protection as one text: its name, or the JSON object of one with parameters."""
    return value if isinstance(value, str) else json.dumps(stated(value), separators=(",", ":"), ensure_ascii=False)


def stated(value: Protection) -> Any:
    """The protection as the manifest states it."""
    return value if isinstance(value, str) else {"kind": value.kind, **vars(value)}
