"""Rules on values that have to exist in another dataset."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.refine.quality.checks import BROKEN, Check
from lakejobs.rules import QUARANTINE, Reference

# What a rule refers to: the values of a column of a dataset, NULL left out; None if it has no table.
Values = Callable[[str, str], DataFrame | None]

_HELD = "_held"


def judge_references(
    rows: DataFrame, found: tuple[Check, ...], values: Values, writes: Column, reasons: str
) -> DataFrame:
    """Adds the reason to rows that refer to nothing, or marks them, by the rule's policy. `writes` tells the rows that
    are judged; `reasons` names the column of reasons."""
    for check in found:
        rule = check.rules[0] if check.rules else None
        if not isinstance(rule, Reference):
            continue
        assert check.column is not None
        name, into = check.column.name, reasons if check.policy == QUARANTINE else BROKEN
        missing = _missing(rows, name, values(rule.dataset, rule.column))
        broken = writes & F.col(name).isNotNull() & F.col(_HELD).isNull()
        added = F.array_sort(F.array_union(F.col(into), F.array(F.lit(check.id))))
        rows = missing.withColumn(into, F.when(broken, added).otherwise(F.col(into))).drop(_HELD)
    return rows


def _missing(rows: DataFrame, name: str, held: DataFrame | None) -> DataFrame:
    """The rows with `_held`, which is NULL where no value is held that is theirs."""
    if held is None:
        return rows.withColumn(_HELD, F.lit(None).cast("boolean"))
    values = held.toDF("_value").distinct().withColumn(_HELD, F.lit(True))
    return rows.join(values, on=F.col(name) == F.col("_value"), how="left").drop("_value")
