"""Corrected records enter their table once, at their own place in the order, or are refused with a reason."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from conftest import ROOT
from dms import parquet_bytes
from formats import every_format
from lake import Lake
from lakejobs.errors import JobFailed
from lakejobs.refine.apply import Application
from orders import HEADER, ORDERS
from parts import ID as PART_ID
from parts import PARTS, insert, part, update
from parts import state as parts_state
from snapshots import ID as RATE_ID
from snapshots import RATES, deliver
from snapshots import state as rates
from specs import column, dataset, parquet

COLUMNS = [name for name, _ in json.loads((ROOT / "constructs/catalog/job_tables.json").read_bytes())["corrections"]]
VALID = "the record's own values are valid, so there is nothing to correct: land a record of its own instead"
ABSENT = "the object holds no record of this SHA-256 and occurrence"
EVENTS = dataset("events", [column("id", required=True), column("what")], ["id"])


def landed(lake: Lake, spec: dict, key: str, body: str) -> dict:
    lake.declare(spec)
    item = lake.freeze(spec["id"], [lake.land(key, body)])
    lake.refine([item])
    return item


def outcomes(rows: list[dict]) -> list[tuple[str, str]]:
    return [(row["outcome"], row["reason"]) for row in rows]


@every_format
def test_an_upsert_takes_them_at_their_own_place(lake: Lake) -> None:
    item = landed(lake, ORDERS, "in/c.csv", HEADER + "1,1,a,1.00\n2,1,b,-2\n3,1,c,-3\nx,1,d,1\nbad\n6,1,f,-6\n")
    table, refused = lake.cleaned("sales.orders"), lake.quarantine("sales.orders")
    lake.apply("sales.orders", HEADER + "3,5,newer,9.00\n")
    first = lake.correct(
        item, ("2,1,b,-2", {"price": "2.00"}), ("3,1,c,-3", {"price": "3"}), ("x,1,d,1", {"id": "y"}),
        ("bad", {"id": "5"}), ("1,1,a,1.00", {"price": "7"}), ("gone", {"id": "1"}),
        ("6,1,f,-6", {"price": "6", "seq": "9"}),
    )  # fmt: skip
    assert outcomes(first) == [
        ("inserted", ""), ("stale", ""), ("quarantined", "type:id"),
        ("refused", "malformed: its values cannot be told, so set has to give every column; "
         "seq, name, price is missing"),
        ("refused", VALID),
        ("refused", ABSENT),
        ("refused", "set.seq: the record's place in the order is known, and stays: land a later one instead"),
    ]  # fmt: skip
    assert [r["refused_for"] for r in first] == ["range:price", "range:price", "type:id", "malformed", "", "",
                                                "range:price"]  # fmt: skip
    assert all(list(row) == COLUMNS for row in first), "as the table in Athena reads them"
    wanted = [(1, 1, "a"), (2, 1, "b"), (3, 5, "newer")]
    assert lake.rows(table, "id", "seq", "name") == wanted
    kept = [("6,1,f,-6", ["range:price"]), ("bad", ["malformed"]), ("x,1,d,1", ["type:id"])]
    assert lake.rows(refused, "raw", "reasons") == kept
    assert lake.batch(item)["rerun"]["counts"]["read"] == 6

    before = lake.snapshots(table), lake.snapshots(refused)
    lake.reopen(item)
    lake.refine([item])
    assert (lake.snapshots(table), lake.snapshots(refused), lake.verdicts(item)) == (*before, first), "twice is once"

    whole = {"id": "5", "seq": "1", "name": None, "price": "5"}
    named = {"id": "4", "name": 'it\'s \\ "d"'}
    second = lake.correct(item, ("2,1,b,-2", {"price": "99"}), ("x,1,d,1", named), ("bad", whole))
    assert (second[:2], second[4:7]) == (first[:2], first[4:])
    by = f"by line 2 of {second[8]['correction_key']} version {second[8]['correction_version']}"
    assert outcomes(second)[2] == ("replaced", by)
    assert second[3]["outcome"] == "replaced"
    by = f"line 1 of {first[0]['correction_key']} version {first[0]['correction_version']}"
    assert outcomes(second)[7] == ("refused", f"the record was accepted already, by {by}")
    assert outcomes(second)[8:] == [("inserted", ""), ("inserted", "")]
    assert lake.rows(table, "id", "seq", "name")[3:] == [(4, 1, 'it\'s \\ "d"'), (5, 1, None)]
    assert lake.rows(refused, "raw") == [("6,1,f,-6",)]

    relaxed = [c | {"rules": []} for c in ORDERS["columns"]]
    lake.declare(ORDERS | {"columns": relaxed})
    lake.reopen(item)
    lake.refine([item])
    assert [str(r[0]) for r in lake.rows(table, "price")] == ["-6.00", "1.00", "1.00", "2.00", "5.00", "9.00"], (
        "what was accepted stays, though it would be valid as it landed"
    )


def test_copies_of_a_line_are_told_apart(lake: Lake) -> None:
    """Append: both have no key, so each may get one of its own; the other keeps its occurrence meanwhile."""
    item = landed(lake, EVENTS, "in/e.csv", "id,what\n,x\n,x\na,1\n")
    table, refused = lake.cleaned("sales.events"), lake.quarantine("sales.events")
    assert lake.rows(refused, "occurrence") == [(1,), (2,)]
    assert outcomes(lake.correct(item, (",x", {"id": "b"}), occurrence=1)) == [("inserted", "")]
    assert lake.rows(refused, "occurrence") == [(2,)]
    found = lake.correct(item, (",x", {"id": "a", "what": "2"}), occurrence=2)
    assert outcomes(found) == [("inserted", ""), ("stale", "")], "a row that is stored is never overwritten"
    assert lake.rows(table, "id", "what") == [("a", "1"), ("b", "x")]
    assert lake.rows(refused) == []


@every_format
def test_a_change_keeps_its_place(lake: Lake) -> None:
    lake.declare(PARTS)
    item = lake.changes(PART_ID, part(insert(1, 1, "a", price=-1), update(2, 2, "b", price=-1), insert(None, 3, "c"),
                                      update(4, 5, "moved", price=-4, old=4)))  # fmt: skip
    lake.refine([item])
    lake.apply_changes(PART_ID, part(update(9, 1, "later")))
    lines = {json.loads(r[0])["id"]: r[0] for r in lake.rows(lake.quarantine(PART_ID), "raw")}
    found = lake.correct(item, *[(lines[k], {"price": "1.00"}) for k in "1235"])
    assert outcomes(found) == [
        ("stale", ""), ("inserted", ""),
        ("refused", "required:AR_H_CHANGE_SEQ: the record's place among the changes cannot be told:"
         " load the table anew"),
        ("updated", ""),
    ]  # fmt: skip
    assert parts_state(lake) == {1: (1, 9, "later"), 2: (1, 2, "b"), 4: (1, 4, "-"), 5: (1, 4, "moved")}
    assert [json.loads(r[0])["id"] for r in lake.rows(lake.quarantine(PART_ID), "raw")] == ["3"]


def test_a_snapshot_becomes_whole(lake: Lake) -> None:
    """A record without a key kept rows that the delivery does not have; corrected, it lets them go."""
    lake.declare(RATES)
    lake.refine([deliver(lake, "2026-01-01", "1,a,1", "2,b,2")])
    item = deliver(lake, "2026-01-02", "1,a,1", ",c,3")
    lake.refine([item])
    assert set(rates(lake)) == {1, 2}
    assert outcomes(lake.correct(item, (",c,3", {"id": "3"}))) == [("inserted", "")]
    assert set(rates(lake)) == {1, 3}
    lake.refine([deliver(lake, "2026-01-04", "1,a,1", "3,c,4")])
    late = deliver(lake, "2026-01-03", "1,a,-1")
    lake.refine([late])
    assert outcomes(lake.correct(late, ("1,a,-1", {"rate": "5"}))) == [("stale", "")]
    assert rates(lake)[1] == ("a", "1.0000")
    assert RATE_ID == "sales.rates"


def test_a_blocked_batch_is_corrected_and_applied(lake: Lake) -> None:
    strict = ORDERS | {"gate": {"max_quarantined_share": 0.3, "min_rows": None}}
    item = landed(lake, strict, "in/b.csv", HEADER + "1,1,a,-1\n2,1,b,-2\n3,1,c,3\n4,1,d,4\n")
    assert lake.batch(item)["state"] == "blocked"
    assert outcomes(lake.correct(item, ("9", {"price": "1"}))) == [("refused", ABSENT)]
    assert lake.batch(item)["state"] == "blocked"
    assert outcomes(lake.correct(item, ("1,1,a,-1", {"price": "1"})))[1:] == [("inserted", "")]
    record = lake.batch(item)
    assert (record["state"], lake.counts(record)) == ("applied", {"read": 4, "inserted": 3, "quarantined": 1})


def test_a_blocked_batch_says_so_of_its_corrections(lake: Lake) -> None:
    strict = ORDERS | {"gate": {"max_quarantined_share": 0.1, "min_rows": None}}
    item = landed(lake, strict, "in/s.csv", HEADER + "1,1,a,-1\n2,1,b,-2\n")
    assert outcomes(lake.correct(item, ("1,1,a,-1", {"price": "1"}))) == [("blocked", "")]
    assert outcomes(lake.correct(item, ("2,1,b,-2", {"price": "2"}))) == [("inserted", "")] * 2


def test_a_run_that_died_after_its_commit_is_not_taken_for_the_corrected_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.declare(ORDERS)
    item = lake.freeze("sales.orders", [lake.land("in/d.csv", HEADER + "1,1,a,1\n2,1,b,-2\n")])
    run = Application.run

    def dies(self: Application) -> None:
        run(self)
        raise ConnectionError("the job is gone")

    monkeypatch.setattr(Application, "run", dies)
    with pytest.raises(JobFailed):
        lake.refine([item])
    monkeypatch.undo()
    lake.put(f"batch#{item['batch']}", "batch", {k: v for k, v in lake.batch(item).items() if k not in ("pk", "sk")}
             | {"state": "failed", "code": "exhausted"})  # fmt: skip
    assert outcomes(lake.correct(item, ("2,1,b,-2", {"price": "2"}))) == [("inserted", "")]
    record = lake.batch(item)
    assert (record["state"], lake.counts(record)) == ("applied", {"read": 2, "duplicate": 1, "inserted": 1})
    commits = lake.snapshots(lake.cleaned("sales.orders"))
    lake.put(record["pk"], "batch", {k: v for k, v in record.items() if k not in ("pk", "sk")}
             | {"state": "running", "attempt": 1})  # fmt: skip
    lake.refine([item])
    assert lake.batch(item)["counts"] == record["counts"], "its own commit completes it"
    assert lake.snapshots(lake.cleaned("sales.orders")) == commits


def test_a_file_that_is_gone_fails_the_batch(lake: Lake) -> None:
    item = landed(lake, ORDERS, "in/g.csv", HEADER + "1,1,a,-1\n")
    lake.correct(item, ("1,1,a,-1", {"price": "1"}))
    (file,) = lake.batch(item)["corrections"]
    lake.s3.delete_object(Bucket=file["bucket"], Key=file["key"], VersionId=file["version"])
    lake.reopen(item)
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], record["rerun"]["code"]) == ("empty", "error")
    gone = f"its corrections {file['key']} version {file['version']}: this version no longer exists"
    assert gone in record["rerun"]["reason"]
    assert [r[0] for r in lake.rows(lake.cleaned("sales.orders"), "id")] == [1]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_without_a_key_stay_where_they_landed(lake: Lake, kind: str) -> None:
    """Three alike records are refused; two are corrected, one after the other, and no run doubles or moves a row."""
    spec = {**EVENTS, "columns": [column("id"), column("what", required=True)], "keys": []}
    if kind == "parquet":
        spec["format"] = parquet()
        table = pa.table({"id": ["a"] * 3 + ["b"], "what": pa.array([None] * 3 + ["1"], pa.string())})
        body, line = parquet_bytes(table), '{"id":"a","what":null}'
    else:
        body, line = b"id,what\na,\na,\na,\nb,1\n", "a,"
    lake.declare(spec)
    item = lake.freeze(spec["id"], [lake.land(f"in/k.{kind}", body)])
    lake.refine([item])
    name = lake.cleaned("sales.events")
    assert outcomes(lake.correct(item, (line, {"what": "x"}), occurrence=2)) == [("inserted", "")]
    assert outcomes(lake.correct(item, (line, {"what": "x"}), occurrence=3)) == [("inserted", "")] * 2
    assert lake.rows(name, "id", "what") == [("a", "x"), ("a", "x"), ("b", "1")]
    assert lake.rows(lake.quarantine("sales.events"), "occurrence") == [(1,)]
    before = lake.snapshots(name)
    lake.reopen(item)
    lake.refine([item])
    assert lake.snapshots(name) == before
