"""Reads objects of messages that DMS writes to streams."""

from __future__ import annotations

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, StringType, StructField, StructType

from lakejobs.declared import Dataset
from lakejobs.refine import dms_messages, json_text
from lakejobs.refine.line_rows import lines_of
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
)

for module in (json_text, dms_messages):
    cloudpickle.register_pickle_by_value(module)

_MESSAGE = StructType([StructField("loaded", BooleanType()), StructField("texts", ArrayType(StringType()))])


def message_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    """Objects of messages as rows of text. Control messages are left out, as the survey leaves them out."""
    types = {c.name: c.type for c in dataset.columns}
    columns = [(c.name, c.type) for c in dataset.columns]
    read = dms_messages.reader(dataset.format.table or "", [(k, types[k]) for k in dataset.keys], columns)
    lines = lines_of(spark, group)
    control = F.udf(lambda line: dms_messages.is_control(json_text.read_object(line)), BooleanType())
    marked = lines.where(~(F.instr(LINE, '"control"') > 0) | ~control(F.col(LINE)))
    rows = marked.withColumn("_message", F.udf(read, _MESSAGE)(F.col(LINE)))
    names = [name for name, _ in change_columns(dataset)] + [name for name, _ in columns]
    texts = [F.col("_message.texts").getItem(i).alias(text_column(name)) for i, name in enumerate(names)]
    malformed = F.col("_message").isNull()
    return rows.select(
        OBJECT,
        LINE,
        malformed.alias(MALFORMED),
        (~malformed & F.col("_message.texts").isNull()).alias(LAYOUT),
        F.coalesce(F.col("_message.loaded"), F.lit(False)).alias(LOADED),
        *texts,
    ).withColumn(GENERATION, F.lit(group[0].generation))
