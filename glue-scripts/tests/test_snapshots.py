"""Datasets whose deliveries are whole tables, through refine."""

from __future__ import annotations

import os
import random
import time

from formats import soak_format
from histories.delivery import random_fault
from histories.pipeline import Pipeline
from histories.wire import Wire
from lake import Lake
from snapshots import ID, RATES, Model, applied, deliver, mark, state


def figures(lake: Lake, record: dict) -> dict[str, int]:
    return lake.counts(record) | ({"absent": int(record["absent"])} if record["absent"] else {})


@soak_format
def test_a_snapshot_is_the_whole_table(lake: Lake) -> None:
    lake.declare(RATES)
    first = applied(lake, "2026-01-01", "1,a,1", "2,b,2", "3,c,3", "3,c,3.0")
    assert (first["state"], figures(lake, first)) == ("applied", {"read": 4, "inserted": 3, "duplicate": 1})
    second = applied(lake, "2026-01-03", "1,a,1", "2,b,2.5", "4,d,4")
    assert figures(lake, second) == {"read": 3, "inserted": 1, "updated": 1, "unchanged": 1, "absent": 1}
    wanted = {1: ("a", "1.0000"), 2: ("b", "2.5000"), 4: ("d", "4.0000")}
    assert state(lake) == wanted
    kept = dict(lake.rows(lake.cleaned(ID), "id", "_batch_id"))
    assert (kept[1], kept[2]) == (first["pk"][6:], second["pk"][6:])

    newest, commits = mark(lake), len(lake.snapshots(lake.cleaned(ID)))
    late = applied(lake, "2026-01-02", "1,old,1", "9,i,9")
    assert (late["state"], figures(lake, late)) == ("empty", {"read": 2, "stale": 2})
    again = applied(lake, "2026-01-04", "1,a,1", "2,b,2.5", "4,d,4")
    assert (again["state"], figures(lake, again)) == ("empty", {"read": 3, "unchanged": 3})
    assert (state(lake), len(lake.snapshots(lake.cleaned(ID)))) == (wanted, commits)
    assert newest.startswith("20260103/") and mark(lake).startswith("20260104/")


@soak_format
def test_a_record_that_is_refused_keeps_its_row(lake: Lake) -> None:
    lake.declare(RATES)
    applied(lake, "2026-01-01", "1,a,1", "2,b,2", "3,c,3", "4,d,4")
    second = applied(lake, "2026-01-02", "1,a,-1", "2,x,2", "2,y,2", "2,y,2", "3,c2,3")
    assert figures(lake, second) == {"read": 5, "quarantined": 4, "updated": 1, "absent": 1}
    assert second["reasons"] == {"range:rate": 1, "unique_key": 3}
    assert state(lake) == {1: ("a", "1.0000"), 2: ("b", "2.0000"), 3: ("c2", "3.0000")}
    assert len(lake.rows(lake.quarantine(ID))) == 4


@soak_format
def test_a_record_without_a_readable_key_may_be_any_row(lake: Lake) -> None:
    lake.declare(RATES)
    applied(lake, "2026-01-01", "1,a,1", "2,b,2")
    for day, line in (("2026-01-02", "one,a,1"), ("2026-01-03", ",a,1"), ("2026-01-04", "1,a")):
        kept = applied(lake, day, "2,b,3", line)
        assert figures(lake, kept)["quarantined"] == 1 and "absent" not in figures(lake, kept)
        assert kept["reason"] == (
            "1 stored rows are not in the snapshot and were kept: which rows 1 of its records stand for cannot be told"
        )
        assert set(state(lake)) == {1, 2}
    clean = applied(lake, "2026-01-05", "2,b,3")
    assert (figures(lake, clean), clean["reason"]) == ({"read": 1, "unchanged": 1, "absent": 1}, "")
    assert set(state(lake)) == {2}


def test_the_gate_stops_a_snapshot_that_deletes_too_much(lake: Lake) -> None:
    lake.declare(RATES | {"gate": RATES["gate"] | {"max_deleted_share": 0.5}})
    lines = [f"{i},n,{i}" for i in range(4)]
    applied(lake, "2026-01-01", *lines)
    before, newest = state(lake), mark(lake)
    empty = applied(lake, "2026-01-02")
    assert (empty["state"], empty["code"], figures(lake, empty)) == ("blocked", "gate", {})
    assert empty["reason"] == (
        "4 of 4 stored rows are not in the snapshot (1.0000), at most a share of 0.5 may be deleted"
    )
    short = applied(lake, "2026-01-03", lines[0], "7,new,7")
    assert (short["state"], figures(lake, short)) == ("blocked", {"read": 2, "blocked": 2})
    assert (state(lake), mark(lake)) == (before, newest)
    half = applied(lake, "2026-01-03", *lines[:2])
    assert (half["state"], int(half["absent"])) == ("applied", 2)
    lake.declare(RATES)
    item = deliver(lake, "2026-01-04")
    lake.refine([item])
    assert (lake.batch(item)["state"], state(lake)) == ("applied", {})
    twice = lake.freeze(ID, [lake.land("files/sales/rates/2026-01-05.csv", "id,name,rate\n")])
    lake.refine([twice])
    assert lake.batch(twice)["state"] == "empty"


def test_a_replay_under_a_milder_rule_takes_what_was_refused(lake: Lake) -> None:
    lake.declare(RATES)
    refused = applied(lake, "2026-01-01", "1,a,-1", "2,b,2")
    assert set(state(lake)) == {2}
    lake.declare(RATES | {"columns": [c | {"rules": []} for c in RATES["columns"]]})
    lake.put(refused["pk"], "batch", {**refused, "state": "frozen", "attempt": 0, "force": True,
                                      "prior_state": "applied"})  # fmt: skip
    item = {"batch": refused["pk"][6:], "dataset": ID, "list_uri": refused["list_uri"], "token": 0, "force": True}
    lake.refine([item | {"manifest": lake.pin()}])
    assert state(lake) == {1: ("a", "-1.0000"), 2: ("b", "2.0000")}
    applied(lake, "2026-01-02", "2,b,2")
    lake.put(refused["pk"], "batch", {**refused, "state": "frozen", "attempt": 0, "force": True,
                                      "prior_state": "applied"})  # fmt: skip
    lake.refine([item | {"manifest": lake.pin()}])
    assert state(lake) == {2: ("b", "2.0000")}


def test_what_is_no_delivery_changes_nothing(lake: Lake) -> None:
    lake.declare(RATES)
    nameless = applied(lake, "rates", "1,a,1")
    assert (nameless["state"], nameless["code"]) == ("failed", "unreadable")
    assert "its key holds no time where Deliveries.Stamp says that there is one" in nameless["reason"]
    objects = [lake.land(f"files/sales/rates/2026-01-0{i}.csv", f"id\n{i}\n") for i in (1, 2)]
    several = lake.freeze(ID, objects)
    lake.refine([several])
    assert "a snapshot of sales.rates is one" in lake.batch(several)["reason"]
    elsewhere = lake.freeze(ID, [lake.land("else/2026-01-01.csv", "id\n1\n")])
    lake.refine([elsewhere])
    assert "lies under no landing of sales.rates" in lake.batch(elsewhere)["reason"]
    assert not lake.spark.catalog.tableExists(lake.cleaned(ID))
    applied(lake, "2026-01-01", "1,a,1")
    lake.declare(RATES | {"delivery": {"stamp": None}})
    changed = applied(lake, "2026-01-02", "1,b,1")
    assert (changed["state"], changed["code"]) == ("failed", "schema")
    assert "stamp is " in changed["reason"] and "None by declaration" in changed["reason"]


def random_delivery(rng: random.Random, i: int) -> tuple[list[str], list[tuple | None]]:
    """Lines, and the same records for the model."""
    lines, records = [], []
    keys = rng.sample(range(8), rng.randint(0, 8))
    for key in keys + rng.choices(keys, k=rng.randint(0, 2)) if keys else []:
        name, rate = rng.choice("ab"), rng.choice([1, 1, 1, 2, -1 if rng.random() < 0.3 else 3])
        lines.append(f"{key},{name},{rate}")
        records.append((key, (name, f"{rate}.0000"), rate >= 0))
    if rng.random() < 0.25:
        lines.append(rng.choice(["", "x,"]) + f"{i},too,few,fields,many")
        records.append(None)
    return lines, records


@soak_format
def test_random_histories(lake: Lake) -> None:
    """Deliveries in any order, again, under taken stamps, by runs that die or are overtaken.

    After each of them the table is what the model says.
    """
    seed = int(os.environ.get("STRATA_SEED", time.time_ns() % 1_000_000_007))
    rounds = int(os.environ.get("STRATA_SNAPSHOTS", "12"))
    rng = random.Random(seed)
    lake.declare(RATES)
    wire, model, sent = Wire(), Model(), []
    pipeline = Pipeline(lake, ID, wire)
    with wire.watched():
        for i in range(rounds):
            fault, struck = random_fault(rng) if rng.random() < 0.5 else None, len(pipeline.struck)
            at = f"seed {seed}, delivery {i}, {fault}"
            if sent and rng.random() < 0.2:
                item, place, records = rng.choice(sent)
                pipeline.drain([pipeline.reopen(item)], fault)
                wanted, found = model.apply(place, records), lake.batch(item)["rerun"]
                # A run that goes on where a dead one has committed finds that its rows are there.
                if len(pipeline.struck) == struck:
                    assert figures(lake, found) == wanted, at
            else:
                lines, records = random_delivery(rng, i)
                day = f"2026-01-{rng.randint(1, 9):02d}"
                item = deliver(lake, f"{day}/{i}", *lines)
                key = f"files/sales/rates/{day}/{i}.csv"
                version = lake.s3.head_object(Bucket=lake.buckets["raw"], Key=key)
                hashed = lake.objects_of(item)[0].hash[:16]
                place = (day, version["LastModified"], hashed)
                pipeline.drain([item], fault)
                assert figures(lake, lake.batch(item)) == model.apply(place, records), at
                sent.append((item, place, records))
            lake.now(lake.cleaned(ID))  # the runs have sessions of their own: this one is told to look anew
            assert state(lake) == model.rows, at
    print(f"seed {seed}: {rounds} deliveries and replays, {len(pipeline.struck)} runs struck")
