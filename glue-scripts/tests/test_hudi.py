"""Hudi tables: what is written is what Hudi and Athena read, compaction changes no row, the past goes in order."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lake import Lake
from lakejobs.errors import JobFailed, LeaseLost
from lakejobs.tables.hudi_files import DataFile
from lakejobs.tables.hudi_store import HudiStore
from lakejobs.tables.hudi_timeline import HudiTimeline
from lakejobs.tables.interface import Limits
from lakejobs.tables.places import Replaced, by_file, places_of
from parts import ID, PARTS, delete, insert, part, state, update
from specs import column, dataset, upkeep

from rehearsal.cloud.athena import hudi

in_hudi = pytest.mark.parametrize("lake", ["hudi"], indirect=True)
ROOT = Path(__file__).resolve().parents[2]
ORDERS = dataset(
    "orders",
    [
        column("id", "int", required=True),
        column("seq", "int", required=True),
        column("at", "timestamp"),
        column("day", "date"),
        column("price", "decimal(10,2)"),
        column("share", "double"),
        column("paid", "boolean"),
    ],
    ["id"],
    "seq",
)
HEADER = "id,seq,at,day,price,share,paid\n"
LATER = timedelta(days=8)


def seen(lake: Lake, dataset_id: str, *columns: str) -> list[tuple]:
    """The table as a reader sees it that has nothing of the jobs' code, by the catalog's entry."""
    spec = lake.datasets[dataset_id]
    entry = lake.glue.get_table(DatabaseName=spec["cleaned_database"], Name=spec["name"])["Table"]
    assert hudi.is_hudi(entry)
    at = hudi.folder(entry, lake.s3)
    return sorted(tuple(row.values()) for row in at.read(at.snapshot(), columns).to_pylist())


class Copies:
    """Copies of tables as they are now, which Hudi's own reader reads all at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: list[tuple[str, str | None]] = []
        self._wanted: list[list[tuple]] = []
        self._columns: list[tuple[str, ...]] = []

    def take(self, lake: Lake, dataset_id: str, version: str | None = None) -> None:
        """`version` is the one to read. Default: the newest."""
        table = lake.stored(dataset_id)
        to = self._folder / str(len(self._asked))
        bucket, prefix = lake.buckets["cleaned"], f"sales/{lake.datasets[dataset_id]['name']}/"
        for page in lake.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page["Contents"]:
                path = to / found["Key"].removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                lake.s3.download_file(bucket, found["Key"], str(path))
        columns = tuple(sorted(table.columns()))
        self._columns.append(columns)
        self._asked.append((str(to), version))
        rows = table.read(version or table.main).selectExpr(*[f"CAST(`{name}` AS string)" for name in columns])
        self._wanted.append(sorted((tuple(row) for row in rows.collect()), key=_in_order))

    def check(self) -> None:
        jar = ROOT / ".cache" / "readers" / "hudi-spark3.5-bundle_2.12-1.0.2.jar"
        command = [sys.executable, str(Path(__file__).with_name("hudi_reader.py")), str(jar)]
        done = subprocess.run(command, input=json.dumps(self._asked), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        answers = json.loads(done.stdout.splitlines()[-1])
        for answer, wanted, columns in zip(answers, self._wanted, self._columns, strict=True):
            assert isinstance(answer, list), answer
            names, *rows = answer
            assert [name for name in names if not name.startswith("_hoodie_")] == list(columns)
            found = [dict(zip(names, row, strict=True)) for row in rows]
            assert sorted((tuple(row[name] for name in columns) for row in found), key=_in_order) == wanted
            keys = [row["_hoodie_record_key"] for row in found]
            assert len(set(keys)) == len(keys), "Hudi tells rows apart by their key"
            assert all(row["_hoodie_commit_time"] and row["_hoodie_file_name"] for row in found)


def _in_order(row: tuple) -> list[str]:
    return [value or "" for value in row]


@in_hudi
def test_what_is_written_is_what_hudi_and_others_read(lake: Lake, tmp_path: Path) -> None:
    """Made, appended to, changed, widened, with another column, compacted, and with its past gone."""
    copies = Copies(tmp_path)
    declared = lake.declare(ORDERS)
    lake.apply("sales.orders", HEADER + "1,1,2024-01-01T00:00:00.123456Z,2024-02-29,1.50,0.5,true\n"
               "2,1,1500-01-01 00:00:00,1500-03-01,2.00,,\n")  # fmt: skip
    first = lake.stored("sales.orders")
    copies.take(lake, "sales.orders")
    lake.apply("sales.orders", HEADER + "2,2,,,2.50,1e300,false\n3,1,,,,,\n")
    copies.take(lake, "sales.orders")
    copies.take(lake, "sales.orders", version=first.main)
    wider = [column("id", "bigint", required=True), column("note"), *ORDERS["columns"][1:4],
             column("price", "decimal(38,2)"), *ORDERS["columns"][5:]]  # fmt: skip
    lake.declare(ORDERS | {"columns": wider} | upkeep(small_files=3))
    header = "id,note,seq,at,day,price,share,paid\n"
    lake.apply("sales.orders", header + "5000000000,x,1,,,9,,\n1,y,2,2024-01-01T00:00:00Z,,1,,\n")
    copies.take(lake, "sales.orders")
    columns = ("id", "note", "seq", "price")
    wanted = [(1, "y", 2, Decimal("1.00")), (2, None, 2, Decimal("2.50")), (3, None, 1, None),
              (5000000000, "x", 1, Decimal("9.00"))]  # fmt: skip
    assert seen(lake, "sales.orders", *columns) == lake.rows(lake.cleaned("sales.orders"), *columns) == wanted
    lake.apply("sales.orders", header + "6,z,1,,,0,,\n")
    lake.apply("sales.orders", header + "7,z,1,,,0,,\n")
    table = lake.stored("sales.orders")
    done = [what for _, what in table.commits()][::-1]
    assert done[:4] == ["ALTER_SCHEMA", "INSERT", "UPSERT", "ALTER_SCHEMA"] and "CLUSTER" in done
    copies.take(lake, "sales.orders")
    # Exact times, old ones too, of a version that stays what it was.
    times = [r["at"] for r in table.read(first.main).orderBy("id").selectExpr("string(at) AS at").collect()]
    assert times == ["2024-01-01 00:00:00.123456", "1500-01-01 00:00:00"]
    before = lake.rows(lake.cleaned("sales.orders"))
    lake.maintain(LATER)
    assert set(lake.stored("sales.orders").listed.completed) == {table.content, table.main}, "readers know the columns"
    assert not lake.stored("sales.orders").has_past
    assert lake.rows(lake.cleaned("sales.orders")) == before
    copies.take(lake, "sales.orders")
    lake.apply("sales.orders", header + "7,zz,2,,,0,,\n")
    copies.take(lake, "sales.orders")
    copies.check()
    with pytest.raises(RuntimeError, match="is no longer kept"):
        lake.stored("sales.orders").read(first.main)
    entry = lake.glue.get_table(DatabaseName=declared["cleaned_database"], Name="orders")["Table"]
    assert entry["Parameters"]["spark.sql.sources.provider"] == "hudi"
    assert [(c["Name"], c["Type"]) for c in entry["StorageDescriptor"]["Columns"]][:2] == [
        ("id", "bigint"), ("note", "string")]  # fmt: skip


@in_hudi
def test_tables_of_changes_and_of_keys_of_several_columns(lake: Lake, tmp_path: Path) -> None:
    """Also one without a row, and one whose rows were all deleted."""
    copies = Copies(tmp_path)
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    lake.apply_changes(ID, part(update(3, 1, "c"), delete(4, 2)))
    # What a dead run leaves is no part of the table, and does not keep readers from it.
    table = lake.stored(ID)
    table.write(table.read(table.main), None, "dead", {})
    copies.take(lake, ID)
    lines = dataset("lines", [column("a", "date", required=True), column("b", required=True),
                              column("at", "timestamp", required=True)], ["a", "b", "at"])  # fmt: skip
    lake.declare(lines)
    lake.apply("sales.lines", "a,b,at\n2024-01-01,,2024-01-01T00:00:00Z\n2024-01-01,x,2024-01-01T00:00:00Z\n"
               "2024-01-01,x,2024-01-01T00:00:01Z\n")  # fmt: skip
    copies.take(lake, "sales.lines")
    table = lake.stored("sales.lines")
    rows = table.read(table.main, placed=True)
    staged = table.write(None, Replaced((rows,), ("a", "b", "at"), by_file(places_of(rows))), "all", {})
    table.publish(staged, table.main)
    assert lake.rows(lake.cleaned("sales.lines")) == []
    copies.take(lake, "sales.lines")
    copies.check()


@in_hudi
def test_small_files_are_compacted(lake: Lake) -> None:
    lake.declare(PARTS | upkeep(small_files=3))
    lake.model("live", f'SELECT p.id, p.name FROM {{{{ ref("{ID}") }}}} AS p', [ID])
    for n in (1, 2):
        lake.apply_changes(ID, part(insert(n, n, "a")))
    assert len(lake.stored(ID).files) == 2
    third = lake.changes(ID, part(insert(3, 3, "c"), insert(4, 4, "d")))
    lake.refine([third])
    table = lake.stored(ID)
    assert len(table.files) == 1
    assert lake.batch(third)["snapshot"] == table.content < table.main
    assert [r["id"] for r in lake.frame(lake.cleaned(ID)).collect()] == [1, 2, 3, 4], "files are sorted by key"
    lake.apply_changes(ID, part(delete(5, 1), update(6, 2, "b")))
    assert state(lake) == {1: (1, 5, "-"), 2: (1, 6, "b"), 3: (1, 3, "c"), 4: (1, 4, "d")}
    assert seen(lake, ID, "id", "name") == [(1, None), (2, "b"), (3, "c"), (4, "d")]
    # What a model is made of is the batch's version, though the compacted one is read.
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(2, "b"), (3, "c"), (4, "d")]
    assert lake.get("output#sales.live", "output")["inputs"] == {ID: lake.stored(ID).content}


@in_hudi
def test_a_compaction_that_dies_or_comes_late(lake: Lake) -> None:
    """It loses its lease, or sleeps right before its commit while another run takes the lease over."""
    lake.declare(PARTS)
    for n in (1, 2):
        lake.apply_changes(ID, part(insert(n, n, "a")))
    before = lake.stored(ID).main
    lake.declare(PARTS | upkeep(small_files=2))
    store = lake.store(ID)

    def lost() -> None:
        raise LeaseLost("another run has the lease")

    with pytest.raises(LeaseLost):
        store.compact(lost)
    assert lake.stored(ID).main == before

    def overtaken() -> None:
        lake.declare(PARTS)
        lake.apply_changes(ID, part(update(3, 1, "b"), delete(4, 2)))

    assert store.compact(overtaken)
    assert state(lake) == {1: (1, 3, "b"), 2: (1, 4, "-")}
    table = lake.stored(ID)
    assert table.content == table.main, "the late commit was refused"
    assert seen(lake, ID, "id", "name") == [(1, "b"), (2, None)], "what it has written is no part of the table"


@in_hudi
def test_a_run_killed_between_its_decision_and_the_commit(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers see the version before, and publish waits for it; the next run finds the batch committed."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a")))
    lake.model("live", f'SELECT p.id FROM {{{{ ref("{ID}") }}}} AS p', [ID])
    item = lake.changes(ID, part(insert(2, 2, "b")))
    with monkeypatch.context() as patch:
        patch.setattr(HudiTimeline, "complete", _killed)
        with pytest.raises(JobFailed, match="killed"):
            lake.refine([item])
    assert seen(lake, ID, "id") == [(1,)]
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(1,)]
    assert sorted(state(lake)) == [1, 2], "whoever may write completes it"
    assert seen(lake, ID, "id") == [(1,), (2,)]
    main = lake.stored(ID).main
    lake.put(f"batch#{item['batch']}", "batch", {k: v for k, v in lake.batch(item).items() if k not in ("pk", "sk")}
             | {"state": "frozen", "attempt": 1})  # fmt: skip
    lake.refine([item])
    assert lake.batch(item)["state"] == "applied"
    assert lake.batch(item)["snapshot"] == lake.stored(ID).main == main
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(1,), (2,)]


@in_hudi
def test_a_run_killed_before_the_catalog(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is there, and nobody finds it until the next run enters it."""
    declared = lake.declare(PARTS)
    item = lake.changes(ID, part(insert(1, 1, "a")))
    with monkeypatch.context() as patch:
        patch.setattr("lakejobs.tables.hudi_store.keep_registered", _killed)
        with pytest.raises(JobFailed, match="killed"):
            lake.refine([item])
    assert lake.stored(ID).content is None
    lake.model("live", f'SELECT p.id FROM {{{{ ref("{ID}") }}}} AS p', [ID])
    lake.publish()
    assert not lake.spark.catalog.tableExists(lake.curated("live")), "a model waits for the first rows"
    lake.refine([item])
    assert lake.batch(item)["state"] == "applied"
    assert lake.glue.get_table(DatabaseName=declared["cleaned_database"], Name="parts")["Table"]["Name"] == "parts"
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(1,)]


def _killed(*_: Any) -> None:
    raise ConnectionError("killed")


@in_hudi
def test_the_past_goes_in_order(lake: Lake) -> None:
    """Replaced files by their age; what a dead run has staged before the timeline is cut behind it; instants that a
    batch without an outcome needs, not at all."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    table = lake.stored(ID)
    dead = table.write(table.read(table.main).drop("_file"), None, "dead", {})
    needed = lake.changes(ID, part(update(3, 1, "c")))
    lake.refine([needed])
    lake.apply_changes(ID, part(update(4, 2, "d")))
    store, wanted = lake.store(ID), state(lake)
    now = int((datetime.now(UTC) + timedelta(seconds=5)).timestamp() * 1000)

    def limits(replaced: int, unreferenced: int, *batches: str) -> Limits:
        return Limits(replaced, unreferenced, 0, 0, lambda batch: batch in batches)

    def instants() -> set[str]:
        return {DataFile.parse(name).instant for name in lake.stored(ID).stored_files}

    assert vars(store.expire(limits(0, 0), _nothing)) == {"snapshots": 0, "staged": 0, "orphans": 0}
    assert dead.version in instants()
    # Replaced files may go, what was staged not yet: so the timeline stays from there on.
    found = store.expire(limits(now, 0), _nothing)
    assert (found.snapshots, found.staged) == (0, 0)
    assert dead.version in instants() and dead.version not in lake.stored(ID).listed.completed
    found = store.expire(limits(now, now, needed["batch"]), _nothing)
    assert (found.staged, found.orphans) == (1, 1)
    assert dead.version not in instants()
    (kept, head) = sorted(lake.stored(ID).listed.completed)
    assert kept == lake.stored(ID).published(needed["batch"]).snapshot
    store.expire(limits(now, now), _nothing)
    assert list(lake.stored(ID).listed.completed) == [head]
    assert set(lake.stored(ID).listed.names) == {"hoodie.properties", *(
        f"{head}.{end}" for end in ("commit", "commit.requested", "inflight"))}  # fmt: skip
    assert state(lake) == wanted
    lake.apply_changes(ID, part(update(5, 1, "e")))
    assert state(lake) == wanted | {1: (1, 5, "e")}
    assert seen(lake, ID, "id", "name") == [(1, "e"), (2, "d")]


def _nothing() -> None:
    """The lease is held."""


@in_hudi
def test_a_folder_that_holds_another_table_is_left_alone(lake: Lake) -> None:
    lake.declare(PARTS)
    bucket, key = lake.buckets["cleaned"], "sales/parts/.hoodie/hoodie.properties"
    lake.s3.put_object(Bucket=bucket, Key=key, Body=b"hoodie.table.name=parts\nhoodie.table.version=8\n")
    record = lake.apply_changes(ID, part(insert(1, 1, "a")))
    assert (record["state"], record["code"]) == ("failed", "error")
    assert "hoodie.properties describes another table" in record["reason"]
    assert isinstance(lake.store(ID), HudiStore) and lake.stored(ID) is None
