"""Protections that keep a part of a value, as expressions of Spark. NULL stays NULL."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakejobs.protections import Bucket, Mask, Prefix, Truncate
from lakejobs.refine.grammar import decimal_shape

_LOWEST = {"int": -(1 << 31), "bigint": -(1 << 63)}


def blurred(value: Column, kind: str, by: Mask | Bucket | Truncate | Prefix) -> Column:
    """The value, of this type, as the protection leaves it; of the same type."""
    if isinstance(by, Mask):
        return _masked(value, by)
    if isinstance(by, Prefix):
        return F.substring(value, 1, by.length)
    if isinstance(by, Truncate):
        return F.date_trunc(by.unit, value).cast(kind)
    return _bucket(value, kind, by.width)


def _masked(value: Column, by: Mask) -> Column:
    """Spark's own `mask` works on halves of characters beyond U+FFFF (SPARK-48973); these count code points."""
    length, kept = F.length(value), by.first + by.last
    whole = F.call_function("repeat", F.lit(by.rest), length)
    if not kept:
        return whole
    hidden = F.call_function("repeat", F.lit(by.rest), length - kept)
    start = F.substring(value, 1, by.first) if by.first else F.lit("")
    end = F.substring(value, -by.last, by.last) if by.last else F.lit("")
    return F.when(length <= kept, whole).otherwise(F.concat(start, hidden, end))


def _bucket(value: Column, kind: str, width: str) -> Column:
    """The largest multiple of the width that is not above the value; the type's lowest value where that is higher."""
    if kind == "double":
        # Remainders of doubles are exact, and so is what they leave of a value below 2^53; a sum with the width is not.
        rest = value % F.lit(float(width))
        return F.when(rest < 0, (value - rest) - F.lit(float(width))).otherwise(value - rest)
    shape = decimal_shape(kind)
    if shape is None:
        above = F.pmod(value, F.lit(int(width)).cast(kind))
        lowest = F.lit(_LOWEST[kind]).cast(kind)
        # What lies below the lowest value would wrap around.
        return F.when(value < lowest + above, lowest).otherwise(value - above)
    precision, scale = shape
    above = F.pmod(value, F.lit(Decimal(width)).cast(kind))
    # Made of text, since arithmetic on a Decimal rounds to 28 digits.
    lowest = F.lit(Decimal(f"-{'9' * (precision - scale)}.{'9' * scale}")).cast(kind)
    return F.when(value - above < lowest, lowest).otherwise(value - above).cast(kind)
