"""A gate under random histories: nobody sees a row of a blocked batch, and a replay under a mended gate applies it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from histories.check import FORMATS, check, seed_of
from histories.delivery import Slot
from histories.outcomes import Table
from histories.plan import Plan, batches, random_plan

pytestmark = pytest.mark.soak


def middle_share(plan: Plan) -> float:
    """The share of refused records that about half of the batches are above."""
    table, shares = Table(), []
    for i, found in batches(plan).items():
        counts = table.apply(str(i), [one for file in found for one in file.landed], plan.shape()).counts
        shares.append(counts["quarantined"] / counts["read"])
    return sorted(shares)[(len(shares) - 1) // 2]


@pytest.mark.parametrize("table_format", FORMATS)
def test_nobody_sees_a_blocked_batch(
    spark: SparkSession, table_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of()
    plan = random_plan(seed, 20, 5, 1, faults=0.5, table_format=table_format)
    mended = Slot(replay=tuple(range(len(plan.timeline))), declared=1)
    plan = replace(plan, timeline=(*plan.timeline, mended), share=middle_share(plan))
    with capsys.disabled():
        verdict = check(spark, plan, f"{table_format}, gate, SEED={seed}")
        print(f"  {verdict.blocked} batches blocked, {verdict.reads} reads")
    assert verdict.reads > 10
    assert verdict.blocked
