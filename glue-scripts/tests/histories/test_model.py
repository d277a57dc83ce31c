"""The model held against its own promises and against what the sources have in the end; no Spark."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from histories.delivery import Delivery, History, Slot
from histories.driver import untrue
from histories.growth import followed
from histories.model import Epoch, Row, settled
from histories.outcomes import Table
from histories.peers import compare
from histories.plan import Plan, batches, pasted, random_plan
from histories.records import INVALID, Landed, parse
from histories.story import Change


@pytest.mark.parametrize(
    "text,kind,want",
    [
        ("+7", "int", 7), ("2147483648", "int", INVALID), ("", "int", INVALID), ("1.0", "bigint", INVALID),
        ("-9223372036854775808", "bigint", -(1 << 63)), (".5", "double", 0.5), ("1e400", "double", INVALID),
        ("NaN", "double", INVALID), ("1.500", "decimal(3,1)", Decimal("1.5")), ("1.25", "decimal(3,1)", INVALID),
        ("100", "decimal(3,1)", INVALID), ("1e2", "decimal(9,1)", INVALID), ("TRUE", "boolean", True),
        ("t", "boolean", INVALID), ("2023-02-29", "date", INVALID), (" 1", "int", INVALID), ("", "string", ""),
        ("2024-01-01 01:00:00+01:00", "timestamp", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.1Z", "timestamp", datetime(2024, 1, 1, microsecond=100_000, tzinfo=UTC)),
        ("2024-01-01", "timestamp", INVALID), (None, "int", None),
    ],
)  # fmt: skip
def test_values(text: str | None, kind: str, want: Any) -> None:
    got = parse(text, kind)
    assert got is want or (got == want and type(got) is type(want))


def epochs(plan: Plan, r: Random | None = None) -> list[Epoch]:
    """The plan's batches as epochs; with `r`, their changes in any order."""
    made, found = batches(plan), []
    waiting: list[Landed] = []
    for i, slot in enumerate(plan.timeline):
        landed = [one for file in made.get(i, ()) for one in file.landed]
        if slot.load is None or i not in made:
            waiting += landed
            continue
        found.append(Epoch(plan.shape(), waiting, slot.load, landed))
        waiting = []
    found.append(Epoch(plan.shape(), waiting))
    for epoch in found if r else ():
        r.shuffle(epoch.changes)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_both_models_agree_and_tell_the_truth(seed: int) -> None:
    """However changes are cut into batches, the table ends as the ordered history, and a clean one as its source."""
    plan = random_plan(seed, 40, 6, 3, key="composite" if seed % 2 else "single")
    wanted = settled(epochs(plan))
    assert settled(epochs(plan, Random(seed))) == wanted
    table, r = Table(), Random(seed)
    for n, epoch in enumerate(epochs(plan, r)):
        changes, cut = list(epoch.changes), 0
        while changes:
            size, cut = r.randint(1, len(changes)), cut + 1
            again = r.sample(changes, size) if r.random() < 0.3 else []
            for part in (changes[:size], again):
                outcome = table.apply(f"{n}.{cut}", part, plan.shape())
                assert outcome.counts["read"] == outcome.counts.total() - outcome.counts["read"] == len(part)
            changes = changes[size:]
        if epoch.load is not None:
            table.apply(f"{n}", epoch.records, plan.shape(), epoch.load)
    assert table.rows == wanted
    assert list(untrue(plan, table)) == []
    assert any(h.truth is not None for h in plan.histories.values())


@pytest.mark.parametrize("seed", range(4))
def test_a_table_that_follows_its_input_ends_as_if_declared_for_all_of_it(seed: int) -> None:
    plan = random_plan(seed, 30, 6, 2, key="composite" if seed % 2 else "single", evolves=True)
    table, columns = Table(), [0]
    for i, found in batches(plan).items():
        landed = [one for file in found for one in file.landed]
        table.apply(str(i), landed, plan.shape(), plan.timeline[i].load)
        columns.append(len(table.columns))
    every = [one for found in batches(plan).values() for file in found for one in file.landed]
    wide = dataclasses.replace(plan.shape(), columns=followed(plan.shape().columns, (), every), evolves=False)
    assert list(table.columns) == wide.columns
    assert len(set(columns)) > 2, "not all columns come at once"
    of_plan = [dataclasses.replace(epoch, shape=wide) for epoch in epochs(plan)]
    wanted = {key: wide.place(row) for key, row in settled(of_plan).items()}
    assert {key: wide.place(row) for key, row in table.rows.items()} == wanted
    assert list(untrue(plan, table)) == []


def test_stories_hold_every_motif() -> None:
    """What the harness promises to try does occur."""
    plan = random_plan(1, 300, 8, 3)
    changes = [d.change for h in plan.histories.values() for d in h.deliveries]
    table = Table()
    counts = sum(
        (table.apply(str(i), [one for file in found for one in file.landed], plan.shape(), plan.timeline[i].load).counts
         for i, found in batches(plan).items()),
        start=table.apply("-", [], plan.shape()).counts,
    )  # fmt: skip
    for outcome in ("inserted", "updated", "deleted", "unchanged", "superseded", "stale", "duplicate", "quarantined"):
        assert counts[outcome] > 20, outcome
    assert sum(c.moves for c in changes) > 100
    reasons = {reason for refused in table.quarantine.values() for one in refused for reason in one.reasons}
    content = {f"type:{name}" for name in ("qty", "day", "seen", "ok", "ratio") if name in plan.content}
    assert {
        "type:Op",
        "required:AR_H_CHANGE_SEQ",
        "type:AR_H_CHANGE_SEQ",
        "type:id",
        "required:id",
        "type:BI_id",
    } | content <= reasons


def test_a_pasted_plan_is_the_plan() -> None:
    plan = random_plan(5, 3, 4, 2, key="single", evolves=True)
    names = {"Plan": Plan, "Slot": Slot, "History": History, "Delivery": Delivery, "Change": Change}
    again = eval(pasted(plan), names)
    assert dataclasses.replace(again) == plan
    assert {i: [f.body for f in found] for i, found in batches(again).items()} == {
        i: [f.body for f in found] for i, found in batches(plan).items()
    }


def test_the_peers_are_right_where_they_can_be() -> None:
    """In order, once, a batch for each change and no change of a key: all strategies end as the model does."""
    r, histories = Random(1), {}
    for number in range(1, 41):
        rows: dict[int, str] = {}
        made = []
        for n in range(1, 9):
            i = r.randint(1, 3)
            op = "I" if i not in rows else r.choice("UD")
            rows[i] = op
            if op == "D":
                del rows[i]
            values = {} if op == "D" else {"kind": r.choice("ABC")}
            made.append(Delivery(n, 1, 0, Change(op, n, str(i), values, at=n)))
        histories[number] = History(tuple(made))
    plan = Plan(1, tuple(Slot() for _ in range(9)), histories, content=("kind",))
    found = compare(plan)
    assert found.wrong == dict.fromkeys(found.wrong, 0)
    late = dataclasses.replace(plan, timeline=(*plan.timeline, Slot(replay=(3,))))
    assert compare(late).wrong["two passes, unconditional"] > 0
    assert Row(1, "", None) == Row(1, "", None, "other batch")


def test_the_peers_fail_where_the_job_must_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(random_plan(7, 300, 8, 2))
    with capsys.disabled():
        print(f"\n{found}")
    assert all(n > 15 for n in found.wrong_of_fixed_keys.values())
