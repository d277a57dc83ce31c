"""The harness catches the mistakes it is there for."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from histories.check import player
from histories.mutants import MUTANTS, Mutant
from histories.plan import random_plan


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mistake_is_found(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    mutant.apply(monkeypatch)
    for seed in range(1, 6):
        verdict = player(spark)(random_plan(seed, 40, 4, 2, faults=0.8))
        if verdict.problems:
            with capsys.disabled():
                print(
                    f"\n{mutant.name}: seed {seed}, {len(verdict.problems)} disagreements: {verdict.problems[0][:200]}"
                )
            return
    pytest.fail(f"{mutant.name} was not found")
