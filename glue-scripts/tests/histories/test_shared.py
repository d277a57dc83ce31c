"""Many histories in shared batches of one table."""

from __future__ import annotations

import os
import time

from lake import Lake

from histories.driver import play
from histories.plan import random_plan


def test_try(lake: Lake) -> None:
    seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    print("seed", seed)
    plan = random_plan(seed, 150, 8, 2, key=os.environ.get("KEY", "composite"))
    print(plan.timeline)
    t = time.time()
    verdict = play(plan, lake)
    print(time.time() - t, verdict.batches)
    print("\n".join(verdict.faults))
    print("\n".join(verdict.problems[:20]))
    assert not verdict.problems
