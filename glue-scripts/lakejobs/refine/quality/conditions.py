"""Rules on one row as conditions."""

from __future__ import annotations

from pyspark.errors import AnalysisException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.errors import BatchFailed
from lakejobs.refine.grammar import literal
from lakejobs.rules import OneOf, Pattern, Range, RowRule, Sql


def broken(rule: RowRule, name: str, kind: str) -> Column:
    """Whether the column's value breaks the rule. NULL breaks none."""
    value = F.col(name)
    if isinstance(rule, Range):
        fault = F.lit(False)
        if rule.minimum is not None:
            fault = fault | (value < literal(rule.minimum, kind))
        if rule.maximum is not None:
            fault = fault | (value > literal(rule.maximum, kind))
        return fault
    if isinstance(rule, OneOf):
        return ~value.isin(*[literal(v, kind) for v in rule.values])
    if isinstance(rule, Pattern):
        return ~value.rlike(rule.regex)
    raise TypeError(f"rule {rule!r} of column {name} is not known")


def violated(rule: Sql) -> Column:
    """Whether the condition comes out false, which NULL is not."""
    return ~F.expr(rule.condition)


def check_conditions(spark: SparkSession, dataset: Dataset) -> None:
    """Raises BatchFailed unless every condition is one on the declared columns of a single row."""
    rules = [rule for rule in dataset.rules if isinstance(rule, Sql)]
    if not rules:
        return
    empty = spark.createDataFrame([], ", ".join(f"`{c.name}` {c.type}" for c in dataset.columns))
    problems = []
    for rule in rules:
        try:
            # A filter takes no aggregates and no windows, and nothing that is no boolean.
            empty.where(F.expr(rule.condition))
        except AnalysisException as error:
            problems.append(
                f"rule sql:{rule.name} cannot be judged by {rule.condition!r}: {str(error).splitlines()[0]}"
            )
    if problems:
        raise BatchFailed("error", "; ".join(problems))
