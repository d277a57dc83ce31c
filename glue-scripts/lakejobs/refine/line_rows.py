"""Reads objects of lines: CSV, and JSON Lines."""

from __future__ import annotations

from pyspark import cloudpickle
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType
from pyspark.sql.window import Window

from lakejobs.declared import Dataset, Format
from lakejobs.refine import json_text
from lakejobs.refine.record import (
    GENERATION,
    LAYOUT,
    LINE,
    LOADED,
    MALFORMED,
    MISROUTED,
    OBJECT,
    UNDECLARED,
    Readable,
    change_columns,
    text_column,
    with_position,
)

cloudpickle.register_pickle_by_value(json_text)


def lines_of(spark: SparkSession, group: list[Readable]) -> DataFrame:
    """The lines that are not empty, as bytes without their ends."""
    lines = (
        spark.read.option("lineSep", "\n")
        .text([item.uri for item in group])
        .select(F.col("value").cast("binary").alias("_bytes"), F.col("_metadata.file_path").alias("_path"))
    )
    carriage_return = F.expr("substring(_bytes, -1, 1) = X'0D'")
    bare = F.when(carriage_return, F.expr("substring(_bytes, 1, length(_bytes) - 1)")).otherwise(F.col("_bytes"))
    lines = lines.select(bare.alias(LINE), "_path").where(F.length(LINE) > 0)
    return with_position(spark, lines, group).drop("_path")


def json_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    """Objects of JSON Lines as rows of text, with `_misrouted` if records name their dataset, and `_undeclared` if they
    may have no other members."""
    route_by = dataset.format.route_by
    columns = [(c.name, c.type) for c in dataset.columns]
    read = F.udf(json_text.texts(columns, route_by, dataset.closed), ArrayType(StringType()))
    lines = lines_of(spark, group).withColumn("_fields", read(F.col(LINE)))
    texts = [F.col("_fields").getItem(i).alias(text_column(c.name)) for i, c in enumerate(dataset.columns)]
    if route_by is not None:
        route = F.col("_fields").getItem(len(dataset.columns))
        texts.append((~route.eqNullSafe(F.lit(dataset.id))).alias(MISROUTED))
    if dataset.closed:
        last = len(dataset.columns) + (route_by is not None)
        texts.append(F.coalesce(F.col("_fields").getItem(last).isNotNull(), F.lit(False)).alias(UNDECLARED))
    return lines.select(OBJECT, LINE, F.col("_fields").isNull().alias(MALFORMED), *texts)


def csv_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    """Objects of CSV with one header as rows of text, with the change columns of a CDC dataset."""
    header, names = group[0].header, group[0].names or tuple(c.name for c in dataset.columns)
    lines = lines_of(spark, group)
    if header is not None:
        lines = _without_header(lines, header, repeats=any(item.repeats for item in group))
    text = F.col(LINE).cast("string")
    if not group[0].utf8:
        decoded = F.decode(F.col(LINE), "UTF-8")
        text = F.when(decoded.cast("binary") == F.col(LINE), decoded)
    lines = lines.withColumn("_line_text", text)
    lines = lines.withColumn("_fields", _split_fields(F.col("_line_text"), dataset.format))
    lines = lines.withColumn(MALFORMED, F.coalesce(F.size("_fields") != len(names), F.lit(True)))
    wanted = [name for name, _ in change_columns(dataset)] + [c.name for c in dataset.columns]
    texts = [_field(dataset, names, name).alias(text_column(name)) for name in wanted]
    return lines.select(OBJECT, LINE, MALFORMED, *texts, *_place(dataset, group[0]))


def _place(dataset: Dataset, item: Readable) -> list[Column]:
    """What the object of a change tells of it; nothing unless the dataset is a CDC dataset."""
    if not dataset.is_cdc:
        return []
    told = {GENERATION: item.generation, LOADED: item.loads, LAYOUT: False}
    return [F.lit(value).alias(name) for name, value in told.items()]


def _without_header(lines: DataFrame, header: bytes, repeats: bool) -> DataFrame:
    """Takes one header line per object away. A further line like it is a record; which of the two goes is the same."""
    is_header = F.col(LINE) == F.lit(bytearray(header))
    if not repeats:
        return lines.where(~is_header)
    order = Window.partitionBy(OBJECT).orderBy(LINE)
    again = lines.where(is_header).withColumn("_n", F.row_number().over(order)).where(F.col("_n") > 1).drop("_n")
    return lines.where(~is_header).unionByName(again)


def _split_fields(line: Column, form: Format) -> Column:
    """The fields as they are written, quotes included; NULL if the line is no list of fields.

    A quote opens a field only at its start, and only a delimiter or the end follows the closing one.
    """
    delimiter = f"\\x{ord(form.delimiter or ','):02x}"
    field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{delimiter}]*+)'
    whole = rf"\A{field}(?:{delimiter}{field})*+\z"
    each = F.regexp_extract_all(F.concat(F.lit(form.delimiter), line), F.lit(rf"\G{delimiter}({field})"), F.lit(1))
    # Java splits by one escaped character without compiling an expression for every line.
    plain = F.split(line, f"\\{form.delimiter}", -1)
    return F.when(F.instr(line, '"') == 0, plain).when(line.rlike(whole), each)


def _field(dataset: Dataset, names: tuple[str, ...], name: str) -> Column:
    if name not in names:
        return F.lit(None).cast("string")
    field = F.col("_fields").getItem(names.index(name))
    inner = field.substr(F.lit(2), F.length(field) - 2)
    return (
        F.when(F.col(MALFORMED) | (field == F.lit(dataset.format.null_value)), None)
        .when(field.startswith('"'), F.replace(inner, F.lit('""'), F.lit('"')))
        .otherwise(field)
    )
