"""Reads Delta tables by their log, independently of Delta's own code.

https://github.com/delta-io/delta/blob/master/PROTOCOL.md: checkpoints of one file, entries after them, protocol
version 1 for readers, which has neither deletion vectors nor column mapping.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.types import Type

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_OTHER_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\..+\.(?:parquet|json)")
_TYPES = {
    "string": (types.VARCHAR, pa.string()), "boolean": (types.BOOLEAN, pa.bool_()),
    "integer": (types.INTEGER, pa.int32()), "long": (types.BIGINT, pa.int64()),
    "double": (types.DOUBLE, pa.float64()), "date": (types.DATE, pa.date32()),
    # Trino's connector shows them to the millisecond: https://trino.io/docs/current/connector/delta-lake.html
    "timestamp": (types.TIMESTAMPTZ, pa.timestamp("ms", tz="UTC")),
}  # fmt: skip


@dataclass
class Snapshot:
    """A table at one version: its columns and the files (path relative to its folder, size in bytes) that it is."""

    version: int = -1
    columns: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def versions(self) -> list[int]:
        """The versions up to this one."""
        return list(range(self.version + 1))

    def apply(self, action: dict[str, Any]) -> None:
        if found := action.get("protocol"):
            if found["minReaderVersion"] > 1:
                raise not_handled(f"Delta tables with minReaderVersion {found['minReaderVersion']}")
        elif found := action.get("metaData"):
            if found.get("partitionColumns"):
                raise not_handled("partitioned Delta tables")
            self.columns = {f["name"]: f["type"] for f in json.loads(found["schemaString"])["fields"]}
        elif found := action.get("add"):
            self.files[unquote(found["path"])] = found["size"]
        elif found := action.get("remove"):
            self.files.pop(unquote(found["path"]), None)


@dataclass(frozen=True)
class Folder:
    """The folder of a Delta table: an s3:// URI without a slash at its end."""

    location: str
    s3: Any

    def snapshot(self) -> Snapshot:
        """The newest version. Raises QueryFailed if the log has a gap or is not there."""
        log = f"{self.location}/_delta_log"
        names = sorted(self._names(log))
        if any(_OTHER_CHECKPOINT.fullmatch(name) for name in names):
            raise not_handled("checkpoints of Delta tables in several files")
        found = Snapshot()
        checkpoints = [n for n in names if _CHECKPOINT.fullmatch(n)]
        if checkpoints:
            for row in pq.read_table(io.BytesIO(self._get(f"{log}/{checkpoints[-1]}"))).to_pylist():
                found.apply({kind: content for kind, content in row.items() if content is not None})
            found.version = int(checkpoints[-1][:20])
        for name in names:
            entry = _ENTRY.fullmatch(name)
            if entry is None or int(entry[1]) <= found.version:
                continue
            if int(entry[1]) != found.version + 1:
                raise QueryFailed("DELTA_LAKE_BAD_DATA", f"{log} has no entry {found.version + 1}")
            # What an entry removes and adds are different files, so the order of its actions does not count.
            for line in self._get(f"{log}/{name}").splitlines():
                found.apply(json.loads(line))
            found.version += 1
        if found.version < 0:
            raise QueryFailed("DELTA_LAKE_INVALID_SCHEMA", f"{self.location} holds no Delta table")
        return found

    def read(self, snapshot: Snapshot, wanted: tuple[str, ...]) -> pa.Table:
        """These columns of all rows; of a file that was written before a column was added they are NULL."""
        kinds = {column: arrow(snapshot.columns[column]) for column in wanted}
        parts = [pa.table({column: pa.array([], kind) for column, kind in kinds.items()})]
        for path in sorted(snapshot.files):
            part = pq.read_table(io.BytesIO(self._get(f"{self.location}/{path}")))
            columns = {
                column: part[column].cast(kind, safe=False)
                if column in part.column_names
                else pa.nulls(part.num_rows, kind)
                for column, kind in kinds.items()
            }
            parts.append(pa.table(columns))
        return pa.concat_tables(parts)

    def _names(self, folder: str) -> Iterator[str]:
        at = urlparse(f"{folder}/")
        prefix = at.path.lstrip("/")
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=at.netloc, Prefix=prefix):
            yield from (entry["Key"].removeprefix(prefix) for entry in page.get("Contents", []))

    def _get(self, uri: str) -> bytes:
        at = urlparse(uri)
        return self.s3.get_object(Bucket=at.netloc, Key=at.path.lstrip("/"))["Body"].read()


def is_delta(entry: Mapping[str, Any]) -> bool:
    """Whether a table of the Glue catalog is taken for Delta."""
    return entry.get("Parameters", {}).get("spark.sql.sources.provider", "").lower() == "delta"


def folder(entry: Mapping[str, Any], s3: Any) -> Folder:
    """The folder of such a table."""
    return Folder(entry["StorageDescriptor"]["Location"].rstrip("/"), s3)


def _both(name: str) -> tuple[Type, pa.DataType]:
    if name in _TYPES:
        return _TYPES[name]
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        precision, scale = int(match[1]), int(match[2])
        return types.decimal(precision, scale), pa.decimal128(precision, scale)
    raise not_handled(f"columns of the Delta type {name}")


def trino(name: str) -> Type:
    """The Trino type of a type as the log names it."""
    return _both(name)[0]


def arrow(name: str) -> pa.DataType:
    return _both(name)[1]
