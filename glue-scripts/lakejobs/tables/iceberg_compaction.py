"""Compaction of an Iceberg table, under the lease of its dataset.

Each batch leaves a delete file, and readers open those that may name their data file. Compaction writes the data files
that have them anew, sorted by key. It changes no row, and Iceberg refuses its commit if rows of those files were
deleted meanwhile, so that of a run that has lost its lease it undoes nothing.
"""

from __future__ import annotations

from lakejobs.events import log
from lakejobs.iceberg import CATALOG, Table
from lakejobs.session import quoted
from lakejobs.tables.interface import Commit, Fence, Layout

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
    """Whether the table has so many files that Iceberg would take for small ones."""
    if table.figures.files < least:
        return False
    small = f"content = 0 AND file_size_in_bytes < {int(_SMALL_SHARE * layout.file_bytes)}"
    return table.spark.table(f"{table.name}.files").where(small).count() >= least


def compact(table: Table | None, layout: Layout, fence: Fence, least: int | None = None) -> bool:
    """Compacts the table if it is due, or has `least` small files; tells whether it did."""
    if table is None or not (is_due(table.commit()) or (least and has_small_files(table, layout, least))):
        return False
    order = ", ".join(f"{key} ASC NULLS FIRST" for key in layout.keys)
    rewrite_data = (
        f"CALL {CATALOG}.system.rewrite_data_files(table => {quoted(table.name)}, strategy => 'sort',"
        f" sort_order => {quoted(order)}, options => map('delete-file-threshold', '1',"
        f" 'min-input-files', '{least or layout.small_files}', 'target-file-size-bytes', '{layout.file_bytes}'))"
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
        return True
    log("table compacted", table=table.name)
    return True
