"""The long tier, in shards of less than 90 minutes that go on where the last one ended.

SEED=n begins anew with that seed, SHARD=k/n takes every nth job from the kth on (from 1), FORMAT names a table format.
The state is in build/histories.
"""

from __future__ import annotations

import os
import time

import pytest
from pyspark.sql import SparkSession

from histories.check import BUILD, FORMATS, check
from histories.soak import EFFECTS, SWEEPS, Asked, State, names, plan_of

_SHARED, _ALONE = 10_000, 50
_SECONDS = 80 * 60


@pytest.mark.soak
@pytest.mark.timeout(90 * 60)
@pytest.mark.parametrize("table_format", FORMATS)
def test_ten_thousand_histories(spark: SparkSession, table_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked.of(os.environ, FORMATS)
    if table_format not in asked.formats:
        pytest.skip(f"FORMAT asks for {', '.join(asked.formats)}")
    state = State.load(BUILD / f"soak-{table_format}-{asked.first}-of-{asked.shards}.json", asked.seed)
    todo = names(_SHARED, _ALONE)[asked.first - 1 :: asked.shards]
    until = time.monotonic() + _SECONDS
    with capsys.disabled():
        for name in todo:
            if name in state.done or time.monotonic() > until:
                continue
            plan = plan_of(state.seed, table_format, name)
            verdict = check(spark, plan, f"{table_format}, {name}, SEED={state.seed}")
            if name.startswith(SWEEPS):
                assert verdict.effects <= EFFECTS, f"{name} leaves out side effects of a batch after the {EFFECTS}th"
            state.note(
                name, {"histories": len(plan.histories), "batches": verdict.batches, "faults": len(verdict.faults)}
            )
        done = [state.done[name] for name in todo if name in state.done]
        sums = ", ".join(f"{sum(d[what] for d in done)} {what}" for what in ("histories", "batches", "faults"))
        print(f"\n{len(done)} of {len(todo)} jobs done under seed {state.seed}: {sums}, no disagreement")
