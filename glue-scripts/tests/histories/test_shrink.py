"""Shrinking, with a model that has a mistake in the place of the job."""

from __future__ import annotations

from histories.delivery import Delivery, History, Slot
from histories.driver import Verdict
from histories.model import Row, Shape
from histories.outcomes import Table
from histories.plan import Plan, batches, pasted, random_plan
from histories.records import Key
from histories.shrink import shrink
from histories.story import Change


class Forgetful(Table):
    """Takes a tombstone for a key that was never there."""

    def _outcome(self, key: Key, row: Row, last: tuple, shape: Shape) -> str:
        stored = self.rows.get(key)
        if stored is not None and stored.content is None and row.content is not None:
            return "inserted" if shape.place(row) == last else "superseded"
        return super()._outcome(key, row, last, shape)


def play(plan: Plan) -> Verdict:
    verdict, right, wrong = Verdict(), Table(), Forgetful()
    made = batches(plan)
    for i, slot in enumerate(plan.timeline):
        for one in (i, *slot.replay):
            landed = [record for file in made.get(one, ()) for record in file.landed]
            for table in (right, wrong):
                table.apply(str(one), landed, plan.shape(), plan.timeline[one].load)
    for key in right.rows.keys() | wrong.rows.keys():
        if right.rows.get(key) != wrong.rows.get(key):
            verdict.add(f"{key}", plan.number(key))
    return verdict


def test_a_failing_history_shrinks_to_what_makes_it_fail() -> None:
    plan = random_plan(1, 60, 8, 2)
    verdict = play(plan)
    assert verdict.histories
    number = min(verdict.histories)
    small = shrink(plan, number, play)
    assert small is not None and play(small).problems
    (history,) = small.histories.values()
    # A delete, and something older of that key after it.
    assert len(history.deliveries) == 2, pasted(small)
    assert len(small.timeline) <= 3
    assert all(s.fault is None and not s.runs_on for s in small.timeline)
    assert sum(len(s.replay) for s in small.timeline) <= 1


def test_a_history_that_is_right_alone_is_not_shrunk() -> None:
    history = History((Delivery(0, 1, 0, Change("I", 1, "1", {"kind": "A"})),))
    assert shrink(Plan(1, (Slot(),), {1: history}, content=("kind",)), 1, play) is None
