"""What of an Iceberg table's past goes: snapshots that were replaced long ago, staged ones that nobody published, and
files that no snapshot names.

Iceberg's own expiry counts a snapshot's age from its commit, so that one that was current for a month goes the moment
another replaces it, under the queries that read it. Here its age counts from when it was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from py4j.protocol import Py4JJavaError

from lakejobs.events import log
from lakejobs.iceberg import CONTENT_PROPERTY, STAGING_PROPERTY, Table, refused
from lakejobs.jvm import java_class
from lakejobs.tables.interface import BATCH_PROPERTY, Fence, Limits, Moved, Removed

_MAIN = "main"


def expire(table: Table, limits: Limits, fence: Fence) -> Removed:
    """Expires snapshots and removes their files, then those that no snapshot names. Raises Moved if another writer has
    come in between.
    """
    rebuilt, staged = detached_snapshots(table, limits)
    replaced = replaced_snapshots(table, limits) + rebuilt
    if replaced:
        _keep_content(table, {str(s.snapshotId()) for s in replaced}, fence)
    if replaced or staged:
        fence()
        _expire(table, [s.snapshotId() for s in (*replaced, *staged)])
        log("snapshots expired", table=table.name, replaced=len(replaced), staged=len(staged))
    fence()
    orphans = remove_orphans(table, limits)
    return Removed(len(replaced), len(staged), orphans)


def replaced_snapshots(table: Table, limits: Limits) -> list[Any]:
    """The oldest of main's snapshots, up to one that is still needed: it was current at the limit or later, or it holds
    the commit of a batch whose outcome the ledger does not have. The rest of the history stays in one piece.
    """
    history = list(_ancestry(table, table.loaded.currentSnapshot()))
    current = next((i for i, s in enumerate(history) if s.timestampMillis() <= limits.replaced_before), len(history))
    older = history[current + 1 :]
    others = _referenced(table)
    for i in reversed(range(len(older))):
        batch = older[i].summary().get(BATCH_PROPERTY)
        if older[i].snapshotId() in others or (batch and limits.needed(batch)):
            return older[i + 1 :]
    return older


def detached_snapshots(table: Table, limits: Limits) -> tuple[list[Any], list[Any]]:
    """Snapshots that are part of no branch's or tag's history: those of a table that was written anew as a whole, which
    age from the next snapshot on, and staged ones, of runs that died or were refused.

    Under the lease no run is about to publish a staged one, and one of that age belongs to no run that could be at work
    without it.
    """
    ours = {s.snapshotId() for s in _ancestry(table, table.loaded.currentSnapshot())} | _referenced(table)
    found = sorted(table.operations.current().snapshots(), key=lambda s: s.timestampMillis())
    rebuilt, staged = [], []
    for snapshot, later in zip(found, [*found[1:], None], strict=True):
        if snapshot.snapshotId() in ours:
            continue
        if snapshot.summary().containsKey(STAGING_PROPERTY):
            if snapshot.timestampMillis() <= min(limits.unreferenced_before, limits.replaced_before):
                staged.append(snapshot)
        elif later is not None and later.timestampMillis() <= limits.replaced_before:
            rebuilt.append(snapshot)
    return rebuilt, staged


def remove_orphans(table: Table, limits: Limits) -> int:
    """Removes files below the table's folder that no snapshot names and that are old enough. Returns how many."""
    actions = java_class(table.spark, "org.apache.iceberg.spark.actions.SparkActions").get(table.spark._jsparkSession)
    # The slash keeps the folder of a table apart from those whose names begin with its own.
    folder = table.loaded.location().rstrip("/") + "/"
    search = actions.deleteOrphanFiles(table.loaded).location(folder).olderThan(limits.unreferenced_before)
    return len(list(search.usePrefixListing(True).execute().orphanFileLocations()))


def _ancestry(table: Table, snapshot: Any) -> Iterator[Any]:
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parentId()
        snapshot = None if parent is None else table.loaded.snapshot(parent)


def _referenced(table: Table) -> set[int]:
    """Snapshots in the history of branches and tags besides main."""
    found: set[int] = set()
    references = table.loaded.refs()
    for name in list(references.keySet()):
        if name != _MAIN:
            start = table.loaded.snapshot(references.get(name).snapshotId())
            found |= {s.snapshotId() for s in _ancestry(table, start)}
    return found


def _keep_content(table: Table, gone: set[str], fence: Fence) -> None:
    """Remembers which snapshot made the rows, if it goes because a compaction has replaced it."""
    content = table.content
    if content in gone:
        fence()
        table.publish(None, table.main, {CONTENT_PROPERTY: content})


def _expire(table: Table, snapshots: list[int]) -> None:
    actions = java_class(table.spark, "org.apache.iceberg.spark.actions.SparkActions").get(table.spark._jsparkSession)
    # By their ids alone: the limit by age, which counts from the commit, is put where it reaches nothing.
    action = actions.expireSnapshots(table.loaded).expireOlderThan(0)
    for snapshot in snapshots:
        action = action.expireSnapshotId(snapshot)
    try:
        action.execute()
    except Py4JJavaError as error:
        if refused(error):
            raise Moved(f"{table.name}: {error.java_exception.getMessage()}") from error
        raise
    table.refresh()
