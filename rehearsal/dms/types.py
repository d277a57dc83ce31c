"""What becomes of PostgreSQL's types in the Parquet files of DMS. The table for people is docs/replication-types.md.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html (source types) and
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html (Parquet types).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa

from rehearsal.dms.unverified import Unverified

LARGEST, SMALLEST = "9999-12-31 23:59:59", "4713-01-01 00:00:00 BC"
"""What DMS makes of infinite times."""

DAY_SECONDS = 86_400
NO_MODIFIER = -1


class DataError(ValueError):
    """A value that cannot be brought into the target's type."""


@dataclass(frozen=True)
class SourceType:
    """A type of the source. kind: `b` base, `c` composite, `e` enum, `r` range, `m` multirange. modifier: as in
    pg_attribute, of the base type where a domain is declared."""

    name: str
    kind: str = "b"
    array: bool = False
    modifier: int = NO_MODIFIER


@dataclass(frozen=True)
class Options:
    """lob_limit: bytes, of LobMaxSize. trim: blanks at the end of char(n) are cut (TrimSpaceInChar)."""

    unverified: Unverified = Unverified()
    lob_limit: int = 32 * 1024
    trim: bool = True
    milliseconds: bool = False


@dataclass(frozen=True)
class TargetType:
    """A type of the target. dms: the type DMS uses in between. parse: a text of PostgreSQL → a value for `arrow`.
    plain: Arrow's own reading of the text gives the same, where it succeeds. cut: shortens what is too long."""

    dms: str
    arrow: pa.DataType
    parse: Callable[[str], Any]
    plain: bool = False
    lob: bool = False
    cut: Callable[[Any], Any] | None = None


def target_type(source: SourceType, options: Options) -> TargetType:
    """Raises DataError for a type that neither DMS's user guide nor this model has."""
    name = source.name
    if source.array or source.kind == "c" or name in ("text", "json", "jsonb", "hstore", "citext"):
        return _clob("NCLOB", options)
    if source.kind == "e":
        return _string(64)
    if source.kind in ("r", "m"):
        return _string(255)
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name in _STRINGS:
        return _string(_STRINGS[name])
    if name in _CLOBS:
        return _clob("CLOB", options)
    match name:
        case "numeric":
            return _numeric(source.modifier, options.unverified)
        case "varchar":
            return _clob("NCLOB", options) if source.modifier < 0 else _string(source.modifier - 4, "WSTRING")
        case "bpchar":
            return _char(source.modifier, options.trim)
        case "bit" | "varbit":
            return _string(source.modifier if source.modifier > 0 else None)
        case "bytea":
            limit = options.lob_limit
            return TargetType("BLOB", pa.binary(), _bytes, lob=True, cut=lambda value: value[:limit])
        case "timestamp" | "timestamptz":
            unit = "ms" if options.milliseconds else "us"
            zone = "UTC" if options.unverified.timestamp_annotation == "utc" else None
            return TargetType("DATETIME", pa.timestamp(unit, zone), lambda text: _moment(text, unit), plain=True)
    raise DataError(f"columns of type {name} are not modelled")


def column(target: TargetType, texts: Sequence[str | None]) -> tuple[pa.Array, dict[int, str], int]:
    """The values of a column: the array, what is wrong with which row (such a row is NULL in the array), and how
    many values were cut."""
    if target.plain:
        try:
            return _plain(target.arrow, texts), {}, 0
        except pa.ArrowInvalid:
            pass  # a value that Arrow reads in another way, or not at all
    values: list[Any] = []
    wrong: dict[int, str] = {}
    cut = 0
    for index, text in enumerate(texts):
        value = None
        if text is not None:
            try:
                value = target.parse(text)
            except DataError as error:
                wrong[index] = str(error)
        if target.cut is not None and value is not None:
            shorter = target.cut(value)
            cut += shorter != value
            value = shorter
        values.append(value)
    return pa.array(values, target.arrow), wrong, cut


def _plain(arrow: pa.DataType, texts: Sequence[str | None]) -> pa.Array:
    array = pa.array(texts, pa.string())
    if pa.types.is_timestamp(arrow) and arrow.tz:  # Arrow wants a zone in each text then
        return array.cast(pa.timestamp(arrow.unit)).cast(pa.int64()).cast(arrow)
    return array.cast(arrow)


def _string(length: int | None = None, dms: str = "STRING") -> TargetType:
    cut = None if length is None else lambda text: text[:length]
    return TargetType(f"{dms}({length})" if length else dms, pa.string(), str, plain=length is None, cut=cut)


def _clob(dms: str, options: Options) -> TargetType:
    """The user guide counts a character of an NCLOB as two bytes, of a CLOB as one."""
    limit = options.lob_limit // 2 if dms == "NCLOB" else options.lob_limit
    return TargetType(dms, pa.string(), str, lob=True, cut=lambda text: _first(text, limit))


def _first(text: str, units: int) -> str:
    """The beginning of a text, of at most so many UTF-16 units: characters beyond the first 65,536 count twice."""
    if len(text) * 2 <= units or text.isascii():
        return text[:units]
    return text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")


def _char(modifier: int, trim: bool) -> TargetType:
    length = modifier - 4 if modifier > 0 else None
    name = f"WSTRING({length})" if length else "WSTRING"
    return TargetType(name, pa.string(), (lambda text: text.rstrip(" ")) if trim else str)


def _numeric(modifier: int, unverified: Unverified) -> TargetType:
    if modifier < 0:
        return _decimal(28, 6, unverified.decimal_overflow == "error")
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, ((modifier - 4) & 0x7FF ^ 1024) - 1024
    width = max(precision, scale, precision - scale)
    if width > 38:
        return _string()
    return _decimal(width, max(scale, 0), False)


def _decimal(precision: int, scale: int, strict: bool) -> TargetType:
    most = Decimal(10) ** (precision - scale)

    def parse(text: str) -> Decimal | None:
        value = Decimal(text)
        if value.is_finite():
            value = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) if abs(value) < most else Decimal("NaN")
        if value.is_finite() and abs(value) < most:
            return value
        if strict:
            raise DataError(f"{text} does not fit DECIMAL({precision},{scale})")
        return None

    return TargetType(f"NUMERIC({precision},{scale})", pa.decimal128(precision, scale), parse, plain=True)


def _bool(text: str) -> str:
    return {"t": "true", "f": "false"}[text]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


def _money(text: str) -> Decimal:
    digits = re.sub(r"[^0-9.]", "", text)
    return Decimal("-" + digits if "-" in text or "(" in text else digits)


def _date(text: str) -> int:
    return _parts(text)[0]


def _moment(text: str, unit: str) -> int:
    days, microseconds = _parts(text)
    value = days * DAY_SECONDS * 1_000_000 + microseconds
    return value // 1000 if unit == "ms" else value


def _time(text: str) -> int:
    milliseconds = _microseconds(text) // 1000
    if milliseconds >= DAY_SECONDS * 1000:
        raise DataError(f"the time {text} is beyond 23:59:59.999")
    return milliseconds


_TEXT = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?)([+-][\d:]+)?)?( BC)?")
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:[+-][\d:]+)?")


def _parts(text: str) -> tuple[int, int]:
    """Days since 1970-01-01 and microseconds of the day, of a date or timestamp of any year; a zone is dropped."""
    text = {"infinity": LARGEST, "-infinity": SMALLEST}.get(text, text)
    found = _TEXT.fullmatch(text)
    if not found:
        raise DataError(f"{text!r} is no date or timestamp")
    year = int(found[1])
    days = _days(1 - year if found[6] else year, int(found[2]), int(found[3]))
    return days, _microseconds(found[4]) if found[4] else 0


def _microseconds(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise DataError(f"{text!r} is no time")
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    return seconds * 1_000_000 + int((found[4] or "0").ljust(6, "0"))


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


_SIMPLE: dict[str, TargetType] = {
    "int2": TargetType("INT2", pa.int16(), int, plain=True),
    "int4": TargetType("INT4", pa.int32(), int, plain=True),
    "int8": TargetType("INT8", pa.int64(), int, plain=True),
    "float4": TargetType("REAL4", pa.float32(), float, plain=True),
    "float8": TargetType("REAL8", pa.float64(), float, plain=True),
    "bool": TargetType("CHAR(5)", pa.string(), _bool),
    "date": TargetType("DATE", pa.date32(), _date, plain=True),
    "time": TargetType("TIME", pa.time32("ms"), _time),
    "timetz": TargetType("TIME", pa.time32("ms"), _time),
    "money": TargetType("NUMERIC(38,4)", pa.decimal128(38, 4), _money),
    "uuid": _string(),
}
_STRINGS = {
    "interval": 128,
    "inet": 50,
    "cidr": 50,
    "macaddr": 18,
    "point": 255,
    "line": 255,
    "lseg": 255,
    "box": 255,
    "circle": 255,
    "char": 1,
}
_CLOBS = ("xml", "tsvector", "tsquery", "path", "polygon")
