"""Frames that are computed once and read often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame


def hold(frame: DataFrame) -> DataFrame:
    """The frame, computed when it is first read and kept until it is unpersisted."""
    return frame.persist(StorageLevel.MEMORY_AND_DISK)


@contextmanager
def held(frame: DataFrame | None) -> Iterator[DataFrame | None]:
    """The frame, held as long as the context lasts."""
    if frame is None:
        yield None
        return
    kept = hold(frame)
    try:
        yield kept
    finally:
        kept.unpersist()
