"""Reads tables of the Glue catalog: Iceberg at its current snapshot, and files of JSON, CSV or Parquet."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet
from botocore.exceptions import ClientError
from pyiceberg import types as iceberg
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.sql import TableName
from rehearsal.cloud.athena.types import Kind, Type

OPENX, HIVE_JSON = "org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"
LAZY, OPEN_CSV = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "org.apache.hadoop.hive.serde2.OpenCSVSerde"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


def split(uri: str) -> tuple[str, str]:
    """(bucket, key) of an S3 URI."""
    parts = urlparse(uri)
    return parts.netloc, parts.path.lstrip("/")


class S3Input(InputFile):
    """One object, read whole."""

    def __init__(self, location: str, s3: Any):
        super().__init__(location)
        self._s3 = s3

    def __len__(self) -> int:
        bucket, key = split(self.location)
        return self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"]

    def exists(self) -> bool:
        try:
            return len(self) >= 0
        except ClientError:
            return False

    def open(self, seekable: bool = True) -> InputStream:
        bucket, key = split(self.location)
        return io.BytesIO(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())


class S3Reader(FileIO):
    """Read-only access for pyiceberg through the stand-in's own client."""

    def __init__(self, s3: Any):
        super().__init__({})
        self._s3 = s3

    def new_input(self, location: str) -> InputFile:
        return S3Input(location, self._s3)

    def new_output(self, location: str) -> OutputFile:
        raise NotImplementedError("queries do not write")

    def delete(self, location: str | InputFile | OutputFile) -> None:
        raise NotImplementedError("queries do not delete")


@dataclass
class Table:
    """A table as one query sees it. bytes: the size of all its files; a scan reads whole files."""

    name: TableName
    columns: Mapping[str, Type]
    bytes: int
    read: Callable[[tuple[str, ...]], pa.Table]


@dataclass
class Catalog:
    """Tables by name, each looked up once per query so that a query sees one snapshot."""

    glue: Any
    s3: Any
    _tables: dict[TableName, Table] = field(default_factory=dict)

    def columns(self, name: TableName) -> Mapping[str, Type]:
        return self.table(name).columns

    def table(self, name: TableName) -> Table:
        if name not in self._tables:
            self._tables[name] = self._load(name)
        return self._tables[name]

    def _load(self, name: TableName) -> Table:
        try:
            found = self.glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            reason = f"Table 'awsdatacatalog.{name}' does not exist"
            raise QueryFailed("TABLE_NOT_FOUND", reason) from error
        if found.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
            return self._iceberg(name, found["Parameters"]["metadata_location"])
        return self._files(name, found)

    def _iceberg(self, name: TableName, location: str) -> Table:
        reader = S3Reader(self.s3)
        metadata = FromInputFile.table_metadata(reader.new_input(location))
        table = StaticTable((name.database, name.table), metadata, location, reader, NoopCatalog("static"))
        columns = {column.name.lower(): from_iceberg(column.field_type) for column in table.schema().fields}
        sizes: dict[str, int] = {}
        for task in table.scan().plan_files():
            for file in (task.file, *task.delete_files):
                sizes[file.file_path] = file.file_size_in_bytes

        def read(wanted: tuple[str, ...]) -> pa.Table:
            return table.scan(selected_fields=wanted, case_sensitive=False).to_arrow()

        return Table(name, columns, sum(sizes.values()), read)

    def _files(self, name: TableName, found: dict[str, Any]) -> Table:
        if found.get("PartitionKeys"):
            raise not_handled(f"partitioned tables that are not Iceberg: {name}")
        storage = found["StorageDescriptor"]
        columns = {column["Name"].lower(): types.from_hive(column["Type"]) for column in storage["Columns"]}
        objects = list(self._objects(storage["Location"]))
        serde = storage.get("SerdeInfo", {})
        rows = _READERS.get(serde.get("SerializationLibrary", ""))
        if rows is None:
            raise not_handled(f"the SerDe {serde.get('SerializationLibrary')!r}; handled: {', '.join(_READERS)}")
        settings = {**found.get("Parameters", {}), **serde.get("Parameters", {})}

        def read(wanted: tuple[str, ...]) -> pa.Table:
            kinds = {column: columns[column] for column in wanted}
            values: dict[str, list[Any]] = {column: [] for column in wanted}
            for uri, _ in objects:
                for row in rows(self._body(uri), list(columns), settings, uri):
                    for column, kind in kinds.items():
                        values[column].append(convert(row.get(column), kind, f"column {column} of {uri}"))
            return pa.table({column: pa.array(values[column], arrow(kind)) for column, kind in kinds.items()})

        return Table(name, columns, sum(size for _, size in objects), read)

    def _objects(self, location: str) -> Iterator[tuple[str, int]]:
        bucket, prefix = split(location)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                base = entry["Key"].rsplit("/", 1)[-1]
                # As Hive does, files whose names start with a dot or underscore are left out.
                if base and not base.startswith((".", "_")):
                    yield f"s3://{bucket}/{entry['Key']}", entry["Size"]

    def _body(self, uri: str) -> bytes:
        bucket, key = split(uri)
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return gzip.decompress(body) if key.endswith(".gz") else body


def from_iceberg(kind: Any) -> Type:
    """The Trino type of an Iceberg type."""
    plain = {
        iceberg.BooleanType: types.BOOLEAN,
        iceberg.IntegerType: types.INTEGER,
        iceberg.LongType: types.BIGINT,
        iceberg.FloatType: Type.build("float"),
        iceberg.DoubleType: types.DOUBLE,
        iceberg.StringType: types.VARCHAR,
        iceberg.DateType: types.DATE,
        iceberg.TimestampType: types.TIMESTAMP,
        iceberg.TimestamptzType: types.TIMESTAMPTZ,
    }
    if type(kind) in plain:
        return plain[type(kind)]
    if isinstance(kind, iceberg.DecimalType):
        return types.decimal(kind.precision, kind.scale)
    if isinstance(kind, iceberg.ListType):
        return types.array(from_iceberg(kind.element_type))
    raise not_handled(f"columns of the Iceberg type {kind}")


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


_READERS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    OPENX: _json_rows,
    HIVE_JSON: _json_rows,
    LAZY: _lazy_rows,
    OPEN_CSV: _csv_rows,
    PARQUET: _parquet_rows,
}
