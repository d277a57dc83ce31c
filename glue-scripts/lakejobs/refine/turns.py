"""Which datasets of a run wait for which: what a rule refers to comes first, if it is there to come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from graphlib import TopologicalSorter
from typing import TypeVar

from lakejobs.manifest import Manifest
from lakejobs.rules import Reference

T = TypeVar("T")


def waits(run: Collection[str], manifest: Manifest) -> dict[str, set[str]]:
    """Of each dataset of the run, by id, those of the run that its rules refer to. In a circle one waits for none."""
    rules = {d.id: [rule for column in d.columns for rule in column.rules] for d in manifest.datasets}
    found: dict[str, set[str]] = {name: set() for name in sorted(run)}
    for name, others in found.items():
        wanted = {rule.dataset for rule in rules.get(name, ()) if isinstance(rule, Reference)}
        for other in sorted(wanted & found.keys() - {name}):
            if not _waits_for(found, other, name):
                others.add(other)
    return found


def _waits_for(found: Mapping[str, set[str]], name: str, other: str) -> bool:
    """Whether it does so by way of any."""
    return other in found[name] or any(_waits_for(found, between, other) for between in found[name])


def in_turn(pool: Executor, order: Mapping[str, set[str]], work: Callable[[str], T]) -> dict[str, T]:
    """The work of each by its id, done as soon as that of all it waits for is done."""
    sorter, answers = TopologicalSorter(order), {}
    sorter.prepare()
    running: dict[Future[T], str] = {}
    while sorter.is_active():
        running |= {pool.submit(work, name): name for name in sorter.get_ready()}
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            name = running.pop(done)
            answers[name] = done.result()
            sorter.done(name)
    return answers
