"""Metrics of both sides by Deequ: another engine's view of what was compared row by row."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row

from lakejobs.declared import Column as Declared
from lakejobs.protections import NONE
from lakejobs.refine.grammar import decimal_shape

_SPARK = "3.5"
# Means and sums of doubles depend on the order of the rows in their last digits.
_RELATIVE = 1e-9


@dataclass(frozen=True)
class Metric:
    """A metric of both sides, of one column or, with an empty one, of the table."""

    name: str
    column: str
    source: float | None
    lake: float | None

    @property
    def equal(self) -> bool:
        if self.source is None or self.lake is None:
            return self.source is self.lake
        if math.isnan(self.source) or math.isnan(self.lake):
            return math.isnan(self.source) and math.isnan(self.lake)
        return math.isclose(self.source, self.lake, rel_tol=_RELATIVE, abs_tol=0.0)


def metrics(source: DataFrame, lake: DataFrame, keys: Sequence[str], columns: Sequence[Declared]) -> list[Metric]:
    """Rows; uniqueness and distinctness of the key; of each column how complete it is, and of a number that is not
    protected the least, the greatest and the mean (doubles: a whole number beyond 2^53 is rounded)."""
    ours, theirs = _analysed(source, keys, columns), _analysed(lake, keys, columns)
    return [
        Metric(name, column, ours.get((name, column)), theirs.get((name, column)))
        for name, column in sorted({*ours, *theirs})
    ]


def _analysed(rows: DataFrame, keys: Sequence[str], columns: Sequence[Declared]) -> dict[tuple[str, str], float]:
    os.environ.setdefault("SPARK_VERSION", _SPARK)  # pydeequ asks for it when it is imported
    from pydeequ import analyzers as deequ

    run = deequ.AnalysisRunner(rows.sparkSession).onData(rows)
    asked: list[Any] = [deequ.Size(), deequ.Uniqueness(list(keys)), deequ.Distinctness(list(keys))]
    for column in columns:
        asked.append(deequ.Completeness(column.name))
        if column.protect == NONE and _is_number(column.type):
            asked += [kind(column.name) for kind in (deequ.Minimum, deequ.Maximum, deequ.Mean)]
    for analyzer in asked:
        run = run.addAnalyzer(analyzer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyDeequ makes a DataFrame in a way that PySpark no longer recommends
        # Its JSON knows no NaN.
        found = deequ.AnalyzerContext.successMetricsAsDataFrame(rows.sparkSession, run.run())
    return {(m["name"].lower(), _column(m)): m["value"] for m in found.collect()}


def _column(metric: Row) -> str:
    """Empty for what is of the table or its key."""
    of_key = metric["name"] in ("Uniqueness", "Distinctness")
    return "" if metric["entity"] == "Dataset" or of_key else metric["instance"]


def _is_number(kind: str) -> bool:
    return kind in ("int", "bigint", "double") or decimal_shape(kind) is not None
