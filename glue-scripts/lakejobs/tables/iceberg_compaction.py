"""Compaction of an Iceberg table, under the lease of its dataset.

Each batch leaves a delete file, and readers open those that may name their data file. Compaction writes the data files
that have them anew, sorted by key. It changes no row, and Iceberg refuses its commit if rows of those files were
deleted meanwhile, so that of a run that has lost its lease it undoes nothing.
"""

from __future__ import annotations

from lakejobs.events import log
from lakejobs.iceberg import CATALOG, Table
from lakejobs.session import quoted
from lakejobs.tables.interface import Commit, Fence, Layout, Moved

# A read of one million rows took about twice as long after one batch had left its delete files. Rewriting costs about
# as much as a batch does: once in some ten batches it is a small part of the work, and reads stay near their best.
_DELETE_FILES = 10
# Beyond this share of deleted rows a read spends much of its time on them, however few files they lie in; but for fewer
# rows than these nobody notices.
_DELETED_SHARE = 0.2
_DELETED_ROWS = 50_000

# Below this share of the wanted size Iceberg writes a file anew with others.
_SMALL_SHARE = 0.75

# Iceberg's words for a table that has changed since the rewrite began.
_MOVED = ("CommitFailedException", "ValidationException")


def is_due(commit: Commit | None) -> bool:
    """Whether readers of this snapshot open many delete files, or read many deleted rows."""
    if commit is None:
        return False
    files, deleted, rows = (
        int(commit.summary.get(name, "0")) for name in ("total-delete-files", "total-position-deletes", "total-records")
    )
    return files >= _DELETE_FILES or deleted > max(_DELETED_ROWS, _DELETED_SHARE * rows)


def has_small_files(table: Table, layout: Layout, least: int) -> bool:
    """Whether the table has so many files, of data or of deletes, that Iceberg would take for small ones."""
    if table.figures.files + table.figures.delete_files < least:
        return False
    small = f"file_size_in_bytes < {int(_SMALL_SHARE * layout.file_bytes)}"
    return table.spark.table(f"{table.name}.files").where(small).count() >= least


def compact(table: Table | None, layout: Layout, fence: Fence, least: int | None = None) -> bool:
    """Compacts the table if it is due, or has `least` small files; tells whether it did."""
    if table is None or not (is_due(table.commit()) or (least and has_small_files(table, layout, least))):
        return False
    _rewrite(table, layout, fence, least or layout.small_files)
    return True


def purge(table: Table | None, layout: Layout, fence: Fence) -> None:
    """Rewrites every data file that a delete file is about. Raises Moved if delete files are left."""
    if table is None or not table.figures.delete_files:
        return
    _rewrite(table, layout, fence, layout.small_files)
    table.refresh()
    if table.figures.delete_files:
        raise Moved(f"{table.name}: {table.figures.delete_files} delete files are left")


def _rewrite(table: Table, layout: Layout, fence: Fence, least: int) -> None:
    """Files with deletes are written anew without these, and small ones together once there are so many."""
    order = ", ".join(f"{key} ASC NULLS FIRST" for key in layout.keys)
    rewrite_data = (
        f"CALL {CATALOG}.system.rewrite_data_files(table => {quoted(table.name)}, strategy => 'sort',"
        f" sort_order => {quoted(order)}, options => map('delete-file-threshold', '1',"
        f" 'min-input-files', '{least}', 'target-file-size-bytes', '{layout.file_bytes}'))"
    )
    rewrite_deletes = (
        f"CALL {CATALOG}.system.rewrite_position_delete_files(table => {quoted(table.name)},"
        " options => map('rewrite-all', 'true'))"
    )
    try:
        for statement in (rewrite_data, rewrite_deletes):
            fence()
            table.spark.sql(statement)
    except Exception as error:
        if not any(name in str(error) for name in _MOVED):
            raise
        log("compaction given up: the table has changed", table=table.name, error=" ".join(str(error).split())[:300])
        return
    log("table compacted", table=table.name)
