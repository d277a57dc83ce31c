"""Delta tables, as the log says what they are."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rehearsal.cloud.athena.delta import Folder
from rehearsal.cloud.athena.failure import QueryFailed

LOCATION = "s3://lake/sales/orders"
SCHEMA = [("id", "long"), ("at", "timestamp"), ("price", "decimal(10,2)")]


class Objects:
    """As much of S3 as a reader needs."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.bodies[f"s3://{Bucket}/{Key}"])}

    def get_paginator(self, _: str) -> Objects:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        start = f"s3://{Bucket}/"
        found = [uri.removeprefix(start) for uri in self.bodies if uri.startswith(start + Prefix)]
        return [{"Contents": [{"Key": key} for key in found]}]

    def file(self, name: str, **columns: list[Any]) -> dict[str, Any]:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        self.bodies[f"{LOCATION}/{name}"] = sink.getvalue()
        return {"add": {"path": name, "size": 10}}

    def entry(self, version: int, *actions: dict[str, Any]) -> None:
        text = "\n".join(json.dumps(a) for a in ({"commitInfo": {}}, *actions))
        self.bodies[f"{LOCATION}/_delta_log/{version:020d}.json"] = text.encode()

    def checkpoint(self, version: int, *actions: dict[str, Any]) -> None:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{"add": None, "metaData": None} | a for a in actions]), sink)
        self.bodies[f"{LOCATION}/_delta_log/{version:020d}.checkpoint.parquet"] = sink.getvalue()


def metadata(schema: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in schema]
    return {"metaData": {"schemaString": json.dumps({"type": "struct", "fields": fields}), **more}}


def protocol(reader: int = 1) -> dict[str, Any]:
    return {"protocol": {"minReaderVersion": reader, "minWriterVersion": 2}}


@pytest.fixture
def s3() -> Objects:
    made = Objects()
    made.entry(0, protocol(), metadata(SCHEMA[:1]))
    made.entry(1, made.file("a.parquet", id=[1, 2]), made.file("b%20c.parquet", id=[3]))
    made.bodies[f"{LOCATION}/b c.parquet"] = made.bodies.pop(f"{LOCATION}/b%20c.parquet")
    return made


def rows(s3: Objects, *columns: str) -> list[dict[str, Any]]:
    at = Folder(LOCATION, s3)
    return at.read(at.snapshot(), columns).to_pylist()


def test_files_of_the_newest_version_are_read(s3: Objects) -> None:
    assert rows(s3, "id") == [{"id": 1}, {"id": 2}, {"id": 3}]
    s3.file("not in the log.parquet", id=[9])
    s3.entry(2, metadata(SCHEMA), {"remove": {"path": "a.parquet"}},
             s3.file("d.parquet", id=[2], at=[pa.scalar(1_500, pa.timestamp("us")).as_py()], price=[None]))  # fmt: skip
    (added, kept) = sorted(rows(s3, "id", "at", "price"), key=lambda r: r["id"])
    assert (kept["id"], kept["at"], kept["price"]) == (3, None, None), "a column that a file lacks is NULL"
    assert (added["id"], added["at"].microsecond, added["at"].tzinfo is not None) == (2, 1000, True)


def test_a_checkpoint_stands_for_the_entries_before_it(s3: Objects) -> None:
    s3.entry(2, {"remove": {"path": "a.parquet"}})
    s3.checkpoint(2, metadata(SCHEMA[:1]), {"add": {"path": "b%20c.parquet", "size": 10}})
    for version in range(3):
        del s3.bodies[f"{LOCATION}/_delta_log/{version:020d}.json"]
    s3.entry(3, s3.file("e.parquet", id=[4]))
    assert rows(s3, "id") == [{"id": 3}, {"id": 4}]
    assert Folder(LOCATION, s3).snapshot().version == 3


def test_what_is_not_read_is_refused(s3: Objects) -> None:
    s3.entry(3)
    with pytest.raises(QueryFailed, match="has no entry 2"):
        rows(s3, "id")
    s3.entry(2, protocol(reader=3))
    with pytest.raises(QueryFailed, match="minReaderVersion 3"):
        rows(s3, "id")
    s3.entry(2, metadata(SCHEMA, partitionColumns=["id"]))
    with pytest.raises(QueryFailed, match="partitioned"):
        rows(s3, "id")
    with pytest.raises(QueryFailed, match="holds no Delta table"):
        Folder("s3://lake/sales/none", s3).snapshot()
