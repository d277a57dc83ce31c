"""What becomes of each accepted row, by the table in docs/contracts.md.

The order of changes is total: sequence, then the other stored columns in declared order, nulls first. So the result
does not depend on how changes were cut into batches.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.manifest import Dataset
from lakejobs.refine.conform import REASONS
from lakejobs.refine.rows import LINE, OBJECT

OUTCOME = "_outcome"
EFFECTIVE = ("inserted", "updated", "unchanged")

_STORED = "_stored"


def classify(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, distinct: bool = False) -> DataFrame:
    """Adds `_outcome` to conformed rows.

    `stored` holds at least the table's rows with keys of the batch; None means that it has none. `distinct` says that
    no two accepted rows share a key, which saves comparing them.
    """
    refused = F.size(REASONS) > 0
    accepted = rows.where(~refused)
    judge = _upsert if dataset.load == "upsert" else _append
    judged = judge(accepted, stored, dataset, distinct)
    violates = F.col(OUTCOME) == "quarantined"
    judged = judged.withColumn(REASONS, F.when(violates, F.array(F.lit("unique_key"))).otherwise(F.col(REASONS)))
    return judged.unionByName(rows.where(refused).withColumn(OUTCOME, F.lit("quarantined")))


def _with_stored(rows: DataFrame, stored: DataFrame | None, dataset: Dataset) -> DataFrame:
    """Joins each row with the stored row of its key, as a struct; NULL if there is none."""
    names = [c.name for c in dataset.stored]
    if stored is None:
        return rows.withColumn(_STORED, F.lit(None).cast(rows.select(*names).schema))
    sides = stored.select(*[F.col(k).alias(f"_stored_{k}") for k in dataset.keys], F.struct(*names).alias(_STORED))
    same_key = [F.col(k) == F.col(f"_stored_{k}") for k in dataset.keys]
    joined = rows.join(sides, on=same_key, how="left")
    return joined.drop(*[f"_stored_{k}" for k in dataset.keys])


def _struct(columns: list[Column]) -> Column:
    return F.struct(*columns) if columns else F.struct(F.lit(0).alias("nothing"))


def _others(dataset: Dataset) -> list[str]:
    return [c.name for c in dataset.stored if c.name not in dataset.keys and c.name != dataset.sequence]


def _ranked(rows: DataFrame, dataset: Dataset, distinct: bool) -> DataFrame:
    """Adds where a change stands among those of its key: `_rank` counts unlike changes, in their order."""
    if distinct:
        ranks = {"_first_alike": F.lit(True), "_rank": F.lit(1), "_last_rank": F.lit(1), "_last_alike": F.lit(1)}
        return rows.withColumns(ranks)
    keys, sequence, others = list(dataset.keys), dataset.sequence, _others(dataset)
    change = F.struct(sequence, *others)
    by_key = Window.partitionBy(*keys)
    ordered = by_key.orderBy(sequence, *others, OBJECT, LINE)
    return (
        rows.withColumn("_first_alike", ~F.lag(change).over(ordered).eqNullSafe(change))
        .withColumn("_rank", F.sum(F.col("_first_alike").cast("int")).over(ordered))
        .withColumn("_last_rank", F.max("_rank").over(by_key))
        .withColumn("_last_alike", F.max("_rank").over(Window.partitionBy(*keys, sequence)))
    )


def _upsert(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, distinct: bool) -> DataFrame:
    sequence, others = dataset.sequence, _others(dataset)
    change = F.struct(sequence, *others)
    joined = _with_stored(_ranked(rows, dataset, distinct), stored, dataset)
    has_stored = F.col(_STORED).isNotNull()
    stored_change = F.struct(*[F.col(f"{_STORED}.{n}").alias(n) for n in (sequence, *others)])
    content = _struct([F.col(n) for n in others])
    stored_content = _struct([F.col(f"{_STORED}.{n}").alias(n) for n in others])
    outcome = F.when(~F.col("_first_alike"), "duplicate").when(
        has_stored & stored_change.eqNullSafe(change), "duplicate"
    )
    if dataset.unique_key:
        outcome = outcome.when(F.col("_rank") < F.col("_last_alike"), "quarantined")
    outcome = (
        outcome.when(F.col("_rank") < F.col("_last_rank"), "superseded")
        .when(has_stored & (stored_change > change), "stale")
        .when(~has_stored, "inserted")
        .when(stored_content.eqNullSafe(content), "unchanged")
        .otherwise("updated")
    )
    return joined.withColumn(OUTCOME, outcome).drop("_first_alike", "_rank", "_last_rank", "_last_alike", _STORED)


def _counted(rows: DataFrame, dataset: Dataset, distinct: bool) -> DataFrame:
    """Adds the how-manieth a row is of its key (`_nth`) and of its key and content (`_nth_alike`)."""
    if distinct:
        return rows.withColumns({"_nth_alike": F.lit(1), "_nth": F.lit(1)})
    by_key = Window.partitionBy(*dataset.keys).orderBy(OBJECT, LINE)
    alike = Window.partitionBy(*dataset.keys, *_others(dataset)).orderBy(OBJECT, LINE)
    numbers = {"_nth_alike": F.row_number().over(alike), "_nth": F.row_number().over(by_key)}
    return rows.withColumns(numbers)


def _append(rows: DataFrame, stored: DataFrame | None, dataset: Dataset, distinct: bool) -> DataFrame:
    others = _others(dataset)
    joined = _with_stored(_counted(rows, dataset, distinct), stored, dataset)
    has_stored = F.col(_STORED).isNotNull()
    content = _struct([F.col(n) for n in others])
    stored_content = _struct([F.col(f"{_STORED}.{n}").alias(n) for n in others])
    outcome = (
        F.when(F.col("_nth_alike") > 1, "duplicate")
        .when(has_stored & stored_content.eqNullSafe(content), "duplicate")
        .when(has_stored | (F.col("_nth") > 1), "quarantined" if dataset.unique_key else "stale")
        .otherwise("inserted")
    )
    return joined.withColumn(OUTCOME, outcome).drop("_nth_alike", "_nth", _STORED)
