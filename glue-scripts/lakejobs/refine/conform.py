"""Judges rows of text against the declaration: types, rules, protection.

Out come `_object`, `_line`, `_reasons` (why a row is not accepted, sorted; empty if it is), `_key` (the key's text as a
struct), the stored columns as the table has them, of a tokenised dataset `_plain`, if a rule blocks or warns by rows
`_broken`, and of a dataset with a window `_span`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.declared import Dataset
from lakejobs.refine.grammar import parse
from lakejobs.refine.protect import HashKeys, plain, protected, with_pads
from lakejobs.refine.quality.checks import marks
from lakejobs.refine.quality.conditions import broken, violated
from lakejobs.refine.record import (
    LINE,
    MALFORMED,
    MISROUTED,
    OBJECT,
    ROW,
    UNDECLARED,
    passed_on,
    raw_line,
    text_column,
)
from lakejobs.refine.span import with_span
from lakejobs.rules import QUARANTINE, Reference, Sql

REASONS, KEY = "_reasons", "_key"


def conform(rows: DataFrame, dataset: Dataset, keys: HashKeys) -> DataFrame:
    """One row per record. `keys` are those that the dataset's protections need."""
    values = [parse(text_column(c.name), c.type).alias(c.name) for c in dataset.columns]
    texts = [F.col(text_column(c.name)) for c in dataset.columns]
    flags = {"malformed": MALFORMED}
    if dataset.format.route_by is not None:
        flags[f"route:{dataset.format.route_by}"] = MISROUTED
    if dataset.closed and dataset.format.kind == "json":
        flags["undeclared"] = UNDECLARED
    own = [*passed_on(rows), *([ROW] if ROW in rows.columns else [])]
    typed = rows.select(OBJECT, raw_line(dataset).alias(LINE), *own, *flags.values(), *texts, *values)
    judged = [*(fault for column in dataset.columns for fault in faults(column)), *condition_faults(dataset)]
    found = [F.when(fault, F.lit(reason)) for reason, fault in judged]
    reasons = whole_faults(flags, sorted_reasons(found))
    texts = [F.col(text_column(k)).alias(k) for k in dataset.keys]
    record_key = F.struct(*texts) if texts else F.lit(None).cast("struct<none:string>")
    typed = with_pads(typed, keys)
    stored = [protected(F.col(column.name), column).alias(column.name) for column in dataset.stored]
    stored += plain({c.name: F.col(c.name) for c in dataset.stored}, dataset)
    judged = typed.select(OBJECT, LINE, *own, reasons.alias(REASONS), record_key.alias(KEY), *stored, *marks(dataset))
    return judged.withColumns(with_span(dataset))


def sorted_reasons(found: list[Column]) -> Column:
    """The reasons that are not NULL, in order."""
    return F.array_sort(F.array_compact(F.array(*found))) if found else F.array().cast("array<string>")


def whole_faults(flags: dict[str, str], judged: Column) -> Column:
    """The reason of the first flag that is set, which leaves no value to judge; else what was judged."""
    for reason, flag in reversed(flags.items()):
        judged = F.when(F.col(flag), F.array(F.lit(reason))).otherwise(judged)
    return judged


def faults(column: Declared) -> list[tuple[str, Column]]:
    """Reasons to refuse a column's value, each with its condition."""
    return shape_faults(column) + rule_faults(column)


def shape_faults(column: Declared) -> list[tuple[str, Column]]:
    """Reasons that lie in the type, or in NULL where a value is required."""
    text, value = F.col(text_column(column.name)), F.col(column.name)
    found = []
    if column.type != "string":
        found.append((f"type:{column.name}", text.isNotNull() & value.isNull()))
    if column.required:
        found.append((f"required:{column.name}", text.isNull()))
    return found


def rule_faults(column: Declared) -> list[tuple[str, Column]]:
    """Reasons that lie in those of the column's rules that quarantine; what a value refers to is looked up later."""
    by_kind: dict[str, Column] = {}
    for rule in column.rules:
        if rule.policy == QUARANTINE and not isinstance(rule, Reference):
            fault = broken(rule, column.name, column.type)
            by_kind[rule.kind] = by_kind[rule.kind] | fault if rule.kind in by_kind else fault
    return [(f"{kind}:{column.name}", fault) for kind, fault in by_kind.items()]


def condition_faults(dataset: Dataset) -> list[tuple[str, Column]]:
    """Reasons that lie in the dataset's conditions that quarantine."""
    rules = [rule for rule in dataset.rules if isinstance(rule, Sql) and rule.policy == QUARANTINE]
    return [(f"sql:{rule.name}", violated(rule)) for rule in rules]
