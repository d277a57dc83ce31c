"""The two sides of a comparison, each as the cleaned table stores a row: columns of the stored types, protected.

What is compared of a value is its one text, so that a decimal has one scale, a timestamp one zone and zero one sign.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.declared import Dataset
from lakejobs.protections import DROP
from lakejobs.refine.changes import DELETED
from lakejobs.refine.conform import REASONS, condition_faults, faults, sorted_reasons
from lakejobs.refine.grammar import parse, text_of
from lakejobs.refine.protect import HashKeys, protected, with_pads
from lakejobs.refine.record import text_column
from lakejobs.rules import Sql
from lakejobs.tables.interface import StoredTable


def needed(dataset: Dataset) -> list[Declared]:
    """The columns that are read of the source: those that are stored, and those that rules look at."""
    judged = any(isinstance(rule, Sql) for rule in dataset.rules)
    return [c for c in dataset.columns if c.protect != DROP or judged or c.rules or c.required]


def source_rows(texts: DataFrame, dataset: Dataset, keys: HashKeys) -> DataFrame:
    """The source's rows, from columns of text, as refine would store them; `_reasons` says why it would refuse one.

    Stored columns that the texts lack are left out. `keys` are those that the dataset's protections need.
    """
    here = [c for c in needed(dataset) if text_column(c.name) in texts.columns]
    typed = texts.select("*", *[parse(text_column(c.name), c.type).alias(c.name) for c in here])
    judged = [fault for c in here for fault in faults(c)] + condition_faults(dataset)
    reasons = sorted_reasons([F.when(fault, F.lit(reason)) for reason, fault in judged])
    typed = with_pads(typed.withColumn(REASONS, reasons), keys)
    stored = [protected(F.col(c.name), c).alias(c.name) for c in here if c.protect != DROP]
    return typed.select(REASONS, *stored)


def lake_rows(table: StoredTable, version: str, dataset: Dataset) -> DataFrame:
    """The rows of a version that readers see, in the declared types; columns that the table lacks are left out."""
    rows = table.read(version)
    if dataset.is_cdc:
        rows = rows.where(~F.col(DELETED))
    held = table.columns()
    return rows.select(*[F.col(c.name).cast(c.stored_type).alias(c.name) for c in dataset.stored if c.name in held])


def canonical(column: Declared) -> Column:
    """The one text of a stored column's value, NULL for NULL."""
    value = F.col(column.name)
    if column.stored_type == "double":
        value = value + F.lit(0.0)  # -0.0 is 0.0
    return text_of(value, column.stored_type)


def encoded(texts: Sequence[Column]) -> Column:
    """Texts as one that no others have: `<number of characters>:<text>`, or `n` for NULL, one after the other."""
    parts = [F.coalesce(F.concat(F.length(t).cast("string"), F.lit(":"), t), F.lit("n")) for t in texts]
    return F.concat(*parts)
