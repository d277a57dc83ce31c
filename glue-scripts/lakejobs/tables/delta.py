"""A dataset's table in Delta Lake: copy-on-write, with a log that only conditional puts write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.jvm import java_class
from lakejobs.tables.delta_log import MERGE, SET_PROPERTIES, WRITE, DeltaLog, Entry, changes_rows
from lakejobs.tables.delta_log import metadata as metadata_action
from lakejobs.tables.interface import BATCH_PROPERTY, ColumnSpec, Commit, Figures, Staged, check_unmoved
from lakejobs.tables.places import FILE, POSITION, Replaced

# Types whose name in the log is not Spark's.
_SPARK_NAMES = {"integer": "int", "long": "bigint"}


@dataclass(frozen=True)
class DeltaStaged(Staged):
    """Files that lie in the table's folder, and the log entry that would make them part of it."""

    entry: Entry


class DeltaTable:
    """A table that exists, as it was when it was loaded. Versions are the log's, as decimal text."""

    def __init__(
        self, spark: SparkSession, name: str, log: DeltaLog, java_log: Any, snapshot: Any, keys: Sequence[str]
    ) -> None:
        self.spark = spark
        self.keys = keys
        self.name = name
        self.log = log
        self._java_log = java_log
        self._snapshot = snapshot
        self.version: int = snapshot.version()

    @classmethod
    def load(cls, spark: SparkSession, name: str, log: DeltaLog, keys: Sequence[str] = ()) -> DeltaTable | None:
        """The table as its log has it now, None if it has none. By `keys` rows of its files are put in order."""
        java_log = java_class(spark, "org.apache.spark.sql.delta.DeltaLog").forTable(spark._jsparkSession, log.location)
        nothing = java_class(spark, "scala.Option").empty()
        snapshot = java_log.update(False, nothing, nothing)
        return None if snapshot.version() < 0 else cls(spark, name, log, java_log, snapshot, keys)

    @property
    def reference(self) -> str:
        """What stands for the table in Spark SQL; VERSION AS OF may follow."""
        return f"delta.`{self.log.location}`"

    def at(self, version: str) -> str:
        return f"{self.reference} VERSION AS OF {version}"

    @property
    def main(self) -> str | None:
        return str(self.version)

    @property
    def content(self) -> str | None:
        oldest = self.version
        for version, info in self.log.history(self.version):
            if changes_rows(info):
                return str(version)
            oldest = version
        # Rows that are older than the log's memory are there all the same.
        return None if oldest == 0 else self.main

    @cached_property
    def properties(self) -> dict[str, str]:
        return json.loads(self._metadata_json)["metaData"].get("configuration", {})

    @property
    def size(self) -> int:
        return self._snapshot.sizeInBytes()

    @property
    def figures(self) -> Figures:
        return Figures(self._snapshot.numOfFiles(), 0, self.size)

    @property
    def has_past(self) -> bool:
        return True  # Delta's own log does not tell which files are there still

    @cached_property
    def _metadata_json(self) -> str:
        return self._snapshot.metadata().json()

    @property
    def schema_fields(self) -> list[dict[str, Any]]:
        """The columns as the log describes them."""
        return json.loads(json.loads(self._metadata_json)["metaData"]["schemaString"])["fields"]

    def columns(self) -> dict[str, str]:
        return {f["name"]: _SPARK_NAMES.get(str(f["type"]), str(f["type"])) for f in self.schema_fields}

    def read(self, version: str, placed: bool = False) -> DataFrame:
        frame = self.spark.read.format("delta").option("versionAsOf", version).load(self.log.location)
        if not placed:
            return frame
        return frame.select("*", F.col("_metadata.file_path").alias(FILE), F.lit(None).cast("bigint").alias(POSITION))

    def commit(self) -> Commit:
        """The current version with what its commit carries."""
        return next(self.log.commits(self.version))

    def published(self, batch: str) -> Commit | None:
        for commit in self.log.commits(self.version):
            if commit.summary.get(BATCH_PROPERTY) == batch:
                return commit
        return None

    def write(self, rows: DataFrame | None, replaced: Replaced | None, tag: str, properties: dict[str, str]) -> Staged:
        if replaced is None:
            return self._staged(Entry(WRITE, self.write_files(rows), properties))
        touched = self.files([file.rsplit("/", 1)[-1] for file in replaced.places])
        kept = self.read_files(touched).join(replaced.rows.select(*self.keys), on=list(self.keys), how="left_anti")
        kept = kept.select(*self.columns())
        written = kept if rows is None else kept.unionByName(rows)
        removed = tuple(file.remove().json() for file in touched)
        return self._staged(Entry(MERGE, (*removed, *self.write_files(spread(written, self.keys))), properties))

    def publish(
        self,
        staged: Staged | None,
        expected: str | None,
        properties: dict[str, str] | None = None,
        guard: dict[str, str | None] | None = None,
    ) -> None:
        check_unmoved(self, expected, guard)
        if staged is None:
            entry = Entry(SET_PROPERTIES, ())
        else:
            entry = staged.entry
        if properties:
            entry = Entry(entry.operation, (self.metadata_with(properties), *entry.actions), entry.properties)
        if entry.actions:
            self.log.put(self.version + 1, entry)

    def metadata_with(self, properties: dict[str, str], fields: Sequence[dict[str, Any]] | None = None) -> str:
        """The table's metadata action with these properties set and, if given, these columns."""
        found = json.loads(self._metadata_json)["metaData"]
        configuration = {**self.properties, **properties}
        return metadata_action(found["id"], found.get("createdTime", 0), found.get("description", ""),
                        self.schema_fields if fields is None else fields, configuration)  # fmt: skip

    def files(self, names: Sequence[str] | None = None) -> list[Any]:
        """The table's files (Delta's AddFile), all of them or those with these base names, which are unique."""
        found = self._snapshot.allFiles()
        if names is not None:
            if not names:
                return []
            listed = ", ".join(f"'{name}'" for name in names)
            found = found.where(f"substring_index(path, '/', -1) IN ({listed})")
        files = list(found.collectAsList())
        missed = set(names or ()) - {file.path().rsplit("/", 1)[-1] for file in files}
        if missed:
            raise RuntimeError(f"{self.name}: version {self.version} has rows of {sorted(missed)[0]}, but not the file")
        return files

    def read_files(self, files: Sequence[Any]) -> DataFrame:
        """The rows of these files alone."""
        listed = java_class(self.spark, "java.util.ArrayList")()
        for file in files:
            listed.add(file)
        chosen = java_class(self.spark, "org.apache.spark.api.python.PythonUtils").toSeq(listed)
        frame = self._java_log.createDataFrame(
            self._snapshot, chosen, False, java_class(self.spark, "scala.Option").empty()
        )
        return DataFrame(frame, self.spark)

    def write_files(self, rows: DataFrame, metadata: str | None = None) -> tuple[str, ...]:
        """Writes the rows to files of the table's folder. Returns the actions that add them.

        `metadata` is the action that comes with them, if the table's columns change.
        """
        option = java_class(self.spark, "scala.Option")
        transaction = self._java_log.startTransaction(option.empty(), option.apply(self._snapshot))
        if metadata is not None:
            transaction.updateMetadataForTableOverwrite(self._java_metadata(metadata))
        added = transaction.writeFiles(rows._jdf)
        return tuple(added.apply(i).json() for i in range(added.size()))

    def checkpoint(self) -> None:
        """Writes what the log amounts to at this version beside its entries, and drops old entries.

        Readers start there. What it writes depends on the version alone, so nobody is harmed by one that comes late.
        """
        self._java_log.checkpointAndCleanUpDeltaLog(self._snapshot, java_class(self.spark, "scala.Option").empty())

    @property
    def entries_since_checkpoint(self) -> int:
        return self.version - max(self._snapshot.logSegment().checkpointProvider().version(), 0)

    def _java_metadata(self, line: str) -> Any:
        return java_class(self.spark, "org.apache.spark.sql.delta.actions.Action").fromJson(line)

    def _staged(self, entry: Entry) -> DeltaStaged:
        return DeltaStaged(str(self.version + 1), entry)


def logged_field(column: ColumnSpec) -> dict[str, Any]:
    """A column as the log describes it."""
    names = {spark: logged for logged, spark in _SPARK_NAMES.items()}
    comment = {"comment": column.doc} if column.doc else {}
    return {"name": column.name, "type": names.get(column.type, column.type), "nullable": True, "metadata": comment}


def spread(rows: DataFrame, keys: Sequence[str], partitions: int | None = None) -> DataFrame:
    """Rows of one file lie near each other by key, so that later batches touch few files.

    Default of `partitions`: as many as the session's shuffles have.
    """
    partitions = partitions or int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions"))
    if partitions == 1:
        return rows.coalesce(1).sortWithinPartitions(*keys)
    return rows.repartitionByRange(partitions, *keys).sortWithinPartitions(*keys)
