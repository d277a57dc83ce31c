"""What a source writes and how it lands: text values by column, as the contract judges them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

# A column as the manifest declares it.
Declared = Mapping[str, Any]
Key = tuple[Any, ...]

INVALID = object()


@dataclass(frozen=True)
class Record:
    """One change as it stands in a file: texts by column, keys among them; `before` has the old key's columns.

    `at` is the time of its transaction, which no file of ours has; strategies that go by time are told it.
    """

    op: str | None
    sequence: str | None
    values: Mapping[str, str | None]
    before: Mapping[str, str | None]
    at: int = 0

    def line(self, columns: Sequence[Declared], keys: Sequence[str]) -> bytes:
        """The raw line by docs/contracts.md."""
        shown = {"Op": self.op, "AR_H_CHANGE_SEQ": self.sequence} | {f"BI_{k}": self.before.get(k) for k in keys}
        shown |= {c["name"]: self.values.get(c["name"]) for c in columns}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Landed:
    """A record in an object: the object's key, its generation, and whether it is part of that generation's load."""

    place: str
    generation: int
    loaded: bool
    record: Record


def parse(text: str | None, kind: str) -> Any:
    """The value of a text, None for None, INVALID for text that the type does not take."""
    if text is None or kind == "string":
        return text
    if kind.startswith("decimal"):
        return _decimal(text, *(int(n) for n in re.findall(r"\d+", kind)))
    return _PARSERS[kind](text)


def _whole(bits: int) -> Any:
    def value(text: str) -> Any:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            return INVALID
        return int(text) if -(1 << bits - 1) <= int(text) < 1 << bits - 1 else INVALID

    return value


def _decimal(text: str, digits: int, scale: int) -> Any:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return INVALID
    value = Decimal(text)
    return value if value == round(value, scale) and abs(value) < 10 ** (digits - scale) else INVALID


def _double(text: str) -> Any:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return INVALID
    return float(text) if math.isfinite(float(text)) else INVALID


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), INVALID)


def _date(text: str) -> Any:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else INVALID
    except ValueError:
        return INVALID


def _timestamp(text: str) -> Any:
    form = r"(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d))?"
    found = re.fullmatch(form, text)
    if not found or _date(found[1]) is INVALID:
        return INVALID
    hour, minute, second = (int(found[i]) for i in (2, 3, 4))
    if hour > 23 or minute > 59 or second > 59:
        return INVALID
    offset = timedelta(hours=int(found[7]), minutes=int(found[8])) if found[6] else timedelta()
    day = datetime.combine(_date(found[1]), datetime.min.time(), UTC)
    moment = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=int((found[5] or "0").ljust(6, "0")))
    return day + moment - (offset if found[6] == "+" else -offset)


_PARSERS = {
    "int": _whole(32),
    "bigint": _whole(64),
    "double": _double,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}
