"""What becomes of bad input: docs/bad-input.md says it, row by row, and these tests hold it to that."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake import Lake
from lakejobs.clock import utc_now
from lakejobs.refine import apply, batch
from lakejobs.refine.job import refine
from parts import ID as PARTS_ID
from parts import PARTS, delete, insert, part, state, update
from specs import column, dataset, parquet

ID = "sales.orders"
ORDERS = dataset(
    "orders",
    [column("id", "bigint", required=True), column("seq", "bigint", required=True), column("name")],
    ["id"],
    "seq",
)
HEADER = "id,seq,name\n"
JSON = parquet("json")


def table(ids: range, **options: Any) -> bytes:
    sink = io.BytesIO()
    data = {"id": list(ids), "seq": [1] * len(ids), "name": [f"name {i * i}" for i in ids]}
    pq.write_table(pa.table(data), sink, **options)
    return sink.getvalue()


def keys(lake: Lake) -> list[int]:
    return [row[0] for row in lake.rows(lake.cleaned(ID), "id")]


def names(lake: Lake) -> dict[int, str | None]:
    return dict(lake.rows(lake.cleaned(ID), "id", "name"))


def test_parquet_that_is_cut_packed_or_broken_inside_is_set_aside_alone(lake: Lake) -> None:
    lake.declare(ORDERS | {"format": parquet()})
    broken = bytearray(table(range(2000, 4000), compression="gzip", use_dictionary=False))
    broken[len(broken) // 3 : len(broken) // 3 + 64] = b"\xff" * 64
    record = lake.apply(ID, table(range(3)), table(range(9))[:-20], gzip.compress(table(range(9))), bytes(broken),
                        suffix="parquet")  # fmt: skip
    assert (record["state"], lake.counts(record)) == ("applied", {"read": 3, "inserted": 3})
    reasons = [u["reason"] for u in record["unreadable"]]
    assert ["no whole Parquet" in r or "damaged Parquet" in r for r in reasons] == [True] * 3
    assert (int(record["objects_read"]), keys(lake)) == (1, [0, 1, 2])
    alone = lake.apply(ID, bytes(broken), suffix="parquet")
    assert (alone["state"], alone["code"]) == ("failed", "unreadable")


@pytest.mark.parametrize(
    ("body", "suffix", "why"),
    [
        ((HEADER + "1,1,a\n").encode("utf-16"), "csv", "byte order mark of UTF-16"),
        (b"\xfe\xff" + (HEADER + "1,1,a\n").encode("utf-16-be"), "csv", "byte order mark of UTF-16"),
        ((HEADER + "1,1,a\n").encode("utf-32"), "csv", "byte order mark of UTF-16 or UTF-32"),
        (gzip.compress(HEADER.encode()), "csv", "holds gzip, but its key does not end in .gz"),
        (HEADER.encode(), "csv.gz", "damaged or truncated gzip"),
        (gzip.compress(HEADER.encode() + b"1,1,a\n" * 999)[:-30], "csv.gz", "damaged or truncated gzip"),
        (HEADER.encode(), "csv.zst", "gzip (.gz) or none is read"),
    ],
)
def test_text_in_another_packing_or_encoding_is_unreadable(lake: Lake, body: bytes, suffix: str, why: str) -> None:
    lake.declare(ORDERS)
    record = lake.apply(ID, body, suffix=suffix)
    assert (record["state"], record["code"]) == ("failed", "unreadable")
    assert why in record["reason"]


def test_lines_of_another_encoding_are_quarantined_alone(lake: Lake) -> None:
    lake.declare(ORDERS)
    mixed = HEADER.encode() + "1,1,Zürich\n".encode() + "2,1,Zürich\n".encode("cp1252") + "3,1,東京\n".encode("sjis")
    record = lake.apply(ID, mixed + "4,1,Genève\n".encode())
    assert (lake.counts(record), record["reasons"]) == ({"read": 4, "inserted": 2, "quarantined": 2}, {"malformed": 2})
    assert names(lake) == {1: "Zürich", 4: "Genève"}


def test_a_line_without_end(lake: Lake) -> None:
    """Up to 64 MiB a line is a record like any other; a longer one is not read into memory to find its end."""
    lake.declare(ORDERS | {"format": JSON})
    long = lake.apply(ID, b'{"id":1,"seq":1,"name":"' + b"x" * (60 << 20) + b'"}\n{"id":2,"seq":1}\n', suffix="json")
    assert lake.counts(long) == {"read": 2, "inserted": 2}
    lengths = lake.spark.table(lake.cleaned(ID)).selectExpr("id", "length(name) AS n").orderBy("id").collect()
    assert [tuple(r) for r in lengths] == [(1, 60 << 20), (2, None)]
    array = b"[" + b",".join(b'{"id":%d,"seq":1}' % i for i in range(1000)) + b"]"
    listed = lake.apply(ID, array, suffix="json")
    assert (lake.counts(listed), listed["reasons"]) == ({"read": 1, "quarantined": 1}, {"malformed": 1})
    endless = lake.apply(ID, b"[" + b'{"id":1,"seq":9},' * 6_200_000 + b"1]", suffix="json")
    assert (endless["state"], endless["code"]) == ("failed", "unreadable")
    assert "has a line of more than 64 MiB" in endless["reason"]


def test_objects_that_vanish(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden by a delete marker: read all the same, by version. Gone for good: unreadable, whenever it goes."""
    lake.declare(ORDERS)
    raw = lake.buckets["raw"]
    hidden, gone, late, there = (lake.land(f"in/{n}.csv", HEADER + f"{i},1,n\n") for i, n in enumerate("hglt"))
    lake.s3.delete_object(Bucket=raw, Key=hidden.key)
    lake.s3.delete_object(Bucket=raw, Key=gone.key, VersionId=gone.version)
    surveyed = batch.survey_source

    def vanish(*args: Any) -> Any:
        found = surveyed(*args)
        lake.s3.delete_object(Bucket=raw, Key=late.key, VersionId=late.version)
        return found

    item = lake.freeze(ID, [hidden, gone, late, there])
    monkeypatch.setattr(batch, "survey_source", vanish)
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], keys(lake)) == ("applied", [0, 3])
    assert {u["key"]: u["reason"] for u in record["unreadable"]} == {
        gone.key: "this version no longer exists in the raw bucket",
        late.key: "this version has gone from the raw bucket since it was surveyed",
    }
    again = lake.land("in/again.csv", HEADER + "7,1,n\n")
    last = lake.freeze(ID, [again])
    monkeypatch.setattr(batch, "survey_source", surveyed)
    read = apply.read_rows

    def vanish_later(*args: Any) -> Any:
        lake.s3.delete_object(Bucket=raw, Key=again.key, VersionId=again.version)
        return read(*args)

    monkeypatch.setattr(apply, "read_rows", vanish_later)
    lake.refine([last])
    assert (lake.batch(last)["state"], lake.batch(last)["code"]) == ("failed", "unreadable")


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_clock_that_is_wrong_changes_no_order(lake: Lake, skew: int) -> None:
    """The job's clock, and the times at which objects were noticed, say nothing about which change is later."""
    lake.declare(PARTS)

    def skewed() -> dt.datetime:
        return utc_now() + dt.timedelta(seconds=skew)

    later = part(update(30, 1, "last"), delete(20, 2))
    earlier = part(insert(10, 1, "first"), insert(10, 2, "gone"), insert(10, 3, "kept"))
    batches = [lake.changes(PARTS_ID, later), lake.changes(PARTS_ID, earlier)]
    for item in batches:
        refine(lake.spark, lake.start([item]), lake.clients, skewed)
    assert [lake.batch(item)["state"] for item in batches] == ["applied", "applied"]
    assert state(lake) == {1: (1, 30, "last"), 2: (1, 20, "-"), 3: (1, 10, "kept")}


def test_a_sequence_that_goes_backwards_changes_nothing(lake: Lake) -> None:
    """A source whose sequence starts anew, as after a restore, is stale until a new generation is declared."""
    lake.declare(ORDERS)
    lake.apply(ID, HEADER + "1,100,new\n")
    back = lake.apply(ID, HEADER + "1,3,restored\n2,3,other\n")
    assert lake.counts(back) == {"read": 2, "stale": 1, "inserted": 1}
    assert names(lake) == {1: "new", 2: "other"}
    lake.declare(PARTS)
    lake.refine([lake.changes(PARTS_ID, part(insert(100, 1, "new")))])
    back = lake.changes(PARTS_ID, part(update(3, 1, "restored"), delete(4, 1)))
    lake.refine([back])
    assert lake.counts(lake.batch(back)) == {"read": 2, "superseded": 1, "stale": 1}
    assert state(lake) == {1: (1, 100, "new")}
    anew = lake.changes(PARTS_ID, part(insert(None, 1, "restored")), generation=2, load=True)
    lake.refine([anew])
    assert state(lake) == {1: (2, 0, "restored")}


def test_a_schema_that_shrinks(lake: Lake) -> None:
    """A column that files no longer have is NULL in their rows, and refused where it is required."""
    lake.declare(ORDERS)
    lake.apply(ID, HEADER + "1,1,a\n2,1,b\n")
    shrunk = lake.apply(ID, "id,seq\n1,2\n")
    assert (lake.counts(shrunk), names(lake)) == ({"read": 1, "updated": 1}, {1: None, 2: "b"})
    keyless = lake.apply(ID, "seq,name\n3,c\n")
    assert keyless["reasons"] == {"required:id": 1}
    lake.declare(ORDERS | {"columns": ORDERS["columns"][:2]})
    refused = lake.apply(ID, "id,seq\n1,3\n")
    assert (refused["state"], refused["code"]) == ("failed", "schema")
    assert "name is in the table but no longer declared" in refused["reason"]
