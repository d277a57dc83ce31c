"""Reads objects of Parquet, as any writer makes them or as DMS does."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakejobs.declared import Dataset
from lakejobs.refine.grammar import decimal_shape, text_of
from lakejobs.refine.record import (
    GENERATION,
    LAYOUT,
    LINE,
    LOADED,
    MALFORMED,
    OBJECT,
    ROW,
    Readable,
    change_columns,
    text_column,
    with_position,
)

# Spark has no time of day, so these are read as the numbers they are stored as.
_READ_FOR = {"time_millis": "int", "time_micros": "bigint"}


def parquet_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    """Objects of Parquet as rows of text; their raw line is made of the text where it is needed."""
    stored = dict(group[0].layout)
    schema = ", ".join(f"`{name}` {_READ_FOR.get(kind, kind)}" for name, kind in stored.items())
    rows = spark.read.schema(schema or StructType()).parquet(*[item.uri for item in group])
    rows = rows.withColumn("_path", F.col("_metadata.file_path"))
    if not dataset.keys:
        rows = rows.withColumn(ROW, F.col("_metadata.row_index"))
    rows = with_position(spark, rows, group).drop("_path")
    changes = change_columns(dataset)
    declared = [(c.name, c.type) for c in dataset.columns]
    texts = [_native_text(stored.get(n), n, t).alias(text_column(n)) for n, t in changes]
    texts += [_declared_text(dataset, stored.get(n), n, t).alias(text_column(n)) for n, t in declared]
    line = F.lit(None).cast("binary").alias(LINE)
    if not dataset.keys:
        texts.append(F.col(ROW))
    rows = rows.select(OBJECT, line, _not_text(dataset, stored).alias(MALFORMED), *texts)
    if dataset.is_cdc:
        rows = rows.withColumns(
            {GENERATION: F.lit(group[0].generation), LOADED: F.lit(group[0].loads), LAYOUT: F.lit(False)}
        )
    return rows


def _not_text(dataset: Dataset, stored: dict[str, str]) -> Column:
    """Whether bytes that are to be text are not UTF-8. DMS marks text as such: its bytes are bytes."""
    if dataset.is_cdc:
        return F.lit(False)
    bad = [
        F.coalesce(F.decode(F.col(name), "UTF-8").cast("binary") != F.col(name), F.lit(False))
        for name, kind in stored.items()
        if kind == "binary"
    ]
    return reduce(Column.__or__, bad, F.lit(False))


def _declared_text(dataset: Dataset, stored: str | None, name: str, declared: str) -> Column:
    if stored == "binary" and dataset.is_cdc:
        # As PostgreSQL writes bytea.
        return F.concat(F.lit("\\x"), F.lower(F.hex(F.col(name))))
    return _native_text(stored, name, declared)


def _native_text(stored: str | None, name: str, declared: str) -> Column:
    if stored is None:
        return F.lit(None).cast("string")
    column = F.col(name)
    if stored == "binary":
        return F.decode(column, "UTF-8")
    if stored in _READ_FOR:
        instant = F.timestamp_millis(column) if stored == "time_millis" else F.timestamp_micros(column)
        return F.substring_index(instant.cast("string"), " ", -1)
    if stored == "timestamp_ntz":
        return column.cast("timestamp").cast("string")
    shape = decimal_shape(stored)
    if shape and decimal_shape(declared):
        exact = F.expr(f"try_cast(`{name}` AS {declared})")
        return F.when(exact == column, text_of(exact, declared)).otherwise(text_of(column, stored))
    return text_of(column, stored)
