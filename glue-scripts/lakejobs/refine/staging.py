"""What a batch reads of the stored table, and how its rows are staged for it."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.manifest import Dataset
from lakejobs.refine.changes import DELETED, SEQUENCE
from lakejobs.refine.compare import WRITE
from lakejobs.refine.outcome import Tally
from lakejobs.refine.record import GENERATION
from lakejobs.refine.target import BATCH_COLUMN, own_columns, stored_type
from lakejobs.tables.interface import Merge, Staged, StoredTable

# Whether a staged row deletes the stored row of its key; only there if one does.
_REMOVED = "_removed"
_RANGED = ("int", "bigint", "date")
# Bytes up to which a table is joined whole, as Spark broadcasts it.
_SMALL_TABLE = 10 << 20


@dataclass(frozen=True)
class KeyRange:
    """The smallest and largest key of a batch, as SQL literals."""

    key: str
    low: str
    high: str

    @property
    def predicate(self) -> str:
        return f"`{self.key}` BETWEEN {self.low} AND {self.high}"


def key_range_bounds(dataset: Dataset, accepted: Column) -> list[Column]:
    """Aggregates over accepted rows that `key_range` reads; none if the key is not one stored number or date."""
    if len(dataset.keys) != 1 or stored_type(dataset, dataset.keys[0]) not in _RANGED:
        return []
    key = F.when(accepted, F.col(dataset.keys[0]))
    return [F.min(key).cast("string").alias("_low"), F.max(key).cast("string").alias("_high")]


def key_range(dataset: Dataset, low: str | None, high: str | None) -> KeyRange | None:
    if low is None or high is None:
        return None
    kind = stored_type(dataset, dataset.keys[0])
    return KeyRange(dataset.keys[0], f"CAST('{low}' AS {kind})", f"CAST('{high}' AS {kind})")


def _declared(dataset: Dataset, frame: DataFrame) -> list[Column]:
    """The stored columns by declaration, where the frame has them, and the change columns."""
    columns = [
        (F.col(c.name) if c.name in frame.columns else F.lit(None)).cast(stored_type(dataset, c.name)).alias(c.name)
        for c in dataset.stored
    ]
    return columns + [F.col(name) for name in own_columns(dataset) if name != BATCH_COLUMN]


def stored_rows(
    table: StoredTable, snapshot: str, rows: DataFrame, dataset: Dataset, keys: KeyRange | None
) -> DataFrame:
    """The rows of that snapshot that may have a key of the batch: columns as declared, and the change columns."""
    frame = table.read(snapshot)
    if keys is not None:
        frame = frame.where(keys.predicate)
    frame = frame.select(*_declared(dataset, frame))
    if table.size <= _SMALL_TABLE:
        return frame
    return frame.join(rows.select(*dataset.keys), on=list(dataset.keys), how="left_semi")


def all_rows(table: StoredTable, snapshot: str, dataset: Dataset) -> DataFrame:
    """The rows of that snapshot: columns as declared, and the change columns."""
    frame = table.read(snapshot)
    return frame.select(*_declared(dataset, frame))


def absent_rows(
    table: StoredTable, snapshot: str, dataset: Dataset, generation: int, seen: DataFrame | None
) -> DataFrame:
    """Tombstones for the rows of older generations that a whole load no longer has.

    `seen` holds the keys of the load's records, refused ones included: those rows are there, if not as they should be.
    """
    frame = table.read(snapshot)
    older = frame.where(~F.col(DELETED) & (F.col(GENERATION) < generation))
    if seen is not None:
        older = older.join(seen.select(*dataset.keys), on=list(dataset.keys), how="left_anti")
    change = {GENERATION: F.lit(generation), SEQUENCE: F.lit(""), DELETED: F.lit(True)}
    return older.select(*_keys_only(dataset), *[value.alias(name) for name, value in change.items()])


def missing_rows(table: StoredTable, snapshot: str, dataset: Dataset, seen: DataFrame | None) -> DataFrame:
    """The rows that a snapshot no longer has, by their keys alone. `seen` is as of `absent_rows`."""
    frame = table.read(snapshot)
    if seen is not None:
        frame = frame.join(seen.select(*dataset.keys), on=list(dataset.keys), how="left_anti")
    return frame.select(*_keys_only(dataset))


def _keys_only(dataset: Dataset) -> list[Column]:
    """The stored columns of a row of which nothing but its key is known."""
    return [
        (F.col(c.name) if c.name in dataset.keys else F.lit(None)).cast(stored_type(dataset, c.name)).alias(c.name)
        for c in dataset.stored
    ]


@dataclass(frozen=True)
class Staging:
    """The rows of one batch on their way into a table."""

    table: StoredTable
    dataset: Dataset
    batch: str
    keys: KeyRange | None

    def stage(
        self, classified: DataFrame | None, absent: DataFrame | None, found: Tally, properties: dict[str, str]
    ) -> Staged:
        """Stages the effective rows and the absent ones, by an append if all keys are new."""
        names = [c for c in self._columns() if c != BATCH_COLUMN]
        parts = [] if classified is None else [classified.where(F.col(WRITE).isNotNull()).select(*names)]
        removes = self.dataset.delivery is not None and found.absent > 0
        if absent is not None and found.absent:
            parts.append(absent.select(*names))
        if removes:
            last = len(parts) - 1
            parts = [part.withColumn(_REMOVED, F.lit(i == last)) for i, part in enumerate(parts)]
        rows = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
        kept = [*self._columns(), _REMOVED] if removes else self._columns()
        rows = rows.withColumn(BATCH_COLUMN, F.lit(self.batch)).select(*kept)
        if found.new_keys == found.effective:
            return self.table.append(_spread(rows, self.dataset), self.batch, properties)
        # Absent rows lie anywhere, those of the batch in its range of keys.
        predicate = None if self.keys is None or found.absent else f"t.{self.keys.predicate}"
        how = Merge(self.dataset.keys, bool(found.new_keys), predicate, _REMOVED if removes else None)
        return self.table.merge(rows, how, self.batch, properties)

    def _columns(self) -> list[str]:
        return [c.name for c in self.dataset.stored] + list(own_columns(self.dataset))


def _spread(rows: DataFrame, dataset: Dataset) -> DataFrame:
    """Rows of one task stay near each other by key, so that later batches read few files."""
    partitions = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions"))
    if partitions == 1:
        return rows.coalesce(1)
    return rows.repartitionByRange(partitions, *dataset.keys)
