"""Compaction under the lease: it changes no row, whoever dies or comes in between."""

from __future__ import annotations

from typing import Any

import pytest
from lake import Lake
from lakejobs.errors import JobFailed, LeaseLost
from lakejobs.iceberg import Table
from lakejobs.tables import iceberg_compaction as compaction
from lakejobs.tables.interface import Commit
from parts import ID, PARTS, delete, insert, part, state, update
from stand_in import BEFORE_UPDATE


@pytest.mark.parametrize(
    ("summary", "due"),
    [
        ({}, False),
        ({"total-delete-files": "9", "total-position-deletes": "50000", "total-records": "60000"}, False),
        ({"total-delete-files": "10", "total-position-deletes": "10", "total-records": "1000000"}, True),
        ({"total-delete-files": "1", "total-position-deletes": "50001", "total-records": "250000"}, True),
        ({"total-delete-files": "1", "total-position-deletes": "50001", "total-records": "300000"}, False),
    ],
)
def test_what_is_due(summary: dict[str, str], due: bool) -> None:
    assert compaction.is_due(Commit("1", summary)) is due
    assert not compaction.is_due(None)


def summary(lake: Lake) -> dict[str, str]:
    table = Table.load(lake.spark, lake.cleaned(ID))
    return table.commit().summary


def test_a_table_is_compacted_once_it_is_due(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(PARTS)
    lake.model("live", f'SELECT p.id, p.name FROM {{{{ ref("{ID}") }}}} AS p', [ID])
    lake.apply_changes(ID, part(insert(1, 3, "c"), insert(2, 1, "a")))
    first = lake.changes(ID, part(update(3, 3, "c2"), insert(4, 2, "b"), delete(5, 1)))
    lake.refine([first])
    assert int(summary(lake)["total-delete-files"]) > 0
    monkeypatch.setattr(compaction, "_DELETE_FILES", 1)
    before = lake.snapshots(lake.cleaned(ID))
    assert lake.again(first)["rerun"]["rows_changed"] == 0
    assert lake.snapshots(lake.cleaned(ID)) == before, "a rerun that changes nothing compacts nothing"
    second = lake.changes(ID, part(update(6, 2, "b2"), insert(7, 0, "z")))
    lake.refine([second])
    found = summary(lake)
    assert (found["total-delete-files"], found["total-data-files"], found["total-records"]) == ("0", "1", "4")
    assert state(lake) == {0: (1, 7, "z"), 1: (1, 5, "-"), 2: (1, 6, "b2"), 3: (1, 3, "c2")}
    stored = [r["id"] for r in lake.spark.table(lake.cleaned(ID)).collect()]
    assert stored == sorted(stored), "files are sorted by key"

    # What a model is made of is the batch's snapshot, though the compacted one is read.
    lake.publish()
    assert lake.rows(lake.curated("live")) == [(0, "z"), (2, "b2"), (3, "c2")]
    output = lake.get("output#sales.live", "output")
    assert output["inputs"] == {ID: lake.batch(second)["snapshot"]}
    assert output["inputs"] != {ID: str(lake.snapshots(lake.cleaned(ID))[-1])}


def test_a_run_killed_in_its_compaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    monkeypatch.setattr(compaction, "_DELETE_FILES", 1)
    half, real = [], compaction.compact

    def killed(table: Any, layout: Any, fence: Any, least: int | None = None) -> bool:
        def once() -> None:
            half.append(1)
            if len(half) == 2:
                raise ConnectionError("killed")
            fence()

        return real(table, layout, once, least)

    item = lake.changes(ID, part(update(3, 1, "a2")))
    with monkeypatch.context() as patch:
        patch.setattr("lakejobs.tables.iceberg.compact", killed)
        with pytest.raises(JobFailed, match="compaction of sales.parts: ConnectionError: killed"):
            lake.refine([item])
    assert lake.batch(item)["state"] == "applied"
    assert state(lake) == {1: (1, 3, "a2"), 2: (1, 2, "b")}
    lake.apply_changes(ID, part(delete(4, 2)))
    assert state(lake) == {1: (1, 3, "a2"), 2: (1, 4, "-")}
    assert summary(lake)["total-delete-files"] == "0"


def test_the_late_compaction_of_a_dead_run_undoes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run sleeps right before its compaction commits; another takes the lease over and deletes what it rewrote."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    lake.apply_changes(ID, part(update(3, 1, "a2")))
    arguments: list[str] = []

    def overtaken() -> None:
        if not arguments:
            arguments.append("once")
            lake.apply_changes(ID, part(update(4, 1, "a3"), delete(5, 2)))

    def lost() -> None:
        if arguments:
            raise LeaseLost("another run has the lease")

    monkeypatch.setattr(compaction, "is_due", lambda commit: not arguments)
    BEFORE_UPDATE.append(overtaken)
    try:
        assert lake.store(ID).compact(lost)
    finally:
        BEFORE_UPDATE.clear()
    assert arguments
    assert state(lake) == {1: (1, 4, "a3"), 2: (1, 5, "-")}
    table = Table.load(lake.spark, lake.cleaned(ID))
    assert table.main == table.content, "the late commit was refused"
