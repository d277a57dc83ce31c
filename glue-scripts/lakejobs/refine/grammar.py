"""What text stands for a value of each type, and what text stands for a value. Nothing is guessed or trimmed.

| type | text |
|---|---|
| string | any |
| boolean | true or false, in any case |
| int, bigint | optional sign, digits; within 32 or 64 bits |
| double | optional sign, digits with an optional point, optional exponent; finite |
| decimal(p,s) | as for double, no exponent; fits, with no digit but zeros beyond s places |
| date | yyyy-MM-dd, a day of the calendar, year 0001 to 9999 |
| timestamp | date, space or T, HH:mm:ss, up to six decimals, Z or ±HH:mm or (for UTC) nothing |
"""

from __future__ import annotations

import re
from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F

_DATE = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
_GRAMMAR = {
    "boolean": r"(?i:true|false)",
    "int": r"[+-]?[0-9]+",
    "bigint": r"[+-]?[0-9]+",
    "double": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
    "date": _DATE,
    "timestamp": _DATE + r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?",
}
_DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")


def decimal_shape(kind: str) -> tuple[int, int] | None:
    """Precision and scale of a decimal type; None for another type."""
    match = _DECIMAL.fullmatch(kind)
    return (int(match[1]), int(match[2])) if match else None


def parse(text: str, kind: str) -> Column:
    """The value of a text column (by name) under a type; NULL for NULL and for text outside the grammar."""
    column = F.col(text)
    if kind == "string":
        return column
    shape = decimal_shape(kind)
    if shape:
        places = rf"(?:\.[0-9]{{0,{shape[1]}}}0*)?"
        pattern = rf"[+-]?(?:[0-9]+{places}|(?=\.[0-9]){places})"
    else:
        pattern = _GRAMMAR[kind]
    value = F.when(column.rlike(rf"\A{pattern}\z"), F.expr(f"try_cast(`{text}` AS {kind})"))
    if kind == "double":
        # Adding zero turns -0.0 into 0.0, so that equal values are equal everywhere.
        return F.when(F.abs(value) <= F.lit(1.7976931348623157e308), value + F.lit(0.0))
    return value


def text_of(column: Column, kind: str) -> Column:
    """The one text of a value: plain digits, dates as yyyy-MM-dd, timestamps in UTC without trailing zeros."""
    shape = decimal_shape(kind)
    # Up to six places a cast is plain; beyond, it writes small numbers with an exponent.
    if shape and shape[1] > 6:
        precision, scale = shape
        whole = "9" * max(precision - scale - 1, 0) + "0"
        plain = F.trim(F.to_char(column, F.lit(f"MI{whole}." + "0" * scale)))
        return F.regexp_replace(plain, r"^(-?)\.", r"$10.")
    return column.cast("string")


def literal(text: str, kind: str) -> Column:
    """A rule's bound, exact: a number for numbers, a date or timestamp for those, text otherwise."""
    if kind in ("date", "timestamp"):
        return F.lit(text).cast(kind)
    if kind == "double":
        return F.lit(float(text))
    if kind in ("int", "bigint") or decimal_shape(kind):
        return F.lit(Decimal(text))
    return F.lit(text)
