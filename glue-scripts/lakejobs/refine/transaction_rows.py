"""Reads objects that hold a table's records out of DMS's transaction files."""

from __future__ import annotations

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, BooleanType, StringType, StructField, StructType

from lakejobs.declared import Dataset
from lakejobs.refine import transaction_text
from lakejobs.refine.record import (
    GENERATION,
    LAYOUT,
    LINE,
    LOADED,
    MALFORMED,
    OBJECT,
    Readable,
    change_columns,
    text_column,
    with_position,
)

cloudpickle.register_pickle_by_value(transaction_text)

_RECORDS = ArrayType(
    StructType(
        [
            StructField("line", BinaryType()),
            StructField("malformed", BooleanType()),
            StructField("texts", ArrayType(StringType())),
        ]
    )
)


def transaction_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    """Objects of one table as rows of text. A record may span lines, so each object is read as a whole."""
    objects = spark.read.format("binaryFile").load([item.uri for item in group])
    objects = objects.select("content", F.col("_metadata.file_path").alias("_path"))
    names = [name for name, _ in change_columns(dataset)] + [c.name for c in dataset.columns]
    read = transaction_text.reader(
        list(group[0].table), len(dataset.columns), len(dataset.keys), dataset.format.null_value or ""
    )
    found = F.explode(F.udf(read, _RECORDS)(F.col("content")))
    rows = with_position(spark, objects.select(found.alias("_record"), "_path"), group)
    texts = [F.col("_record.texts").getItem(i).alias(text_column(name)) for i, name in enumerate(names)]
    return rows.select(
        OBJECT,
        F.col("_record.line").alias(LINE),
        F.col("_record.malformed").alias(MALFORMED),
        (F.col("_record.texts").isNull() & ~F.col("_record.malformed")).alias(LAYOUT),
        *texts,
    ).withColumns({GENERATION: F.lit(group[0].generation), LOADED: F.lit(False)})
