"""Frames that are computed once and read often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame


class Held:
    """A frame that is computed when it is first read, and kept until `drop`.

    Whatever is made of `frame` is planned from its rows on. Made of the frame that was persisted, it would be analysed
    with all that led to it, over and over, and compared with all that is kept to find it there: for a batch's plans
    that is most of the time which the driver needs.
    """

    def __init__(self, frame: DataFrame) -> None:
        self._persisted = frame.persist(StorageLevel.MEMORY_AND_DISK)
        spark = frame.sparkSession
        rows = self._persisted._jdf.queryExecution().withCachedData()
        self.frame = DataFrame(spark._jvm.org.apache.spark.sql.Dataset.ofRows(spark._jsparkSession, rows), spark)

    def drop(self) -> None:
        """Lets go of the rows. What was made of `frame` cannot be read any more."""
        self._persisted.unpersist()


@contextmanager
def held(frame: DataFrame | None) -> Iterator[DataFrame | None]:
    """The frame, held as long as the context lasts."""
    if frame is None:
        yield None
        return
    kept = Held(frame)
    try:
        yield kept.frame
    finally:
        kept.drop()
