"""Records about somebody who was erased after they had landed: neither a replay nor a late file brings them back.

docs/decisions/0029-erasure-is-remembered.md has the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.clock import stamp
from lakejobs.declared import Dataset
from lakejobs.refine.grammar import parse, text_of
from lakejobs.refine.landed import code_of
from lakejobs.refine.protect import HashKey, keyed_hash, with_pads, without_pads
from lakejobs.refine.record import ERASED, ERASED_BEFORE, OBJECT, Readable, before, text_column
from lakejobs.session import literal_table

# Under which name the key of erasures stands beside those of columns; theirs do not begin so.
_KEY = "_erasure"
_TEXT = "_text__subject"
_THREADS = 16


@dataclass(frozen=True)
class Erasures:
    """Who was erased, by keyed hash, and when; and when each object landed, by position. Times are RFC 3339."""

    key: HashKey
    at: Mapping[str, str]
    landed: Mapping[int, str]

    def mark(self, rows: DataFrame, dataset: Dataset) -> DataFrame:
        """Adds ERASED to rows of text, and ERASED_BEFORE for the key before a change, if the subject is part of it.

        Neither is NULL. Of a record whose subject cannot be told both are false.
        """
        column = next(c for c in dataset.columns if c.name == dataset.subject.column)
        marked = with_pads(rows, {_KEY: self.key})
        text = F.col(text_column(column.name))
        marked = self._marked(marked, text, column.type, ERASED)
        if dataset.is_cdc and column.name in dataset.keys:
            text = F.coalesce(F.col(text_column(before(column.name))), text)
            marked = self._marked(marked, text, column.type, ERASED_BEFORE)
        return without_pads(marked, [_KEY])

    def _marked(self, rows: DataFrame, text: Column, kind: str, name: str) -> DataFrame:
        spark = rows.sparkSession
        list_of = spark.createDataFrame(sorted(self.at.items()), "_subject string, _erased_at string")
        landed = literal_table(spark, {"_place": "int", "_landed": "string"}, sorted(self.landed.items()))
        found = rows.withColumn(_TEXT, text)
        found = found.withColumn("_hash", keyed_hash(text_of(parse(_TEXT, kind), kind), _KEY))
        found = found.join(F.broadcast(list_of), on=F.col("_hash") == F.col("_subject"), how="left")
        found = found.join(F.broadcast(landed), on=F.col(OBJECT) == F.col("_place"), how="left")
        after = F.coalesce(F.col("_landed") <= F.col("_erased_at"), F.lit(False))
        return found.withColumn(name, after).drop(_TEXT, "_hash", "_subject", "_erased_at", "_place", "_landed")


def keeps_place(dataset: Dataset) -> bool:
    """Whether a change about somebody erased counts as the deletion of its row, so that older changes of the row stay
    stale: the key says nothing of the subject then, and the rest is gone."""
    return dataset.is_cdc and dataset.subject.column not in dataset.keys


def landed_at(s3: Any, objects: Sequence[Readable]) -> dict[int, str]:
    """When S3 stored each object, by position; the beginning of time of a version that is gone."""

    def one(item: Readable) -> tuple[int, str]:
        of = item.object
        try:
            head = s3.head_object(Bucket=of.bucket, Key=of.key, VersionId=of.version)
        except ClientError as error:
            if code_of(error) not in ("404", "NoSuchVersion", "NoSuchKey"):
                raise
            return item.position, ""
        return item.position, stamp(head["LastModified"])

    if not objects:
        return {}
    with ThreadPoolExecutor(min(_THREADS, len(objects))) as pool:
        return dict(pool.map(one, objects))
