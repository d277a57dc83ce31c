"""Reads a batch's objects as rows of text, one per record.

Columns: `_object` (the object's position in the order of key and version), `_line` (the raw line's bytes),
`_malformed`, and per declared column its text, NULL for NULL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.sql.window import Window

from lakejobs.lists import Object
from lakejobs.manifest import Dataset, Format
from lakejobs.refine.grammar import decimal_shape, text_of
from lakejobs.session import literal_table

OBJECT, LINE, MALFORMED = "_object", "_line", "_malformed"


@dataclass(frozen=True)
class Readable:
    """An object that can be read: `position` in the order of key and version, `uri` of the bytes to read."""

    object: Object
    position: int
    uri: str
    direct: bool
    records: int
    header: bytes | None
    repeats: int
    names: tuple[str, ...]
    layout: tuple[tuple[str, str], ...]
    utf8: bool


def text_column(name: str) -> str:
    """The column that holds a declared column's text."""
    return f"_text_{name}"


def read_rows(spark: SparkSession, dataset: Dataset, objects: Iterable[Readable]) -> DataFrame | None:
    """All records of the objects, or None if they hold none. Objects that are laid out alike are read together."""
    groups: dict[Any, list[Readable]] = defaultdict(list)
    for item in objects:
        if item.records:
            groups[(item.header, item.layout, item.repeats > 0, item.utf8)].append(item)
    parts = []
    for group in groups.values():
        if dataset.format.kind == "parquet":
            parts.append(_parquet_rows(spark, dataset, group))
        else:
            parts.append(_csv_rows(spark, dataset, group))
    return reduce(DataFrame.unionByName, parts) if parts else None


def _with_position(spark: SparkSession, rows: DataFrame, group: list[Readable]) -> DataFrame:
    """Adds `_object` by the path that Spark reports for each row, in whatever scheme."""
    if len(group) == 1:
        return rows.withColumn(OBJECT, F.lit(group[0].position))
    places = literal_table(
        spark,
        {"_place": "string", OBJECT: "int"},
        [(item.uri.partition("://")[2], item.position) for item in group],
    )
    path = F.substring_index(F.col("_path"), "://", -1)
    return rows.join(F.broadcast(places), on=path == F.col("_place"), how="inner").drop("_place")


def _csv_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    header, names = group[0].header, group[0].names or tuple(c.name for c in dataset.columns)
    lines = (
        spark.read.option("lineSep", "\n")
        .text([item.uri for item in group])
        .select(F.col("value").cast("binary").alias("_bytes"), F.col("_metadata.file_path").alias("_path"))
    )
    carriage_return = F.expr("substring(_bytes, -1, 1) = X'0D'")
    bare = F.when(carriage_return, F.expr("substring(_bytes, 1, length(_bytes) - 1)")).otherwise(F.col("_bytes"))
    lines = lines.select(bare.alias(LINE), "_path").where(F.length(LINE) > 0)
    lines = _with_position(spark, lines, group).drop("_path")
    if header is not None:
        lines = _without_header(lines, header, repeats=any(item.repeats for item in group))
    text = F.col(LINE).cast("string")
    if not group[0].utf8:
        decoded = F.decode(F.col(LINE), "UTF-8")
        text = F.when(decoded.cast("binary") == F.col(LINE), decoded)
    lines = lines.withColumn("_line_text", text)
    lines = lines.withColumn("_fields", _split_fields(F.col("_line_text"), dataset.format))
    lines = lines.withColumn(MALFORMED, F.coalesce(F.size("_fields") != len(names), F.lit(True)))
    texts = [_field(dataset, names, c.name).alias(text_column(c.name)) for c in dataset.columns]
    return lines.select(OBJECT, LINE, MALFORMED, *texts)


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


def _parquet_rows(spark: SparkSession, dataset: Dataset, group: list[Readable]) -> DataFrame:
    stored = dict(group[0].layout)
    schema = ", ".join(f"`{name}` {kind}" for name, kind in stored.items())
    rows = spark.read.schema(schema or StructType()).parquet(*[item.uri for item in group])
    rows = rows.withColumn("_path", F.col("_metadata.file_path"))
    rows = _with_position(spark, rows, group).drop("_path")
    texts = [_native_text(stored.get(c.name), c.name, c.type).alias(text_column(c.name)) for c in dataset.columns]
    bad = [
        F.coalesce(F.decode(F.col(name), "UTF-8").cast("binary") != F.col(name), F.lit(False))
        for name, kind in stored.items()
        if kind == "binary"
    ]
    malformed = reduce(Column.__or__, bad, F.lit(False))
    rows = rows.select(OBJECT, malformed.alias(MALFORMED), *texts)
    record = F.struct(*[F.col(text_column(c.name)).alias(c.name) for c in dataset.columns])
    line = F.to_json(record, {"ignoreNullFields": "false"}).cast("binary")
    return rows.withColumn(LINE, line)


def _native_text(stored: str | None, name: str, declared: str) -> Column:
    if stored is None:
        return F.lit(None).cast("string")
    column = F.col(name)
    if stored == "binary":
        return F.decode(column, "UTF-8")
    if stored == "timestamp_ntz":
        return column.cast("timestamp").cast("string")
    shape = decimal_shape(stored)
    if shape and decimal_shape(declared):
        exact = F.expr(f"try_cast(`{name}` AS {declared})")
        return F.when(exact == column, text_of(exact, declared)).otherwise(text_of(column, stored))
    return text_of(column, stored)
