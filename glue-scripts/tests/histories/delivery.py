"""How stories arrive: cut into files, doubled, late and out of order, on a timeline that many histories share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from histories.story import Change, Story

FILES = 2
# About as many side effects as a run of one small batch has; what comes later is for the sweeps of the long tier.
_EFFECTS = 24


@dataclass(frozen=True)
class Slot:
    """One batch on the timeline: the load of a generation, or changes. If it `runs_on`, the next slot shares its run.

    `fault` is what happens to the run: None, ("crash", n, "before" or "after") at its nth side effect, or
    ("overtaken", n): at its nth one another run takes the lease, and this one goes on late. `replay` lists the earlier
    slots that are run again by force afterwards; `declared` is the step at which the declaration stands.
    """

    load: int | None = None
    runs_on: bool = False
    fault: tuple | None = None
    replay: tuple[int, ...] = ()
    declared: int = 0


Timeline = tuple[Slot, ...]


@dataclass(frozen=True)
class Delivery:
    """A change that arrives in a slot, in the nth file of its generation there; in a load's slot it is part of it."""

    slot: int
    generation: int
    file: int
    change: Change


@dataclass(frozen=True)
class History:
    """Everything of one history that arrives, and what its source has in the end, if that is what a lake must hold."""

    deliveries: tuple[Delivery, ...]
    truth: dict[int, dict[str, str | None]] | None = field(default=None, compare=False)


def timeline(r: Random, batches: int, generations: int, faults: float = 0.4, steps: int = 0) -> Timeline:
    """A timeline of this many batches of changes and of the loads before them; now and then a load comes late.

    `faults` is the share of runs that something happens to, `steps` how many steps the declaration takes on the way.
    """
    slots: list[Slot] = []
    per = max(1, batches // generations)
    for number in range(1, generations + 1):
        part: list[Slot] = [Slot() for _ in range(per)]
        if number > 1 or r.random() < 0.7:
            part.insert(1 if number > 1 and r.random() < 0.2 else 0, Slot(load=number))
        slots += part
    made = []
    taken = sorted(r.randrange(1, len(slots)) for _ in range(steps))
    for i, slot in enumerate(slots):
        fault = random_fault(r) if r.random() < faults else None
        replay = tuple(r.sample(range(i + 1), 1)) if r.random() < 0.15 or i in taken else ()
        runs_on = r.random() < 0.35 and not replay and i + 1 < len(slots)
        made.append(Slot(slot.load, runs_on, fault, replay, sum(i >= at for at in taken)))
    return tuple(made)


def random_fault(r: Random) -> tuple[Any, ...]:
    """What happens to a run: it dies before or after one of its side effects, or is overtaken at one."""
    if r.random() < 0.75:
        return "crash", r.randint(1, _EFFECTS), r.choice(("before", "after"))
    return "overtaken", r.randint(1, _EFFECTS)


def deliver(r: Random, told: Story, slots: Timeline) -> History:
    """Sends a story along the timeline: each change at least once, not before the load of its generation is claimed."""
    made: list[Delivery] = []
    for generation in told.generations:
        number = generation.number
        loads = [i for i, slot in enumerate(slots) if slot.load == number]
        for i in loads:
            made += [Delivery(i, number, r.randrange(FILES), change) for change in generation.load]
        first, last = _window(slots, number)
        for k, change in enumerate(generation.changes):
            open_slots = [i for i in range(first, len(slots)) if slots[i].load is None]
            own = [i for i in open_slots if i < last] or open_slots
            slot = own[min(k * len(own) // max(1, len(generation.changes)), len(own) - 1)]
            if r.random() < 0.2:
                slot = r.choice(open_slots)
            made.append(Delivery(slot, number, r.randrange(FILES), change))
            while r.random() < 0.15:
                made.append(Delivery(r.choice(open_slots), number, r.randrange(FILES), change))
    r.shuffle(made)
    return History(tuple(made), told.rows if told.clean else None)


def _window(slots: Sequence[Slot], number: int) -> tuple[int, int]:
    """The slots of a generation's own time: from its load on, up to the next one's."""
    loads = {slot.load: i for i, slot in enumerate(slots) if slot.load is not None}
    own = [i for g, i in loads.items() if g == number]
    later = [i for g, i in loads.items() if g > number]
    start = own[0] if own else 0
    if own and own[0] > 0 and slots[own[0] - 1].load is None and number > 1:
        # A late load: one batch of its generation's changes may come before it.
        start = own[0] - 1
    return start, min(later, default=len(slots))
