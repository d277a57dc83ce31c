"""A new version of a whole Iceberg table: schema, properties and rows in one commit.

Spark's own CREATE OR REPLACE commits over whatever the table has become meanwhile. This commit is a compare-and-set of
the table's metadata: it is refused if anything has changed the table since the replacement was begun.
"""

from __future__ import annotations

import uuid
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame

from lakejobs.iceberg import Table, catalog_of, refused
from lakejobs.jvm import java_class
from lakejobs.tables.interface import Moved
from lakejobs.tables.uncommitted import table_cache


class Replacement:
    """Begun on the table as it is now, or on its absence; `publish` makes it visible, once.

    Usage: begin, make sure that this run may still write, then stage and publish. Files of a replacement that is never
    published are orphans under the table's location.
    """

    def __init__(self, frame: DataFrame, name: str, location: str, properties: dict[str, str]) -> None:
        """Remembers what the table is. The columns are the frame's, all of them nullable."""
        self.name = name
        self._frame = frame
        self._spark = frame.sparkSession
        table = Table.load(frame.sparkSession, name)
        schema = java_class(self._spark, "org.apache.iceberg.spark.SparkSchemaUtil").convert(
            frame._jdf.schema().asNullable()
        )
        self._base: Any = None
        if table is None:
            catalog, identifier = catalog_of(frame.sparkSession, name)
            builder = catalog.buildTable(identifier, schema).withLocation(location).withProperties(properties)
            self._transaction = builder.createTransaction()
        else:
            self._operations = table.operations
            self._base = self._operations.current()
            unpartitioned = java_class(self._spark, "org.apache.iceberg.PartitionSpec").unpartitioned()
            unsorted = java_class(self._spark, "org.apache.iceberg.SortOrder").unsorted()
            start = self._base.buildReplacement(schema, unpartitioned, unsorted, location, properties)
            transactions = java_class(self._spark, "org.apache.iceberg.Transactions")
            self._transaction = transactions.replaceTableTransaction(name, self._operations, start)

    def stage(self, properties: dict[str, str]) -> None:
        """Writes the rows. Readers see nothing of them. The snapshot carries the properties."""
        cache = table_cache(self._frame.sparkSession)
        key = str(uuid.uuid4())
        cache.add(key, self._transaction.table())
        try:
            writer = self._frame.write.format("iceberg").mode("append")
            for name, value in properties.items():
                writer = writer.option(f"snapshot-property.{name}", value)
            writer.save(key)
        finally:
            cache.remove(key)

    def publish(self) -> None:
        """Makes the staged rows the table. Raises Moved if the table has changed since the replacement was begun."""
        try:
            if self._base is None:
                self._transaction.commitTransaction()
            else:
                self._operations.commit(self._base, self._transaction.table().operations().current())
        except Py4JJavaError as error:
            if refused(error):
                raise Moved(f"{self.name}: {error.java_exception.getMessage()}") from error
            raise
