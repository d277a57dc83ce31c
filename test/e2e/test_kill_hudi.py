"""The job is killed before and after every side effect it has on a Hudi table; the rerun ends in the same state."""

from __future__ import annotations

from decimal import Decimal

import pytest
from effects import effect
from shop import Shop

from rehearsal.cloud.faults import When

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

TABLE = ("shop_shop_cleaned", "aisles")
HEADER = "id,change_seq,kind,price\n"
# The side effects of a first and of a later batch. A batch has four attempts, so three of each are killed at once.
DECISIVE = (
    ("refine: cleaned decision", "refine: cleaned commit", "refine: CreateTable cleaned"),
    ("refine: cleaned data", "refine: cleaned decision", "refine: cleaned commit"),
)
OTHERS = (
    ("refine: cleaned properties", "refine: cleaned folder", "refine: cleaned commit.requested"),
    ("refine: cleaned commit.requested", "refine: cleaned inflight"),
)


def land(shop: Shop, points: tuple[str, ...], when: When, n: int, text: str) -> list[str]:
    """Lands a file; each point kills whoever comes there first. Returns the points that nobody came to."""
    faults = shop.cloud.faults
    faults.clear()
    plans = [
        faults.kill(lambda c, name=name: effect(c) == name and "/aisles" in c.resource, when=when) for name in points
    ]
    shop.put(f"files/shop/aisles/{n:04}.csv", HEADER + text)
    shop.recover(rounds=8 + len(plans))
    faults.clear()
    return [name for name, plan in zip(points, plans, strict=True) if plan.call is None]


@pytest.mark.parametrize(
    "points", [pytest.param(DECISIVE, id="decisive"), pytest.param(OTHERS, id="others", marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_every_side_effect_on_a_hudi_table(shop: Shop, when: When, points: tuple[tuple[str, ...], ...]):
    first, later = points
    missed = land(shop, first, when, 1, "1,1,book,1.50\n2,1,game,2.00\n2,1,toy,2.00\n")
    assert missed == []
    assert len(shop.lake.snapshots()[".".join(TABLE)]) == 2, "one commit makes the table, one is the batch's"
    missed = land(shop, later, when, 2, "1,2,book,9.00\n2,0,game,8.00\n3,1,game,3.00\n")
    assert missed == []
    assert len(shop.lake.snapshots()[".".join(TABLE)]) == 3, "a batch that ran twice has one commit"
    rows = sorted((r["id"], r["change_seq"], r["price"]) for r in shop.lake.rows(*TABLE))
    assert rows == [(1, 2, Decimal("9.00")), (2, 1, Decimal("2.00")), (3, 1, Decimal("3.00"))]
    counts = [{k: int(v) for k, v in b["counts"].items() if v} for b in shop.lake.ledger().batches()]
    assert counts == [
        {"read": 3, "inserted": 2, "quarantined": 1},
        {"read": 3, "updated": 1, "stale": 1, "inserted": 1},
    ]
    assert len(shop.lake.rows("shop_shop_quarantine", "aisles")) == 1
