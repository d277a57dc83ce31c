"""Makes a failing plan small: fewer deliveries first, then fewer slots, faults and replays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from histories.delivery import Delivery, History, Timeline
from histories.driver import Verdict
from histories.plan import Plan

Player = Callable[[Plan], Verdict]

# How many candidates share one table, and so one run of the timeline.
_TOGETHER = 24


def shrink(plan: Plan, number: int, play: Player, seconds: float = 900) -> Plan | None:
    """The smallest plan found in that time in which this history alone still fails; None if alone it does not.

    Candidates are tried as histories beside one another, since they cost hardly more together than one does.
    """
    until = time.monotonic() + seconds
    failing = list(plan.histories[number].deliveries)
    if not _failing(plan, [failing], play):
        return None
    parts = 2
    while time.monotonic() < until and parts <= len(failing):
        candidates = list(_without_parts(failing, parts))
        bad = _failing(plan, candidates, play)
        if bad:
            failing = min((candidates[i] for i in bad), key=len)
            parts = max(2, parts - 1)
        elif parts == len(failing):
            break
        else:
            parts = min(len(failing), 2 * parts)
    plan = _alone(plan, [failing])
    for simpler in _simpler_timelines(plan):
        if time.monotonic() > until:
            break
        tried = simpler(plan)
        if tried is not None and play(tried).problems:
            plan = tried
    return plan


def _without_parts(deliveries: Sequence[Delivery], parts: int) -> Iterator[list[Delivery]]:
    """The deliveries without the first of so many parts, without the second, and so on."""
    cuts = [len(deliveries) * k // parts for k in range(parts + 1)]
    for low, high in zip(cuts, cuts[1:], strict=False):
        yield [*deliveries[:low], *deliveries[high:]]


def _alone(plan: Plan, candidates: Sequence[Sequence[Delivery]]) -> Plan:
    """The candidates as the plan's only histories. What a source has in the end is not known of a part of its story."""
    return replace(plan, histories={i + 1: History(tuple(c)) for i, c in enumerate(candidates)})


def _failing(plan: Plan, candidates: list[list[Delivery]], play: Player) -> list[int]:
    """Which of the candidates fail; where no row tells which, each is tried alone."""
    bad: list[int] = []
    for start in range(0, len(candidates), _TOGETHER):
        part = candidates[start : start + _TOGETHER]
        verdict = play(_alone(plan, part))
        found = [start + number - 1 for number in sorted(verdict.histories)]
        if verdict.problems and not found:
            found = [start + i for i, c in enumerate(part) if len(part) == 1 or play(_alone(plan, [c])).problems]
        bad += found
        if bad:
            return bad
    return bad


def _simpler_timelines(plan: Plan) -> list[Callable[[Plan], Plan | None]]:
    slots = len(plan.timeline)
    changes: list[Callable[[Plan], Plan | None]] = [_quiet]
    changes += [_without_slot(i) for i in reversed(range(slots))]
    for i in range(slots):
        changes += [_slot_without(i, "fault", None), _slot_without(i, "replay", ()), _slot_without(i, "runs_on", False)]
    return changes


def _quiet(plan: Plan) -> Plan | None:
    """Without any fault, replay or shared run."""
    quiet = tuple(replace(s, fault=None, replay=(), runs_on=False) for s in plan.timeline)
    return None if quiet == plan.timeline else replace(plan, timeline=quiet)


def _slot_without(i: int, name: str, value: object) -> Callable[[Plan], Plan | None]:
    def change(plan: Plan) -> Plan | None:
        if i >= len(plan.timeline) or getattr(plan.timeline[i], name) == value:
            return None
        slots = list(plan.timeline)
        slots[i] = replace(slots[i], **{name: value})
        return replace(plan, timeline=tuple(slots))

    return change


def _without_slot(i: int) -> Callable[[Plan], Plan | None]:
    """Without a slot in which nothing arrives; those after it move up."""

    def change(plan: Plan) -> Plan | None:
        used = any(d.slot == i for h in plan.histories.values() for d in h.deliveries)
        if used or i >= len(plan.timeline):
            return None
        moved: Timeline = tuple(
            replace(s, replay=tuple(k - (k > i) for k in s.replay if k != i))
            for k, s in enumerate(plan.timeline)
            if k != i
        )
        histories = {
            n: History(tuple(replace(d, slot=d.slot - (d.slot > i)) for d in h.deliveries))
            for n, h in plan.histories.items()
        }
        return replace(plan, timeline=moved, histories=histories)

    return change
