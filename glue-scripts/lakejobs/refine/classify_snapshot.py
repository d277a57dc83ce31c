"""What becomes of each record of a snapshot, by the table in docs/contracts.md.

A snapshot has no order of its own: each key is in it once. Which of two snapshots is later is said of them as wholes,
so an older one changes nothing.
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
    struct,
    with_stored,
)
from lakejobs.refine.conform import REASONS
from lakejobs.refine.record import LINE, OBJECT
from lakejobs.tables.places import FILE, POSITION


def classify_snapshot(
    rows: DataFrame, stored: DataFrame | None, dataset: Dataset, batch: Batch, stale: bool
) -> DataFrame:
    """Adds `_outcome` and `_write` to conformed rows.

    `stored` holds at least the table's rows with keys of the batch; None means that it has none. `stale` says that the
    table holds a later snapshot.
    """
    accepted, refused = parted(rows, batch)
    others = [c.name for c in dataset.stored if c.name not in dataset.keys]
    counted = _counted(accepted, dataset, others, batch.distinct)
    joined = with_stored(counted, None if stale else stored, dataset.row_key, [c.name for c in dataset.stored])
    content, stored_content = struct([F.col(n) for n in others]), struct(of_stored(others))
    outcome = (
        F.when(F.col("_variants") > 1, "quarantined")
        .when(F.col("_nth_alike") > 1, "duplicate")
        .when(F.lit(stale), "stale")
        .when(F.col(STORED).isNull(), "inserted")
        .when(stored_content.eqNullSafe(content), "unchanged")
        .otherwise("updated")
    )
    judged = joined.withColumn(OUTCOME, outcome)
    ambiguous = F.col(OUTCOME) == "quarantined"
    reasons = F.when(ambiguous, F.array(F.lit("unique_key"))).otherwise(F.col(REASONS)).alias(REASONS)
    writes = F.when(F.col(OUTCOME) == "inserted", F.lit(NEW_KEY))
    writes = writes.when(F.col(OUTCOME) == "updated", F.lit(STORED_KEY)).alias(WRITE)
    names = [reasons if name == REASONS else F.col(name) for name in rows.columns]
    judged = judged.select(*names, OUTCOME, FILE, POSITION, writes)
    return judged if refused is None else judged.unionByName(refused, allowMissingColumns=True)


def _counted(rows: DataFrame, dataset: Dataset, others: list[str], distinct: bool) -> DataFrame:
    """Adds how many unlike rows its key has (`_variants`) and the how-manieth of its like a row is (`_nth_alike`)."""
    if distinct:
        return rows.withColumns({"_variants": F.lit(1), "_nth_alike": F.lit(1)})
    by_key = Window.partitionBy(*dataset.row_key)
    content = struct([F.col(n) for n in others])
    alike = Window.partitionBy(*dataset.row_key, *others).orderBy(OBJECT, LINE)
    ranked = rows.withColumns(
        {"_variant": F.dense_rank().over(by_key.orderBy(content)), "_nth_alike": F.row_number().over(alike)}
    )
    return ranked.withColumn("_variants", F.max("_variant").over(by_key)).drop("_variant")
