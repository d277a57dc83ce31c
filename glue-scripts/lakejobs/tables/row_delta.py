"""Rows written over stored rows of an Iceberg table whose places are known: data files, and delete files beside them.

MERGE finds the stored rows by a join of its own. A batch that was compared with the table has found them already, so
its commit needs no second look at the table: it adds the rows, and marks the old ones by file and position.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import inheritable_thread_target
from pyspark.sql import DataFrame, SparkSession

from lakejobs.jvm import java_class
from lakejobs.tables.places import Places
from lakejobs.tables.uncommitted import table_cache

# Reserved field ids of a position delete file (Iceberg's table specification).
_FILE_ID, _POSITION_ID = 2147483546, 2147483545
_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(_FILE_ID)}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(_POSITION_ID)}),
    ]
)
# Positions after which a delete file ends at the next data file. A reader of one data file reads whole delete files.
_POSITIONS_PER_FILE = 200_000
_COORDINATOR = "org.apache.iceberg.spark.FileRewriteCoordinator"

Positions = tuple[str, Sequence[int]]
"""A file, and positions in it in order."""


def stage_over(
    spark: SparkSession, table: Any, rows: DataFrame | None, places: Places, properties: Mapping[str, str]
) -> None:
    """Stages one snapshot of a loaded Iceberg table that adds the rows and takes away those in these places."""
    delta = table.newRowDelta()
    with ThreadPoolExecutor(1) as aside:
        # Rows of one file are written by one core; the others have time.
        deletes = aside.submit(inheritable_thread_target(lambda: _write_deletes(table, spark, places)))
        for file in _write_data(table, rows) if rows is not None else ():
            delta.addRows(file)
    for file in deletes.result():
        delta.addDeletes(file)
    for name, value in properties.items():
        delta.set(name, value)
    delta.stageOnly()
    delta.commit()


def _write_data(table: Any, rows: DataFrame) -> list[Any]:
    """Writes the rows to data files; the table stays as it is. Returns Iceberg's DataFiles.

    So do Iceberg's own compactions write: a coordinator takes the files, and no snapshot or manifest is made for them.
    """
    spark = rows.sparkSession
    key = str(uuid.uuid4())
    tables, coordinator = table_cache(spark), java_class(spark, _COORDINATOR).get()
    tables.add(key, table)
    try:
        writer = rows.write.format("iceberg").mode("append").option("rewritten-file-scan-task-set-id", key)
        writer.option("distribution-mode", "none").save(key)
        return list(coordinator.fetchNewFiles(table, key))
    finally:
        coordinator.clearRewrite(table, key)
        tables.remove(key)


def _write_deletes(table: Any, spark: SparkSession, places: Places) -> list[Any]:
    return [_write_delete_file(table, spark, group) for group in _groups(places)]


def _groups(places: Places) -> Iterator[list[Positions]]:
    group: list[Positions] = []
    for place in places.items():
        group.append(place)
        if sum(len(positions) for _, positions in group) >= _POSITIONS_PER_FILE:
            yield group
            group = []
    if group:
        yield group


def _write_delete_file(table: Any, spark: SparkSession, group: list[Positions]) -> Any:
    paths = pa.array([path for path, positions in group for _ in positions], pa.string())
    positions = pa.array([p for _, positions in group for p in positions], pa.int64())
    sink = pa.BufferOutputStream()
    content = pa.Table.from_arrays([paths, positions], schema=_SCHEMA)
    pq.write_table(content, sink, compression="zstd")
    body = sink.getvalue().to_pybytes()
    location = table.locationProvider().newDataLocation(f"{uuid.uuid4()}-deletes.parquet")
    stream = table.io().newOutputFile(location).createOrOverwrite()
    try:
        stream.write(bytearray(body))
    finally:
        stream.close()
    builder = (
        java_class(spark, "org.apache.iceberg.FileMetadata")
        .deleteFileBuilder(table.spec())
        .ofPositionDeletes()
        .withPath(location)
    )
    builder = builder.withFormat("parquet").withFileSizeInBytes(len(body)).withMetrics(_metrics(spark, group))
    return builder.build()


def _metrics(spark: SparkSession, group: list[Positions]) -> Any:
    """Bounds of the paths, by which a reader tells which delete files it needs."""
    count = sum(len(positions) for _, positions in group)
    conversions = java_class(spark, "org.apache.iceberg.types.Conversions")
    text = java_class(spark, "org.apache.iceberg.types.Types$StringType").get()
    lower, upper = (java_class(spark, "java.util.HashMap")() for _ in range(2))
    lower.put(_FILE_ID, conversions.toByteBuffer(text, group[0][0]))
    upper.put(_FILE_ID, conversions.toByteBuffer(text, group[-1][0]))
    return java_class(spark, "org.apache.iceberg.Metrics")(count, None, None, None, None, lower, upper)
