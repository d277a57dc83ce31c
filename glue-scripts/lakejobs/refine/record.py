"""A record on its way from a landed object to the table: its columns, and the objects records come from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.lists import Object
from lakejobs.session import literal_table

OBJECT, LINE, MALFORMED = "_object", "_line", "_malformed"
# The row of a record in an object of columns, from 0; only of datasets without a key.
ROW = "_row"
# Whether a record has members that no column declares; only of strict datasets of such records.
UNDECLARED = "_undeclared"
# Of a batch with corrections: which one is laid over a record, and which of alike lines of its object the record is.
CORRECTION, COPY = "_correction", "_copy"
# Of a batch that may hold them: whether a record, or the key before it, is about somebody who was erased meanwhile.
ERASED, ERASED_BEFORE = "_erased", "_erased_before"
# Whether a record's route names another dataset or none; only of formats that are routed.
MISROUTED = "_misrouted"

# The columns that DMS adds, beside one BI_<key> for each key column.
OPERATION, CHANGE_SEQUENCE, _BEFORE = "Op", "AR_H_CHANGE_SEQ", "BI_"
# Of a change: the generation of the object it landed in, and whether that object is part of the generation's load.
GENERATION, LOADED = "_generation", "_loaded"
# Of a change: whether its fields are other ones than those of the declared columns.
LAYOUT = "_layout"

_LOAD_NAME = re.compile(r"(?:.*/)?LOAD[0-9A-F]{8}\.[^/]*")


@dataclass(frozen=True)
class Readable:
    """An object that can be read: `position` in the order of key and version, `uri` of the bytes to read.

    `generation` is None unless the dataset is a CDC dataset, `stamp` unless it is a snapshot: the time in its key.
    `more` are columns that the dataset does not have, with their types, if its table may gain them.
    """

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
    generation: int | None = None
    stamp: str | None = None
    more: tuple[tuple[str, str], ...] = ()

    @property
    def table(self) -> tuple[str, ...]:
        """Schema and table by the folder of the object."""
        return tuple(self.object.key.split("/")[-3:-1])

    @property
    def loads(self) -> bool:
        """Whether the object is part of a full load, by the name DMS gives it."""
        return bool(_LOAD_NAME.fullmatch(self.object.key))


def text_column(name: str) -> str:
    """The column that holds a declared column's text."""
    return f"_text_{name}"


def before(key: str) -> str:
    """The change column with a key column's value before the change."""
    return f"{_BEFORE}{key}"


def change_columns(dataset: Dataset) -> list[tuple[str, str]]:
    """Name and type of the columns that describe a change; none unless the dataset is a CDC dataset."""
    if not dataset.is_cdc:
        return []
    types = {c.name: c.type for c in dataset.columns}
    return [(OPERATION, "string"), (CHANGE_SEQUENCE, "string"), *((before(k), types[k]) for k in dataset.keys)]


def raw_line(dataset: Dataset) -> Column:
    """The record as it landed: its line, or for a record of columns the JSON that stands for it."""
    names = [name for name, _ in change_columns(dataset)] + [c.name for c in dataset.columns]
    record = F.struct(*[F.col(text_column(name)).alias(name) for name in names])
    return F.coalesce(F.col(LINE), F.to_json(record, {"ignoreNullFields": "false"}).cast("binary"))


def passed_on(rows: DataFrame) -> list[str]:
    """The columns that only batches with corrections have, or with records about somebody who was erased."""
    return [name for name in (CORRECTION, COPY, ERASED, ERASED_BEFORE) if name in rows.columns]


def with_position(spark: SparkSession, rows: DataFrame, group: list[Readable]) -> DataFrame:
    """Adds `_object` by the path that Spark reports for each row (`_path`), in whatever scheme."""
    if len(group) == 1:
        return rows.withColumn(OBJECT, F.lit(group[0].position))
    places = literal_table(
        spark,
        {"_place": "string", OBJECT: "int"},
        [(item.uri.partition("://")[2], item.position) for item in group],
    )
    path = F.substring_index(F.col("_path"), "://", -1)
    return rows.join(F.broadcast(places), on=path == F.col("_place"), how="inner").drop("_place")
