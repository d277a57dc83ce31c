"""Histories of a table whose keys are tokens, turned back by its vault, with most runs struck once, anywhere."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from pyspark.sql import SparkSession

from histories.check import FORMATS, check, seed_of
from histories.plan import Plan, random_plan
from histories.soak import EFFECTS

pytestmark = pytest.mark.soak

# A batch of tokens has so many side effects more: files and metadata of its vault, the vault's table and its commits.
_MORE = 12


@pytest.mark.parametrize("table_format", FORMATS)
def test_every_token_is_turned_back(spark: SparkSession, table_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    seed = seed_of()
    key = ("composite", "single")[seed % 2]
    more = {"key": key, "table_format": table_format, "tokenised": True}
    plan = spread(random_plan(seed, 30, 10, 2, faults=0.9, **more))
    with capsys.disabled():
        check(spark, plan, f"{table_format}, {key} key of tokens, SEED={seed}")


def spread(plan: Plan) -> Plan:
    """The plan with its faults at any side effect of a batch, each as likely as every other."""
    r = Random(f"{plan.seed}/faults")
    slots = [
        replace(slot, fault=slot.fault and (slot.fault[0], r.randint(1, EFFECTS + _MORE), *slot.fault[2:]))
        for slot in plan.timeline
    ]
    return replace(plan, timeline=tuple(slots))
