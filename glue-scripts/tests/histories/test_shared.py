"""Histories that share the batches of a table: 300 on Iceberg, 60 on each other format, half of them with a key of
either kind."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from histories.check import FORMATS, check, seed_of
from histories.plan import random_plan

_HISTORIES = {"iceberg": 150, "delta": 30}

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("key", ["composite", "single"])
@pytest.mark.parametrize("table_format", FORMATS)
def test_the_table_is_what_the_model_says(
    spark: SparkSession, table_format: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of()
    plan = random_plan(seed, _HISTORIES[table_format], 6, 2, key=key, table_format=table_format)
    with capsys.disabled():
        check(spark, plan, f"{table_format}, {key} key, SEED={seed}", peers=True)
