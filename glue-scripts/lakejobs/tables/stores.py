"""The store of a dataset's table, by the format it declares."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lakejobs.aws import Clients
from lakejobs.tables.delta_store import DeltaStore
from lakejobs.tables.iceberg import IcebergStore
from lakejobs.tables.interface import Layout, Store


def open_store(spark: SparkSession, clients: Clients, table_format: str, layout: Layout) -> Store:
    """The store for a format of the manifest. Nothing is read or made yet."""
    if table_format == "delta":
        return DeltaStore(spark, clients.s3, clients.glue, layout)
    return IcebergStore(spark, layout)
