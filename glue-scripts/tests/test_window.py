"""Appends that look for a key within a window, and read nothing beyond it."""

from __future__ import annotations

import datetime as dt
import json
import random
import time

import pytest
from lake import Lake
from lakejobs.manifest import Manifest
from lakejobs.refine.span import predicate
from specs import column, dataset

ID = "sales.visits"
VISITS = dataset(
    "visits",
    [column("id", required=True), column("at", "timestamp", required=True), column("page")],
    ["id"],
    window={"column": "at", "seconds": 86400},
)
DAYS = VISITS | {"columns": [VISITS["columns"][0], column("at", "date", required=True), VISITS["columns"][2]],
                 "window": {"column": "at", "seconds": 7 * 86400}}  # fmt: skip
HEADER = "id,at,page\n"


def rows(lake: Lake) -> list[tuple]:
    return sorted((i, at.strftime("%d %H:%M"), page) for i, at, page in lake.rows(lake.cleaned(ID), "id", "at", "page"))


def test_a_key_counts_once_in_each_span(lake: Lake) -> None:
    lake.declare(VISITS)
    first = lake.apply(ID, HEADER + "a,2026-01-01 23:59:59.9,x\na,2026-01-02T00:00:00Z,x\nb,2026-01-01 01:00:00,x\n")
    assert lake.counts(first) == {"read": 3, "inserted": 3}
    more = ["a,2026-01-02 00:00:00,x", "a,2026-01-01 00:00:00,y", "a,2026-01-03 00:00:00,x", "a,2026-01-03 00:00:00,x"]
    more += ["a,2026-01-03 10:00:00,z", "b,1969-12-31 23:00:00,old", "b,,x"]
    again = lake.apply(ID, HEADER + "\n".join(more))
    assert lake.counts(again) == {"read": 7, "duplicate": 2, "stale": 2, "inserted": 2, "quarantined": 1}
    assert again["reasons"] == {"required:at": 1}
    assert rows(lake) == [("a", "01 23:59", "x"), ("a", "02 00:00", "x"), ("a", "03 00:00", "x"),
                          ("b", "01 01:00", "x"), ("b", "31 23:00", "old")]  # fmt: skip


def test_nothing_beyond_the_window_is_read(lake: Lake) -> None:
    """The files of another day are gone, and nobody misses them; those of the same day are missed."""
    lake.declare(VISITS)
    old = lake.apply(ID, HEADER + "a,2026-01-01 10:00:00,x\n")
    files = [r[0] for r in lake.spark.sql(f"SELECT file_path FROM {lake.cleaned(ID)}.files").collect()]
    for path in files:
        lake.s3.delete_object(Bucket=lake.buckets["cleaned"], Key=path.partition("://")[2].partition("/")[2])
    new = lake.apply(ID, HEADER + "a,2026-01-02 10:00:00,x\n", HEADER + "a,2026-01-02 10:00:00,x\n")
    assert (old["state"], lake.counts(new)) == ("applied", {"read": 2, "inserted": 1, "duplicate": 1})
    missed = lake.apply(ID, HEADER + "a,2026-01-01 11:00:00,x\n")
    assert missed["state"] == "failed"


def test_a_window_by_a_column_that_is_new(lake: Lake) -> None:
    """What was stored before has no time, and is nobody's duplicate from then on."""
    lake.declare({k: v for k, v in VISITS.items() if k != "window"} | {"columns": VISITS["columns"][::2]})
    lake.apply(ID, "id,page\na,x\n")
    lake.declare(VISITS)
    record = lake.apply(ID, HEADER + "a,2026-01-02 10:00:00,x\n")
    assert lake.counts(record) == {"read": 1, "inserted": 1}


def test_a_window_may_only_be_cut_finer(lake: Lake) -> None:
    """A key that is stored in two spans would be two rows of one wider span."""
    lake.declare(VISITS)
    lake.apply(ID, HEADER + "a,2026-01-01 01:00:00,x\na,2026-01-02 01:00:00,x\n")
    for window in (None, {"column": "at", "seconds": 2 * 86400}, {"column": "at", "seconds": 5 * 3600}):
        lake.declare({k: v for k, v in VISITS.items() if k != "window"} | ({"window": window} if window else {}))
        wider = lake.apply(ID, HEADER + f"b,2026-01-01 02:00:00,{window and window['seconds']}\n")
        assert (wider["state"], wider["code"]) == ("failed", "schema")
        assert "its window was {'column': 'at', 'seconds': 86400}" in wider["reason"]
    lake.declare(VISITS | {"window": {"column": "at", "seconds": 3600}})
    finer = lake.apply(ID, HEADER + "a,2026-01-01 02:00:00,x\na,2026-01-01 01:00:00,x\n")
    assert lake.counts(finer) == {"read": 2, "inserted": 1, "duplicate": 1}


def test_windows_of_dates(lake: Lake) -> None:
    """1970-01-01 was a Thursday, so weeks of seven days begin on Thursdays."""
    lake.declare(DAYS | {"unique_key": True})
    lake.apply(ID, HEADER + "a,2026-01-01,x\n")
    record = lake.apply(ID, HEADER + "a,2026-01-07,y\na,2026-01-08,x\na,2025-12-31,x\n")
    assert lake.counts(record) == {"read": 3, "inserted": 2, "quarantined": 1}
    assert record["reasons"] == {"unique_key": 1}


@pytest.mark.soak
def test_random_appends(lake: Lake) -> None:
    """However rows are cut into batches, each (key, day) is there once, with the first content that came."""
    seed = time.time_ns() % 1_000_000_007
    print(f"seed {seed}")
    rng = random.Random(seed)
    lake.declare(VISITS)
    start, held = dt.datetime(2026, 1, 1), {}
    for _ in range(4):
        batch = [(rng.choice("abc"), start + dt.timedelta(hours=rng.randrange(96))) for _ in range(rng.randint(1, 12))]
        fresh = {}
        for key, at in batch:
            fresh.setdefault((key, at.date()), []).append(at)
        record = lake.apply(ID, HEADER + "".join(f"{key},{at},x\n" for key, at in batch))
        for place, times in fresh.items():
            held.setdefault(place, set(times))
        assert lake.counts(record)["read"] == len(batch), seed
        stored = {(key, at.date()): at for key, at, _ in lake.rows(lake.cleaned(ID), "id", "at", "page")}
        assert stored.keys() == held.keys(), seed
        assert all(stored[place].replace(tzinfo=None) in times for place, times in held.items()), seed
        assert len(lake.rows(lake.cleaned(ID))) == len(held), seed


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([3], "(`at` >= timestamp_seconds(259200) AND `at` < timestamp_seconds(345600))"),
        ([-1, 0, 1], "(`at` >= timestamp_seconds(-86400) AND `at` < timestamp_seconds(172800))"),
        ([5, 1], "(`at` >= timestamp_seconds(86400) AND `at` < timestamp_seconds(172800))"
                 " OR (`at` >= timestamp_seconds(432000) AND `at` < timestamp_seconds(518400))"),
        (range(0, 400, 2), "(`at` >= timestamp_seconds(0) AND `at` < timestamp_seconds(34473600))"),
    ],
)  # fmt: skip
def test_predicates(spans: list[int], wanted: str) -> None:
    manifest = {"schema_version": 1, "lake": "l", "operations_database": "o", "datasets": [VISITS], "landing": [],
                "models": []}  # fmt: skip
    assert predicate(Manifest.from_json(json.dumps(manifest)).datasets[0], spans) == wanted
