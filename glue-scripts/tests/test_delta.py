"""Delta tables: one writer wins each version, what is written is what others read, compaction changes no row."""

from __future__ import annotations

import threading
import uuid
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from lake import Lake
from lakejobs.errors import JobFailed, LeaseLost
from lakejobs.tables import delta_store
from lakejobs.tables.delta_log import WRITE, DeltaLog, Entry, changes_rows, protocol
from lakejobs.tables.interface import Moved
from parts import ID, PARTS, delete, insert, part, state, update
from specs import column, dataset, upkeep

from rehearsal.cloud.athena.delta import Folder

in_delta = pytest.mark.parametrize("lake", ["delta"], indirect=True)
ORDERS = dataset(
    "orders",
    [
        column("id", "int", required=True),
        column("seq", "int", required=True),
        column("at", "timestamp"),
        column("price", "decimal(10,2)"),
    ],
    ["id"],
    "seq",
)


@pytest.fixture
def log(aws: str) -> DeltaLog:
    s3, bucket = boto3.client("s3"), f"log-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return DeltaLog(s3, f"s3://{bucket}/sales/orders")


def test_of_writers_that_race_for_a_version_one_wins(log: DeltaLog) -> None:
    log.put(0, Entry(WRITE, (protocol(),)))
    won, lost, start = [], [], threading.Barrier(6)

    def write(n: int) -> None:
        for version in range(1, 6):
            start.wait()
            try:
                log.put(version, Entry(WRITE, (), {"writer": str(n)}))
                won.append((version, str(n)))
            except Moved:
                lost.append(version)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(version for version, _ in won) == [1, 2, 3, 4, 5]
    assert len(lost) == 25
    found = [(int(c.snapshot), c.summary["writer"]) for c in log.commits(5) if c.summary]
    assert sorted(found) == sorted(won), "the log holds the winners' entries"


class Flaky:
    """An S3 client whose puts arrive, but whose first answers get lost or ask for another try."""

    def __init__(self, s3: Any, answers: list[Exception | None]) -> None:
        self._s3, self._answers = s3, answers
        self.puts = 0

    def put_object(self, **asked: Any) -> Any:
        self.puts += 1
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, ClientError):
            raise answer
        done = self._s3.put_object(**asked)
        return self._s3.put_object(**asked) if answer is not None else done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


def test_a_put_whose_answer_is_lost_or_in_conflict(log: DeltaLog) -> None:
    conflict = ClientError(
        {"Error": {"Code": "ConditionalRequestConflict"}, "ResponseMetadata": {"HTTPStatusCode": 409}}, "PutObject"
    )
    # The client sends it again of its own accord after a lost connection, and is then refused.
    lost = Flaky(log.s3, [conflict, ConnectionClosedError(endpoint_url="x")])
    DeltaLog(lost, log.location).put(0, Entry(WRITE, (protocol(),), {"writer": "a"}))
    assert lost.puts == 2
    with pytest.raises(Moved, match="another writer has made version 0"):
        log.put(0, Entry(WRITE, (protocol(),), {"writer": "a"}))
    assert [c.summary for c in log.commits(0)] == [{"writer": "a"}]
    refused = Flaky(log.s3, [conflict] * 9)
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        DeltaLog(refused, log.location).put(1, Entry(WRITE, ()))


def seen(lake: Lake, dataset_id: str, *columns: str) -> list[tuple]:
    """The table as a reader sees it that has nothing of Delta's own code."""
    at = Folder(lake.store(dataset_id).layout.location, lake.s3)
    return sorted(tuple(row.values()) for row in at.read(at.snapshot(), columns).to_pylist())


@in_delta
def test_what_is_written_is_what_others_read(lake: Lake) -> None:
    """Through a widened and an added column; by the log alone, and by Delta's own history."""
    declared = lake.declare(ORDERS)
    header = "id,seq,at,price\n"
    lake.apply("sales.orders", header + "1,1,2024-01-01T00:00:00.123456Z,1.50\n2,1,1500-01-01 00:00:00,2.00\n")
    lake.apply("sales.orders", header + "2,2,,2.50\n3,1,,\n")
    wider = [column("id", "bigint", required=True), column("note"), *ORDERS["columns"][1:]]
    lake.declare(ORDERS | {"columns": wider})
    lake.apply("sales.orders", "id,note,seq,at,price\n5000000000,x,1,,9\n1,y,2,2024-01-01T00:00:00Z,1\n")
    table = lake.cleaned("sales.orders")
    columns = ("id", "note", "seq", "price")
    wanted = [(1, "y", 2, Decimal("1.00")), (2, None, 2, Decimal("2.50")), (3, None, 1, None),
              (5000000000, "x", 1, Decimal("9.00"))]  # fmt: skip
    assert seen(lake, "sales.orders", *columns) == lake.rows(table, *columns) == wanted
    location = lake.store("sales.orders").layout.location
    history = lake.spark.sql(f"DESCRIBE HISTORY delta.`{location}`").orderBy("version").collect()
    assert [h["operation"] for h in history] == ["CREATE TABLE", "WRITE", "MERGE", "CHANGE COLUMN", "MERGE"]
    assert "strata.batch-id" in history[-1]["userMetadata"]
    moments = [m for _, m in seen(lake, "sales.orders", "id", "at")]
    assert [m and (m.year, m.microsecond) for m in moments] == [(2024, 0), None, None, None]
    # A version stays what it was, its oldest and its exact times too.
    times = [
        r["at"] for r in lake.stored("sales.orders").read("1").orderBy("id").selectExpr("string(at) AS at").collect()
    ]
    assert times == ["2024-01-01 00:00:00.123456", "1500-01-01 00:00:00"]
    assert [r["id"] for r in lake.stored("sales.orders").read("1").orderBy("id").collect()] == [1, 2]
    entry = lake.glue.get_table(DatabaseName=declared["cleaned_database"], Name="orders")["Table"]
    assert entry["Parameters"]["spark.sql.sources.provider"] == "delta"
    assert [(c["Name"], c["Type"]) for c in entry["StorageDescriptor"]["Columns"]][:2] == [
        ("id", "bigint"),
        ("note", "string"),
    ]
    assert entry["StorageDescriptor"]["SerdeInfo"]["Parameters"]["path"] == location


@in_delta
def test_small_files_are_compacted(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(PARTS | upkeep(small_files=3))
    lake.model("live", f'SELECT p.id, p.name FROM {{{{ ref("{ID}") }}}} AS p', [ID])
    monkeypatch.setattr(delta_store, "_ENTRIES", 4)
    for n in (1, 2):
        lake.apply_changes(ID, part(insert(n, n, "a")))
    assert len(lake.stored(ID).files()) == 2
    third = lake.changes(ID, part(insert(3, 3, "c"), insert(4, 4, "d")))
    lake.refine([third])
    table = lake.stored(ID)
    assert (len(table.files()), table.main) == (1, "4")
    assert lake.batch(third)["snapshot"] == table.content == "3"
    assert [r["id"] for r in lake.frame(lake.cleaned(ID)).collect()] == [1, 2, 3, 4], "files are sorted by key"
    lake.apply_changes(ID, part(delete(5, 1), update(6, 2, "b")))
    assert lake.stored(ID).entries_since_checkpoint < 4, "a checkpoint was written"
    wanted = {1: (1, 5, "-"), 2: (1, 6, "b"), 3: (1, 3, "c"), 4: (1, 4, "d")}
    assert state(lake) == wanted
    assert [(k, name) for k, name in seen(lake, ID, "id", "name")] == [(1, None), (2, "b"), (3, "c"), (4, "d")]
    # What a model is made of is the batch's version, though the compacted one is read.
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(2, "b"), (3, "c"), (4, "d")]
    assert lake.get("output#sales.live", "output")["inputs"] == {ID: lake.stored(ID).content}


@in_delta
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
    assert (table.main, table.content) == (str(int(before) + 1), str(int(before) + 1)), "the late commit was refused"


@pytest.mark.parametrize(("lake", "other"), [("delta", "iceberg"), ("iceberg", "delta")], indirect=["lake"])
def test_a_table_keeps_its_format(lake: Lake, other: str) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a")))
    lake.declare(PARTS | {"table_format": other})
    record = lake.apply_changes(ID, part(insert(2, 2, "b")))
    assert (record["state"], record["code"]) == ("failed", "schema")
    assert f"is in the format {lake.table_format} and declared as {other}" in record["reason"]
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(3, 3, "c")))
    assert sorted(state(lake)) == [1, 3]


@in_delta
def test_a_run_killed_between_the_log_and_the_catalog(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is there, and nobody finds it until the next run enters it."""
    declared = lake.declare(PARTS)
    item = lake.changes(ID, part(insert(1, 1, "a")))
    with monkeypatch.context() as patch:
        patch.setattr(delta_store.DeltaStore, "_register", _killed)
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
    assert [changes_rows(info) for _, info in lake.stored(ID).log.history(1)] == [True, False]


def _killed(*_: Any) -> None:
    raise ConnectionError("killed")
