"""Hudi tables, as their timeline and the names of their files say what they are."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rehearsal.cloud.athena import hudi
from rehearsal.cloud.athena.failure import QueryFailed

LOCATION = "s3://lake/sales/orders"
COLUMNS = [
    {"Name": "id", "Type": "bigint"},
    {"Name": "at", "Type": "timestamp"},
    {"Name": "price", "Type": "decimal(10,2)"},
]
ENTRY = {
    "StorageDescriptor": {
        "Columns": COLUMNS,
        "Location": LOCATION,
        "InputFormat": "org.apache.hudi.hadoop.HoodieParquetInputFormat",
    }
}
FIRST, SECOND, THIRD = ("20260101000000000", "20260101000000001", "20260102000000000")


class Objects:
    """As much of S3 as a reader needs."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.bodies[f"s3://{Bucket}/{Key}"])}

    def get_paginator(self, _: str) -> Objects:
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str) -> Iterator[dict[str, Any]]:
        start = f"s3://{Bucket}/{Prefix}"
        found = [uri for uri in self.bodies if uri.startswith(start) and Delimiter not in uri.removeprefix(start)]
        yield {"Contents": [{"Key": uri.removeprefix(f"s3://{Bucket}/"), "Size": 1} for uri in found]}

    def put(self, name: str, body: bytes = b"") -> None:
        self.bodies[f"{LOCATION}/{name}"] = body

    def file(self, group: str, instant: str, **columns: Any) -> None:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        self.put(f"{group}-0_0-1-2_{instant}.parquet", sink.getvalue())


@pytest.fixture
def s3() -> Objects:
    made = Objects()
    made.put(".hoodie/hoodie.properties")
    for instant in (FIRST, SECOND):
        for end in ("commit.requested", "inflight", "commit"):
            made.put(f".hoodie/{instant}.{end}", b"{}")
    made.file("a", FIRST, id=[1, 2])
    made.file("a", SECOND, id=[1])
    made.file("b", SECOND, id=[3])
    return made


def rows(s3: Objects, *columns: str) -> list[dict[str, Any]]:
    at = hudi.folder(ENTRY, s3)
    return sorted(at.read(at.snapshot(), columns).to_pylist(), key=lambda row: row["id"])


def test_the_newest_completed_slice_of_each_group_is_read(s3: Objects) -> None:
    assert rows(s3, "id") == [{"id": 1}, {"id": 3}]
    s3.file("a", THIRD, id=[9])
    s3.put(f".hoodie/{THIRD}.commit.requested")
    s3.put(f".hoodie/{THIRD}.inflight")
    assert rows(s3, "id") == [{"id": 1}, {"id": 3}], "what is not completed is not there"
    s3.put(f".hoodie/{THIRD}.commit", b"{}")
    assert rows(s3, "id") == [{"id": 3}, {"id": 9}]
    assert hudi.folder(ENTRY, s3).snapshot().versions == [int(FIRST), int(SECOND), int(THIRD)]


def test_files_older_than_the_timeline_are_committed(s3: Objects) -> None:
    s3.file("c", "20251231235959999", id=[7])
    assert rows(s3, "id") == [{"id": 1}, {"id": 3}, {"id": 7}]
    s3.file("d", FIRST, id=[8])
    del s3.bodies[f"{LOCATION}/.hoodie/{SECOND}.commit"]
    assert [row["id"] for row in rows(s3, "id")] == [1, 2, 7, 8]


def test_groups_that_a_replacecommit_names_are_gone(s3: Objects) -> None:
    s3.file("e", THIRD, id=[1, 3])
    s3.put(f".hoodie/{THIRD}.replacecommit", json.dumps({"partitionToReplaceFileIds": {"": ["a-0", "b-0"]}}).encode())
    assert list(hudi.folder(ENTRY, s3).snapshot().files) == [f"e-0_0-1-2_{THIRD}.parquet"]


def test_columns_are_found_by_name_and_have_the_catalogs_types(s3: Objects) -> None:
    moment = datetime(2024, 1, 1, 0, 0, 0, 123456, UTC)
    s3.file("b", THIRD, at=pa.array([moment], pa.timestamp("us", "UTC")), id=[3])
    s3.put(f".hoodie/{THIRD}.commit", b"{}")
    (old, new) = rows(s3, "id", "at", "price")
    assert (old["at"], old["price"]) == (None, None), "a column that a file lacks is NULL"
    assert (new["at"].microsecond, new["at"].tzinfo) == (123000, None)
    s3.file("b", THIRD, id=pa.array([3], pa.int32()))
    with pytest.raises(QueryFailed, match="the catalog says int64, a file has int32"):
        rows(s3, "id")


def test_what_is_not_read_is_refused(s3: Objects) -> None:
    s3.put(".hoodie/20260103000000000.deltacommit")
    with pytest.raises(QueryFailed, match="merge-on-read"):
        rows(s3, "id")
    with pytest.raises(QueryFailed, match="holds no Hudi table"):
        hudi.folder({"StorageDescriptor": ENTRY["StorageDescriptor"] | {"Location": "s3://lake/x"}}, s3).snapshot()
