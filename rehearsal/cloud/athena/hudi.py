"""Reads Hudi tables by their timeline and file names, independently of the jobs' code and of Hudi's.

https://hudi.apache.org/tech-specs-1point0 and, for table version 6, https://hudi.apache.org/tech-specs: copy-on-write
tables without partitions. Of each file group the newest slice counts whose instant is completed, or older than the
timeline; groups that a replacecommit names have none. Types are those of the Glue catalog's entry.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.types import Type

_INSTANT = re.compile(r"(\d{17})\.(commit|replacecommit)")
_OTHER_TABLE = re.compile(r"\d{14,17}\.(?:deltacommit|compaction)(?:\..+)?")
_FILE = re.compile(r"(.+)_[^_]+_(\d{17})\.parquet")
_TYPES = {
    "string": (types.VARCHAR, pa.string()), "boolean": (types.BOOLEAN, pa.bool_()),
    "int": (types.INTEGER, pa.int32()), "bigint": (types.BIGINT, pa.int64()),
    "double": (types.DOUBLE, pa.float64()), "date": (types.DATE, pa.date32()),
    # Trino's connector for Hive shows them to the millisecond: https://trino.io/docs/current/connector/hive.html
    "timestamp": (types.TIMESTAMP, pa.timestamp("ms")),
}  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """A table as it is: its columns, its completed instants, oldest first, and its files by name with their bytes."""

    columns: Mapping[str, str]
    instants: tuple[str, ...]
    files: Mapping[str, int]

    @property
    def versions(self) -> list[int]:
        return [int(instant) for instant in self.instants]


@dataclass(frozen=True)
class Folder:
    """The folder of a Hudi table: an s3:// URI without a slash at its end, and its columns with the catalog's types."""

    location: str
    columns: Mapping[str, str]
    s3: Any

    def snapshot(self) -> Snapshot:
        """The newest state. Raises QueryFailed if there is none."""
        timeline = dict(self._list(".hoodie/", "/"))
        if "hoodie.properties" not in timeline:
            raise QueryFailed("HUDI_BAD_DATA", f"{self.location} holds no Hudi table")
        if any(_OTHER_TABLE.fullmatch(name) for name in timeline):
            raise not_handled("merge-on-read tables of Hudi")
        found = sorted((m[1], m[2]) for m in map(_INSTANT.fullmatch, timeline) if m)
        instants = tuple(instant for instant, _ in found)
        gone: set[str] = set()
        for instant, action in found:
            if action == "replacecommit":
                said = json.loads(self._get(f".hoodie/{instant}.{action}"))
                gone.update(group for groups in said["partitionToReplaceFileIds"].values() for group in groups)
        newest: dict[str, tuple[str, str, int]] = {}
        for name, size in self._list("", "/"):
            file = _FILE.fullmatch(name)
            if file is None or not instants or (file[2] not in instants and file[2] >= instants[0]):
                continue
            newest[file[1]] = max(newest.get(file[1], ("", "", 0)), (file[2], name, size))
        files = {name: size for group, (_, name, size) in newest.items() if group not in gone}
        return Snapshot(self.columns, instants, files)

    def read(self, snapshot: Snapshot, wanted: tuple[str, ...]) -> pa.Table:
        """These columns of all rows; of a file that was written before a column was added they are NULL."""
        kinds = {column: arrow(self.columns[column]) for column in wanted}
        parts = [pa.table({column: pa.array([], kind) for column, kind in kinds.items()})]
        for name in sorted(snapshot.files):
            part = pq.read_table(io.BytesIO(self._get(name)))
            columns = {
                column: _cast(part[column], kind) if column in part.column_names else pa.nulls(part.num_rows, kind)
                for column, kind in kinds.items()
            }
            parts.append(pa.table(columns))
        return pa.concat_tables(parts)

    def _list(self, folder: str, delimiter: str) -> Iterator[tuple[str, int]]:
        at = urlparse(f"{self.location}/{folder}")
        prefix = at.path.lstrip("/")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=at.netloc, Prefix=prefix, Delimiter=delimiter)
        for page in pages:
            yield from ((entry["Key"].removeprefix(prefix), entry["Size"]) for entry in page.get("Contents", []))

    def _get(self, name: str) -> bytes:
        at = urlparse(f"{self.location}/{name}")
        return self.s3.get_object(Bucket=at.netloc, Key=at.path.lstrip("/"))["Body"].read()


def is_hudi(entry: Mapping[str, Any]) -> bool:
    """Whether a table of the Glue catalog is taken for Hudi: by its input format, as Hive does."""
    return entry.get("StorageDescriptor", {}).get("InputFormat") == "org.apache.hudi.hadoop.HoodieParquetInputFormat"


def folder(entry: Mapping[str, Any], s3: Any) -> Folder:
    """The folder of such a table."""
    storage = entry["StorageDescriptor"]
    columns = {column["Name"]: column["Type"] for column in storage["Columns"]}
    return Folder(storage["Location"].rstrip("/"), columns, s3)


def _cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """As Hive reads a column: by its name, with the type that the catalog has, which the file's must be."""
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us")).cast(kind, safe=False)
    if values.type != kind:
        raise QueryFailed("HIVE_BAD_DATA", f"the catalog says {kind}, a file has {values.type}")
    return values


def _both(name: str) -> tuple[Type, pa.DataType]:
    if name in _TYPES:
        return _TYPES[name]
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        precision, scale = int(match[1]), int(match[2])
        return types.decimal(precision, scale), pa.decimal128(precision, scale)
    raise not_handled(f"columns of the type {name} in Hudi tables")


def trino(name: str) -> Type:
    """The Trino type of a type as the catalog names it."""
    return _both(name)[0]


def arrow(name: str) -> pa.DataType:
    return _both(name)[1]
