"""Removes somebody's records from a quarantine table, which holds them as they landed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import DMS_JSON, Dataset
from lakejobs.erase.results import ERASED, UNSEARCHED, VERIFIED, Result
from lakejobs.erase.search import Findings
from lakejobs.erase.subjects import Subjects
from lakejobs.erase.tries import until_still
from lakejobs.iceberg import Table
from lakejobs.refine.quarantine import quarantine_name
from lakejobs.refine.record import before
from lakejobs.tables.interface import Fence

_WHOSE = "_whose"
_UNTOLD = ("malformed", "layout")
QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Quarantined:
    """One dataset's quarantine table, on behalf of the erasure `tag`. `findings` are what was found where it landed."""

    spark: SparkSession
    dataset: Dataset
    subjects: Subjects
    findings: Findings
    tag: str

    @property
    def _name(self) -> str:
        return quarantine_name(self.dataset)

    @property
    def _place(self) -> str:
        return self._name.split(".", 1)[1]

    def erase(self, fence: Fence, first: Callable[[set[str]], None]) -> list[Result]:
        """Returns a row for each subject. `first` is told the batches that the records are of before they go. Raises
        LeaseLost."""
        return until_still(self._place, lambda: self._attempt(fence, first))

    def _attempt(self, fence: Fence, first: Callable[[set[str]], None]) -> list[Result]:
        table = Table.load(self.spark, self._name)
        if table is None or table.main is None:
            return []
        expected, files = table.main, table.figures.files
        rows = self._told(table).persist()
        try:
            theirs = rows.where(F.col(_WHOSE).isNotNull())
            counts = {row[_WHOSE]: row["count"] for row in theirs.groupBy(_WHOSE).count().collect()}
            batches = sorted(row[0] for row in theirs.select("batch_id").distinct().collect())
            if batches:
                first(set(batches))
                ours = F.col("batch_id").isin(batches)
                kept = rows.where(ours & F.col(_WHOSE).isNull()).drop(_WHOSE)
                sorted_rows = kept.coalesce(1).sortWithinPartitions("batch_id")
                staged = table.stage_frame(sorted_rows, self.tag, {}, replace=ours)
                fence()
                table.publish(staged, expected)
        finally:
            rows.unpersist()
        return [
            Result(self.dataset.id, QUARANTINE, self._place, ERASED, name, counts.get(name, 0), 0, expected,
                   table.main or "", files, table.figures.files)
            for name in self.subjects.names.values()
        ]  # fmt: skip

    def _told(self, table: Table) -> DataFrame:
        """All rows, with whom each is about: by where it landed, by its key, or by itself where it is JSON."""
        rows = table.read(table.main)
        ids = self.spark.createDataFrame(
            [(*record, name) for record, name in sorted(self.findings.records.items())],
            "object_key string, object_version string, record_sha256 string, _by_place string",
        )
        rows = rows.join(F.broadcast(ids), on=["object_key", "object_version", "record_sha256"], how="left")
        within = "data." if self.dataset.format.kind == DMS_JSON else ""
        column = self.subjects.column
        texts = {"_text_key": F.get_json_object("record_key", f"$.{column}"),
                 "_text_raw": F.get_json_object("raw", f"$.{within}{column}")}  # fmt: skip
        if self.dataset.is_cdc and column in self.dataset.keys:
            texts["_text_before"] = F.get_json_object("raw", f"$.{before(column)}")
        told = self.subjects.named(rows.withColumns(texts), texts, "_by_itself").drop(*texts)
        told = told.withColumn(_WHOSE, F.coalesce("_by_place", "_by_itself")).drop("_by_place", "_by_itself")
        return told.select(*table.columns(), _WHOSE)

    def verify(self) -> list[Result]:
        """Reads the table anew. Tells of records, too, of which nobody can tell whom they are about."""
        table = Table.load(self.spark, self._name)
        if table is None or table.main is None:
            return []
        rows, version = self._told(table), table.main
        theirs = rows.where(F.col(_WHOSE).isNotNull())
        left = {row[_WHOSE]: row["count"] for row in theirs.groupBy(_WHOSE).count().collect()}
        found = [
            Result(self.dataset.id, QUARANTINE, self._place, VERIFIED, name, left.get(name, 0), version_after=version)
            for name in self.subjects.names.values()
        ]
        untold = self._untold(rows)
        if untold:
            why = "records of which nobody can tell whom they are about: too little of them can be read, or what they"
            why += " landed in has gone"
            found.append(Result(self.dataset.id, QUARANTINE, self._place, UNSEARCHED, row_count=untold, detail=why))
        return found

    def _untold(self, rows: DataFrame) -> int:
        unreadable = F.array(*[F.lit(reason) for reason in (*_UNTOLD, f"type:{self.subjects.column}")])
        read = self.spark.createDataFrame(sorted(self.findings.read), "object_key string, object_version string")
        told_by_itself = F.col("raw").startswith("{")
        if self.subjects.column in self.dataset.keys:
            told_by_itself |= F.col("record_key").isNotNull()
        rows = rows.where(F.col(_WHOSE).isNull())
        broken = rows.where(F.arrays_overlap("reasons", unreadable)).count()
        whole = rows.where(~F.arrays_overlap("reasons", unreadable) & ~told_by_itself)
        return broken + whole.join(F.broadcast(read), on=["object_key", "object_version"], how="left_anti").count()
