"""What a rule refers to is worked on first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakejobs.declared_fields import dataset_of
from lakejobs.manifest import Manifest
from lakejobs.refine.turns import in_turn, waits
from specs import column, dataset

IDS = [f"sales.d{n}" for n in range(6)]
EDGES = st.sets(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)))


def lake_of(edges: set[tuple[str, str]]) -> Manifest:
    """Each pair is a dataset and one that a rule of it refers to."""

    def rules(name: str) -> list[dict]:
        own = {"policy": "warn", "threshold": None, "column": "id"}
        return [{"kind": "reference", "dataset": other, **own} for at, other in sorted(edges) if at == name]

    specs = [dataset(name.split(".")[1], [column("id", rules=rules(name))], ["id"]) for name in IDS]
    return Manifest("test", "test_operations", tuple(dataset_of(spec, "test") for spec in specs), (), ())


@given(EDGES, st.sets(st.sampled_from(IDS)))
def test_all_are_worked_on_and_references_come_first(edges: set[tuple[str, str]], run: set[str]) -> None:
    order = waits(run, lake_of(edges))
    assert order.keys() == run
    asked = {(at, other) for at, other in edges if at != other and {at, other} <= run}
    kept = {(at, other) for at, others in order.items() for other in others}
    assert kept <= asked
    began, ended, lock = [], [], threading.Lock()

    def work(name: str) -> str:
        with lock:
            assert order[name] <= set(ended)
            began.append(name)
        with lock:
            ended.append(name)
        return name.upper()

    with ThreadPoolExecutor(3) as pool:
        assert in_turn(pool, order, work) == {name: name.upper() for name in run}
    assert len(began) == len(run)
    for at, other in asked - kept:
        assert other_leads_to(kept, other, at), f"{at} does not wait for {other}, and nothing forbids it"


def other_leads_to(edges: set[tuple[str, str]], start: str, end: str) -> bool:
    reached, before = {start}, set()
    while reached != before:
        before = set(reached)
        reached |= {other for at, other in edges if at in reached}
    return end in reached


def test_who_waits_for_nobody_is_not_held_up() -> None:
    order = waits(IDS[:3], lake_of({(IDS[0], IDS[1])}))
    free = threading.Event()

    def work(name: str) -> None:
        if name == IDS[1]:
            assert free.wait(10), "d2 waits for d1, to which it does not refer"
        if name == IDS[2]:
            free.set()

    with ThreadPoolExecutor(2) as pool:
        in_turn(pool, order, work)


def test_an_error_is_not_lost() -> None:
    def work(name: str) -> None:
        raise ValueError(name)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="sales"):
        in_turn(pool, waits(IDS[:2], lake_of(set())), work)


def test_a_dataset_that_is_not_declared_any_more_waits_for_none() -> None:
    assert waits(["sales.gone"], lake_of(set())) == {"sales.gone": set()}
