"""The harness catches the mistakes it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lake import Lake
from pyspark.sql import SparkSession

from histories.check import player
from histories.driver import Verdict
from histories.mutants import MUTANTS, Mutant
from histories.plain import play_plain, random_plain
from histories.plan import Plan, random_plan


def plan_against(mutant: Mutant, seed: int) -> Plan:
    """A plan of small batches, whose runs are struck by chance or each, at ever later effects."""
    more = {"table_format": mutant.table, "evolves": mutant.evolving, "steps": mutant.steps}
    plan = random_plan(seed, 40, 4, 2, faults=0.0 if mutant.strikes else 0.8, **more)
    if not mutant.strikes:
        return plan
    # A table's commit is about the twentieth effect; who is overtaken has to be so well before his own.
    first, when = (12, ("after",)) if mutant.strikes == "crash" else (6, ())
    faults = [(mutant.strikes, first + seed + 2 * i, *when) for i in range(len(plan.timeline))]
    return replace(plan, timeline=tuple(replace(s, fault=f) for s, f in zip(plan.timeline, faults, strict=True)))


def against(spark: SparkSession, mutant: Mutant, seed: int) -> Verdict:
    if mutant.keyless:
        return play_plain(random_plain(seed, "append", 40, 4, keyed=False, table_format=mutant.table), Lake(spark))
    return player(spark, to_the_end=False)(plan_against(mutant, seed))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in MUTANTS[name].wrong:
        wrong.apply(monkeypatch)
    for seed in range(1, 6):
        verdict = against(spark, MUTANTS[name], seed)
        if verdict.problems:
            with capsys.disabled():
                print(f"\n{name}: seed {seed}, {len(verdict.problems)} disagreements: {verdict.problems[0][:200]}")
            return
    pytest.fail(f"{name} was not found")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_can_be_made(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The lines that mutants replace are there."""
    for wrong in MUTANTS[name].wrong:
        wrong.apply(monkeypatch)
