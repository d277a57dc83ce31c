"""Iceberg tables of the lake's catalog: history, and commits that are refused once the table has moved.

A write is staged (a snapshot that main does not show), then published by a compare-and-set of the table's metadata:
main must still be the snapshot the write was computed against. Iceberg's own cherry-pick would let an append pass after
main has moved, and refuses a second publication under one wap.id, which a forced rerun may need.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakejobs.jvm import java_class, strings
from lakejobs.session import quoted
from lakejobs.tables.interface import BATCH_PROPERTY, Commit, Figures, Moved, Staged
from lakejobs.tables.places import FILE, POSITION, Replaced
from lakejobs.tables.row_delta import stage_over

CATALOG = "glue_catalog"

TABLE_PROPERTIES = {
    "format-version": "2",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    "write.parquet.compression-codec": "zstd",
    "write.merge.distribution-mode": "hash",
    "write.wap.enabled": "true",
    # Maintenance removes those that have left the list: a commit that does so itself waits for S3 once more.
    "write.metadata.previous-versions-max": "50",
}

# The snapshot that made main's rows, once the history does not reach back to it.
CONTENT_PROPERTY = "strata.content"

# What every staged snapshot carries, published or not.
STAGING_PROPERTY = "strata.staging-id"
_NEWEST = 25


class Table:
    """A table that exists. Snapshot ids are decimal text, as the ledger holds them."""

    def __init__(self, spark: SparkSession, name: str) -> None:
        self.spark = spark
        self.name = name
        self._java = java_class(spark, "org.apache.iceberg.spark.Spark3Util").loadIcebergTable(
            spark._jsparkSession, name
        )

    @classmethod
    def load(cls, spark: SparkSession, name: str) -> Self | None:
        """The table as the catalog has it now, or None."""
        catalog, identifier = catalog_of(spark, name)
        catalog.invalidateTable(identifier)
        return cls(spark, name) if catalog.tableExists(identifier) else None

    @property
    def loaded(self) -> Any:
        """Iceberg's own table."""
        return self._java

    @property
    def figures(self) -> Figures:
        """What main's summary tells of its files."""
        commit = self.commit()
        names = ("total-data-files", "total-delete-files", "total-files-size")
        return Figures(*(int(commit.summary.get(name, "0")) for name in names)) if commit else Figures()

    @property
    def has_past(self) -> bool:
        return len(list(self._java.snapshots())) > 1

    @property
    def operations(self) -> Any:
        """Iceberg's TableOperations: the table's metadata, and their compare-and-set."""
        return self._java.operations()

    def refresh(self) -> None:
        self._java.refresh()

    def at(self, version: str) -> str:
        return f"{self.name} VERSION AS OF {version}"

    @property
    def main(self) -> str | None:
        """The current snapshot, None while the table has none."""
        snapshot = self._java.currentSnapshot()
        return None if snapshot is None else str(snapshot.snapshotId())

    def commit(self) -> Commit | None:
        """The current snapshot with its summary."""
        snapshot = self._java.currentSnapshot()
        return None if snapshot is None else Commit(str(snapshot.snapshotId()), strings(self.spark, snapshot.summary()))

    def published(self, batch: str) -> Commit | None:
        """The newest commit of this batch in main's history."""
        for snapshot in self._history():
            if snapshot.summary().get(BATCH_PROPERTY) == batch:
                return Commit(str(snapshot.snapshotId()), strings(self.spark, snapshot.summary()))
        return None

    @property
    def content(self) -> str | None:
        """The newest snapshot of main's history that changed rows; compaction changes none. None if it has none."""
        for snapshot in self._history():
            if snapshot.operation() != "replace":
                return str(snapshot.snapshotId())
        return self.properties.get(CONTENT_PROPERTY, self.main)

    def _history(self) -> Iterator[Any]:
        """Main's snapshots, newest first, as far back as they are kept."""
        snapshot = self._java.currentSnapshot()
        while snapshot is not None:
            yield snapshot
            parent = snapshot.parentId()
            snapshot = None if parent is None else self._java.snapshot(parent)

    @property
    def properties(self) -> dict[str, str]:
        return strings(self.spark, self._java.properties())

    @property
    def sorted(self) -> bool:
        """Whether the table has an order that its rows are written in."""
        return self._java.sortOrder().isSorted()

    def columns(self) -> dict[str, str]:
        """Column names and types, in order."""
        schema = java_class(self.spark, "org.apache.iceberg.spark.SparkSchemaUtil").convert(self._java.schema())
        return {f.name: f.dataType.simpleString() for f in StructType.fromJson(json.loads(schema.json())).fields}

    @property
    def size(self) -> int:
        """Bytes of main's files, as its summary tells; 0 while the table has no snapshot."""
        commit = self.commit()
        return int(commit.summary.get("total-files-size", "0")) if commit else 0

    def holds(self, column: str, value: str) -> bool:
        """Whether main has files in the partition where `column` is `value`. Reads metadata only."""
        expressions = java_class(self.spark, "org.apache.iceberg.expressions.Expressions")
        files = self._java.newScan().filter(expressions.equal(column, value)).planFiles()
        try:
            return files.iterator().hasNext()
        finally:
            files.close()

    def read(self, snapshot: str, placed: bool = False) -> DataFrame:
        frame = self.spark.read.option("snapshot-id", snapshot).table(self.name)
        return frame.select("*", FILE, POSITION) if placed else frame

    def write(self, rows: DataFrame | None, replaced: Replaced | None, tag: str, properties: dict[str, str]) -> Staged:
        if replaced is None:
            return self.stage_frame(rows, tag, properties)
        return self._staged(
            lambda tagged: stage_over(self.spark, self._java, rows, replaced.places, tagged), properties
        )

    def stage_frame(self, frame: DataFrame, wap_id: str, properties: dict[str, str], replace: Any = None) -> Staged:
        """Stages the frame's rows: appended, or in place of the rows that satisfy `replace`."""

        def write(tagged: dict[str, str]) -> None:
            writer = frame.writeTo(self.name)
            for name, value in tagged.items():
                writer = writer.option(f"snapshot-property.{name}", value)
            if replace is None:
                writer.append()
            else:
                writer.overwrite(replace)

        with _wap(self.spark, wap_id):
            return self._staged(write, properties)

    def publish(
        self,
        staged: Staged | None,
        expected: str | None,
        properties: dict[str, str] | None = None,
        guard: dict[str, str | None] | None = None,
    ) -> None:
        """Makes the staged snapshot main and sets the properties, in one commit; None leaves main as it is.

        Raises Moved unless main is still `expected` and the properties named in `guard` still have those values.
        """
        operations = self._java.operations()
        operations.refresh()
        base = operations.current()
        current = base.currentSnapshot()
        if (None if current is None else str(current.snapshotId())) != expected:
            raise Moved(f"{self.name}: main is no longer snapshot {expected}")
        for name, value in (guard or {}).items():
            if base.properties().get(name) != value:
                raise Moved(f"{self.name}: {name} is no longer {value}")
        builder = java_class(self.spark, "org.apache.iceberg.TableMetadata").buildFrom(base)
        if staged is not None:
            snapshot = int(staged.version)
            parent = base.snapshot(snapshot).parentId()
            if (None if parent is None else str(parent)) != expected:
                raise Moved(f"{self.name}: snapshot {snapshot} was staged on {parent}, not on {expected}")
            builder = builder.setBranchSnapshot(snapshot, "main")
        if properties:
            builder = builder.setProperties(properties)
        try:
            operations.commit(base, builder.build())
        except Py4JJavaError as error:
            if refused(error):
                raise Moved(f"{self.name}: {error.java_exception.getMessage()}") from error
            raise

    def _staged(self, write: Callable[[dict[str, str]], None], properties: dict[str, str]) -> Staged:
        nonce = str(uuid.uuid4())
        write({**properties, STAGING_PROPERTY: nonce})
        self._java.refresh()
        snapshots = self._java.operations().current().snapshots()
        for i in range(snapshots.size() - 1, max(snapshots.size() - 1 - _NEWEST, -1), -1):
            snapshot = snapshots.get(i)
            if snapshot.summary().get(STAGING_PROPERTY) == nonce:
                return Staged(str(snapshot.snapshotId()))
        raise RuntimeError(f"{self.name}: the staged write left no snapshot")


def catalog_of(spark: SparkSession, name: str) -> tuple[Any, Any]:
    """Iceberg's catalog of a `catalog.database.table`, which Spark shares, and the table's identifier in it."""
    catalog, database, table = name.split(".")
    plugin = spark._jsparkSession.sessionState().catalogManager().catalog(catalog)
    identifiers = java_class(spark, "org.apache.iceberg.catalog.TableIdentifier")
    return plugin.icebergCatalog(), identifiers.parse(f"{database}.{table}")


def sql_properties(properties: Mapping[str, str]) -> str:
    """Table properties as SQL writes them, without the brackets."""
    return ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in properties.items())


def refused(error: Py4JJavaError) -> bool:
    """Whether a commit failed because the table is not, or no longer, what it was computed against."""
    name = error.java_exception.getClass().getSimpleName()
    return name in ("CommitFailedException", "AlreadyExistsException")


@contextmanager
def _wap(spark: SparkSession, wap_id: str) -> Iterator[None]:
    spark.conf.set("spark.wap.id", wap_id)
    try:
        yield
    finally:
        spark.conf.unset("spark.wap.id")
