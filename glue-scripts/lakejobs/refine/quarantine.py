"""The quarantine table: refused records as they landed, one partition per batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.declared import Dataset
from lakejobs.iceberg import CATALOG, TABLE_PROPERTIES, Table, sql_properties
from lakejobs.refine.compare import OUTCOME
from lakejobs.refine.conform import KEY, REASONS
from lakejobs.refine.record import COPY, LINE, OBJECT, Readable
from lakejobs.session import literal_table, quoted

_COLUMNS = (
    "batch_id string, object_key string, object_version string, record_sha256 string, occurrence int,"
    " reasons array<string>, record_key string, raw string"
)


def quarantine_name(dataset: Dataset) -> str:
    return f"{CATALOG}.{dataset.quarantine_database}.{dataset.name}"


def quarantine_rows(classified: DataFrame, objects: Sequence[Readable], batch: str) -> DataFrame:
    """The refused records of a classified batch, by record id.

    `record_key` is the key's text as JSON, NULL for a record whose values cannot be told. `raw` replaces bytes that are
    not UTF-8.
    """
    refused = classified.where(F.col(OUTCOME) == "quarantined")
    alike = Window.partitionBy(OBJECT, LINE).orderBy(OBJECT)
    number = F.row_number().over(alike)
    if COPY in refused.columns:
        number = F.coalesce(F.col(COPY), number)
    counted = refused.withColumn("_occurrence", number)
    places = literal_table(
        classified.sparkSession,
        {"_position": "int", "object_key": "string", "object_version": "string"},
        [(item.position, item.object.key, item.object.version) for item in objects],
    )
    located = counted.join(F.broadcast(places), on=F.col(OBJECT) == F.col("_position"), how="inner")
    keyless = F.array_contains(REASONS, "malformed") | F.array_contains(REASONS, "layout")
    record_key = F.when(~keyless, F.to_json(F.col(KEY), {"ignoreNullFields": "false"}))
    return located.select(
        F.lit(batch).alias("batch_id"),
        "object_key",
        "object_version",
        F.sha2(F.col(LINE), 256).alias("record_sha256"),
        F.col("_occurrence").cast("int").alias("occurrence"),
        F.col(REASONS).alias("reasons"),
        record_key.alias("record_key"),
        F.decode(F.col(LINE), "UTF-8").alias("raw"),
    )


def write_quarantine(
    spark: SparkSession, dataset: Dataset, location: str, rows: DataFrame | None, batch: str, fence: Callable[[], None]
) -> str | None:
    """Makes the batch's partition hold exactly these rows. Returns the snapshot, None if it held them already.

    `fence` is called right before the commit and raises if this run may not write. Raises Moved if another commit came
    in between.
    """
    table = Table.load(spark, quarantine_name(dataset))
    if table is None:
        if rows is None:
            return None
        table = _create(spark, dataset, location)
    expected = table.main
    ours = F.col("batch_id") == batch
    stored = None
    if expected is not None and table.holds("batch_id", batch):
        stored = table.read(expected).where(ours)
    if stored is None and rows is None:
        return None
    if rows is None:
        rows = stored.limit(0)
    elif stored is not None and _same(rows, stored):
        return None
    staged = table.stage_frame(rows.coalesce(1), batch, {}, replace=ours)
    fence()
    table.publish(staged, expected)
    return staged.version


def _create(spark: SparkSession, dataset: Dataset, location: str) -> Table:
    name = quarantine_name(dataset)
    comment = quoted(f"Records of {dataset.id} that were refused, as they landed.")
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {name} ({_COLUMNS}) USING iceberg PARTITIONED BY (batch_id) COMMENT {comment}"
        f" LOCATION {quoted(location)} TBLPROPERTIES ({sql_properties(TABLE_PROPERTIES)})"
    )
    table = Table.load(spark, name)
    if table is None:
        raise RuntimeError(f"{name}: is gone right after it was made")
    return table


def _same(rows: DataFrame, stored: DataFrame) -> bool:
    """Whether both hold the same rows; record ids are unique in each."""
    return rows.count() == stored.count() and rows.exceptAll(stored).isEmpty()
