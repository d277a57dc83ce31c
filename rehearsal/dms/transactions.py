"""Transaction files: the changes of all tables in the order of their commits, as CSV without names.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html#CHAP_Target.S3.EndpointSettings.CdcPath
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from rehearsal.dms.types import SMALLEST


def lines(table: pa.Table, names: Sequence[str], place: tuple[str, str], null: str) -> Iterator[str]:
    """The rows of a table, whose first column is the operation. place: schema and table."""
    schema, name = place
    columns = [table.column(column) for column in names]
    for row in range(table.num_rows):
        values = [text(column[row]) for column in columns]
        fields = [table.column(0)[row].as_py(), name, schema, *(null if v is None else v for v in values)]
        yield ",".join(quoted(field) for field in fields) + "\n"


def quoted(field: str) -> str:
    """A field by RFC 4180: in quotes if it holds one, a comma or a line's end."""
    if any(character in field for character in '",\n\r'):
        return '"' + field.replace('"', '""') + '"'
    return field


def text(scalar: pa.Scalar) -> str | None:
    """A value as text. The user guide says nothing of it."""
    try:
        value: Any = scalar.as_py()
    except (OverflowError, ValueError):  # before the year 1: what DMS makes of -infinity
        return SMALLEST
    match value:
        case None | str():
            return value
        case bytes():
            return value.hex()
        case float():
            return _number(value, pa.types.is_float32(scalar.type))
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("milliseconds")
        case Decimal():
            return f"{value:f}"
    return str(value)


def _number(value: float, single: bool) -> str:
    if math.isfinite(value):
        return f"{value:.9g}" if single else repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
