"""Plays plans in fresh lakes, and makes of a failing one a small test to keep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from lake import Lake
from pyspark.sql import SparkSession

from histories.driver import Verdict, play
from histories.peers import compare
from histories.plan import Plan, pasted
from histories.shrink import shrink

BUILD = Path(__file__).resolve().parents[3] / "build" / "histories"
FORMATS = ("iceberg", "delta", "hudi")


def seed_of() -> int:
    """SEED of the environment, or a new one."""
    return int(os.environ.get("SEED") or time.time_ns() % 1_000_000_000)


def player(spark: SparkSession, to_the_end: bool = True) -> Callable[[Plan], Verdict]:
    """Plays each plan in a lake of its own, as `play` does."""

    def one(plan: Plan) -> Verdict:
        lake = Lake(spark)
        try:
            return play(plan, lake, to_the_end)
        finally:
            lake.clear()

    return one


def check(spark: SparkSession, plan: Plan, what: str, peers: bool = False) -> Verdict:
    """Plays the plan and prints what came of it. Fails with the seed and, if it can be made, the smallest test."""
    began = time.monotonic()
    verdict = player(spark)(plan)
    took = time.monotonic() - began
    print(f"\n{what}: {len(plan.histories)} histories, {verdict.batches} batches, {len(verdict.faults)} faults struck,"
          f" {verdict.effects} effects at most, {len(verdict.problems)} disagreements, {took:.0f} s")  # fmt: skip
    for line in [*verdict.faults, *verdict.problems[:5]]:
        print(f"  {line[:300]}")
    if peers:
        print(compare(plan, ours=len(verdict.histories)))
    if verdict.problems:
        raise AssertionError(f"{what}: {_report(spark, plan, verdict)}")
    return verdict


def _report(spark: SparkSession, plan: Plan, verdict: Verdict) -> str:
    lines = [f"{len(verdict.problems)} disagreements, histories {sorted(verdict.histories)[:20]}"]
    lines += [f"  {problem}" for problem in verdict.problems[:8]]
    for number in sorted(verdict.histories or plan.histories)[:1]:
        small = shrink(plan, number, player(spark), float(os.environ.get("SHRINK_SECONDS") or 300))
        if small is None:
            lines.append(f"history {number} does not fail alone: run the plan of this seed again")
            continue
        BUILD.mkdir(parents=True, exist_ok=True)
        kept = BUILD / f"failure-{plan.seed}-{number}.py"
        kept.write_text(pasted(small) + "\n")
        lines.append(f"history {number}, shrunk (also in {kept.name}), to be kept in test_kept.py:\n{pasted(small)}")
    return "\n".join(lines)
