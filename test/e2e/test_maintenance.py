"""Maintenance of the deployed lake, under the template's own permissions: by its schedule, forced, and after a kill."""

from __future__ import annotations

import json

import pytest
from shop import ITEMS, Shop

from rehearsal.cloud.faults import Call
from rehearsal.scenario import maintenance

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

HEADER = "id,change_seq,kind,price\n"


def land(shop: Shop, n: int) -> None:
    """A file of each table: rows, a change, and a bad record."""
    for folder in (ITEMS, "files/shop/stock/", "files/shop/aisles/"):
        shop.put(f"{folder}{n:04}.csv", f"{HEADER}1,{n},book,{n}.25\n{100 + n},1,game,8.00\n{n},{n},toy,1\n")
    shop.settle()


def results(shop: Shop) -> dict[str, dict]:
    """The rows of the last run by table."""
    rows = maintenance.results(shop.lake)
    last = max(row["started_at"] for row in rows)
    return {f"{r['database_name']}.{r['table_name']}": r for r in rows if r["started_at"] == last}


def executions(shop: Shop) -> list[str]:
    states = shop.cloud.client("stepfunctions")
    found = states.list_executions(stateMachineArn=shop.lake.machine("Declared"))["executions"]
    return [e["status"] for e in sorted(found, key=lambda e: e["startDate"])]


def commits(call: Call) -> bool:
    return call.caller.kind == "job" and "Maintain" in call.caller.name and call.action == "UpdateTable"


def test_tables_are_maintained_beside_the_pipeline(shop: Shop) -> None:
    for n in (1, 2, 3):
        land(shop, n)
    before, digests = shop.state(), maintenance.digests(shop.lake)
    rules = [rule.physical_id for rule in shop.deployment.of_type("AWS::Events::Rule")]
    (schedule,) = [name for name in rules if "Maintenance" in name]
    shop.cloud.fire_schedule(schedule)
    shop.settle()
    assert executions(shop)[-1] == "SUCCEEDED"
    found = results(shop)
    assert {r["state"] for r in found.values()} == {"done"}
    assert found["shop_shop_cleaned.items"]["files_after"] >= 3, "ten small files are worth it, three are not"

    # A killed job leaves leases behind, which end by themselves, and nothing else.
    plan = shop.cloud.faults.kill(commits, when="after")
    maintenance.start(shop.lake)
    shop.settle()
    shop.cloud.faults.clear()
    assert plan.call is not None
    assert executions(shop)[-1] == "FAILED"
    assert maintenance.digests(shop.lake) == digests
    shop.age_leases()

    maintenance.start(shop.lake)
    shop.settle()
    found = results(shop)
    assert executions(shop)[-1] == "SUCCEEDED"
    assert {r["state"] for r in found.values()} == {"done"}, json.dumps(found)
    assert [found[f"shop_shop_cleaned.{name}"]["files_after"] for name in ("items", "stock", "aisles")] == [1, 1, 1]
    assert maintenance.digests(shop.lake) == digests
    land(shop, 4)
    after = shop.state()
    assert len(after.items) == len(before.items) + 1
    assert after.unfinished == ()
    assert shop.query("unmaintained") == []
