"""Snapshots, changes that somebody else's DMS task writes, and tables that follow their input, from object to table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shop import Shop

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

RATES = "files/kinds/rates"


def rates(**of: float) -> str:
    return "".join(json.dumps({"currency": name, "rate": rate}) + "\n" for name, rate in of.items())


def counts(shop: Shop, dataset: str) -> list[dict[str, int]]:
    """The counts that are not zero of each of the dataset's batches, in the order they were frozen."""
    found = sorted((b for b in shop.lake.ledger().batches() if b["dataset"] == dataset), key=lambda b: b["frozen_at"])
    return [{k: int(v) for k, v in {**b["counts"], "absent": b["absent"]}.items() if v} for b in found]


def test_snapshots_are_applied_in_their_order_one_by_one(shop: Shop):
    shop.put(f"{RATES}/20260102T08.json", rates(EUR=1.0, CHF=1.1, SEK=0.1))
    shop.settle()
    shop.put(f"{RATES}/20260102T09.json", rates(EUR=1.2, CHF=1.1, DKK=0.15))
    shop.settle()
    assert counts(shop, "kinds.rates") == [
        {"read": 3, "inserted": 3},
        {"read": 3, "inserted": 1, "updated": 1, "unchanged": 1, "absent": 1},
    ]
    shop.put(f"{RATES}/20260102T07.json", rates(SEK=9))
    shop.settle()
    shop.put(f"{RATES}/20260102T10.json", rates(EUR=1.2))
    shop.settle()
    assert counts(shop, "kinds.rates")[2:] == [{"read": 1, "stale": 1}, {"read": 1, "blocked": 1}]
    assert "2 of 3 stored rows are not in the snapshot (0.6667)" in str(shop.query("failed_batches"))
    held = {r["currency"]: str(r["rate"]) for r in shop.lake.rows("shop_kinds_cleaned", "rates")}
    assert held == {"EUR": "1.200000", "CHF": "1.100000", "DKK": "0.150000"}


def sequence(n: int) -> str:
    return f"{n:035d}"


def message(operation: str, n: int, row: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    metadata = {"record-type": "data", "operation": operation, "schema-name": "public", "table-name": "stops"}
    body = {"data": row | ({"AR_H_CHANGE_SEQ": sequence(n)} if n else {}), "metadata": metadata}
    return json.dumps(body | ({"before-image": before} if before else {})) + "\n"


def test_changes_of_other_tasks_wait_for_nothing(shop: Shop):
    """Changes land before the load, each in its own run, and the table is that of the source."""
    header = "Op,id,driver,AR_H_CHANGE_SEQ,BI_id\n"
    shop.put("files/kinds/trips/20260101-120000000.csv",
             header + f"U,5,Eva,{sequence(20)},1\nD,2,NULL,{sequence(10)},NULL\n")  # fmt: skip
    shop.put("files/kinds/stops/part-0.json", message("update", 20, {"id": 5, "driver": "Eva"}, {"id": 1})
             + message("delete", 10, {"id": 2}))  # fmt: skip
    shop.settle()
    shop.put("files/kinds/trips/LOAD00000001.csv", header + "I,1,Eve,NULL,NULL\nI,2,Bo,NULL,NULL\nI,3,NULL,NULL,NULL\n")
    shop.put("files/kinds/stops/part-1.json", '{"metadata": {"record-type": "control", "operation": "create-table"}}\n'
             + "".join(message("load", 0, {"id": i} | ({"driver": d} if d else {}))
                       for i, d in ((1, "Eve"), (2, "Bo"), (3, None))))  # fmt: skip
    shop.settle()
    for name in ("trips", "stops"):
        rows = shop.lake.rows("shop_kinds_cleaned", name)
        assert {r["id"]: r["driver"] for r in rows if not r["_is_deleted"]} == {5: "Eva", 3: None}, name
        assert counts(shop, f"kinds.{name}") == [
            {"read": 2, "updated": 1, "deleted": 1},
            {"read": 3, "inserted": 1, "stale": 2},
        ]
    assert shop.query("failed_batches") == []


def test_a_table_without_a_key_follows_its_input(shop: Shop):
    """Alike records are rows of their own; a column and a wider type appear under the deployed permissions."""
    shop.put("files/kinds/meters/1.csv", "place,reading\nx,1\nx,1\n")
    shop.settle()
    shop.put("files/kinds/meters/2.csv", "place,reading,unit\ny,3000000000,kWh\nz,one,kWh\n")
    shop.settle()
    assert counts(shop, "kinds.meters") == [{"read": 2, "inserted": 2}, {"read": 2, "inserted": 1, "quarantined": 1}]
    rows = shop.lake.rows("shop_kinds_cleaned", "meters")
    assert sorted((r["place"], r["reading"], r["unit"]) for r in rows) == [
        ("x", 1, None), ("x", 1, None), ("y", 3_000_000_000, "kWh")
    ]  # fmt: skip
