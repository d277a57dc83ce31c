"""Reads the files of tables that are not Iceberg, as their SerDes do."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed
from rehearsal.cloud.athena.types import Kind, Type

OPENX, HIVE_JSON = "org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"
LAZY, OPEN_CSV = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "org.apache.hadoop.hive.serde2.OpenCSVSerde"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


def arrow(kind: Type) -> pa.DataType:
    if types.is_decimal(kind):
        return pa.decimal128(*types.parameters(kind))
    if kind.this == Kind.ARRAY:
        return pa.list_(arrow(types.item(kind)))
    return {
        Kind.BOOLEAN: pa.bool_(),
        Kind.TINYINT: pa.int8(),
        Kind.SMALLINT: pa.int16(),
        Kind.INT: pa.int32(),
        Kind.BIGINT: pa.int64(),
        Kind.FLOAT: pa.float32(),
        Kind.DOUBLE: pa.float64(),
        Kind.DATE: pa.date32(),
        Kind.TIMESTAMP: pa.timestamp("us"),
        Kind.VARCHAR: pa.string(),
    }[kind.this]


def convert(value: Any, kind: Type, where: str) -> Any:
    """A value of a file as its column's type. Raises QueryFailed as a SerDe does on a value that does not fit."""
    if value is None or (value == "" and not types.is_text(kind)):
        return None
    try:
        return _convert(value, kind, where)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise QueryFailed("HIVE_BAD_DATA", f"{value!r} is no {types.text(kind)} in {where}") from error


def _convert(value: Any, kind: Type, where: str) -> Any:
    if types.is_text(kind):
        if isinstance(value, str):
            return value
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain_number)
    if types.is_integer(kind):
        return int(value if isinstance(value, str) else Decimal(value))
    if types.is_decimal(kind):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-types.parameters(kind)[1]))
    if kind.this in types.FLOATS:
        return float(value)
    if kind.this == Kind.BOOLEAN:
        if str(value).lower() not in ("true", "false"):
            raise ValueError(value)
        return str(value).lower() == "true"
    if kind.this == Kind.DATE:
        return datetime.date.fromisoformat(value)
    if kind.this == Kind.TIMESTAMP:
        return datetime.datetime.fromisoformat(value).replace(tzinfo=None)
    if kind.this == Kind.ARRAY and isinstance(value, list):
        return [convert(entry, types.item(kind), where) for entry in value]
    raise TypeError(value)


def _plain_number(value: Any) -> Any:
    return int(value) if value == int(value) else float(value)


def _json_rows(body: bytes, columns: list[str], settings: Mapping[str, str], uri: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(body.decode().split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            if settings.get("ignore.malformed.json", "false").lower() == "true":
                yield {}
                continue
            reason = f"Row is not a valid JSON Object: line {number} of {uri}"
            raise QueryFailed("HIVE_CURSOR_ERROR", reason) from error
        if not isinstance(row, dict):
            raise QueryFailed("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object: line {number} of {uri}")
        yield {key.lower(): value for key, value in row.items()}


def _csv_rows(body: bytes, columns: list[str], settings: Mapping[str, str], uri: str) -> Iterator[dict[str, Any]]:
    quote = settings.get("quoteChar", '"')
    delimiter = settings.get("separatorChar", ",")
    rows = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter, quotechar=quote)
    yield from _positional(rows, columns, settings)


def _lazy_rows(body: bytes, columns: list[str], settings: Mapping[str, str], uri: str) -> Iterator[dict[str, Any]]:
    """No quoting; `\\N` is NULL."""
    delimiter = settings.get("field.delim", settings.get("serialization.format", "\x01"))
    null = settings.get("serialization.null.format", "\\N")
    lines = body.decode().split("\n")
    rows = ([None if part == null else part for part in line.split(delimiter)] for line in lines if line)
    yield from _positional(rows, columns, settings)


def _positional(rows: Any, columns: list[str], settings: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    skip = int(settings.get("skip.header.line.count", 0))
    for index, row in enumerate(rows):
        if index >= skip and row:
            yield dict(zip(columns, row, strict=False))


def _parquet_rows(body: bytes, columns: list[str], settings: Mapping[str, str], uri: str) -> Iterator[dict[str, Any]]:
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    for row in table.to_pylist():
        yield {key.lower(): _iso(value) for key, value in row.items()}


def _iso(value: Any) -> Any:
    return (
        value.isoformat(" ")
        if isinstance(value, datetime.datetime)
        else (value.isoformat() if isinstance(value, datetime.date) else value)
    )


READERS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    OPENX: _json_rows,
    HIVE_JSON: _json_rows,
    LAZY: _lazy_rows,
    OPEN_CSV: _csv_rows,
    PARQUET: _parquet_rows,
}
