"""Whole batches through refine, against Iceberg on the Glue catalog."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import itertools
from typing import Any

import pytest
from formats import every_format, soak_format
from lake import Lake
from lakejobs.errors import JobFailed
from lakejobs.refine import apply
from lakejobs.refine.job import refine
from lakejobs.tables.interface import Change, Moved, StoredTable
from orders import HEADER, ORDERS
from specs import column, dataset, parquet

EVENTS = dataset("events", [column("id", required=True), column("what")], ["id"], unique_key=True)


def theirs(lake: Lake, row: str) -> None:
    """Another writer puts a row into the table of orders."""
    name = lake.cleaned("sales.orders")
    frame = lake.spark.sql(f"SELECT * FROM VALUES {row} AS t ({', '.join(lake.frame(name).columns)})")
    frame = frame.select(*[frame[f.name].cast(f.dataType).alias(f.name) for f in lake.frame(name).schema])
    if lake.table_format == "delta":
        frame.write.format("delta").mode("append").save(lake.store("sales.orders").layout.location)
    elif lake.table_format == "hudi":
        table = lake.stored("sales.orders")
        table.publish(table.write(frame, None, "theirs", {}), table.main)
    else:
        frame.writeTo(name).append()


@soak_format
def test_upsert_over_batches_and_twice_is_once(lake: Lake) -> None:
    lake.declare(ORDERS)
    table, refused = lake.cleaned("sales.orders"), lake.quarantine("sales.orders")
    first = lake.apply("sales.orders", HEADER + "1,1,a,1.00\n2,1,b,2.50\n3,1,c,-1\nx,1,d,1\nx,1,d,1\n")
    assert first["state"] == "applied"
    assert lake.counts(first) == {"read": 5, "inserted": 2, "quarantined": 3}
    assert first["reasons"] == {"range:price": 1, "type:id": 2}
    landed = lake.land("in/second.csv", "price,name,id,seq\n9,a2,1,2\n2.5,b,2,3\n4,z,4,1\n1.00,a,1,1\n0,old,1,0\n")
    item = lake.freeze("sales.orders", [landed])
    lake.refine([item])
    second = lake.batch(item)
    assert lake.counts(second) == {"read": 5, "inserted": 1, "updated": 1, "unchanged": 1, "duplicate": 1,
                                   "superseded": 1}  # fmt: skip
    wanted = [(1, 2, "a2"), (2, 3, "b"), (4, 1, "z")]
    assert lake.rows(table, "id", "seq", "name") == wanted
    assert list(lake.frame(table).columns) == ["id", "seq", "name", "price", "_batch_id"]
    assert {r[0] for r in lake.rows(table, "_batch_id")} == {item["batch"]}
    assert lake.get("open", f"sales.orders#{item['batch']}") is None

    digest = hashlib.sha256(b"x,1,d,1").hexdigest()
    ids = lake.rows(refused, "record_sha256", "occurrence", "record_key", "raw")
    assert (digest, 1, '{"id":"x"}', "x,1,d,1") in ids
    assert (digest, 2, '{"id":"x"}', "x,1,d,1") in ids

    before = lake.snapshots(table), lake.snapshots(refused)
    assert [len(s) for s in before] == [2, 1]
    for record in (first, second):
        batch = {k: record[k] for k in ("dataset", "list_uri", "manifest")} | {"batch": record["pk"][6:], "token": 0}
        reopened = record | {"state": "frozen", "force": True, "prior_state": "applied", "attempt": 0}
        lake.put(record["pk"], "batch", {k: v for k, v in reopened.items() if k not in ("pk", "sk")})
        lake.refine([batch | {"force": True}])
        after = lake.batch(batch)
        assert (after["state"], after["force"], after["counts"]) == ("applied", False, record["counts"])
        assert (after["rerun"]["rows_changed"], after["snapshot"]) == (0, record["snapshot"])
        assert "prior_state" not in after
    assert (lake.snapshots(table), lake.snapshots(refused)) == before
    assert lake.rows(table, "id", "seq", "name") == wanted


@soak_format
def test_append_over_files(lake: Lake) -> None:
    lake.declare(EVENTS)
    record = lake.apply("sales.events", "id,what\na,1\nb,1\nb,1\n", "id,what\nb,2\nb,2\nc,1\n")
    assert lake.counts(record) == {"read": 6, "inserted": 3, "duplicate": 2, "quarantined": 1}
    assert record["reasons"] == {"unique_key": 1}
    assert lake.rows(lake.cleaned("sales.events"), "id", "what") == [("a", "1"), ("b", "1"), ("c", "1")]
    lake.declare(EVENTS | {"unique_key": False})
    late = lake.apply("sales.events", "id,what\nc,9\na,1\n")
    assert (late["state"], lake.counts(late)) == ("empty", {"read": 2, "stale": 1, "duplicate": 1})
    assert len(lake.snapshots(lake.cleaned("sales.events"))) == 1


@soak_format
def test_any_order_of_batches_ends_the_same(lake: Lake) -> None:
    bodies = ["1,1,a,1\n2,5,b,1\n", "1,3,c,1\n2,4,x,1\n", "1,2,d,1\n1,3,c,2\n3,1,,\n"]
    results = []
    for n, order in enumerate([(0, 1, 2), (2, 1, 0)]):
        name = f"any{n}"
        lake.declare(ORDERS | {"name": name, "id": f"sales.{name}"})
        for i in order:
            lake.apply(f"sales.{name}", HEADER + bodies[i])
        results.append(lake.rows(lake.cleaned(f"sales.{name}"), "id", "seq", "name"))
    assert results[0] == results[1] == [(1, 3, "c"), (2, 5, "b"), (3, 1, None)]


@soak_format
def test_one_bad_batch_among_others_fails_alone(lake: Lake) -> None:
    lake.declare(ORDERS)
    lake.declare(EVENTS)
    good = lake.freeze("sales.orders", [lake.land("in/a.csv", HEADER + "1,1,a,1\n")])
    packed = gzip.compress((HEADER + "2,1,a,1\n" * 1000).encode())
    broken = lake.land("in/broken.csv.gz", packed[: len(packed) // 2])
    poison = lake.freeze("sales.orders", [broken])
    mixed = lake.freeze("sales.orders", [lake.land("in/c.csv", HEADER + "3,1,a,1\n"), lake.land("in/d.csv", "id,id\n")])
    other = lake.freeze("sales.events", [lake.land("in/e.csv", "id,what\na,1\n")])
    lake.refine([good, poison, mixed, other])
    states = [lake.batch(b)["state"] for b in (good, poison, mixed, other)]
    assert states == ["applied", "failed", "applied", "applied"]
    failed = lake.batch(poison)
    assert failed["code"] == "unreadable"
    assert "in/broken.csv.gz is damaged or truncated gzip" in failed["reason"]
    marked = lake.get("inbox#sales.orders", f"object#{broken.hash}")
    assert marked["state"] == "unreadable"
    part = lake.batch(mixed)
    assert (part["objects_read"], [u["key"] for u in part["unreadable"]]) == (1, ["in/d.csv"])
    assert lake.counts(part) == {"read": 1, "inserted": 1}


def test_truncated_parquet_is_unreadable(lake: Lake) -> None:
    lake.declare(EVENTS | {"format": parquet()})
    record = lake.apply("sales.events", b"PAR1" + b"\0" * 100, suffix="parquet")
    assert (record["state"], record["code"]) == ("failed", "unreadable")
    assert "no whole Parquet file" in record["unreadable"][0]["reason"]


@soak_format
def test_blocked_gate_leaves_everything_untouched(lake: Lake) -> None:
    lake.declare(ORDERS | {"gate": {"max_quarantined_share": 0.5, "min_rows": 2}})
    lake.apply("sales.orders", HEADER + "1,1,a,1\n2,1,a,1\n")
    before = lake.snapshots(lake.cleaned("sales.orders"))
    landed = lake.land("in/bad.csv", HEADER + "1,2,b,1\nx,1,,\ny,1,,\n")
    item = lake.freeze("sales.orders", [landed])
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], record["code"]) == ("blocked", "gate")
    assert lake.counts(record) == {"read": 3, "blocked": 3}
    assert record["reasons"] == {"type:id": 2}
    assert record["reason"] == "2 of 3 rows quarantined (0.6667), at most a share of 0.5 is accepted"
    assert lake.snapshots(lake.cleaned("sales.orders")) == before
    assert lake.snapshots(lake.quarantine("sales.orders")) == []
    few = lake.apply("sales.orders", HEADER + "9,9,z,1\n")
    assert few["reason"] == "1 rows read, at least 2 are needed"

    lake.declare(ORDERS)
    again = lake.freeze("sales.orders", [landed], history=[{"state": "blocked"}])
    lake.refine([again])
    assert lake.counts(lake.batch(again)) == {"read": 3, "updated": 1, "quarantined": 2}


@soak_format
def test_empty_batches(lake: Lake) -> None:
    lake.declare(ORDERS)
    record = lake.apply("sales.orders", HEADER, "")
    assert (record["state"], record["objects_read"], lake.counts(record)) == ("empty", 2, {})
    assert not lake.exists(lake.cleaned("sales.orders"))
    refused = lake.apply("sales.orders", HEADER + "x,1,,\n")
    assert (refused["state"], lake.counts(refused)) == ("empty", {"read": 1, "quarantined": 1})


@every_format
def test_schema_changes(lake: Lake) -> None:
    small = ORDERS["columns"][:3]
    lake.declare(ORDERS | {"columns": [column("id", "int", required=True), *small[1:]]})
    lake.apply("sales.orders", HEADER + "1,1,a,1.00\n")
    added = [column("id", "bigint", required=True), small[1], column("new", "date"), small[2], ORDERS["columns"][3]]
    lake.declare(ORDERS | {"columns": added})
    record = lake.apply("sales.orders", "id,seq,new,name,price\n1,2,2024-01-01,a,3.00\n5000000000,1,,b,\n")
    assert lake.counts(record) == {"read": 2, "updated": 1, "inserted": 1}
    table = lake.frame(lake.cleaned("sales.orders"))
    assert [f"{n} {t}" for n, t in table.dtypes] == [
        "id bigint", "seq bigint", "new date", "name string", "price decimal(10,2)", "_batch_id string"
    ]  # fmt: skip
    before = lake.snapshots(lake.cleaned("sales.orders"))
    for columns, keys, complaint in [
        (small, ["id"], "price is in the table but no longer declared; new is in the table but no longer declared"),
        ([*added[:2], column("new", "timestamp"), *added[3:]], ["id"], "new is date in the table and timestamp by"),
        ([*added[:3], column("name", protect="hash"), added[4]], ["id"], "the protection of name has changed"),
        (added, ["id", "seq"], "keys is ['id'] in the table and ['id', 'seq'] by declaration"),
    ]:
        lake.secret = lake.clients.secrets.create_secret(Name=f"k{next(_ids)}", SecretString="s")["ARN"]
        lake.declare(ORDERS | {"columns": columns, "keys": keys})
        refused = lake.apply("sales.orders", "id,seq,name\n9,9,z\n")
        assert (refused["state"], refused["code"]) == ("failed", "schema")
        assert all(part in refused["reason"] for part in complaint.split("; "))
    assert lake.snapshots(lake.cleaned("sales.orders")) == before


_ids = itertools.count()


def test_a_table_as_declared_takes_no_step(lake: Lake) -> None:
    lake.declare(ORDERS)
    lake.apply("sales.orders", HEADER + "1,1,a,1.00\n")
    store = lake.store("sales.orders")
    table = store.load()

    def fence() -> None:
        raise AssertionError("something is written")

    assert store.bring_up_to_date(table, Change(), fence) is table
    lake.spark.sql(f"ALTER TABLE {table.name} WRITE UNORDERED")
    assert store.bring_up_to_date(store.load(), Change(), lambda: None).sorted


@soak_format
def test_hashed_keys_and_a_rotated_secret(lake: Lake) -> None:
    secret = lake.clients.secrets.create_secret(Name=f"hash{next(_ids)}", SecretString="first")
    lake.secret = secret["ARN"]
    lake.declare(dataset("people", [column("mail", required=True, protect="hash"), column("n", "int")], ["mail"]))
    lake.apply("sales.people", "mail,n\na@x,1\n")
    again = lake.apply("sales.people", "mail,n\na@x,1\na@x,2\nb@x,1\n")
    assert lake.counts(again) == {"read": 3, "duplicate": 1, "stale": 1, "inserted": 1}
    lake.clients.secrets.put_secret_value(SecretId=lake.secret, SecretString="second")
    rotated = lake.apply("sales.people", "mail,n\nc@x,1\n")
    assert (rotated["state"], rotated["code"]) == ("failed", "schema")
    assert "mail is protected with version" in rotated["reason"] and "the own key of the lake" in rotated["reason"]
    lake.secret = "none"
    missing = lake.apply("sales.people", "mail,n\nc@x,1\n")
    assert "protects mail under the own key of the lake, but the job was started without" in missing["reason"]


def test_columns_are_hashed_under_several_keys(lake: Lake) -> None:
    """A column has the key that its declaration names, for good, and each key the version that its table began with."""
    secrets = lake.clients.secrets
    old, new = (secrets.create_secret(Name=f"hash{next(_ids)}", SecretString=s)["ARN"] for s in ("old", "new"))
    lake.secret, lake.hash_keys = old, f"2027={new},unused=arn:aws:secretsmanager:none"
    named = {"kind": "hash", "key": "2027"}
    columns = [column("mail", required=True, protect=named), column("id", "int", protect="hash")]
    spec = dataset("people", columns, ["mail"])
    lake.declare(spec)
    lake.apply("sales.people", "mail,id\na@x,1\n")
    record = lake.apply("sales.people", "mail,id\na@x,1\nb@x,1\n")
    assert lake.counts(record) == {"read": 2, "duplicate": 1, "inserted": 1}

    def mac(key: bytes, text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    table = lake.cleaned("sales.people")
    assert set(lake.rows(table, "mail", "id")) == {(mac(b"new", m), mac(b"old", "1")) for m in ("a@x", "b@x")}
    before = lake.snapshots(table)
    lake.declare(spec | {"columns": [columns[0], column("id", "int", protect=named)]})
    other = lake.apply("sales.people", "mail,id\nc@x,1\n")
    assert other["code"] == "schema"
    assert 'the protection of id has changed from hash to {"kind": "hash", "key": "2027"}' in other["reason"]
    lake.declare(spec)
    secrets.put_secret_value(SecretId=new, SecretString="newer")
    rotated = lake.apply("sales.people", "mail,id\nc@x,1\n")
    assert rotated["code"] == "schema"
    assert "mail is protected with version" in rotated["reason"]
    assert "of the key '2027', whose secret now has" in rotated["reason"]
    lake.hash_keys = "none"
    missing = lake.apply("sales.people", "mail,id\nc@x,1\n")
    assert "protects mail under the key '2027', but the job was started without its secret" in missing["reason"]
    assert lake.snapshots(table) == before


@soak_format
def test_a_batch_committed_by_a_dead_run_is_completed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(ORDERS)
    item = lake.freeze("sales.orders", [lake.land("in/a.csv", HEADER + "1,1,a,1\n1,1,a,1\nx,1,,\n")])
    arguments = lake.start([item])

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("lakejobs.ledger.Ledger.finish", die)
        with pytest.raises(JobFailed, match="killed"):
            refine(lake.spark, arguments, lake.clients)
    assert lake.batch(item)["state"] == "running"
    (snapshot,) = lake.snapshots(lake.cleaned("sales.orders"))
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], record["snapshot"], record["attempt"]) == ("applied", str(snapshot), 2)
    assert lake.counts(record) == {"read": 3, "inserted": 1, "duplicate": 1, "quarantined": 1}
    assert (record["reasons"], record["objects_read"]) == ({"type:id": 1}, 1)
    assert lake.snapshots(lake.cleaned("sales.orders")) == [snapshot]


@soak_format
@pytest.mark.parametrize("body", ["9,1,new,1\n", "1,2,changed,1\n9,1,new,1\n"], ids=["append", "merge"])
def test_the_late_commit_of_a_dead_run_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A run sleeps right before its commit; another takes the lease over and finishes; the sleeper wakes up."""
    lake.declare(ORDERS)
    lake.apply("sales.orders", HEADER + "1,1,a,1\n")
    item = lake.freeze("sales.orders", [lake.land("in/late.csv", HEADER + body)])
    sleeper = lake.start([item])
    publish, staged = lake.table_class.publish, []

    def overtaken(self: StoredTable, snapshot: str, expected: str | None, *more: Any) -> None:
        staged.append((self, snapshot, expected))
        if len(staged) == 1:
            lake.refine([item])
            # The commit itself refuses, though the lease was checked before the sleep.
            with pytest.raises(Moved):
                publish(self, snapshot, expected, *more)
            raise Moved("late")
        publish(self, snapshot, expected, *more)

    monkeypatch.setattr(lake.table_class, "publish", overtaken)
    with pytest.raises(JobFailed, match="no longer holds the lease"):
        refine(lake.spark, sleeper, lake.clients)
    record = lake.batch(item)
    assert (record["state"], record["run"]) == ("applied", "run3-1")
    table = lake.cleaned("sales.orders")
    assert len(lake.snapshots(table)) == 2
    rows = lake.rows(table, "id", "seq", "name")
    assert rows == sorted(set(rows))
    assert (9, 1, "new") in rows


@soak_format
def test_a_moved_table_is_classified_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(ORDERS)
    lake.apply("sales.orders", HEADER + "1,1,a,1\n")
    name = lake.cleaned("sales.orders")
    publish, times = lake.table_class.publish, []

    def meddled(self: StoredTable, snapshot: str, expected: str | None, *more: Any) -> None:
        if self.name == name and not times:
            times.append(1)
            theirs(lake, "(2, 9, 'theirs', 1.00, 'other')")
        publish(self, snapshot, expected, *more)

    monkeypatch.setattr(lake.table_class, "publish", meddled)
    record = lake.apply("sales.orders", HEADER + "2,1,ours,1\n3,1,c,1\n")
    assert lake.counts(record) == {"read": 2, "inserted": 1, "stale": 1}
    assert lake.rows(name, "id", "name") == [(1, "a"), (2, "theirs"), (3, "c")]


@soak_format
def test_a_table_that_never_holds_still_is_a_conflict(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(ORDERS)

    def moved(*_: Any) -> None:
        raise Moved("moved again")

    monkeypatch.setattr(lake.table_class, "publish", moved)
    record = lake.apply("sales.orders", HEADER + "1,1,a,1\n")
    assert (record["state"], record["code"]) == ("failed", "conflict")


def test_an_object_overwritten_while_it_is_read(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was listed is what is applied, even if the key shows other content by the time Spark reads it."""
    lake.declare(ORDERS)
    item = lake.freeze("sales.orders", [lake.land("in/k.csv", HEADER + "1,1,listed,1\n")])
    read, times = apply.read_rows, []

    def overwrite_first(*args: Any) -> Any:
        if not times:
            times.append(1)
            lake.land("in/k.csv", HEADER + "1,1,other,1\n")
        return read(*args)

    monkeypatch.setattr(apply, "read_rows", overwrite_first)
    lake.refine([item])
    assert lake.counts(lake.batch(item)) == {"read": 1, "inserted": 1}
    assert lake.rows(lake.cleaned("sales.orders"), "id", "name") == [(1, "listed")]


def test_a_count_that_differs_fails_the_batch(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(ORDERS)
    read = apply.read_rows
    monkeypatch.setattr(apply, "read_rows", lambda *args: read(*args).limit(1))
    record = lake.apply("sales.orders", HEADER + "1,1,a,1\n2,1,a,1\n")
    assert (record["state"], record["code"]) == ("failed", "error")
    assert "the survey counted 2 records and the outcomes sum to 1 (inserted 1)" in record["reason"]
    assert lake.snapshots(lake.cleaned("sales.orders")) == []


@soak_format
def test_a_lost_lease_writes_nothing(lake: Lake) -> None:
    lake.declare(ORDERS)
    item = lake.freeze("sales.orders", [lake.land("in/a.csv", HEADER + "1,1,a,1\n")])
    arguments = lake.start([item])
    lake.lease("sales.orders", "other-1")
    before = lake.batch(item)
    with pytest.raises(JobFailed, match="no longer holds the lease"):
        refine(lake.spark, arguments, lake.clients)
    assert lake.batch(item) == before
    assert not lake.exists(lake.cleaned("sales.orders"))


@soak_format
def test_a_finished_batch_is_left_alone(lake: Lake) -> None:
    lake.declare(ORDERS)
    item = lake.freeze("sales.orders", [lake.land("in/a.csv", HEADER + "1,1,a,1\n")])
    lake.refine([item])
    before = lake.batch(item)
    lake.refine([item])
    assert lake.batch(item) == before
