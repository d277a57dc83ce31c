"""Rules on the table as it would be after the batch."""

from __future__ import annotations

import re
import uuid

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.errors import BatchFailed, is_infrastructure
from lakejobs.refine.compare import STORED_KEY, WRITE
from lakejobs.refine.quality.checks import Check
from lakejobs.refine.quality.measure import Measures
from lakejobs.rules import Query, Uniqueness

_INPUT = re.compile(r"\{\{\s*(batch|table)\s*\}\}")


def needs_table(found: tuple[Check, ...]) -> bool:
    """Whether a check looks at the table."""
    return any(check.rules and isinstance(check.rules[0], Uniqueness | Query) for check in found)


def merged(
    dataset: Dataset, stored: DataFrame | None, written: DataFrame | None, absent: DataFrame | None, deleted: str | None
) -> DataFrame | None:
    """The rows of the table afterwards, with the stored columns: those of `stored` whose key is not written, and what
    is `written`. `absent` holds the keys that go; `deleted` names the column that tells deleted rows, None if none are.
    """
    names = [c.name for c in dataset.stored]
    keys = list(dataset.row_key)
    parts = []
    if stored is not None:
        left = stored
        if written is not None:
            left = left.join(written.where(F.col(WRITE) == STORED_KEY).select(*keys), on=keys, how="left_anti")
        if absent is not None:
            left = left.join(absent.select(*keys), on=keys, how="left_anti")
        parts.append(_present(left, deleted).select(*names))
    if written is not None:
        parts.append(_present(written.where(F.col(WRITE).isNotNull()), deleted).select(*names))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])


def _present(rows: DataFrame, deleted: str | None) -> DataFrame:
    return rows if deleted is None else rows.where(~F.col(deleted))


def judge_table(
    found: tuple[Check, ...], measures: Measures, batch: DataFrame | None, table: DataFrame | None
) -> Measures:
    """The measures, with those of the checks that look at the table. Raises BatchFailed if a query is none."""
    values: dict[str, tuple[int, int]] = {}
    answers: dict[str, object] = {}
    for check in found:
        rule = check.rules[0] if check.rules else None
        if isinstance(rule, Uniqueness):
            assert check.column is not None
            values[check.id] = _repeated(table, check.column.name)
        elif isinstance(rule, Query) and batch is not None and table is not None:
            answers[check.id] = _answer(check, rule, batch, table)
    return measures.with_table(values, answers)


def _repeated(table: DataFrame | None, name: str) -> tuple[int, int]:
    """How many rows have a value, and how many of them one that another row has as well."""
    if table is None:
        return 0, 0
    times = table.where(F.col(name).isNotNull()).groupBy(name).count()
    shared = F.sum(F.when(F.col("count") > 1, F.col("count")))
    row = times.agg(F.sum("count").alias("rows"), shared.alias("shared")).first()
    return row["rows"] or 0, row["shared"] or 0


def _answer(check: Check, rule: Query, batch: DataFrame, table: DataFrame) -> object:
    """The one value that the query answers."""
    spark = batch.sparkSession
    mark = uuid.uuid4().hex
    views = {"batch": f"strata_batch_{mark}", "table": f"strata_table_{mark}"}
    batch.createOrReplaceTempView(views["batch"])
    table.createOrReplaceTempView(views["table"])
    try:
        answer = spark.sql(_INPUT.sub(lambda m: views[m[1]], rule.query)).limit(2).collect()
    except PySparkException as error:
        if is_infrastructure(error):
            raise
        text = str(error).splitlines()[0]
        raise BatchFailed("error", f"rule {check.id} cannot be judged by {rule.query!r}: {text}") from error
    finally:
        for view in views.values():
            spark.catalog.dropTempView(view)
    if len(answer) != 1 or len(answer[0]) != 1:
        raise BatchFailed(
            "error", f"rule {check.id}: {rule.query!r} answers {len(answer)} rows; one row of one column is needed"
        )
    return answer[0][0]
