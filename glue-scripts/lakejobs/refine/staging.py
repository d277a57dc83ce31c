"""What a batch reads of the stored table, and how its rows are staged for it."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import RECORD_ID, Dataset
from lakejobs.refine.changes import DELETED, SEQUENCE
from lakejobs.refine.compare import OUTCOME, WRITE
from lakejobs.refine.conform import KEY, REASONS
from lakejobs.refine.outcome import Tally
from lakejobs.refine.protect import PLAIN
from lakejobs.refine.record import GENERATION, LINE, OBJECT, passed_on
from lakejobs.refine.span import with_span
from lakejobs.refine.target import BATCH_COLUMN, own_columns, stored_type
from lakejobs.tables.interface import Staged, StoredTable
from lakejobs.tables.places import FILE, POSITION, Replaced

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


@dataclass(frozen=True)
class Part:
    """The part of a table in which a batch's rows may be, as far as it is known: a range of keys, spans of time, ids of
    records of its objects."""

    keys: KeyRange | None
    spans: str | None = None
    ids: str | None = None


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


def _declared(dataset: Dataset, frame: DataFrame) -> list[Column | str]:
    """The stored columns by declaration, where the frame has them, and the change columns."""
    found = dict(frame.dtypes)
    columns: list[Column | str] = [name for name in own_columns(dataset) if name != BATCH_COLUMN]
    return [_declared_column(c.name, c.stored_type, found.get(c.name)) for c in dataset.stored] + columns


def _declared_column(name: str, declared: str, found: str | None) -> Column | str:
    if found == declared:
        return name
    return (F.lit(None) if found is None else F.col(name)).cast(declared).alias(name)


def stored_rows(table: StoredTable, snapshot: str, rows: DataFrame, dataset: Dataset, part: Part) -> DataFrame:
    """The rows of that snapshot that may have a key of the batch: columns as declared, change columns, and places."""
    frame = table.read(snapshot, placed=True)
    if part.keys is not None:
        frame = frame.where(part.keys.predicate)
    # A table from before the column was declared has no row in any span.
    if part.spans is not None and dataset.window.column in frame.columns:
        frame = frame.where(part.spans)
    if part.ids is not None:
        frame = frame.where(part.ids)
    span = [value.alias(name) for name, value in with_span(dataset).items()]
    frame = frame.select(*_declared(dataset, frame), FILE, POSITION, *span)
    if table.size <= _SMALL_TABLE:
        return frame
    return frame.join(rows, on=list(dataset.row_key), how="left_semi")


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
    frame = table.read(snapshot, placed=True)
    older = frame.where(~F.col(DELETED) & (F.col(GENERATION) < generation))
    if seen is not None:
        older = older.join(seen.select(*dataset.row_key), on=list(dataset.row_key), how="left_anti")
    change = {GENERATION: F.lit(generation), SEQUENCE: F.lit(""), DELETED: F.lit(True)}
    return older.select(*_keys_only(dataset), *[value.alias(name) for name, value in change.items()], FILE, POSITION)


def missing_rows(table: StoredTable, snapshot: str, dataset: Dataset, seen: DataFrame | None) -> DataFrame:
    """The rows that a snapshot no longer has, by keys and places alone. `seen` is as of `absent_rows`."""
    frame = table.read(snapshot, placed=True)
    if seen is not None:
        frame = frame.join(seen.select(*dataset.row_key), on=list(dataset.row_key), how="left_anti")
    return frame.select(*_keys_only(dataset), FILE, POSITION)


def _keys_only(dataset: Dataset) -> list[Column]:
    """The stored columns of a row of which nothing but its key is known."""
    columns = [
        (F.col(c.name) if c.name in dataset.keys else F.lit(None)).cast(stored_type(dataset, c.name)).alias(c.name)
        for c in dataset.stored
    ]
    return columns if dataset.keys else [*columns, F.col(RECORD_ID)]


def needed(classified: DataFrame, dataset: Dataset) -> DataFrame:
    """What has to be held of classified rows: stored columns and place of one that writes, with what its tokens are
    of, and a refused one as it landed.

    Most of a batch of changes may do neither, and then costs nothing but its outcome.
    """
    stored = [c.name for c in dataset.stored] + [name for name in own_columns(dataset) if name != BATCH_COLUMN]
    texts = [PLAIN] if PLAIN in classified.columns else []
    parts = (
        (f"{WRITE} IS NOT NULL", [*stored, *texts, FILE, POSITION]),
        (f"{OUTCOME} = 'quarantined'", [OBJECT, LINE, KEY]),
    )
    # As text: for each of many columns a question to Spark's JVM less.
    values = [f"CASE WHEN {where} THEN `{name}` END AS `{name}`" for where, names in parts for name in names]
    return classified.selectExpr(OUTCOME, REASONS, WRITE, *passed_on(classified), *values)


@dataclass(frozen=True)
class Staging:
    """The rows of one batch on their way into a table."""

    table: StoredTable
    dataset: Dataset
    batch: str
    files: int
    """Into how many files its rows go, about."""

    def stage(
        self, classified: DataFrame | None, absent: DataFrame | None, found: Tally, properties: dict[str, str]
    ) -> Staged:
        """Stages the effective rows and the absent ones, in place of the stored rows of their keys."""
        parts, rows = [], None
        if found.new_keys + found.stored_keys:
            parts = [classified.where(F.col(WRITE).isNotNull())]
            rows = self._columns(parts[0])
        if found.absent:
            parts.append(absent)
            if self.dataset.is_cdc:  # what is absent from a load leaves tombstones, from a snapshot nothing
                gone = self._columns(absent)
                rows = gone if rows is None else rows.unionByName(gone)
        over = Replaced(tuple(parts), tuple(self.dataset.row_key), found.places) if found.places else None
        return self.table.write(None if rows is None else self._spread(rows), over, self.batch, properties)

    def _columns(self, rows: DataFrame) -> DataFrame:
        """The table's columns."""
        names = [c.name for c in self.dataset.stored] + list(own_columns(self.dataset))
        return rows.select(*[F.lit(self.batch).alias(name) if name == BATCH_COLUMN else name for name in names])

    def _spread(self, rows: DataFrame) -> DataFrame:
        """Rows of one file lie near each other by key, so that later batches read few files."""
        if self.files == 1:
            return rows.coalesce(1)
        return rows.repartitionByRange(self.files, *self.dataset.row_key)
