"""The store of a dataset's table, by the format it declares."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lakejobs.aws import Clients
from lakejobs.iceberg import Table
from lakejobs.tables.delta import DeltaTable
from lakejobs.tables.delta_log import DeltaLog
from lakejobs.tables.delta_store import DeltaStore
from lakejobs.tables.hudi import HudiTable
from lakejobs.tables.hudi_store import HudiStore
from lakejobs.tables.hudi_timeline import HudiTimeline
from lakejobs.tables.iceberg import IcebergStore
from lakejobs.tables.interface import Layout, Store, StoredTable
from lakejobs.tables.registration import format_of, registered


def open_store(spark: SparkSession, clients: Clients, table_format: str, layout: Layout) -> Store:
    """The store for a format of the manifest. Nothing is read or made yet."""
    if table_format == "delta":
        return DeltaStore(spark, clients.s3, clients.glue, layout)
    if table_format == "hudi":
        return HudiStore(spark, clients.s3, clients.glue, layout)
    return IcebergStore(spark, clients.glue, layout)


def open_table(spark: SparkSession, clients: Clients, table_format: str, name: str) -> StoredTable | None:
    """The table of that name (`catalog.database.table`) where the catalog says it is, None if there is none."""
    if table_format == "iceberg":
        return Table.load(spark, name)
    entry = registered(clients.glue, name)
    if entry is None or format_of(entry) != table_format:
        return None
    location = entry["StorageDescriptor"]["Location"]
    if table_format == "hudi":
        # Whoever opens a table by its name reads it, and may write nothing.
        return HudiTable.load(spark, name, HudiTimeline(clients.s3, location), settle=False)
    return DeltaTable.load(spark, name, DeltaLog(clients.s3, location))
