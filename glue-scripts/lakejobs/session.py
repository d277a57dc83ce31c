"""The Spark session a job runs in, and the settings its results depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.jvm import java_class, keep_names

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    # Dates before 1582 are taken as they are written, whatever wrote them.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # So are they written, as microseconds: in Delta tables, since Iceberg has a writer of its own.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # What a batch holds is read once or twice: finding out how best to compress its columns would cost more.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # Delta works a table's log out in as many tasks, for which its default of 50 is too many but for huge tables.
    "spark.databricks.delta.snapshotPartitions": "4",
    # VACUUM would enter what it does into the log unconditionally; only `DeltaLog.put` writes entries.
    "spark.databricks.delta.vacuum.logging.enabled": "false",
    # It lists a folder in as many tasks; the default of 10,000 takes minutes for a small one.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "16",
}

_BYTES_PER_PARTITION = 8 << 20
_BYTES_PER_FILE = 64 << 20
_MAX_PARTITIONS = 400
_PARTITIONS_PLANNED_ONCE = 8


def open_session() -> SparkSession:
    """The running session, or a new one, with the jobs' settings. Nobody stops it: it belongs to who started it."""
    return _with_settings(SparkSession.builder.getOrCreate())


def another_session(spark: SparkSession) -> SparkSession:
    """A session of the same application with settings, temporary views and a view of the catalog of its own."""
    return _with_settings(spark.newSession())


def activate(spark: SparkSession) -> None:
    """Makes the session the one that Spark takes on this thread where nobody names one."""
    java_class(spark, "org.apache.spark.sql.SparkSession").setActiveSession(spark._jsparkSession)


def _with_settings(spark: SparkSession) -> SparkSession:
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    keep_names(spark)
    return spark


def size_shuffles(spark: SparkSession, volume: int) -> None:
    """Sets how work on `volume` bytes is cut, and that little of it is not planned again between its stages.

    What a plan made of better estimates could save there is less than the planning takes.
    """
    wanted = min(1 + volume // _BYTES_PER_PARTITION, _MAX_PARTITIONS)
    spark.conf.set("spark.sql.shuffle.partitions", str(wanted))
    spark.conf.set("spark.sql.adaptive.enabled", str(wanted > _PARTITIONS_PLANNED_ONCE).lower())


def size_files(volume: int) -> int:
    """Into how many files rows go that come from `volume` bytes."""
    return 1 + volume // _BYTES_PER_FILE


def literal_table(spark: SparkSession, schema: dict[str, str], rows: Iterable[Sequence[str | int]]) -> DataFrame:
    """A small table whose rows the plan itself holds. Columns are `string` or `int`."""
    text = ", ".join("(" + ", ".join(quoted(v) if isinstance(v, str) else str(v) for v in row) + ")" for row in rows)
    return spark.sql(f"SELECT * FROM VALUES {text} AS literal ({', '.join(schema)})").select(
        *[F.col(name).cast(kind).alias(name) for name, kind in schema.items()]
    )


def quoted(text: str) -> str:
    """Text as a SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
