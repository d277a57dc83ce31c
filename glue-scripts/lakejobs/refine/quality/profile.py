"""Statistics of a batch's columns, by which drift shows."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.declared import Dataset
from lakejobs.protections import NONE
from lakejobs.refine.grammar import decimal_shape, text_of

_NUMBERS = ("int", "bigint", "double")
Statistics = dict[str, Any]


def profile(rows: DataFrame, dataset: Dataset) -> tuple[Statistics, ...]:
    """One row for each stored column, in one pass. Rows without a value count as nulls and nowhere else.

    Of text the lengths are told and no values; of a protected column nothing but how many values it has.
    """
    figures = [F.count(F.lit(1)).alias("rows")]
    for i, column in enumerate(dataset.stored):
        figures += [figure.alias(f"{name}_{i}") for name, figure in _figures(column).items()]
    found = rows.agg(*figures).first()
    return tuple(_statistics(column, found["rows"], i, found) for i, column in enumerate(dataset.stored))


def _figures(column: Declared) -> dict[str, Column]:
    value = F.col(column.name)
    figures = {"values": F.count(value), "distinct": F.approx_count_distinct(value)}
    if column.protect != NONE:
        return figures
    numeric = column.type in _NUMBERS or decimal_shape(column.type) is not None
    if numeric or column.type in ("date", "timestamp"):
        figures |= {"min": text_of(F.min(value), column.type), "max": text_of(F.max(value), column.type)}
    if numeric:
        figures["mean"] = F.avg(value.cast("double"))
    if column.type == "string":
        figures |= {"min_length": F.min(F.length(value)), "max_length": F.max(F.length(value))}
    return figures


def _statistics(column: Declared, rows: int, i: int, found: Any) -> Statistics:
    seen = found.asDict()

    def get(name: str) -> Any:
        return seen.get(f"{name}_{i}")

    return {
        "column_name": column.name,
        "type": column.type,
        "rows_judged": rows,
        "nulls": rows - get("values"),
        "distinct_approx": get("distinct"),
        "min": get("min"),
        "max": get("max"),
        "mean": get("mean"),
        "min_length": get("min_length"),
        "max_length": get("max_length"),
    }
