"""Datasets without a key: every record of an append is a row, and a snapshot is a bag of rows."""

from __future__ import annotations

import io
import json
import random
import time
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import every_format, soak_format
from lake import Lake
from lakejobs.manifest import Manifest
from lakejobs.shapes import ShapeError
from snapshots import DAY
from specs import column, dataset, parquet

ID = "sales.readings"
READINGS = dataset("readings", [column("place"), column("grade", "int"), column("at", "timestamp")], [])
SNAPSHOT = READINGS | {
    "load": "snapshot", "delivery": {"stamp": DAY},
    "gate": {"max_quarantined_share": None, "min_rows": None, "max_deleted_share": 1},
}  # fmt: skip
HEADER = "place,grade,at\n"


def bag(lake: Lake) -> Counter:
    return Counter((place, grade) for place, grade in lake.frame(lake.cleaned(ID)).select("place", "grade").collect())


def deliver(lake: Lake, day: int, *lines: str, header: str = HEADER) -> dict:
    """Applies one snapshot; its record."""
    body = header + "".join(f"{line}\n" for line in lines)
    item = lake.freeze(ID, [lake.land(f"files/sales/readings/2026-01-{day:02d}.csv", body)])
    lake.refine([item])
    return lake.batch(item)


def rerun(lake: Lake, item: dict) -> dict[str, int]:
    """What becomes of a batch's records when it is run again by force."""
    return {k: int(v) for k, v in lake.again(item)["rerun"]["counts"].items() if v}


def figures(lake: Lake, record: dict) -> dict[str, int]:
    return lake.counts(record) | ({"absent": int(record["absent"])} if record["absent"] else {})


@every_format
def test_each_record_of_an_append_is_a_row_once(lake: Lake) -> None:
    """Alike records are rows of their own, in one object or in two; a batch that runs again adds none."""
    lake.declare(READINGS)
    body = HEADER + "a,1,\na,1,\nb,x,\nb,2,\n"
    objects = [lake.land(f"in/{n}.csv", body) for n in range(2)]
    item = lake.freeze(ID, objects)
    lake.refine([item])
    record = lake.batch(item)
    assert lake.counts(record) == {"read": 8, "inserted": 6, "quarantined": 2}
    assert bag(lake) == {("a", 1): 4, ("b", 2): 2}
    ids = {row[0] for row in lake.rows(lake.cleaned(ID), "_record_id")}
    assert len(ids) == 6 and {i.split("/")[0] for i in ids} == {o.hash for o in objects}
    (quarantined,) = {r["record_key"] for r in lake.spark.table(lake.quarantine(ID)).collect()}
    assert quarantined is None
    assert rerun(lake, item) == {"read": 8, "duplicate": 6, "quarantined": 2}
    assert bag(lake) == {("a", 1): 4, ("b", 2): 2}
    sent_twice = lake.apply(ID, body)
    assert lake.counts(sent_twice) == {"read": 4, "inserted": 3, "quarantined": 1}
    assert bag(lake) == {("a", 1): 6, ("b", 2): 3}


def test_rows_of_parquet_are_told_apart_by_their_place_under_any_declaration(lake: Lake) -> None:
    sink = io.BytesIO()
    data = {"place": ["a", "b"] * 500, "grade": [1] * 1000, "more": list(range(1000))}
    pq.write_table(pa.table(data), sink, row_group_size=300)
    form = READINGS | {"format": parquet()}
    lake.declare(form)
    item = lake.freeze(ID, [lake.land("in/1.parquet", sink.getvalue())])
    lake.refine([item])
    assert bag(lake) == {("a", 1): 500, ("b", 1): 500}
    places = [row[0].split("/")[1] for row in lake.rows(lake.cleaned(ID), "_record_id")]
    assert sorted(places, key=int) == [str(n) for n in range(1000)]
    lake.declare(form | {"columns": [*READINGS["columns"], column("more", "int")]})
    assert rerun(lake, item | {"manifest": lake.pin()}) == {"read": 1000, "stale": 1000}
    assert bag(lake) == {("a", 1): 500, ("b", 1): 500}


def test_only_rows_of_the_batch_s_objects_are_read(lake: Lake) -> None:
    """The files of another batch are gone, and nobody misses them."""
    lake.declare(READINGS)
    lake.apply(ID, HEADER + "a,1,\n")
    for (path,) in lake.spark.sql(f"SELECT file_path FROM {lake.cleaned(ID)}.files").collect():
        lake.s3.delete_object(Bucket=lake.buckets["cleaned"], Key=path.partition("://")[2].partition("/")[2])
    other = lake.apply(ID, HEADER + "b,1,\n")
    assert (other["state"], lake.counts(other)) == ("applied", {"read": 1, "inserted": 1})


@soak_format
def test_a_snapshot_is_a_bag_of_rows(lake: Lake) -> None:
    lake.declare(SNAPSHOT)
    first = deliver(lake, 1, "a,1,", "a,1,", "a,1,", "b,2,2026-01-01 00:00:00.5", ",,")
    assert figures(lake, first) == {"read": 5, "inserted": 5}
    second = deliver(lake, 2, ",,", "b,2,2026-01-01T00:00:00.500Z", "a,1,", "a,+1,", "c,3,", "c,3,")
    assert figures(lake, second) == {"read": 6, "unchanged": 4, "inserted": 2, "absent": 1}
    assert bag(lake) == {("a", 1): 2, ("b", 2): 1, ("c", 3): 2, (None, None): 1}
    late = deliver(lake, 1, "z,9,")
    assert (late["state"], figures(lake, late)) == ("empty", {"read": 1, "stale": 1})
    lake.declare(SNAPSHOT | {"columns": [column("new"), *SNAPSHOT["columns"]]})
    same = deliver(lake, 3, "c,3,", "c,3,", ",,", "b,2,2026-01-01 00:00:00.5", "a,1,", "a,1,")
    assert (same["state"], figures(lake, same)) == ("empty", {"read": 6, "unchanged": 6})
    changed = deliver(lake, 4, "x,a,1,", ",a,1,", header="new," + HEADER)
    assert figures(lake, changed) == {"read": 2, "inserted": 1, "unchanged": 1, "absent": 5}


def test_a_refused_record_may_be_any_row(lake: Lake) -> None:
    lake.declare(SNAPSHOT)
    deliver(lake, 1, "a,1,", "b,2,")
    kept = deliver(lake, 2, "a,1,", "b,two,")
    assert figures(lake, kept) == {"read": 2, "unchanged": 1, "quarantined": 1}
    assert kept["reason"] == (
        "1 stored rows are not in the snapshot and were kept: which rows 1 of its records stand for cannot be told"
    )
    assert bag(lake) == {("a", 1): 1, ("b", 2): 1}
    assert figures(lake, deliver(lake, 3, "a,1,", "b,3,")) == {"read": 2, "unchanged": 1, "inserted": 1, "absent": 1}


@soak_format
def test_random_bags(lake: Lake) -> None:
    seed = time.time_ns() % 1_000_000_007
    print(f"seed {seed}")
    rng = random.Random(seed)
    lake.declare(SNAPSHOT)
    held: Counter = Counter()
    for day in range(1, 6):
        rows = [(rng.choice(["a", "b", None]), rng.choice([1, 2, None])) for _ in range(rng.randint(1, 12))]
        record = deliver(lake, day, *(f"{place or ''},{grade or ''}," for place, grade in rows))
        wanted = Counter(rows)
        stays = (wanted & held).total()
        new, gone = len(rows) - stays, held.total() - stays
        expected = {"read": len(rows), "inserted": new, "unchanged": stays, "absent": gone}
        assert figures(lake, record) == {k: v for k, v in expected.items() if v}, seed
        assert bag(lake) == wanted, seed
        held = wanted


@pytest.mark.parametrize("spec", [
    READINGS | {"load": "upsert", "sequence": "at"}, READINGS | {"unique_key": True},
    READINGS | {"window": {"column": "at", "seconds": 3600}},
    READINGS | {"load": "cdc", "format": parquet("dms_parquet")},
])  # fmt: skip
def test_what_needs_a_key(spec: dict) -> None:
    manifest = {"schema_version": 1, "lake": "l", "operations_database": "o", "datasets": [spec], "landing": [],
                "models": []}  # fmt: skip
    with pytest.raises(ShapeError, match="keys: only append and snapshot do without"):
        Manifest.from_json(json.dumps(manifest))
