"""What becomes of each accepted row, by the table in docs/contracts.md.

The order of changes is total: sequence, then the other stored columns in declared order, nulls first. So the result
does not depend on how changes were cut into batches.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.declared import Dataset
from lakejobs.refine.compare import (
    NEW_KEY,
    OUTCOME,
    STORED,
    STORED_KEY,
    WRITE,
    Batch,
    of_stored,
    parted,
    ranked,
    struct,
    with_stored,
)
from lakejobs.refine.conform import REASONS
from lakejobs.refine.record import COPY, LINE, OBJECT
from lakejobs.refine.span import identity
from lakejobs.tables.places import FILE, POSITION


def classify(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, batch: Batch) -> DataFrame:
    """Adds `_outcome` and `_write` to the conformed rows of an append or upsert.

    `stored` holds at least the table's rows with keys of the batch; None means that it has none.
    """
    accepted, refused = parted(rows, batch)
    judge = _upsert if dataset.load == "upsert" else _append
    judged = judge(accepted, stored, dataset, batch.distinct)
    violates = F.col(OUTCOME) == "quarantined"
    reasons = F.when(violates, F.array(F.lit("unique_key"))).otherwise(F.col(REASONS)).alias(REASONS)
    writes = F.when(F.col(OUTCOME) == "inserted", F.lit(NEW_KEY))
    writes = writes.when(F.col(OUTCOME).isin("updated", "unchanged"), F.lit(STORED_KEY)).alias(WRITE)
    names = [reasons if name == REASONS else F.col(name) for name in rows.columns]
    judged = judged.select(*names, OUTCOME, FILE, POSITION, writes)
    return judged if refused is None else judged.unionByName(refused, allowMissingColumns=True)


def _names(dataset: Dataset) -> list[str]:
    return [c.name for c in dataset.stored]


def _others(dataset: Dataset) -> list[str]:
    return [c.name for c in dataset.stored if c.name not in dataset.keys and c.name != dataset.sequence]


def _upsert(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, distinct: bool) -> DataFrame:
    sequence, others = dataset.sequence, _others(dataset)
    change = F.struct(sequence, *others)
    # Which of two alike rows is set aside as contested has to be the same in every run.
    tie = tuple(name for name in (OBJECT, LINE, COPY) if name in rows.columns) if dataset.unique_key else ()
    latest_first = [F.col(name).desc() for name in (sequence, *others)]
    compared, standing = ranked(rows, dataset.keys, latest_first, tie, distinct)
    joined = with_stored(compared, stored, dataset.keys, _names(dataset))
    has_stored = F.col(STORED).isNotNull()
    stored_change = F.struct(*of_stored([sequence, *others]))
    content, stored_content = struct([F.col(n) for n in others]), struct(of_stored(others))
    outcome = F.when(~standing.first_alike, "duplicate").when(
        has_stored & stored_change.eqNullSafe(change), "duplicate"
    )
    if dataset.unique_key and not distinct:
        at_once = Window.partitionBy(*dataset.keys, sequence).orderBy(*[F.col(name).desc() for name in others])
        contested = F.rank().over(at_once) > 1 if others else F.lit(False)
        joined = joined.withColumn("_contested", contested)
        outcome = outcome.when(F.col("_contested"), "quarantined")
    outcome = (
        outcome.when(standing.superseded, "superseded")
        .when(has_stored & (stored_change > change), "stale")
        .when(~has_stored, "inserted")
        .when(stored_content.eqNullSafe(content), "unchanged")
        .otherwise("updated")
    )
    return joined.withColumn(OUTCOME, outcome)


def _counted(rows: DataFrame, dataset: Dataset, distinct: bool) -> DataFrame:
    """Adds the how-manieth a row is of its key (`_nth`) and of its key and content (`_nth_alike`)."""
    if distinct:
        return rows.withColumns({"_nth_alike": F.lit(1), "_nth": F.lit(1)})
    # Copies of one line may have been corrected differently.
    landed = [name for name in (OBJECT, LINE, COPY) if name in rows.columns]
    by_key = Window.partitionBy(*identity(dataset)).orderBy(*landed)
    alike = Window.partitionBy(*identity(dataset), *_others(dataset)).orderBy(*landed)
    numbers = {"_nth_alike": F.row_number().over(alike), "_nth": F.row_number().over(by_key)}
    return rows.withColumns(numbers)


def _append(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, distinct: bool) -> DataFrame:
    others = _others(dataset)
    joined = with_stored(_counted(rows, dataset, distinct), stored, identity(dataset), _names(dataset))
    has_stored = F.col(STORED).isNotNull()
    content, stored_content = struct([F.col(n) for n in others]), struct(of_stored(others))
    outcome = (
        F.when(F.col("_nth_alike") > 1, "duplicate")
        .when(has_stored & stored_content.eqNullSafe(content), "duplicate")
        .when(has_stored | (F.col("_nth") > 1), "quarantined" if dataset.unique_key else "stale")
        .otherwise("inserted")
    )
    return joined.withColumn(OUTCOME, outcome)
