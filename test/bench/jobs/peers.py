"""How public samples apply changes, and the least that any way has to do.

Two passes: the newest change of each key by a window, a MERGE of what is not deleted, a second one for what is. So do
aws-samples/transactional-datalake-using-apache-iceberg-on-aws-glue (src/main/python/spark_sql_merge_into_iceberg.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from data import VALUES
from pyspark.sql import DataFrame, SparkSession

_NEWEST = (
    "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY AR_H_CHANGE_SEQ DESC) AS place"
    " FROM {changes}) WHERE place = 1"
)


@dataclass(frozen=True)
class TwoPass:
    """A table without tombstones and order columns, in one of Iceberg's modes of writing."""

    spark: SparkSession
    table: str
    mode: str

    def create(self, rows: DataFrame, location: str) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in {"id": "bigint", **VALUES}.items())
        modes = ", ".join(f"'write.{what}.mode' = '{self.mode}'" for what in ("merge", "update", "delete"))
        self.spark.sql(
            f"CREATE TABLE {self.table} ({columns}) USING iceberg LOCATION '{location}' TBLPROPERTIES"
            f" ('format-version' = '2', 'write.parquet.compression-codec' = 'zstd', {modes})"
        )
        rows.writeTo(self.table).append()

    def apply(self, changes: str) -> None:
        """`changes` is a view of typed changes."""
        newest = _NEWEST.format(changes=changes)
        sets = ", ".join(f"t.{c} = s.{c}" for c in VALUES)
        names, values = ", ".join(("id", *VALUES)), ", ".join(f"s.{c}" for c in ("id", *VALUES))
        self.spark.sql(
            f"MERGE INTO {self.table} t USING (SELECT * FROM ({newest}) WHERE Op <> 'D') s ON t.id = s.id"
            f" WHEN MATCHED THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
        )
        self.spark.sql(
            f"MERGE INTO {self.table} t USING (SELECT * FROM ({newest}) WHERE Op = 'D') s ON t.id = s.id"
            " WHEN MATCHED THEN DELETE"
        )


def bare_join(spark: SparkSession, table: str, changes: str) -> None:
    """The newest change of each key beside the stored row it meets; nothing is judged and nothing written."""
    picked = ", ".join((*VALUES, "Op"))
    newest = f"SELECT id, max_by(struct({picked}), AR_H_CHANGE_SEQ) AS change FROM {changes} GROUP BY id"
    joined = spark.sql(f"SELECT t.*, s.change FROM {table} t LEFT JOIN ({newest}) s ON t.id = s.id")
    joined.write.format("noop").mode("overwrite").save()
