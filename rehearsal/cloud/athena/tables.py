"""Reads tables of the Glue catalog: Iceberg, Delta and Hudi at their current version, files of JSON, CSV or Parquet."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
from botocore.exceptions import ClientError
from pyiceberg import types as iceberg
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable

from rehearsal.cloud.athena import delta, files, hudi, types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.sql import TableName, View
from rehearsal.cloud.athena.types import Type

# How Athena keeps a view's definition in its Glue table.
VIEW_TEXT = re.compile(r"/\* Presto View: (\S+) \*/")


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
    _entries: dict[TableName, dict[str, Any]] = field(default_factory=dict)

    def columns(self, name: TableName) -> Mapping[str, Type]:
        return self.table(name).columns

    def table(self, name: TableName) -> Table:
        if name not in self._tables:
            self._tables[name] = self._load(name)
        return self._tables[name]

    def view(self, name: TableName) -> View | None:
        """The view of that name, None for a table."""
        found = self._entry(name)
        if found.get("TableType") != "VIRTUAL_VIEW":
            return None
        text = VIEW_TEXT.fullmatch(found.get("ViewOriginalText", ""))
        if text is None or found.get("Parameters", {}).get("presto_view") != "true":
            raise not_handled(f"views that are not made as Athena makes them: {name}")
        definition = json.loads(base64.b64decode(text[1]))
        return View(definition["originalSql"], definition["schema"])

    def _entry(self, name: TableName) -> dict[str, Any]:
        """The table or view as the Glue catalog has it."""
        if name in self._entries:
            return self._entries[name]
        try:
            found = self.glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            reason = f"Table 'awsdatacatalog.{name}' does not exist"
            raise QueryFailed("TABLE_NOT_FOUND", reason) from error
        self._entries[name] = found
        return found

    def _load(self, name: TableName) -> Table:
        found = self._entry(name)
        if found.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
            return self._iceberg(name, found["Parameters"]["metadata_location"])
        if delta.is_delta(found):
            return self._delta(name, delta.folder(found, self.s3))
        if hudi.is_hudi(found):
            return self._hudi(name, hudi.folder(found, self.s3))
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

    def _delta(self, name: TableName, folder: delta.Folder) -> Table:
        snapshot = folder.snapshot()
        columns = {column.lower(): delta.trino(kind) for column, kind in snapshot.columns.items()}
        return Table(name, columns, sum(snapshot.files.values()), lambda wanted: folder.read(snapshot, wanted))

    def _hudi(self, name: TableName, folder: hudi.Folder) -> Table:
        snapshot = folder.snapshot()
        columns = {column.lower(): hudi.trino(kind) for column, kind in folder.columns.items()}
        return Table(name, columns, sum(snapshot.files.values()), lambda wanted: folder.read(snapshot, wanted))

    def _files(self, name: TableName, found: dict[str, Any]) -> Table:
        if found.get("PartitionKeys"):
            raise not_handled(f"partitioned tables that are not Iceberg: {name}")
        storage = found["StorageDescriptor"]
        columns = {column["Name"].lower(): types.from_hive(column["Type"]) for column in storage["Columns"]}
        objects = list(self._objects(storage["Location"]))
        serde = storage.get("SerdeInfo", {})
        rows = files.READERS.get(serde.get("SerializationLibrary", ""))
        if rows is None:
            raise not_handled(f"the SerDe {serde.get('SerializationLibrary')!r}; handled: {', '.join(files.READERS)}")
        settings = {**found.get("Parameters", {}), **serde.get("Parameters", {})}

        def read(wanted: tuple[str, ...]) -> pa.Table:
            kinds = {column: columns[column] for column in wanted}
            values: dict[str, list[Any]] = {column: [] for column in wanted}
            for uri, _ in objects:
                for row in rows(self._body(uri), list(columns), settings, uri):
                    for column, kind in kinds.items():
                        values[column].append(files.convert(row.get(column), kind, f"column {column} of {uri}"))
            return pa.table({column: pa.array(values[column], files.arrow(kind)) for column, kind in kinds.items()})

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
