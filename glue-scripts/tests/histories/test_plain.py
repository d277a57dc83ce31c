"""Append and upsert datasets: many histories in one table, doubled, late, invalid, replayed and struck by faults."""

from __future__ import annotations

import dataclasses

import pytest
from lake import Lake
from pyspark.sql import SparkSession

from histories.check import FORMATS, seed_of
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


def test_a_record_without_a_key_is_a_row_wherever_it_stands() -> None:
    table = replayed(plan := random_plain(1, "append", 40, 6, keyed=False))
    lines = [line for made in files(plan).values() for _, lines, _ in made for line in lines]
    assert len(table.rows) + sum(map(len, table.quarantine.values())) == len(lines)
    before = dict(table.rows)
    state, counts = table.apply("again", lines)
    assert (state, counts["duplicate"], table.rows) == ("empty", len(before), before)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["append", "upsert", "append without a key"])
@pytest.mark.parametrize("table_format", FORMATS)
def test_tables_without_changes(
    spark: SparkSession, table_format: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, load = seed_of(), kind.split()[0]
    for seed in range(first, first + 5):
        plan = random_plain(seed, load, 200, 8, keyed=kind == load, table_format=table_format)
        verdict = play_plain(plan, Lake(spark))
        with capsys.disabled():
            print(f"\n{table_format}, {kind}, SEED={seed}: {plan.histories} histories, {verdict.batches} batches,"
                  f" {len(verdict.faults)} faults, {len(verdict.problems)} disagreements")  # fmt: skip
        assert not verdict.problems, "\n".join(verdict.problems[:10])
