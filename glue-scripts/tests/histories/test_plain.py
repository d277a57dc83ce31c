"""Append and upsert datasets: many histories in one table, doubled, late, invalid, replayed and struck by faults."""

from __future__ import annotations

import dataclasses

import pytest
from lake import Lake
from pyspark.sql import SparkSession

from histories.check import seed_of
from histories.plain import PlainPlan, files, play_plain, random_plain
from histories.plain_model import PlainTable


def replayed(plan: PlainPlan) -> PlainTable:
    table = PlainTable(plan.rule)
    for slot, made in files(plan).items():
        state, counts = table.apply(str(slot), [line for _, lines, _ in made for line in lines])
        assert counts["read"] == counts.total() - counts["read"]
        assert state == "empty" or counts["inserted"] + counts["updated"] + counts["unchanged"]
    return table


@pytest.mark.parametrize("seed", range(4))
def test_an_upsert_ends_the_same_however_it_is_cut(seed: int) -> None:
    plan = dataclasses.replace(random_plain(seed, "upsert", 40, 6), unique=False)
    ordered, table = replayed(plan), PlainTable(plan.rule)
    table.apply("all", [line for made in reversed(files(plan).values()) for _, lines, _ in made for line in lines])
    assert table.rows == ordered.rows


@pytest.mark.soak
@pytest.mark.parametrize("load", ["append", "upsert"])
def test_tables_without_changes(spark: SparkSession, load: str, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(seed_of(), seed_of() + 10):
        plan = random_plain(seed, load, 200, 8)
        verdict = play_plain(plan, Lake(spark))
        with capsys.disabled():
            print(f"\n{load}, SEED={seed}: {plan.histories} histories, {verdict.batches} batches,"
                  f" {len(verdict.faults)} faults, {len(verdict.problems)} disagreements")  # fmt: skip
        assert not verdict.problems, "\n".join(verdict.problems[:10])


@pytest.mark.soak
@pytest.mark.parametrize("load", ["append", "upsert"])
def test_tables_without_changes_in_short(spark: SparkSession, load: str) -> None:
    seed = seed_of()
    print(f"SEED={seed}")
    verdict = play_plain(random_plain(seed, load, 60, 3), Lake(spark))
    assert not verdict.problems, f"SEED={seed}\n" + "\n".join(verdict.problems[:10])
