"""The Spark session a job runs in, and the settings its results depend on."""

from __future__ import annotations

from pyspark.sql import SparkSession

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
}

_BYTES_PER_PARTITION = 32 << 20
_MAX_PARTITIONS = 400


def open_session() -> SparkSession:
    """The running session, or a new one, with the jobs' settings. Nobody stops it: it belongs to who started it."""
    spark = SparkSession.builder.getOrCreate()
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    return spark


def size_shuffles(spark: SparkSession, volume: int) -> None:
    """Sets the number of shuffle partitions for `volume` bytes of input: one for little, at most 400."""
    wanted = 1 + volume // _BYTES_PER_PARTITION
    spark.conf.set("spark.sql.shuffle.partitions", str(min(wanted, _MAX_PARTITIONS)))
