"""One bad batch among many fails alone, a gate leaves the table untouched, and one command replays after the fix."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from shop import Shop

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

FEEDS = [f"feeds.feed{i}" for i in range(10)]
POISON = "feeds.feed3"


@pytest.fixture
def mendable(shop: Shop) -> Iterator[Shop]:
    yield shop
    shop.declare(shop.first)


def outcome(shop: Shop, dataset: str) -> tuple[str, str]:
    (batch,) = [b for b in shop.lake.ledger().batches() if b["dataset"] == dataset]
    return batch["state"], batch.get("code", "")


def test_one_poison_batch_among_ten(mendable: Shop):
    shop = mendable
    for i in range(10):
        shop.put(f"files/feeds/feed{i}/readings.csv", f"id,reading\n{i},0.5\n")
    shop.settle()
    assert {d: outcome(shop, d)[0] for d in FEEDS} == {d: "failed" if d == POISON else "applied" for d in FEEDS}
    assert outcome(shop, POISON)[1] == "unreadable"

    (row,) = shop.query("failed_batches")
    assert POISON in row and "unreadable" in row
    assert any("readings.csv" in str(value) for value in row), f"the reason names the object: {row}"
    assert shop.lake.tables().count(("shop_feeds_cleaned", "feed3")) == 0

    shop.declare(shop.mended)
    shop.lake.invoke("dispatch", {"action": "replay", "state": "failed"})
    shop.settle()
    assert {d: outcome(shop, d)[0] for d in FEEDS} == dict.fromkeys(FEEDS, "applied")
    assert shop.lake.rows("shop_feeds_cleaned", "feed3", ["id", "reading"]) == [{"id": 3, "reading": 0.5}]
    assert shop.query("failed_batches") == []
    (batch,) = [b for b in shop.lake.ledger().batches() if b["dataset"] == POISON]
    assert {h["manifest"] for h in batch["history"]} != {batch["manifest"]}, "both declarations are on record"


def test_blocked_gate_leaves_main_untouched(mendable: Shop):
    shop = mendable
    shop.put("files/shop/orders/good.csv", "id,item\n1,1\n2,1\n")
    shop.settle()
    before = shop.main_snapshots("shop_shop_cleaned", "orders")
    rows = shop.lake.rows("shop_shop_cleaned", "orders")
    assert len(before) == 1 and len(rows) == 2

    shop.put("files/shop/orders/bad.csv", "id,item\n3,1\n4,\n5,1\n")
    shop.settle()
    (blocked,) = [b for b in shop.lake.ledger().batches() if b["state"] == "blocked"]
    assert blocked["code"] == "gate"
    assert {k: int(v) for k, v in blocked["counts"].items() if v} == {"read": 3, "blocked": 3}
    assert shop.main_snapshots("shop_shop_cleaned", "orders") == before
    assert shop.lake.rows("shop_shop_cleaned", "orders") == rows
    assert shop.lake.rows("shop_shop_quarantine", "orders") == [], "a blocked batch quarantines nothing"
    assert any("blocked" in row for row in shop.query("failed_batches"))

    shop.declare(shop.mended)
    shop.lake.invoke("dispatch", {"action": "replay", "batch": blocked["pk"].removeprefix("batch#")})
    shop.settle()
    assert sorted(r["id"] for r in shop.lake.rows("shop_shop_cleaned", "orders")) == [1, 2, 3, 5]
    (record,) = shop.lake.rows("shop_shop_quarantine", "orders")
    assert list(record["reasons"]) == ["required:item"]


def test_quality_rules_block_and_warn(shop: Shop):
    """The results of the rules are rows in Athena, and metrics; what a rule blocks is not on main."""
    metrics = ("FailedRules", "WarnedRules", "BlockedBatches")
    before = [shop.metric(name) for name in metrics]
    shop.put("files/feeds/feed9/full.csv", "id,reading\n1,0.5\n2,\n")
    shop.put("files/shop/items/dear.csv", "id,change_seq,kind,price\n1,1,book,1000\n2,1,game,1000.01\n3,1,car,9999\n")
    shop.settle()
    assert outcome(shop, "feeds.feed9") == ("applied", "")
    assert outcome(shop, "shop.items") == ("applied", "")
    shop.put("files/feeds/feed9/thin.csv", "id,reading\n3,0.5\n4,\n5,\n")
    shop.settle()
    (blocked,) = [b for b in shop.lake.ledger().batches() if b["state"] == "blocked"]
    reason = "rule completeness:reading: observed 0.333333, expected 0.5 of the rows: a value (2 of 3 rows fail)"
    assert (blocked["dataset"], blocked["code"], blocked["reason"]) == ("feeds.feed9", "gate", reason)
    assert [r["id"] for r in shop.lake.rows("shop_feeds_cleaned", "feed9")] == [1, 2]

    failed = {row[:3]: row[3:7] for row in shop.query("failed_rules")}
    assert failed == {
        ("feeds.feed9", "completeness:reading", "block"): ("0.5 of the rows: a value", pytest.approx(1 / 3), 3, 2),
        ("shop.items", "range:price:2", "warn"): ("all rows: at most 1000", 0.5, 2, 1),
        ("shop.items", "set:kind", "quarantine"): ("all rows: one of book, game", pytest.approx(2 / 3), 3, 1),
    }
    assert any("completeness:reading" in str(value) for row in shop.query("failed_batches") for value in row)
    assert [shop.metric(name) for name in metrics] == [1 + count for count in before]


def test_unreadable_object_is_set_aside_alone(shop: Shop):
    whole = gzip.compress(b"id,item\n7,1\n" * 50)
    shop.put("files/shop/orders/torn.csv.gz", whole[:-9])
    shop.put("files/shop/orders/fine.csv", "id,item\n8,1\n")
    shop.settle()
    states = {o["key"].rsplit("/", 1)[1]: o["state"] for o in shop.lake.ledger().objects()}
    assert states == {"torn.csv.gz": "unreadable", "fine.csv": "claimed"}
    assert [r["id"] for r in shop.lake.rows("shop_shop_cleaned", "orders")] == [8]
