"""The place of a dataset's Hudi table: its folder, and its entry in the Glue catalog that Athena finds it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from lakejobs.events import log as log_event
from lakejobs.lists import split_uri
from lakejobs.tables.delta import spread
from lakejobs.tables.hudi import HudiTable
from lakejobs.tables.hudi_commit import ALTER, CLUSTER, HudiStaged, commit_metadata, table_said
from lakejobs.tables.hudi_expiry import expire
from lakejobs.tables.hudi_schema import changed_columns, properties_file
from lakejobs.tables.hudi_timeline import COMMIT, NOTHING, REPLACE, Decision, HudiTimeline
from lakejobs.tables.hudi_writing import files_anew, new_files
from lakejobs.tables.interface import Change, Fence, Layout, Limits, Moved, Removed
from lakejobs.tables.registration import PROVIDER, check_format, keep_registered, registered

# Each batch adds files; ten small ones cost a reader ten times the requests of one. Files above this share of the
# wanted size are left alone.
_SMALL_SHARE = 0.25
# Files that are written anew at once, at most.
_AT_ONCE = 64
_HIVE = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True)
class HudiStore:
    """The place of one dataset's Hudi table."""

    spark: SparkSession
    s3: Any
    glue: Any
    layout: Layout

    def load(self) -> HudiTable | None:
        table = HudiTable.load(self.spark, self.layout.name, self._timeline, self.layout.keys)
        if table is None:
            check_format(registered(self.glue, self.layout.name), self.layout, "hudi")
        return table

    @property
    def _timeline(self) -> HudiTimeline:
        return HudiTimeline(self.s3, self.layout.location)

    def bring_up_to_date(self, table: HudiTable | None, change: Change, fence: Fence) -> HudiTable:
        now = table
        if table is None:
            now = self._made(change, fence)
        elif change.widened or change.added or change.properties:
            columns = changed_columns(table.columns(), change)
            staged = HudiStaged(table.timeline.reserve(table.version, COMMIT), ALTER, (), {})
            if change.widened and table.files:
                # Not every reader knows how to widen what a file holds.
                staged = self._rewritten(table, staged.version, columns)
            fence()
            table.commit(staged, change.properties or {}, columns)
            now = self._loaded(staged.version)
        check_format(found := registered(self.glue, self.layout.name), self.layout, "hudi")
        keep_registered(self.glue, self.layout.name, found, self.table_input(), fence)
        return now

    def compact(self, fence: Fence, least: int | None = None) -> bool:
        table = self.load()
        if table is None:
            return False
        small = [name for name, size in table.files.items() if size < _SMALL_SHARE * self.layout.file_bytes]
        if len(small) < (least or self.layout.small_files):
            return False
        partitions = 1 + sum(table.files[name] for name in small) // self.layout.file_bytes
        instant = table.timeline.reserve(table.version, REPLACE)
        rows = spread(table.with_meta(small), self.layout.keys, partitions)
        staged = HudiStaged(instant, CLUSTER, tuple(new_files(rows, table.place(instant))), {})
        fence()
        try:
            table.commit(staged, {}, replaced=small)
        except Moved as moved:
            log_event("compaction given up: the table has changed", table=table.name, error=str(moved))
            return True
        log_event("table compacted", table=table.name)
        return True

    def purge(self, fence: Fence) -> None:
        """Nothing: every commit writes the files that it takes rows from anew, without them."""

    def expire(self, limits: Limits, fence: Fence) -> Removed:
        table = self.load()
        return Removed() if table is None else expire(table, limits, fence)

    def _made(self, change: Change, fence: Fence) -> HudiTable:
        """The table without a row: what never changes of it, and a first instant."""
        layout, timeline = self.layout, self._timeline
        columns = {column.name: column.type for column in layout.columns}
        fence()
        wanted = properties_file(layout.name, layout.keys, layout.columns)
        if not _same_table(timeline.put_first("hoodie.properties", wanted), wanted):
            raise RuntimeError(
                f"{layout.location}/.hoodie/hoodie.properties describes another table than {layout.name}, or one that"
                " another writer has brought to a later version: remove the folder, or declare a new dataset"
            )
        instant = timeline.reserve(NOTHING, COMMIT)
        bucket, key = split_uri(f"{layout.location}/.hoodie_partition_metadata")
        self.s3.put_object(Bucket=bucket, Key=key, Body=f"commitTime={instant}\npartitionDepth=0\n".encode())
        extra = table_said(layout.name, columns, change.properties or {})
        fence()
        metadata = commit_metadata(HudiStaged(instant, ALTER, (), {}), extra)
        timeline.decide(NOTHING, Decision(instant, COMMIT, metadata))
        return self._loaded(instant)

    def _loaded(self, version: str) -> HudiTable:
        """The table right after this run has made that version. Raises Moved if it is past it already."""
        table = self.load()
        if table is None or table.version != version:
            found = "gone" if table is None else f"at version {table.version}"
            raise Moved(f"{self.layout.name}: is {found} right after version {version} was made")
        return table

    def _rewritten(self, table: HudiTable, instant: str, columns: dict[str, str]) -> HudiStaged:
        """All files anew with these columns."""
        names = sorted(table.files)
        frame = self.spark.createDataFrame([(name, []) for name in names], "name string, positions array<bigint>")
        written = files_anew(frame.repartition(min(len(names), _AT_ONCE)), columns, table.place(instant))
        return HudiStaged(instant, ALTER, tuple(written), {})

    def table_input(self) -> dict[str, Any]:
        """The table as the Glue Data Catalog takes it, as Hudi's own sync enters a copy-on-write table that hides what
        Hudi keeps of each row.
        """
        columns = [
            {"Name": c.name, "Type": c.type, **({"Comment": c.doc} if c.doc else {})} for c in self.layout.columns
        ]
        location = self.layout.location
        return {
            "Name": self.layout.name.split(".")[2],
            "Description": self.layout.doc,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", PROVIDER: "hudi", "classification": "parquet"},
            "PartitionKeys": [],
            "StorageDescriptor": {
                "Columns": columns,
                "Location": location,
                "InputFormat": "org.apache.hudi.hadoop.HoodieParquetInputFormat",
                "OutputFormat": f"{_HIVE}.MapredParquetOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": f"{_HIVE}.serde.ParquetHiveSerDe",
                    "Parameters": {"serialization.format": "1", "hoodie.query.as.ro.table": "false", "path": location},
                },
            },
        }


def _same_table(found: bytes, wanted: bytes) -> bool:
    """Whether a properties file is of the table; the columns that it was made with may have been others."""
    return _fixed(found) == _fixed(wanted)


def _fixed(properties: bytes) -> list[str]:
    return [line for line in properties.decode().splitlines() if not line.startswith("hoodie.table.create.schema=")]
