"""Runs that die on their way through a batch of changes."""

from __future__ import annotations

from typing import Any

import pytest
from formats import every_format, soak_format
from lake import Lake
from lakejobs.errors import JobFailed
from lakejobs.refine.job import refine
from lakejobs.tables.interface import Moved, StoredTable
from parts import ID, PARTS, delete, insert, part, state, update


@every_format
def test_a_load_committed_by_a_dead_run_is_completed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    item = lake.changes(ID, part(insert(None, 1, "a")), generation=2, load=True)

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError("killed")

    for victim in (
        f"{lake.table_class.__module__}.{lake.table_class.__name__}.publish",
        "lakejobs.ledger.Ledger.finish",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(victim, die)
            with pytest.raises(JobFailed, match="killed"):
                lake.refine([item])
    table = lake.stored(ID)
    assert table.properties["strata.loaded-generation"] == "2"
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], record["attempt"], record["snapshot"]) == ("applied", 3, table.main)
    assert (lake.counts(record), record["absent"]) == ({"read": 1, "unchanged": 1}, 1)
    assert state(lake) == {1: (2, 0, "a"), 2: (2, 0, "-")}
    assert len(lake.snapshots(lake.cleaned(ID))) == 2


@every_format
def test_the_late_commit_of_a_dead_run_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run sleeps right before its commit; another takes the lease over and finishes; the sleeper wakes up."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    item = lake.changes(ID, part(update(4, 1, "z"), delete(5, 2), insert(6, 3, "c")))
    sleeper = lake.start([item])
    publish, staged = lake.table_class.publish, []

    def overtaken(self: StoredTable, snapshot: str | None, expected: str | None, *more: Any) -> None:
        staged.append(snapshot)
        if len(staged) == 1:
            lake.refine([item])
            with pytest.raises(Moved):
                publish(self, snapshot, expected, *more)
            raise Moved("late")
        publish(self, snapshot, expected, *more)

    monkeypatch.setattr(lake.table_class, "publish", overtaken)
    with pytest.raises(JobFailed, match="no longer holds the lease"):
        refine(lake.spark, sleeper, lake.clients)
    assert len(lake.snapshots(lake.cleaned(ID))) == 2
    assert lake.batch(item)["state"] == "applied"
    assert state(lake) == {1: (1, 4, "z"), 2: (1, 5, "-"), 3: (1, 6, "c")}


@soak_format
def test_a_late_commit_after_a_load_without_rows_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a load changes no row, so that main alone would not tell that it came in between."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a")))
    lake.apply_changes(ID, part(delete(2, 1)))
    publish, asleep, slept = lake.table_class.publish, [], []

    def overtaken(self: StoredTable, *asked: Any) -> None:
        if not asleep:
            asleep.append(self)
            slept.append(lake.apply_changes(ID, generation=2, load=True))
            with pytest.raises(
                Moved,
                match="is no longer None" if lake.table_format == "iceberg" else "another writer has made version",
            ):
                publish(self, *asked)
            raise Moved("late")
        publish(self, *asked)

    sleeper = lake.start([lake.changes(ID, part(insert(3, 7, "late")))])
    monkeypatch.setattr(lake.table_class, "publish", overtaken)
    with pytest.raises(JobFailed, match="no longer holds the lease"):
        refine(lake.spark, sleeper, lake.clients)
    assert (slept[0]["state"], slept[0]["absent"]) == ("empty", 0)
    assert lake.live(ID) == []
