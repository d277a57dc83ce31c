"""Histories that share the batches of one table: 300 of them on Iceberg, 60 on each other format.

A batch costs what it costs, whatever its rows are: so there are many histories and few batches, and the seed chooses
the kind of key.
"""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from histories.check import FORMATS, check, seed_of
from histories.plan import random_plan

# How many histories, in about how many batches of changes.
_SIZES = {"iceberg": (300, 4), "delta": (60, 3), "hudi": (60, 3)}


@pytest.mark.parametrize("table_format", FORMATS)
def test_the_table_is_what_the_model_says(
    spark: SparkSession, table_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed, (histories, batches) = seed_of(), _SIZES[table_format]
    key = ("composite", "single")[seed % 2]
    plan = random_plan(seed, histories, batches, 2, key=key, table_format=table_format)
    with capsys.disabled():
        check(spark, plan, f"{table_format}, {key} key, SEED={seed}", peers=True)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["evolves", "large"])
@pytest.mark.parametrize("table_format", FORMATS)
def test_the_table_follows_its_input_or_is_large(
    spark: SparkSession, table_format: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of()
    key = ("composite", "single")[seed % 2]
    plan = random_plan(seed, 60, 6, 2, key=key, table_format=table_format, **{kind: True})
    with capsys.disabled():
        check(spark, plan, f"{table_format}, {kind}, {key} key, SEED={seed}")
