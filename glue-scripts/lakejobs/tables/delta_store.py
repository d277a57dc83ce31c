"""The place of a dataset's Delta table: its folder, and its entry in the Glue catalog that Athena finds it by."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakejobs.events import log as log_event
from lakejobs.tables.delta import DeltaTable, logged_field, spread
from lakejobs.tables.delta_expiry import expire
from lakejobs.tables.delta_log import (
    ADD_COLUMNS,
    CHANGE_COLUMN,
    CREATE,
    OPTIMIZE,
    SET_PROPERTIES,
    DeltaLog,
    Entry,
    metadata,
    protocol,
)
from lakejobs.tables.interface import Change, Fence, Layout, Limits, Moved, Removed
from lakejobs.tables.registration import PROVIDER, check_format, keep_registered, registered

# Each batch adds files; ten small ones cost a reader ten times the requests of one. Files above this share of the
# wanted size are left alone.
_SMALL_SHARE = 0.25
# As many entries a reader goes through at most, as Delta's own writers have it.
_ENTRIES = 10


@dataclass(frozen=True)
class DeltaStore:
    """The place of one dataset's Delta table."""

    spark: SparkSession
    s3: Any
    glue: Any
    layout: Layout

    def load(self) -> DeltaTable | None:
        table = DeltaTable.load(self.spark, self.layout.name, self._log, self.layout.keys)
        if table is None:
            check_format(registered(self.glue, self.layout.name), self.layout, "delta")
        return table

    @property
    def _log(self) -> DeltaLog:
        return DeltaLog(self.s3, self.layout.location)

    def bring_up_to_date(self, table: DeltaTable | None, change: Change, fence: Fence) -> DeltaTable:
        now = table
        if table is None:
            fields = [logged_field(column) for column in self.layout.columns]
            made = metadata(str(uuid.uuid4()), _now(), self.layout.doc, fields, change.properties or {})
            fence()
            self._log.put(0, Entry(CREATE, (protocol(), made)))
            now = self._loaded(0)
        elif change.widened:
            entry = self._rewritten(table, change)
            fence()
            self._log.put(table.version + 1, entry)
            now = self._loaded(table.version + 1)
        elif change.added or change.properties:
            operation = ADD_COLUMNS if change.added else SET_PROPERTIES
            described = table.metadata_with(dict(change.properties or {}), changed_fields(table.schema_fields, change))
            fence()
            self._log.put(table.version + 1, Entry(operation, (described,)))
            now = self._loaded(table.version + 1)
        self._register(now, fence)
        return now

    def compact(self, fence: Fence, least: int | None = None) -> bool:
        table = self.load()
        if table is None:
            return False
        if table.entries_since_checkpoint >= _ENTRIES:
            fence()
            table.checkpoint()
        small = [file for file in table.files() if file.size() < _SMALL_SHARE * self.layout.file_bytes]
        if len(small) < (least or self.layout.small_files):
            return False
        partitions = 1 + sum(file.size() for file in small) // self.layout.file_bytes
        added = table.write_files(spread(table.read_files(small), self.layout.keys, partitions))
        removed = tuple(file.removeWithTimestamp(_now(), False).json() for file in small)
        fence()
        try:
            self._log.put(table.version + 1, Entry(OPTIMIZE, (*removed, *unchanged(added))))
        except Moved as moved:
            log_event("compaction given up: the table has changed", table=table.name, error=str(moved))
            return True
        log_event("table compacted", table=table.name)
        return True

    def purge(self, fence: Fence) -> None:
        """Nothing: every commit writes the files that it takes rows from anew, without them."""

    def expire(self, limits: Limits, fence: Fence) -> Removed:
        table = self.load()
        return Removed() if table is None else expire(table, self.s3, limits, fence)

    def _loaded(self, version: int) -> DeltaTable:
        """The table right after this run has made that version. Raises Moved if it is past it already."""
        table = self.load()
        if table is None or table.version != version:
            found = "gone" if table is None else f"at version {table.version}"
            raise Moved(f"{self.layout.name}: is {found} right after version {version} was made")
        return table

    def _rewritten(self, table: DeltaTable, change: Change) -> Entry:
        """All files anew with the wider types: not every reader knows how to widen what a file holds."""
        fields = changed_fields(table.schema_fields, change)
        described = table.metadata_with(dict(change.properties or {}), fields)
        types = {column.name: column.type for column in (*change.widened, *(c for c, _ in change.added))}
        held = table.columns()
        columns = [
            (F.col(name) if name in held else F.lit(None)).cast(types.get(name, held.get(name))).alias(name)
            for name in (field["name"] for field in fields)
        ]
        files = table.files()
        removed = tuple(file.removeWithTimestamp(_now(), False).json() for file in files)
        rows = spread(table.read_files(files).select(*columns), self.layout.keys)
        return Entry(CHANGE_COLUMN, (described, *removed, *unchanged(table.write_files(rows, described))))

    def _register(self, table: DeltaTable, fence: Fence) -> None:
        """Makes the table's entry in the catalog, or brings it to the declaration. Raises Moved as a commit does."""
        found = registered(self.glue, self.layout.name)
        check_format(found, self.layout, "delta")
        if found is None:
            # Readers ask for the newest checkpoint first, and S3 tells who may not list the bucket that it is refused,
            # not that there is none.
            fence()
            table.checkpoint()
        keep_registered(self.glue, self.layout.name, found, self.table_input(), fence)

    def table_input(self) -> dict[str, Any]:
        """The table as the Glue Data Catalog takes it: Athena reads its location's log, views its columns."""
        columns = [
            {"Name": c.name, "Type": c.type, **({"Comment": c.doc} if c.doc else {})} for c in self.layout.columns
        ]
        location = self.layout.location
        return {
            "Name": self.layout.name.split(".")[2],
            "Description": self.layout.doc,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", PROVIDER: "delta", "classification": "delta"},
            "PartitionKeys": [],
            "StorageDescriptor": {
                "Columns": columns,
                "Location": location,
                "SerdeInfo": {"Parameters": {"serialization.format": "1", "path": location}},
            },
        }


def changed_fields(fields: Sequence[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    """The log's columns with those of the change added in their places, and widened."""
    types = {column.name: logged_field(column)["type"] for column in change.widened}
    found = [{**field, "type": types.get(field["name"], field["type"])} for field in fields]
    for column, previous in change.added:
        places = [i + 1 for i, field in enumerate(found) if field["name"] == previous]
        found.insert(places[0] if places else 0, logged_field(column))
    return found


def unchanged(added: Sequence[str]) -> tuple[str, ...]:
    """The same files, said to hold only rows that the table had before."""
    found = [json.loads(line) for line in added]
    return tuple(json.dumps({"add": {**f["add"], "dataChange": False}}, separators=(",", ":")) for f in found)


def _now() -> int:
    return int(time.time() * 1000)
