"""Erasure of one subject: no row of theirs is left or comes back, everybody else's stay, and the report is true."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from conftest import ROOT
from dms import change, file
from erasures import ID, batch_of, next_second, of, put
from formats import every_format, soak_format
from histories.wire import Wire
from lake import Lake
from lakejobs.aws import Clients
from lakejobs.erase.job import erase
from lakejobs.errors import JobFailed
from lakejobs.iceberg import Table
from lakejobs.session import activate, another_session
from lakejobs.tables.iceberg import IcebergStore
from lakejobs.tables.interface import Fence, Moved
from snapshots import RATES, applied, state
from specs import column, dataset, replicated
from vaults import MAIL, vault, with_keys

TABLES = json.loads((ROOT / "constructs/catalog/job_tables.json").read_bytes())

ORDERS = dataset(
    "orders",
    [
        column("id", "bigint", required=True),
        column("seq", "bigint", required=True),
        column("customer", "bigint"),
        column("kind", rules=[{"kind": "set", "values": ["a", "b"]}]),
    ],
    ["id"],
    "seq",
    subject={"name": "customer", "column": "customer"},
    profile=True,
)
HEADER = "id,seq,customer,kind\n"


def name_of(value: str) -> str:
    return hmac.new(b"e", value.encode(), hashlib.sha256).hexdigest()


@every_format
def test_no_row_is_left_and_none_comes_back(lake: Lake, tmp_path: Path) -> None:
    lake.declare(ORDERS)
    first = batch_of(lake, ID, put(lake, "1.csv", HEADER + "1,1,42,a\n2,1,7,a\n3,1,42,a\n4,1,42,z\n5,1,7,z\n"))
    second = batch_of(lake, ID, put(lake, "2.csv", HEADER + "3,2,42,b\n6,1,,a\n"))
    waiting = put(lake, "3.csv", HEADER + "7,1,42,a\n8,1,7,a\n9,1,42,z\nx,1,42,a\n")
    rows = lake.erase("e1", "customer", "0042", "999")
    found = {r["subject"]: r["row_count"] for r in of(rows, "erased", "cleaned")}
    assert found == {name_of("42"): 2, name_of("999"): 0}
    assert {r["subject"]: r["row_count"] for r in of(rows, "erased", "quarantine")} == {
        name_of("42"): 1,
        name_of("999"): 0,
    }
    assert {r["row_count"] for zone in ("cleaned", "quarantine") for r in of(rows, "verified", zone)} == {0}
    assert lake.rows(lake.cleaned(ID), "id") == [(2,), (6,)]
    assert lake.rows(lake.quarantine(ID), "raw") == [("5,1,7,z",)]
    held = {(h["object_key"].rsplit("/", 1)[-1], h["records"]) for h in lake.report("e1", "objects")}
    assert held == {("1.csv", 3), ("2.csv", 1), ("3.csv", 3)}, "what has landed and waits is told of as well"
    if lake.table_format == "iceberg":
        assert of(rows, "erased", "cleaned")[0]["version_before"] != of(rows, "erased", "cleaned")[0]["version_after"]
    assert "42" not in [cell for file in files_of(lake, tmp_path) for row in file for cell in map(str, row)]

    again = lake.again(first)["rerun"]
    assert lake.counts(again) == {"read": 5, "duplicate": 1, "quarantined": 1, "erased": 3}
    late = lake.batch(batch_of(lake, ID, waiting))
    assert lake.counts(late) == {"read": 4, "inserted": 1, "erased": 3}, "their refused records are not kept either"
    assert lake.rows(lake.cleaned(ID), "id") == [(2,), (6,), (8,)]
    assert lake.rows(lake.quarantine(ID), "raw") == [("5,1,7,z",)]
    next_second()
    new = batch_of(lake, ID, put(lake, "4.csv", HEADER + "10,1,42,a\n"))
    assert lake.counts(lake.batch(new)) == {"read": 1, "inserted": 1}, "what is delivered anew is theirs to give"
    assert lake.counts(lake.batch(second)) == {"read": 2, "updated": 1, "inserted": 1}

    rows = lake.erase("e2", "customer", "42")
    assert [r["row_count"] for r in of(rows, "erased", "cleaned")] == [1]
    rows = lake.erase("e3", "customer", "42")
    assert [r["row_count"] for r in rows if r["action"] in ("erased", "verified")].count(0) == 6, (
        "nothing more is found"
    )
    assert lake.rows(lake.cleaned(ID), "id") == [(2,), (6,), (8,)]


def test_the_report_counts_rows_whoever_comes_in_between(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(ORDERS)
    batch_of(lake, ID, put(lake, "1.csv", HEADER + "1,1,42,a\n2,1,7,a\n"))
    right, calls = IcebergStore.purge, []

    def purge(store: IcebergStore, fence: Fence) -> None:
        calls.append(store)
        if len(calls) == 1:
            raise Moved("another writer's commit")
        right(store, fence)

    monkeypatch.setattr(IcebergStore, "purge", purge)
    (told,) = of(lake.erase("e1", "customer", "42"), "erased", "cleaned")
    assert (told["row_count"], len(calls)) == (1, 2)
    assert lake.rows(lake.cleaned(ID), "id") == [(2,)]


def files_of(lake: Lake, folder: Path) -> list[list[tuple]]:
    """What the data files hold of which the table as it is consists, whatever readers are shown of them."""
    folder_of = f"s3://{lake.buckets['cleaned']}/sales/orders"
    if lake.table_format == "delta":
        paths = [f"{folder_of}/{f.path()}" for f in lake.stored(ID).files()]
    elif lake.table_format == "hudi":
        paths = [f"{folder_of}/{name}" for name in lake.stored(ID).files]
    else:
        paths = [r[0] for r in lake.spark.sql(f"SELECT file_path FROM {lake.cleaned(ID)}.files").collect()]
    found = []
    for path in paths:
        local = folder / path.rsplit("/", 1)[-1]
        local.write_bytes(lake.clients.read(path))
        found.append(duckdb.sql(f"SELECT customer FROM '{local}'").fetchall())
    assert found
    return found


CARDS = replicated(
    "cards",
    [column("id", "bigint", required=True), column("owner", protect={"kind": "hash", "key": "k"}), column("note")],
    ["id"],
    subject={"name": "customer", "column": "owner"},
)
PEOPLE = replicated(
    "people",
    [column("id", "bigint", required=True), column("note")],
    ["id"],
    subject={"name": "customer", "column": "id"},
)


def cards(*changes: tuple) -> bytes:
    return file(changes, {"id": pa.int64(), "owner": pa.string(), "note": pa.string()})


def people(*changes: tuple) -> bytes:
    return file(changes, {"id": pa.int64(), "note": pa.string()})


@soak_format
def test_changes_of_a_database(lake: Lake) -> None:
    secret = lake.clients.secrets.create_secret(Name=f"k{lake.n}", SecretString="k")["ARN"]
    lake.hash_keys = f"k={secret}"
    lake.declare(CARDS)
    lake.declare(PEOPLE)
    first = lake.changes("sales.cards", cards(
        change("I", 1, id=1, owner="42", note="a"), change("I", 2, id=2, owner="7", note="b"),
        change("I", 3, id=3, owner="7", note="c"), change("U", 4, {"id": 3}, id=3, owner="42", note="d")))  # fmt: skip
    lake.refine([first])
    moves = lake.changes("sales.people", people(
        change("I", 1, id=42, note="a"), change("I", 2, id=7, note="b"), change("I", 3, id=43, note="c"),
        change("D", 4, id=43), change("I", 5, id=8, note="d"), change("U", 6, {"id": 8}, id=9, note="e")))  # fmt: skip
    lake.refine([moves])
    waiting = lake.changes("sales.people", people(
        change("U", 7, {"id": 42}, id=50, note="f"), change("U", 8, {"id": 7}, id=42, note="g"),
        change("U", 9, {"id": 42}, id=42, note="h"), change("D", 10, id=42)))  # fmt: skip
    rows = lake.erase("e1", "customer", "42", "43")
    assert {r["subject"]: r["row_count"] for r in of(rows, "erased", "cleaned", "sales.cards")} == {
        name_of("42"): 2, name_of("43"): 0}  # fmt: skip
    left = lake.rows(lake.cleaned("sales.cards"), "id", "_is_deleted", "owner", "note")
    assert [r[:2] for r in left] == [(1, True), (2, False), (3, True)], "the order of their rows' changes is kept"
    assert [r[2:] for r in left if r[1]] == [(None, None)] * 2
    assert lake.counts(lake.again(first)["rerun"]) == {"read": 4, "duplicate": 1, "superseded": 1, "erased": 2}
    assert lake.rows(lake.cleaned("sales.cards"), "id", "_is_deleted", "owner", "note") == left

    def keys() -> list[tuple]:
        return lake.rows(lake.cleaned("sales.people"), "id", "_is_deleted")

    assert {r["subject"]: r["row_count"] for r in of(rows, "erased", "cleaned", "sales.people")} == {
        name_of("42"): 1, name_of("43"): 1}, "a tombstone that is their key is theirs"  # fmt: skip
    assert keys() == [(7, False), (8, True), (9, False)]
    lake.again(moves)
    assert keys() == [(7, False), (8, True), (9, False)]
    lake.refine([waiting])
    assert lake.counts(lake.batch(waiting)) == {"read": 4, "updated": 1, "erased": 3}
    assert keys() == [(7, True), (8, True), (9, False), (50, False)], "rows that leave or take their key"


def test_keyless_rows_and_snapshots(lake: Lake) -> None:
    lake.declare(
        dataset("clicks", [column("who", "int"), column("page")], [], subject={"name": "rate", "column": "who"})
    )
    lake.declare(RATES | {"subject": {"name": "rate", "column": "id"}})
    clicks = batch_of(lake, "sales.clicks", put(lake, "1.csv", "page,who\na,1\na,1\nb,2\n", "clicks"))
    applied(lake, "2026-01-01", "1,a,1", "2,b,1")
    rows = lake.erase("e1", "rate", "1", expire_history=True)
    assert [r["row_count"] for r in of(rows, "erased", "cleaned", "sales.clicks")] == [2]
    assert lake.rows(lake.cleaned("sales.clicks"), "who", "page") == [(2, "b")]
    assert list(state(lake)) == [2]
    assert lake.counts(lake.again(clicks)["rerun"]) == {"read": 3, "duplicate": 1, "erased": 2}
    kept = of(rows, "remains", "cleaned", "sales.rates")
    assert [r["rule"].split(";")[0] for r in kept] == ["earlier states were removed now"]
    assert len(list(Table.load(lake.spark, lake.cleaned("sales.rates")).loaded.snapshots())) == 1
    next_second()
    assert lake.counts(applied(lake, "2026-01-02", "1,a,1", "2,b,1")) == {"read": 2, "inserted": 1, "unchanged": 1}


def test_all_that_was_made_of_their_records(lake: Lake) -> None:
    """Quarantined JSON whose object has gone, corrections, copies of overwritten versions, statistics, models."""
    text = {"kind": "json", "header": None, "delimiter": None, "null_value": None, "route_by": None}
    lake.declare(ORDERS | {"format": text})
    lake.model("kinds", 'SELECT o.customer, count(*) AS n FROM {{ ref("sales.orders") }} AS o GROUP BY 1', [ID])
    good, bad = '{"id":1,"seq":1,"customer":42,"kind":"a"}', '{"id":2,"seq":1,"customer":"42","kind":"z"}'
    first = put(lake, "1.json", f"{good}\n{bad}\n" + '{"id":3,"seq":1,"customer":7,"kind":"b"}\n{"id":4,"customer":42')
    item = lake.freeze(ID, [first])
    put(lake, "1.json", "{}\n")
    lake.refine([item])
    lake.publish()
    copies = f"batches/{item['batch']}/objects/"
    artifacts = {"Bucket": lake.buckets["artifacts"]}
    assert lake.s3.list_objects_v2(**artifacts, Prefix=copies)["KeyCount"] == 1
    fix = {"batch_id": item["batch"], "object_key": first.key, "object_version": first.version,
           "record_sha256": hashlib.sha256(bad.encode()).hexdigest(), "occurrence": 1,
           "set": {"kind": "a"}}  # fmt: skip
    lake.land("corrections/sales/orders/fix.jsonl", json.dumps(fix) + "\n")
    old = put(lake, "old.json", '{"id":5,"seq":1,"customer":42,"kind":"z"}\n')
    batch_of(lake, ID, old)
    lake.s3.delete_object(Bucket=old.bucket, Key=old.key, VersionId=old.version)

    rows = lake.erase("e1", "customer", "42")
    assert [r["row_count"] for r in of(rows, "erased", "quarantine")] == [2]
    assert lake.rows(lake.quarantine(ID), "raw") == [('{"id":4,"customer":42',)]
    assert [r["row_count"] for r in of(rows, "unsearched", "quarantine")] == [1], (
        "whose a broken record is nobody can tell"
    )
    assert lake.s3.list_objects_v2(**artifacts, Prefix=copies)["KeyCount"] == 0
    assert lake.s3.list_objects_v2(**artifacts, Prefix="batches/erase-")["KeyCount"] == 0
    assert lake.s3.list_objects_v2(**artifacts, Prefix="erasures/requests/")["KeyCount"] == 0
    profile = lake.clients.read(f"s3://{artifacts['Bucket']}/quality/profiles/{item['batch']}.json").splitlines()
    assert {json.loads(line)["min"] for line in profile} == {None}
    assert {json.loads(line)["rows_judged"] for line in profile} == {2}
    held = {h["object_key"].rsplit("/", 1)[-1]: h["records"] for h in lake.report("e1", "objects")}
    assert held == {"1.json": 2, "fix.jsonl": 1}
    for kind, table in (("results", "erasures"), ("objects", "erasure_objects")):
        assert {tuple(row) for row in lake.report("e1", kind)} == {tuple(name for name, _ in TABLES[table])}
    (model,) = of(rows, "remains", "curated", "sales.kinds")[:1]
    assert model["until"] == "publication"
    lake.publish()
    assert lake.rows(lake.curated("kinds")) == [(7, 1)]
    rows = lake.erase("e2", "customer", "42")
    assert [r["detail"] for r in of(rows, "verified", "curated", "sales.kinds")] == [
        "is built of the tables as they are now"]  # fmt: skip
    said = json.dumps(lake.report("e1")) + json.dumps(lake.report("e1", "objects"))
    assert '"42"' not in said


def test_a_batch_of_before_the_declaration_brings_nobody_back(lake: Lake) -> None:
    lake.declare({k: v for k, v in ORDERS.items() if k != "subject"})
    item = lake.freeze(ID, [put(lake, "1.csv", HEADER + "1,1,42,a\n2,1,7,a\n")])
    lake.declare(ORDERS)
    lake.erase("e1", "customer", "42")
    lake.refine([item])
    assert lake.counts(lake.batch(item)) == {"read": 2, "inserted": 1, "erased": 1}


def test_a_correction_of_somebody_erased(lake: Lake) -> None:
    lake.declare(ORDERS)
    item = batch_of(lake, ID, put(lake, "1.csv", HEADER + "1,1,42,z\n2,1,7,a\n"))
    lake.erase("e1", "customer", "42")
    (row,) = lake.correct(item, ("1,1,42,z", {"kind": "a"}))
    assert (row["outcome"], lake.rows(lake.cleaned(ID), "id")) == ("erased", [(2,)])


def test_another_version_of_the_secret_lets_nobody_back(lake: Lake) -> None:
    lake.declare(ORDERS)
    item = batch_of(lake, ID, put(lake, "1.csv", HEADER + "1,1,42,a\n"))
    lake.erase("e1", "customer", "42")
    lake.clients.secrets.put_secret_value(SecretId=lake.erasure_secret, SecretString="another")
    with pytest.raises(JobFailed, match="which now has .*: make that its current version again"):
        lake.erase("e2", "customer", "42")
    again = lake.again(item)["rerun"]
    assert (again["state"], again["code"]) == ("failed", "error")
    assert "customers that were erased are known by version" in again["reason"]
    assert lake.rows(lake.cleaned(ID), "id") == []


def test_what_is_left_undone_is_told_and_tried_again(lake: Lake) -> None:
    lake.declare(ORDERS)
    batch_of(lake, ID, put(lake, "1.csv", HEADER + "1,1,42,a\n"))
    lake.lease(ID, f"{'a' * 32}-1")
    arguments = lake.erasing("e1", "customer", "42")
    with pytest.raises(
        JobFailed, match=r"no report is kept until all of it is: Busy: others held the lease sales\.orders"
    ):
        erase(lake.spark, arguments, lake.clients, sleep=lambda _: None)
    lake.put(f"lease#{ID}", "lease", {"state": "free", "run": "x", "token": 9, "expires": 0})
    erase(lake.spark, arguments, lake.clients)
    assert lake.rows(lake.cleaned(ID), "id") == []
    erase(lake.spark, arguments, lake.clients)
    with pytest.raises(JobFailed, match="erasures/requests/e2.json: is not in"):
        erase(lake.spark, replace(arguments, erasure="e2", request="erasures/requests/e2.json"), lake.clients)


@soak_format
@pytest.mark.parametrize("points", [pytest.param(3, id="some"), pytest.param(99, id="every", marks=pytest.mark.soak)])
@pytest.mark.parametrize("tokenised", [False, True], ids=["plain", "tokens"])
def test_the_job_dies_or_is_overtaken_at_any_side_effect(lake: Lake, points: int, tokenised: bool) -> None:
    dice, wire, told = random.Random(20261122), Wire(), []
    lake.declare(ORDERS | {"columns": [*ORDERS["columns"], column("mail", protect=MAIL if tokenised else "none")]})
    if tokenised:
        with_keys(lake, "mail")
    landed = 0

    def land() -> None:
        nonlocal landed
        landed += 1
        records = (landed, 42, "a"), (landed + 1000, 7, "a"), (landed + 2000, 42, "z"), (landed + 3000, 7, "z")
        lines = "".join(f"{id},1,{customer},{kind},m{id}\n" for id, customer, kind in records)
        batch_of(lake, ID, put(lake, f"{landed}.csv", HEADER.strip() + ",mail\n" + lines))

    with wire.watched():
        for nth in range(1, points + 1):
            chosen = nth if points > 9 else dice.randint(2, 20 if tokenised else 12)
            kinds = [("crash", chosen, "before"), ("crash", chosen, "after"), ("overtaken", chosen)]
            fault = kinds[nth % len(kinds)]
            land()
            lake.end_runs()
            arguments = lake.erasing(f"e{nth}", "customer", "42")
            with wire.run(fault, land) as run:
                try:
                    erase(another_session(lake.spark), arguments, Clients.connect(), sleep=lambda _: None)
                except Exception:
                    assert run.fired
            activate(lake.spark)
            told.append(f"{fault} {run.effects[fault[1] - 1]}" if run.fired else None)
            lake.end_runs()
            erase(lake.spark, arguments, lake.clients)
            at = told[-1]
            assert lake.now(lake.cleaned(ID)).where("customer = 42").count() == 0, at
            others = [(n + 1001,) for n in range(landed)]
            assert sorted(tuple(r) for r in lake.now(lake.cleaned(ID)).select("id").collect()) == others, at
            raws = sorted(r[0] for r in lake.now(lake.quarantine(ID)).select("raw").collect())
            assert raws == sorted(f"{n + 3001},1,7,z,m{n + 3001}" for n in range(landed)), at
            kept = {f"m{id}" for (id,) in others} if tokenised else set()
            assert set(vault(lake).values() if tokenised else ()) == kept, at
            assert {r["row_count"] for r in lake.report(f"e{nth}") if r["action"] == "verified"} == {0}, at
            if not run.fired:
                break
    print("\n".join(f"struck: {at}" for at in told))
    assert any(told), "nothing was struck"
