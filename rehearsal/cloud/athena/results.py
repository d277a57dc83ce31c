"""Query results as Athena gives them: text values, the header row, column metadata and the CSV file."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed
from rehearsal.cloud.athena.types import Kind, Type

Row = list[str | None]


def rows(table: pa.Table, columns: tuple[tuple[str, Type], ...]) -> list[Row]:
    """Every value as Athena's text, NULL as None."""
    texts = []
    for index, (name, kind) in enumerate(columns):
        column = table.column(index)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        texts.append([None if value is None else render(value, kind, name) for value in column.to_pylist()])
    return [list(row) for row in zip(*texts, strict=True)] if texts else []


def render(value: Any, kind: Type, column: str) -> str:
    """One value as text. A value that is not of its type means that engines disagree: the query fails."""
    try:
        return _render(value, kind, column)
    except (TypeError, ValueError, ArithmeticError) as error:
        got = f"{type(value).__name__} {value!r}"
        raise QueryFailed("GENERIC_INTERNAL_ERROR", f"column {column}: {got} is no {types.text(kind)}") from error


def _render(value: Any, kind: Type, column: str) -> str:
    if types.is_decimal(kind):
        return _decimal(value, *types.parameters(kind))
    if types.is_integer(kind):
        if isinstance(value, bool) or int(value) != value:
            raise ValueError(value)
        return str(int(value))
    if kind.this in types.FLOATS:
        return java_double(_exactly(value, float))
    if kind.this == Kind.BOOLEAN:
        return "true" if _exactly(value, bool) else "false"
    if kind.this == Kind.DATE:
        if isinstance(value, datetime.datetime):
            raise TypeError(value)
        return _exactly(value, datetime.date).isoformat()
    if kind.this in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return _timestamp(_exactly(value, int)) + (" UTC" if kind.this == Kind.TIMESTAMPTZ else "")
    if kind.this == Kind.ARRAY:
        inner = ["null" if entry is None else render(entry, types.item(kind), column) for entry in value]
        return f"[{', '.join(inner)}]"
    return _exactly(value, str)


def _exactly(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(value)
    return value


def _decimal(value: Any, precision: int, scale: int) -> str:
    number = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else _exactly(value, Decimal)
    text = f"{number:.{scale}f}"
    if Decimal(text) != number or len(text.lstrip("-").replace(".", "").lstrip("0")) > precision:
        raise ValueError(value)
    return text


def _timestamp(microseconds: int) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond:06d}"


def java_double(value: float) -> str:
    """A double as Java prints it: plain from 10⁻³ to 10⁷, else in scientific notation."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"


def column_info(columns: tuple[tuple[str, Type], ...]) -> list[dict[str, Any]]:
    """ResultSetMetadata."""
    return [
        {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": name,
            "Label": name,
            "Type": types.name(kind),
            "Precision": _precision(kind),
            "Scale": types.parameters(kind)[1] if types.is_decimal(kind) else 0,
            "Nullable": "UNKNOWN",
            "CaseSensitive": types.is_text(kind),
        }
        for name, kind in columns
    ]


def _precision(kind: Type) -> int:
    if types.is_exact(kind):
        return types.parameters(kind)[0]
    return {Kind.DOUBLE: 17, Kind.FLOAT: 17, Kind.VARCHAR: 2147483647, Kind.TIMESTAMP: 3}.get(kind.this, 0)


def api_rows(columns: tuple[tuple[str, Type], ...], values: list[Row]) -> list[dict[str, Any]]:
    """Rows of GetQueryResults: the header first; NULL has no VarCharValue."""
    header: list[Row] = [[name for name, _ in columns]]
    return [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in header + values]


def csv_file(columns: tuple[tuple[str, Type], ...], values: list[Row]) -> bytes:
    """Every value in quotes, NULL as nothing at all."""
    lines = [[name for name, _ in columns], *values]
    return "".join(",".join("" if v is None else _quoted(v) for v in line) + "\n" for line in lines).encode()


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
