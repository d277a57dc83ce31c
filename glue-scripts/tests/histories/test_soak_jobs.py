"""The long tier's book-keeping, without Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from histories.pipeline import until_outcome
from histories.plan import batches
from histories.soak import Asked, State, names, plan_of


def test_jobs_are_what_was_asked_for() -> None:
    jobs = names(10_000, 50)
    assert len(jobs) == len(set(jobs))
    shared = [plan_of(1, "iceberg", name) for name in jobs[:1]]
    assert len(shared[0].histories) * sum(name.startswith("shared") for name in jobs) == 10_000
    assert sum(name.startswith("alone") for name in jobs) == 50
    struck = set()
    for name in jobs:
        if name.startswith(("merges", "first", "loads")):
            plan = plan_of(3, "iceberg", name)
            made = batches(plan)
            struck |= {
                (name.split()[0], *slot.fault) for i, slot in enumerate(plan.timeline) if slot.fault and i in made
            }
    for kind in ("merges", "loads", "first"):
        for when in ("before", "after"):
            assert {n for k, _, n, *w in struck if (k, w) == (kind, [when])} == set(range(1, 37)), (kind, when)
    assert plan_of(1, "iceberg", "alone 3") == plan_of(1, "iceberg", "alone 3")
    assert plan_of(1, "iceberg", "alone 3") != plan_of(2, "iceberg", "alone 3")


def test_effects_are_counted_until_an_outcome() -> None:
    outcome = "dynamodb:TransactWriteItems Update batch#1/batch; ConditionCheck lease#d/lease; Delete open/d#1"
    assert until_outcome(["s3:PutObject a", outcome, "s3:PutObject b", "glue:UpdateTable t"]) == 2
    assert until_outcome([outcome, "s3:PutObject a", outcome, "s3:PutObject b"]) == 3
    assert until_outcome(["s3:PutObject a", "s3:PutObject b"]) == 2


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "soak.json"
    state = State.load(path, 7)
    state.note("shared 1", {"histories": 2})
    assert State.load(path, None).done == State.load(path, 7).done == {"shared 1": {"histories": 2}}
    assert State.load(path, None).seed == 7
    assert (State.load(path, 8).seed, State.load(path, 8).done) == (8, {})


def test_what_is_asked_for() -> None:
    formats = ("iceberg", "delta")
    assert Asked.of({}, formats) == Asked(None, 1, 1, formats)
    assert Asked.of({"SEED": "7", "SHARD": "2/4", "FORMAT": "delta"}, formats) == Asked(7, 2, 4, ("delta",))


@pytest.mark.parametrize("shard", ["9/4", "0/4", "1", "1/", "a/b"])
def test_what_cannot_be_meant_is_told_at_once(shard: str) -> None:
    with pytest.raises(ValueError) as told:
        Asked.of({"SEED": "x", "SHARD": shard, "FORMAT": "orc"}, ("iceberg", "delta"))
    assert str(told.value) == (
        f"SEED: is 'x'; a whole number is needed; SHARD: is {shard!r}; k/n is needed, with k from 1 to n;"
        " FORMAT: is 'orc'; allowed: iceberg, delta"
    )
