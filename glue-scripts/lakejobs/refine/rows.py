"""Reads a batch's objects as rows of text, one per record.

Columns: `_object` (the object's position in the order of key and version), `_line` (the raw line's bytes; NULL where
`record.raw_line` makes it of the text), `_malformed`, and per declared column its text, NULL for NULL. Of JSON whose
records name their dataset also `_misrouted`; of a CDC dataset also the text of each change column, `_generation`,
`_loaded` and `_layout`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakejobs.declared import DMS_CSV, DMS_JSON, DMS_PARQUET, DMS_TRANSACTIONS, Dataset
from lakejobs.refine.line_rows import csv_rows, json_rows
from lakejobs.refine.message_rows import message_rows
from lakejobs.refine.parquet_rows import parquet_rows
from lakejobs.refine.record import Readable
from lakejobs.refine.transaction_rows import transaction_rows

_READERS: dict[str, Callable[[SparkSession, Dataset, list[Readable]], DataFrame]] = {
    "csv": csv_rows,
    "json": json_rows,
    "parquet": parquet_rows,
    DMS_PARQUET: parquet_rows,
    DMS_TRANSACTIONS: parquet_rows,
    DMS_CSV: csv_rows,
    DMS_JSON: message_rows,
}


def read_rows(spark: SparkSession, dataset: Dataset, objects: Iterable[Readable]) -> DataFrame | None:
    """All records of the objects, or None if they hold none. Objects that are laid out alike are read together."""
    groups: dict[Any, list[Readable]] = defaultdict(list)
    for item in objects:
        if item.records:
            change = (item.generation, item.loads) if dataset.is_cdc else None
            read, table = _READERS[dataset.format.kind], None
            if dataset.format.kind == DMS_TRANSACTIONS and item.object.key.endswith(".csv"):
                read, table = transaction_rows, item.table
            groups[(read, table, item.header, item.layout, item.repeats > 0, item.utf8, change)].append(item)
    parts = [key[0](spark, dataset, group) for key, group in groups.items()]
    return reduce(DataFrame.unionByName, parts) if parts else None
