"""A caller is killed before and after every named side effect; the rerun ends in the same state.

A killed caller is one whose every later call the stand-in refuses. `FRESH` are the effects of a dataset's first batch
that later batches do not have. The lists are compared with what a run really does, so a new side effect has to be named
here, and is then killed too.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest
from effects import effect, named
from shop import ITEMS, Shop

from rehearsal.cloud.faults import Call, When

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

STEADY = [
    "notice: ledger inbox+dirty",
    "notice: sqs SendMessage",
    "dispatch: ledger lease",
    "dispatch: artifacts manifests",
    "dispatch: artifacts batches",
    "dispatch: ledger batch+open",
    "dispatch: ledger inbox",
    "dispatch: ledger batch",
    "dispatch: ledger dirty deleted",
    "dispatch: ledger run+live+lease",
    "dispatch: artifacts runs",
    "dispatch: states StartExecution",
    "refine: ledger batch",
    "refine: artifacts quality",
    "refine: quarantine data",
    "refine: UpdateTable quarantine",
    "refine: UpdateTable quarantine #2",
    "refine: cleaned data",
    "refine: cleaned data #2",
    "refine: UpdateTable cleaned",
    "refine: UpdateTable cleaned #2",
    "refine: ledger batch+open",
    "record: artifacts ledger",
    "record: ledger batch",
    "record: ledger dirty",
    "record: ledger run",
    "publish: curated data",
    "publish: UpdateTable curated",
    "publish: ledger output",
    "record: ledger dirty deleted",
    "record: ledger run+live+lease",
]
FRESH = [
    "refine: CreateTable quarantine",
    "refine: CreateTable cleaned",
    "refine: UpdateTable cleaned #3",
    "publish: CreateTable curated",
]


def at(name: str):
    """Chooses the call with this numbered name."""
    base, _, number = name.partition(" #")
    return (lambda call: effect(call) == base), int(number or 1)


@dataclass
class Expected:
    """What the lake must hold after the files landed so far."""

    rows: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    files: int = 0

    def next_file(self) -> str:
        """Changes one row, adds one twice, repeats a stale change, and has a bad record."""
        self.files += 1
        n = self.files
        self.rows[1] = (n, "book", f"{n}.25")
        self.rows[100 + n] = (1, "game", "8.00")
        if n == 1:
            self.rows[2] = (5, "game", "3.00")
            lines = ["1,1,book,1.25", "101,1,game,8.00", "101,1,game,8.00", "2,5,game,3.00", "1,1,toy,1"]
            return "\n".join(["id,change_seq,kind,price", *lines, ""])
        return (
            f"id,change_seq,kind,price\n1,{n},book,{n}.25\n{100 + n},1,game,8.00\n{100 + n},1,game,8.00\n"
            f"2,4,game,9.99\n{n},{n},toy,1\n"
        )

    def counts(self) -> dict[str, int]:
        first = self.files == 1
        own = {"inserted": 3} if first else {"inserted": 1, "updated": 1, "stale": 1}
        return {"read": 5, "duplicate": 1, "quarantined": 1, **own}


class Chain:
    """Files land one after the other on one table; each is judged after it was killed and recovered."""

    def __init__(self, shop: Shop):
        self.shop, self.expected = shop, Expected()

    def land(self) -> str:
        key = f"{ITEMS}{self.expected.files + 1:04}.csv"
        text = self.expected.next_file()
        self.shop.put(key, text)
        return key

    def check(self, key: str) -> None:
        shop, expected = self.shop, self.expected
        ledger = shop.lake.ledger()
        record = next(o for o in ledger.objects() if o["key"] == key)
        assert record["state"] == "claimed"
        batch = next(b for b in ledger.batches() if b["pk"] == f"batch#{record['batch']}")
        assert batch["state"] == "applied", batch
        assert {k: int(v) for k, v in batch["counts"].items() if v} == expected.counts()
        assert ledger.open() == []
        state = shop.state()
        assert state.items == tuple(sorted((str(i), str(s), k, p) for i, (s, k, p) in expected.rows.items()))
        assert len(state.quarantine) == expected.files
        books = [p for _, k, p in expected.rows.values() if k == "book"]
        games = [p for _, k, p in expected.rows.values() if k == "game"]
        assert state.curated == (
            ("book", str(len(books)), f"{sum(map(float, books)):.2f}"),
            ("game", str(len(games)), f"{sum(map(float, games)):.2f}"),
        )
        for database in ("shop_shop_cleaned", "shop_shop_quarantine"):
            assert len(shop.main_snapshots(database, "items")) == expected.files, "one snapshot a batch"

    def killed(self, choose, nth: int, when: When, process: bool = False) -> Call | None:
        return self.killed_often([(choose, nth)], when, process)[0]

    def killed_often(self, points, when: When, process: bool = False) -> list[Call | None]:
        """Land one file; each point kills whoever comes there first, so every rerun gets one step further."""
        faults = self.shop.cloud.faults
        faults.clear()
        kill = faults.kill_process if process else faults.kill
        plans = [kill(choose, nth=nth, when=when) for choose, nth in points]
        key = self.land()
        self.shop.recover(rounds=8 + len(plans))
        faults.clear()
        self.check(key)
        return [plan.call for plan in plans]


@pytest.fixture(scope="module")
def chain(deployed: Shop) -> Chain:
    """A table that has its first batch."""
    deployed.reset()
    chain = Chain(deployed)
    key = chain.land()
    deployed.recover()
    chain.check(key)
    return chain


def test_every_side_effect_is_named(shop: Shop):
    chain = Chain(shop)
    runs = []
    for _ in range(2):
        shop.cloud.faults.clear()
        key = chain.land()
        shop.settle()
        chain.check(key)
        runs.append(named(shop.cloud.faults.calls))
    first, second = runs
    assert second == STEADY
    assert [name for name in first if name not in STEADY] == FRESH


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", FRESH)
def test_first_batch(shop: Shop, name: str, when: When):
    call = Chain(shop).killed(*at(name), when)
    assert call is not None, f"no call was {name}"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", [name for name in STEADY if name.startswith(("refine", "publish"))])
def test_later_batch(chain: Chain, name: str, when: When):
    call = chain.killed(*at(name), when)
    assert call is not None, f"no call was {name}"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("components", [("notice", "dispatch"), ("record",)], ids="-".join)
def test_every_step_of_a_function(chain: Chain, components: tuple[str, ...], when: When):
    """The functions are killed at each of their effects in turn, on the way of one file: no job runs in between."""
    names = [name for name in STEADY if name.startswith(components)]
    calls = chain.killed_often([at(name) for name in names], when)
    missed = [name for name, call in zip(names, calls, strict=True) if call is None]
    assert not missed, f"no call was {missed}"


@pytest.mark.parametrize(
    "name,when",
    [
        ("refine: ledger batch", "after"),
        ("refine: UpdateTable cleaned", "after"),
        ("publish: UpdateTable curated", "after"),
    ],
)
def test_sigkill_of_the_job(chain: Chain, name: str, when: When):
    call = chain.killed(*at(name), when, process=True)
    assert call is not None, f"no call was {name}"


@pytest.mark.soak
def test_random_points(chain: Chain):
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed}")
    dice = random.Random(seed)
    for _ in range(10):
        nth, when, process = dice.randint(1, 40), dice.choice(["before", "after"]), dice.random() < 0.3

        def ours(call: Call) -> bool:
            return call.caller.kind in ("lambda", "job")

        call = chain.killed(ours, nth, when, process)
        assert call is not None, f"a file has fewer than {nth} calls"
        print(f"killed {when} {call} (process: {process})")
