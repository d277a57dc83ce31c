"""What becomes of each change of a database, by the table in docs/contracts.md.

The order of changes is total: generation, sequence, then the content, with a delete below any. Neither time nor the
kind of operation has a say, so a table does not depend on the order in which its changes arrive.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.declared import Dataset
from lakejobs.refine.changes import DELETED, HALF, NEW, OLD, RECORD, ROW, SEQUENCE
from lakejobs.refine.compare import (
    NEW_KEY,
    OUTCOME,
    STORED,
    STORED_KEY,
    WRITE,
    Batch,
    Standing,
    parted,
    ranked,
    struct,
    with_stored,
)
from lakejobs.refine.record import GENERATION
from lakejobs.tables.places import FILE, POSITION

_CONTENT = "_content"
_ORDER = (GENERATION, SEQUENCE, _CONTENT)


def classify_changes(
    effects: DataFrame, stored: DataFrame | None, dataset: Dataset, batch: Batch, loaded: int
) -> DataFrame:
    """Adds `_outcome` and `_write` to conformed changes; the `old` half of a key change has no outcome of its own.

    `stored` holds at least the table's rows with keys of the batch; None means that it has none. `loaded` is the
    highest generation whose load the table holds, 0 for none: what is older than that load is stale.
    """
    accepted, refused = parted(effects, batch)
    # The halves of two alike changes of a key have to be told apart alike.
    tie = (RECORD,) if batch.moves else ()
    compared, standing = ranked(accepted, dataset.keys, _latest_first(dataset), tie, batch.distinct)
    order = [F.col(GENERATION), F.col(SEQUENCE), _content(dataset).alias(_CONTENT)]
    joined = with_stored(compared, stored, dataset.keys, [*order, F.col(DELETED)])
    judged = joined.withColumn(OUTCOME, _judged(F.struct(*order), standing, loaded))
    effective = F.col(OUTCOME).isin("inserted", "updated", "unchanged", "deleted")
    place = F.when(F.col(STORED).isNotNull(), F.lit(STORED_KEY)).otherwise(F.lit(NEW_KEY))
    judged = judged.select(*effects.columns, FILE, POSITION, OUTCOME, F.when(effective, place).alias(WRITE))
    if batch.moves:
        judged = _in_units(judged)
    return judged if refused is None else judged.unionByName(refused, allowMissingColumns=True)


def _others(dataset: Dataset) -> list[Column]:
    return [F.col(c.name) for c in dataset.stored if c.name not in dataset.keys]


def _latest_first(dataset: Dataset) -> list[Column]:
    """The order of changes, the latest first, with no struct of their content to be carried through a sort."""
    order = [F.col(GENERATION).desc(), F.col(SEQUENCE).desc(), F.col(DELETED).asc()]
    return order + [column.desc() for column in _others(dataset)]


def _content(dataset: Dataset) -> Column:
    return F.when(~F.col(DELETED), struct(_others(dataset)))


def _judged(change: Column, standing: Standing, loaded: int) -> Column:
    has_stored, deleted = F.col(STORED).isNotNull(), F.col(DELETED)
    stored_deleted = has_stored & F.col(f"{STORED}.{DELETED}")
    stored_change = F.struct(*[F.col(f"{STORED}.{name}").alias(name) for name in _ORDER])
    return (
        F.when(~standing.first_alike, "duplicate")
        .when(has_stored & stored_change.eqNullSafe(change), "duplicate")
        .when(standing.superseded, "superseded")
        .when(F.col(GENERATION) < loaded, "stale")
        .when(has_stored & (stored_change > change), "stale")
        .when(deleted & stored_deleted, "unchanged")
        .when(deleted, "deleted")
        .when(~has_stored | stored_deleted, "inserted")
        .when(F.col(f"{STORED}.{_CONTENT}").eqNullSafe(change[_CONTENT]), "unchanged")
        .otherwise("updated")
    )


def _in_units(judged: DataFrame) -> DataFrame:
    """Counts a change of the key once: as updated if either half writes, else as what its new key's half is."""
    rows = judged.where(F.col(HALF) == ROW)
    halves = judged.where(F.col(HALF) != ROW)
    writes = F.count(WRITE).over(Window.partitionBy(RECORD)) > 0
    outcome = F.when(F.col(HALF) == OLD, F.lit(None).cast("string")).when(F.col("_writes"), F.lit("updated"))
    halves = halves.withColumn("_writes", writes)
    halves = halves.withColumn(OUTCOME, outcome.when(F.col(HALF) == NEW, F.col(OUTCOME)))
    return rows.unionByName(halves.drop("_writes"))
