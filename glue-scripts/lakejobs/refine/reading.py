"""What goes wrong with objects while their rows are read, told apart from everything else that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from lakejobs.errors import is_infrastructure
from lakejobs.refine.source import Source, damaged, overwritten

Read = TypeVar("Read")


class Overwritten(Exception):
    """Objects at these positions were overwritten while the batch was read in place."""

    def __init__(self, positions: set[int]) -> None:
        super().__init__(f"objects {sorted(positions)} were overwritten")
        self.positions = positions


class Damaged(Exception):
    """Objects at these positions cannot be read to their end; why, by position."""

    def __init__(self, faults: dict[int, str]) -> None:
        super().__init__(f"objects {sorted(faults)} are damaged")
        self.faults = faults


def verify(s3: Any, source: Source) -> None:
    """Raises Overwritten if objects that are read in place are no longer those that were listed."""
    positions = overwritten(s3, source)
    if positions:
        raise Overwritten(positions)


def reading(spark: SparkSession, s3: Any, source: Source, work: Callable[[], Read]) -> Read:
    """What work that reads the source's rows gives. Raises Overwritten or Damaged where the source is to blame."""
    try:
        found = work()
    except Exception as error:
        verify(s3, source)
        faults = {} if is_infrastructure(error) else damaged(spark, source)
        if faults:
            raise Damaged(faults) from error
        raise
    verify(s3, source)
    return found
