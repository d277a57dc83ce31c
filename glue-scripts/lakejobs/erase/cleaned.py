"""Removes somebody's rows from a cleaned table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.erase.results import ERASED, VERIFIED, Result
from lakejobs.erase.subjects import Subjects
from lakejobs.erase.tries import until_still
from lakejobs.refine.changes import DELETED
from lakejobs.refine.erased import keeps_place
from lakejobs.refine.target import BATCH_COLUMN, own_columns
from lakejobs.session import size_shuffles
from lakejobs.tables.interface import Fence, Store, StoredTable
from lakejobs.tables.places import Replaced, by_file, places_of

_WHOSE = "_whose"
CLEANED = "cleaned"


@dataclass(frozen=True)
class _Removed:
    """How many rows of whom, by keyed hash, from which version, which had how many files."""

    counts: Mapping[str, int]
    version: str
    files: int


@dataclass(frozen=True)
class Cleaned:
    """One dataset's cleaned table, on behalf of the erasure `tag`."""

    spark: SparkSession
    store: Store
    dataset: Dataset
    subjects: Subjects
    tag: str

    @property
    def _place(self) -> str:
        return self.store.layout.name.split(".", 1)[1]

    def erase(self, fence: Fence, first: Callable[[set[str]], None]) -> list[Result]:
        """Removes the rows, then rewrites what still holds them unseen. Returns a row for each subject. Raises
        LeaseLost.

        `first` is told the batches that the rows are of before they go, since nothing tells afterwards.
        """
        found = until_still(self._place, lambda: self._remove(fence, first))
        if found is None:
            return []
        until_still(self._place, lambda: self.store.purge(fence))
        after = self.store.load()
        return [
            Result(self.dataset.id, CLEANED, self._place, ERASED, name, found.counts.get(name, 0), 0, found.version,
                   after.main, found.files, after.figures.files)
            for name in self.subjects.names.values()
        ]  # fmt: skip

    def _remove(self, fence: Fence, first: Callable[[set[str]], None]) -> _Removed | None:
        """None if there is no table with rows. Raises Moved."""
        table = self.store.load()
        if table is None or table.main is None:
            return None
        size_shuffles(self.spark, table.size)
        before, files = table.main, table.figures.files
        rows = self._theirs(table)
        if rows is None:
            return _Removed({}, before, files)
        rows = rows.persist()
        try:
            groups = places_of(rows, _WHOSE)
            counts: Counter[str] = Counter()
            for group in groups:
                counts[group[_WHOSE]] += group["rows"]
            if counts:
                first({row[0] for row in rows.select(BATCH_COLUMN).distinct().collect()})
                over = Replaced((rows,), tuple(self.dataset.row_key), by_file(groups))
                staged = table.write(self._tombstones(table, rows), over, self.tag, {})
                fence()
                table.publish(staged, before)
        finally:
            rows.unpersist()
        return _Removed(counts, before, files)

    def _theirs(self, table: StoredTable) -> DataFrame | None:
        """The rows that are about them, with their places; None if the table has no such column yet."""
        if self.subjects.column not in table.columns():
            return None
        return self.subjects.in_table(table.read(table.main, placed=True), _WHOSE)

    def _tombstones(self, table: StoredTable, rows: DataFrame) -> DataFrame | None:
        """What a delete of the rows would leave, where changes of before have to stay stale by it."""
        if not keeps_place(self.dataset):
            return None
        kept = {*self.dataset.keys, *own_columns(self.dataset)}
        columns = [
            (F.col(name) if name in kept else F.lit(None)).cast(kind).alias(name)
            for name, kind in table.columns().items()
        ]
        return rows.select(*columns).withColumn(DELETED, F.lit(True))

    def verify(self) -> list[Result]:
        """Reads the table anew."""
        table = self.store.load()
        if table is None or table.main is None:
            return []
        rows = self._theirs(table)
        left = {} if rows is None else {r[_WHOSE]: r["count"] for r in rows.groupBy(_WHOSE).count().collect()}
        version = table.main
        return [
            Result(self.dataset.id, CLEANED, self._place, VERIFIED, name, left.get(name, 0), version_after=version)
            for name in self.subjects.names.values()
        ]
