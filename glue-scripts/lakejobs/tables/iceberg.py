"""A dataset's table in Iceberg: merge-on-read, in the Glue catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from lakejobs.iceberg import TABLE_PROPERTIES, Table, sql_properties
from lakejobs.session import quoted
from lakejobs.tables.iceberg_compaction import compact, purge
from lakejobs.tables.iceberg_expiry import expire
from lakejobs.tables.interface import Change, Fence, Layout, Limits, Moved, Removed
from lakejobs.tables.registration import check_format, registered


@dataclass(frozen=True)
class IcebergStore:
    """The place of one dataset's Iceberg table."""

    spark: SparkSession
    glue: Any
    layout: Layout

    def load(self) -> Table | None:
        table = Table.load(self.spark, self.layout.name)
        if table is None:
            check_format(registered(self.glue, self.layout.name), self.layout, "iceberg")
        return table

    def bring_up_to_date(self, table: Table | None, change: Change, fence: Fence) -> Table:
        statements = self._creation(change) if table is None else self._changes(table, change)
        if table is not None and not statements:
            return table
        for statement in statements:
            fence()
            self.spark.sql(statement)
        now = self.load()
        if now is None:
            raise RuntimeError(f"{self.layout.name}: is gone right after it was made")
        before = None if table is None else table.main
        if now.main != before:
            raise Moved(f"{self.layout.name}: main is no longer snapshot {before}")
        return now

    def compact(self, fence: Fence, least: int | None = None) -> bool:
        return compact(self.load(), self.layout, fence, least)

    def purge(self, fence: Fence) -> None:
        purge(self.load(), self.layout, fence)

    def expire(self, limits: Limits, fence: Fence) -> Removed:
        table = self.load()
        return Removed() if table is None else expire(table, limits, fence)

    def _creation(self, change: Change) -> list[str]:
        layout = self.layout
        columns = [f"`{c.name}` {c.type}" + (f" COMMENT {quoted(c.doc)}" if c.doc else "") for c in layout.columns]
        properties = {**TABLE_PROPERTIES, **(change.properties or {})}
        comment = f" COMMENT {quoted(layout.doc)}" if layout.doc else ""
        return [
            f"CREATE TABLE IF NOT EXISTS {layout.name} ({', '.join(columns)}) USING iceberg{comment}"
            f" LOCATION {quoted(layout.location)} TBLPROPERTIES ({sql_properties(properties)})",
            self._ordering(),
        ]

    def _ordering(self) -> str:
        keys = ", ".join(f"`{k}`" for k in self.layout.keys)
        return f"ALTER TABLE {self.layout.name} WRITE LOCALLY ORDERED BY {keys}"

    def _changes(self, table: Table, change: Change) -> list[str]:
        name, statements = self.layout.name, []
        # First, so that a run that dies in between leaves no column of which no property tells where it is from.
        if change.properties:
            statements.append(f"ALTER TABLE {name} SET TBLPROPERTIES ({sql_properties(change.properties)})")
        for column, previous in change.added:
            place = f"AFTER `{previous}`" if previous else "FIRST"
            comment = f" COMMENT {quoted(column.doc)}" if column.doc else ""
            statements.append(f"ALTER TABLE {name} ADD COLUMN `{column.name}` {column.type}{comment} {place}")
        for column in change.widened:
            statements.append(f"ALTER TABLE {name} ALTER COLUMN `{column.name}` TYPE {column.type}")
        if not table.sorted:
            statements.append(self._ordering())
        return statements
