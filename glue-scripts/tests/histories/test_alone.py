"""Histories with a table of their own, whose declaration changes on the way and whose runs mostly die once.

Every other table follows its input besides.
"""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from histories.check import FORMATS, check, seed_of
from histories.plan import random_plan


@pytest.mark.parametrize("nth", range(5))
@pytest.mark.parametrize("table_format", FORMATS)
def test_a_table_of_its_own(
    spark: SparkSession, table_format: str, nth: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of() + nth
    key = "single" if nth % 2 else "composite"
    more = {"key": key, "table_format": table_format, "evolves": nth % 4 > 1}
    plan = random_plan(seed, 1, 3, 2, faults=0.8, steps=2, **more)
    with capsys.disabled():
        check(spark, plan, f"{table_format}, alone, SEED={seed - nth} number {nth}")
