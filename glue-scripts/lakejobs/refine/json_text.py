"""JSON Lines: the members of a line's object as text, exactly as they are written.

Spark's own reader takes numbers with a point for doubles and the last of two members with one name, so lines are read
with Python's parser instead. Shipped by value to executors, so this module imports nothing of the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

# Deeper values are refused: what reads them afterwards recurses too.
_DEPTH_LIMIT = 100
# No type holds a number with more digits than this; written out plainly, 1e999999999 would not fit in memory.
_EXPONENT_LIMIT = 400


class Number(str):
    """A number as it is written."""


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member is named twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _Decoder(json.JSONDecoder):
    """The one decoder; pickled as what it is, since its scanner cannot be."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=_no_constant)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Decoder, ()


_DECODER = _Decoder()


def read_object(line: bytes | bytearray) -> dict[str, Any] | None:
    """The object a line holds; None if it is no object, not UTF-8, or names a member twice at any depth."""
    try:
        value = _DECODER.decode(line.decode())
        if b"\\u" in line:
            # An escape may stand for half a character, which no text can hold.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def texts(
    columns: Iterable[tuple[str, str]], route_by: str | None = None, strict: bool = False
) -> Callable[[bytes | bytearray], list[str | None] | None]:
    """Reads a line into the text of each column (name, declared type); None for a malformed line.

    With `route_by` the string in that member follows, None if it holds anything else. With `strict` a text follows if
    the line has members that are neither columns nor the route, else None.
    """
    wanted = tuple(columns)
    known = {name for name, _ in wanted} | {route_by}

    def read(line: bytes | bytearray) -> list[str | None] | None:
        members = read_object(line)
        if members is None:
            return None
        try:
            found = [text(members.get(name), kind) for name, kind in wanted]
        except ValueError:
            return None
        if route_by is not None:
            route = members.get(route_by)
            found.append(route if type(route) is str else None)
        if strict:
            found.append(None if known.issuperset(members) else "undeclared")
        return found

    return read


def text(value: Any, kind: str) -> str | None:
    """What a value is in a CSV field of that column, NULL as None. Raises ValueError if it is nested too deeply."""
    if value is None:
        return None
    if isinstance(value, Number):
        return _plain(value) if kind in ("int", "bigint") or kind.startswith("decimal") else str(value)
    return value if isinstance(value, str) else compact(value)


def _plain(number: Number) -> str:
    """A number without exponent, and without a point if only zeros follow it."""
    plain = str(number)
    if "e" in plain or "E" in plain:
        value = Decimal(plain)
        if value and abs(value.adjusted()) > _EXPONENT_LIMIT:
            return plain
        plain = format(value, "f") if value else "0"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def compact(value: Any, depth: int = 1) -> str:
    """A value as JSON text without spaces: members in their order, numbers as written, text in UTF-8."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict | list):
        if depth > _DEPTH_LIMIT:
            raise ValueError("is nested too deeply")
        if isinstance(value, list):
            return "[" + ",".join([compact(v, depth + 1) for v in value]) + "]"
        return "{" + ",".join([f"{_quoted(k)}:{compact(v, depth + 1)}" for k, v in value.items()]) + "}"
    return _quoted(value)


def _quoted(value: str | bool | None) -> str:
    return json.dumps(value, ensure_ascii=False)
