"""Maintenance: fewer files and less of the past, the same rows, whoever reads, writes or dies meanwhile."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from formats import soak_format
from histories.wire import Wire
from lake import Lake
from lakejobs.aws import Clients
from lakejobs.errors import JobFailed
from lakejobs.iceberg import Table
from lakejobs.maintain.job import maintain
from lakejobs.maintain.request import Request
from lakejobs.manifest import Manifest
from lakejobs.session import activate, another_session
from lakejobs.shapes import ShapeError
from lakejobs.tables.iceberg_expiry import detached_snapshots, replaced_snapshots
from lakejobs.tables.interface import Limits
from parts import ID, PARTS, delete, insert, part, state, update
from specs import column, dataset, upkeep

EVENTS = dataset("events", [column("id", "bigint", required=True), column("kind", rules=[
    {"kind": "set", "values": ["a", "b"]}])], ["id"])  # fmt: skip
LATER = timedelta(days=8)


def short(lake: Lake, found: dict[str, dict]) -> dict[str, dict]:
    return {name.removeprefix("test_sales_").replace(f"_{lake.n}.", "."): row for name, row in found.items()}


def keys(lake: Lake, zone: str, prefix: str) -> set[str]:
    listed = lake.s3.list_objects_v2(Bucket=lake.buckets[zone], Prefix=prefix)
    return {o["Key"] for o in listed.get("Contents", [])}


@soak_format
def test_files_are_compacted_by_size_and_no_row_changes(lake: Lake) -> None:
    lake.declare(EVENTS | upkeep(small_files=3))
    lake.model(
        "kinds", 'SELECT e.kind, count(*) AS n FROM {{ ref("sales.events") }} AS e GROUP BY e.kind', [EVENTS["id"]]
    )
    for n in (1, 2):
        lake.apply(EVENTS["id"], f"id,kind\n{n},a\n{n + 10},c\n")
    lake.publish()
    output = lake.get("output#sales.kinds", "output")
    before = lake.rows(lake.cleaned(EVENTS["id"]))
    assert short(lake, lake.maintain())["cleaned.events"]["files_after"] == 2, "too few to be worth it"
    found = short(lake, lake.maintain(force=True))
    cleaned = found["cleaned.events"]
    assert (cleaned["state"], cleaned["files_before"], cleaned["files_after"]) == ("done", 2, 1)
    assert cleaned["bytes_after"] < cleaned["bytes_before"]
    assert set(found) == {"cleaned.events", "quarantine.events", "curated.kinds"}
    assert {(r["snapshots_expired"], r["staged_removed"], r["orphans_removed"]) for r in found.values()} == {(0, 0, 0)}
    assert lake.rows(lake.cleaned(EVENTS["id"])) == before == [(1, "a", before[0][2]), (2, "a", before[1][2])]
    lake.publish()
    assert lake.get("output#sales.kinds", "output") == output, "a compaction rebuilds no model"
    body = lake.sqs.receive_message(QueueUrl=lake.maintenance().wake_queue_url)["Messages"][0]["Body"]
    assert json.loads(body) == {"action": "drain"}, "what arrived meanwhile is looked for"
    assert lake.get(f"lease#{EVENTS['id']}", "lease")["state"] == "free"


def test_old_metadata_of_a_table_goes_with_what_nothing_names(lake: Lake) -> None:
    """Commits leave it, which they would have to wait for."""
    lake.declare(EVENTS)
    lake.apply(EVENTS["id"], "id,kind\n1,a\n")
    few = "('write.metadata.previous-versions-max' = '2')"
    lake.spark.sql(f"ALTER TABLE {lake.cleaned(EVENTS['id'])} SET TBLPROPERTIES {few}")
    for n in (2, 3, 4):
        lake.apply(EVENTS["id"], f"id,kind\n{n},a\n")

    def metadata() -> set[str]:
        return {key for key in keys(lake, "cleaned", "sales/events/metadata/") if key.endswith(".metadata.json")}

    many = metadata()
    assert len(many) > 6
    lake.maintain()
    assert many <= metadata(), "a young one may be what a reader looks at"
    lake.maintain(LATER)
    assert len(metadata()) == 3, "the table's own and two before it"
    assert lake.rows(lake.cleaned(EVENTS["id"]), "id") == [(1,), (2,), (3,), (4,)]


def test_the_past_goes_and_readers_see_no_difference(lake: Lake) -> None:
    lake.declare(EVENTS)
    lake.declare(EVENTS | {"id": "sales.events_old", "name": "events_old"})
    lake.model(
        "kinds", 'SELECT e.kind, count(*) AS n FROM {{ ref("sales.events") }} AS e GROUP BY e.kind', [EVENTS["id"]]
    )
    for n in (1, 2):
        lake.apply(EVENTS["id"], f"id,kind\n{n},a\n{n + 10},c\n")
        lake.apply("sales.events_old", f"id,kind\n{n},b\n")
        lake.publish()
    table = Table.load(lake.spark, lake.cleaned(EVENTS["id"]))
    staged = table.write(table.read(table.main), None, "died", {"strata.batch-id": "0" * 32})
    lake.s3.put_object(
        Bucket=lake.buckets["cleaned"], Key="sales/events/data/orphan.parquet", Body=b"left by a dead run"
    )
    recent = short(lake, lake.maintain(force=True))
    assert sum(r["snapshots_expired"] + r["staged_removed"] + r["orphans_removed"] for r in recent.values()) == 0
    assert keys(lake, "cleaned", "sales/events/data/orphan"), "a young file may belong to a run at work"
    output = lake.get("output#sales.kinds", "output")
    before = {name: lake.rows(lake.cleaned(name)) for name in (EVENTS["id"], "sales.events_old")}
    neighbour = keys(lake, "cleaned", "sales/events_old/")

    found = short(lake, lake.maintain(LATER))
    cleaned = found["cleaned.events"]
    assert (cleaned["snapshots_expired"], cleaned["staged_removed"]) == (2, 1), "all but what readers see"
    assert cleaned["orphans_removed"] >= 1
    assert not keys(lake, "cleaned", "sales/events/data/orphan")
    assert found["quarantine.events"]["snapshots_expired"] == 1
    assert found["curated.kinds"]["snapshots_expired"] == 1
    table = Table.load(lake.spark, lake.cleaned(EVENTS["id"]))
    assert len(list(table.loaded.snapshots())) == 1
    assert staged.version != table.main
    assert {name: lake.rows(lake.cleaned(name)) for name in before} == before
    assert lake.rows(lake.quarantine(EVENTS["id"]), "record_key") == [('{"id":"11"}',), ('{"id":"12"}',)]
    assert keys(lake, "cleaned", "sales/events_old/data/") <= neighbour
    assert len(keys(lake, "cleaned", "sales/events/data/")) == 1, "the files of replaced snapshots are gone"
    lake.publish()
    assert lake.get("output#sales.kinds", "output") == output, "what made the rows is remembered"
    again = short(lake, lake.maintain(LATER))
    assert sum(r["snapshots_expired"] + r["staged_removed"] + r["orphans_removed"] for r in again.values()) == 0
    lake.apply(EVENTS["id"], "id,kind\n3,b\n")
    lake.publish()
    assert lake.rows(lake.curated("kinds")) == [("a", 2), ("b", 1)]


def test_files_of_deletes_are_small_files(lake: Lake) -> None:
    lake.declare(PARTS | upkeep(small_files=5))
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b"), insert(3, 3, "c")))
    lake.apply_changes(ID, part(update(4, 1, "d")))
    few = short(lake, lake.maintain())["cleaned.parts"]
    assert (few["files_before"], few["delete_files_before"]) == (2, 1)
    assert (few["files_after"], few["delete_files_after"]) == (2, 1), "three files are not five"
    lake.apply_changes(ID, part(update(5, 2, "e")))
    before = state(lake)
    found = short(lake, lake.maintain())["cleaned.parts"]
    assert (found["files_before"], found["delete_files_before"]) == (3, 2)
    assert (found["files_after"], found["delete_files_after"]) == (1, 0)
    assert state(lake) == before
    again = short(lake, lake.maintain())["cleaned.parts"]
    assert (again["files_after"], again["delete_files_after"]) == (1, 0)


def test_a_snapshot_ages_from_when_it_was_replaced(lake: Lake) -> None:
    lake.declare(EVENTS)
    for n in (1, 2, 3):
        lake.apply(EVENTS["id"], f"id,kind\n{n},a\n")
    table = Table.load(lake.spark, lake.cleaned(EVENTS["id"]))
    history = sorted(table.loaded.snapshots(), key=lambda s: s.timestampMillis())
    times = [s.timestampMillis() for s in history]

    def gone(before: int, needed: str = "") -> list[int]:
        limits = Limits(before, 0, 0, 0, lambda batch: batch == needed)
        return [[s.snapshotId() for s in history].index(s.snapshotId()) for s in replaced_snapshots(table, limits)]

    assert gone(times[0] - 1) == []
    assert gone(times[1] - 1) == [], "the first was current then, however old it is"
    assert gone(times[1]) == [0]
    assert gone(times[2]) == gone(times[2] + 10**9) == [1, 0], "the last one is what readers see"
    first = history[0].summary().get("strata.batch-id")
    assert gone(times[2], first) == [], "what a run may look for stays, and what leads to it"
    assert gone(times[2], history[1].summary().get("strata.batch-id")) == [0]
    table.loaded.manageSnapshots().createTag("audit", history[1].snapshotId()).commit()
    table.refresh()
    assert gone(times[2]) == []


def test_a_state_of_a_table_that_is_built_anew_ages_alike(lake: Lake) -> None:
    lake.declare(EVENTS)
    lake.model("ids", 'SELECT e.id FROM {{ ref("sales.events") }} AS e', [EVENTS["id"]])
    for n in (1, 2, 3):
        lake.apply(EVENTS["id"], f"id,kind\n{n},a\n")
        lake.publish()
    table = Table.load(lake.spark, lake.curated("ids"))
    times = sorted(s.timestampMillis() for s in table.loaded.snapshots())

    def gone(before: int) -> list[int]:
        rebuilt, staged = detached_snapshots(table, Limits(before, before, 0, 0, lambda batch: False))
        assert not staged
        return [times.index(s.timestampMillis()) for s in rebuilt]

    assert (gone(times[1] - 1), gone(times[1]), gone(times[2])) == ([], [0], [0, 1])


def test_the_commit_of_a_batch_without_an_outcome_is_kept(lake: Lake) -> None:
    """A run died after its commit, and the pipeline stood still for longer than snapshots are kept."""
    lake.declare(EVENTS)
    item = lake.freeze(EVENTS["id"], [lake.land("in/a.csv", "id,kind\n1,a\n2,z\n")])
    lake.refine([item])
    done = lake.batch(item)
    lake.put(done["pk"], "batch", {k: v for k, v in done.items() if k not in ("pk", "sk")} | {"state": "running"})
    lake.apply(EVENTS["id"], "id,kind\n3,a\n")
    assert short(lake, lake.maintain(LATER))["cleaned.events"]["snapshots_expired"] == 0
    lake.refine([item])
    found = lake.batch(item)
    assert (found["state"], found["counts"], found["snapshot"]) == ("applied", done["counts"], done["snapshot"])
    assert short(lake, lake.maintain(LATER))["cleaned.events"]["snapshots_expired"] == 1


def test_a_table_in_use_is_waited_for(lake: Lake) -> None:
    lake.declare(EVENTS)
    lake.apply(EVENTS["id"], "id,kind\n1,a\n")
    token = lake.lease(EVENTS["id"], f"{'a' * 32}-1")
    waits: list[float] = []
    found = short(lake, lake.maintain(sleep=waits.append))
    assert [(r["owner"], r["state"]) for r in found.values()] == [(EVENTS["id"], "postponed")]
    assert sum(waits) == 600
    held = {"state": "held", "run": f"{'a' * 32}-1", "token": token, "expires": 0}
    lake.put(f"lease#{EVENTS['id']}", "lease", held)
    found = short(lake, lake.maintain(sleep=lambda _: None))
    assert [r["state"] for r in found.values()] == ["postponed"], "only dispatch knows whether that run is dead"

    def ends(_: float) -> None:
        lake.put(f"lease#{EVENTS['id']}", "lease", held | {"state": "free"})

    assert short(lake, lake.maintain(sleep=ends))["cleaned.events"]["state"] == "done"
    lake.put(f"lease#{EVENTS['id']}", "lease", held | {"run": "maintain-dead", "token": 9})
    assert short(lake, lake.maintain())["cleaned.events"]["state"] == "done"
    assert int(lake.get(f"lease#{EVENTS['id']}", "lease")["token"]) == 10


@soak_format
def test_tombstones_go_once_a_load_has_made_them_needless(lake: Lake) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b"), insert(3, 3, "c")))
    early = lake.changes(ID, part(insert(9, 4, "d")))
    lake.refine([early])
    lake.apply_changes(ID, part(delete(10, 4)))
    assert short(lake, lake.maintain())["cleaned.parts"]["tombstones_removed"] == 0
    assert state(lake)[4] == (1, 10, "-"), "it keeps an older insert from coming back"
    lake.apply_changes(ID, part(insert(None, 1, "a")), generation=2, load=True)
    lake.apply_changes(ID, part(insert(1, 2, "b2"), delete(2, 1)), generation=2)
    assert state(lake) == {1: (2, 2, "-"), 2: (2, 1, "b2"), 3: (2, 0, "-"), 4: (1, 10, "-")}
    assert short(lake, lake.maintain())["cleaned.parts"]["tombstones_removed"] == 2
    assert state(lake) == {1: (2, 2, "-"), 2: (2, 1, "b2")}
    assert short(lake, lake.maintain())["cleaned.parts"]["tombstones_removed"] == 0
    assert lake.again(early)["rerun"]["rows_changed"] == 0, "a change of before the load is stale"
    assert sorted(state(lake)) == [1, 2]


@pytest.mark.parametrize("lake", ["delta"], indirect=True)
def test_files_of_a_delta_table_go_by_the_longer_age(lake: Lake) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
    from moto.s3.models import s3_backends

    lake.declare(PARTS | upkeep(snapshot_seconds=45 * 86400))
    bucket = lake.buckets["cleaned"]
    lake.apply_changes(ID, part(insert(1, 1, "a")))
    (first,) = keys(lake, "cleaned", "sales/parts/part-")
    orphan, recent = "sales/parts/part-orphan.parquet", "sales/parts/part-recent.parquet"
    for key in (orphan, recent):
        lake.s3.put_object(Bucket=bucket, Key=key, Body=b"left by a run that died")
    lake.apply_changes(ID, part(update(2, 1, "b")))
    stored = next(b for b in s3_backends[ACCOUNT].values()).buckets[bucket].keys
    for key in (first, orphan):
        stored[key].last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=46)
    before = keys(lake, "cleaned", "sales/parts/part-")
    assert short(lake, lake.maintain())["cleaned.parts"]["orphans_removed"] == 1
    # What was replaced is there for as long from then on, however old.
    assert before - keys(lake, "cleaned", "sales/parts/part-") == {orphan}
    table = lake.stored(ID)
    assert table.properties["delta.deletedFileRetentionDuration"] == "interval 1080 hours"
    assert table.properties["delta.logRetentionDuration"] == "interval 1104 hours"
    assert state(lake) == {1: (1, 2, "b")}
    main = table.main
    lake.maintain()
    assert lake.stored(ID).main == main, "nothing is entered into the log"


def test_a_table_that_fails_holds_up_no_other(lake: Lake) -> None:
    lake.declare(EVENTS)
    lake.declare(PARTS)
    lake.apply(EVENTS["id"], "id,kind\n1,a\n")
    lake.apply_changes(ID, part(insert(1, 1, "a")))
    for key in keys(lake, "cleaned", "sales/parts/metadata/"):
        lake.s3.delete_object(Bucket=lake.buckets["cleaned"], Key=key)
    lake.spark.catalog.clearCache()
    with pytest.raises(JobFailed, match=r"not maintained: sales\.parts \(test_sales_cleaned"):
        lake.maintain()
    (made,) = keys(lake, "artifacts", "maintenance/results/")
    body = lake.clients.read(f"s3://{lake.buckets['artifacts']}/{made}")
    found = {(r["owner"], r["state"]) for r in map(json.loads, body.splitlines())}
    assert found == {(EVENTS["id"], "done"), (ID, "failed")}


class Shelf:
    """A table that is written to, and maintained by jobs that something happens to."""

    def __init__(self, lake: Lake, wire: Wire) -> None:
        self.lake, self.wire, self.landed = lake, wire, 0
        lake.declare(EVENTS | upkeep(small_files=2))

    def land(self) -> None:
        self.landed += 1
        self.lake.apply(EVENTS["id"], f"id,kind\n{self.landed},a\n{self.landed},c\n")

    def struck(self, fault: tuple) -> str | None:
        """Maintains with that fault; who overtakes the job lands a file. Returns the effect that was struck."""
        self.lake.end_runs()
        arguments = self.lake.maintenance(force=True)
        with self.wire.run(fault, self.land) as run:
            try:
                session = another_session(self.lake.spark)
                maintain(session, arguments, Clients.connect(), lambda: datetime.now(UTC) + LATER)
            except Exception:
                assert run.fired
        activate(self.lake.spark)
        if self.lake.table_format == "iceberg":
            self.lake.spark.sql(f"REFRESH TABLE {self.lake.cleaned(EVENTS['id'])}")
        return f"{fault} {run.effects[fault[1] - 1]}" if run.fired else None

    def check(self, at: str | None) -> None:
        """Every row is there; the next run of the job ends as if nothing had happened."""
        lake, name = self.lake, EVENTS["id"]
        wanted = [(i + 1,) for i in range(self.landed)]
        assert lake.rows(lake.cleaned(name), "id") == wanted, at
        held = {k: v for k, v in lake.get(f"lease#{name}", "lease").items() if k not in ("pk", "sk")}
        assert held["state"] == "free" or str(held["run"]).startswith(("maintain-", "run")), at
        lake.put(f"lease#{name}", "lease", held | {"expires": 0})
        found = short(lake, lake.maintain(2 * LATER, force=True))["cleaned.events"]
        assert (found["state"], found["files_after"]) == ("done", 1), at
        assert lake.rows(lake.cleaned(name), "id") == wanted, at
        if lake.table_format == "iceberg":
            assert len(keys(lake, "cleaned", "sales/events/data/")) == 1, f"left behind after {at}"
        if lake.table_format == "hudi":
            assert not lake.stored(name).has_past, f"left behind after {at}"


@soak_format
@pytest.mark.parametrize("points", [pytest.param(3, id="some"), pytest.param(99, id="every", marks=pytest.mark.soak)])
def test_the_job_dies_or_is_overtaken_at_any_side_effect(lake: Lake, points: int) -> None:
    dice = random.Random(20260101)
    wire, told = Wire(), []
    shelf = Shelf(lake, wire)
    with wire.watched():
        for nth in range(1, points + 1):
            chosen = nth if points > 9 else dice.randint(2, 16)
            kinds = [("crash", chosen, "before"), ("crash", chosen, "after"), ("overtaken", chosen)]
            shelf.land()
            shelf.land()
            told.append(shelf.struck(dice.choice(kinds)))
            shelf.check(told[-1])
            if told[-1] is None:
                break
    print("\n".join(f"struck: {at}" for at in told))
    assert [at for at in told if at], "nothing was struck"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dataset": "sales.other"}', "is 'sales.other'; allowed: sales.events, or none"),
        ('{"force": 1}', "force: is 1; bool"),
        ('{"tables": []}', "unknown fields tables"),
        ("[]", "request: is list"),
    ],
)
def test_requests_that_make_no_sense(text: str, message: str) -> None:
    plain = EVENTS | {"table_format": "iceberg"}
    manifest = Manifest.from_json(json.dumps({"schema_version": 1, "lake": "l", "operations_database": "l_operations",
                                              "datasets": [plain], "landing": [], "models": []}))  # fmt: skip
    assert Request.parse('{"dataset": "sales.events", "force": true}', manifest) == Request("sales.events", True)
    with pytest.raises(ShapeError, match=message):
        Request.parse(text, manifest)
