"""Somebody is erased from the deployed lake, under the template's own permissions, and stays so."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from shop import Shop

from rehearsal.cloud.faults import Call

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

VISITS = "files/shop/visits/"
HEADER = "id,visitor,page,mail\n"


def ids(shop: Shop) -> list[int]:
    return sorted(row["id"] for row in shop.lake.rows("shop_shop_cleaned", "visits", ["id"]))


def refused(shop: Shop) -> list[str]:
    return sorted(row["raw"] for row in shop.lake.rows("shop_shop_quarantine", "visits", ["raw"]))


def vault(shop: Shop) -> set[str]:
    return {row["value"] for row in shop.lake.rows("shop_sellers_vault", "tokens", ["value"])}


def hashed(shop: Shop, visitor: str) -> str:
    return hmac.new(shop.lake.secrets()[""], visitor.encode(), hashlib.sha256).hexdigest()


def erase(shop: Shop, visitor: str) -> dict[str, Any]:
    """Asks for the erasure as an operator does; the execution as it ended."""
    key = "erasures/requests/request.json"
    body = json.dumps({"subject": "visitor", "values": [visitor]})
    shop.cloud.client("s3").put_object(Bucket=shop.lake.artifacts_bucket, Key=key, Body=body)
    states = shop.cloud.client("stepfunctions")
    machine = shop.lake.machine("Forgets")
    started = states.start_execution(stateMachineArn=machine, input=json.dumps({"request": key}))
    shop.settle()
    return states.describe_execution(executionArn=started["executionArn"])


def requests(shop: Shop) -> list[Any]:
    s3, bucket = shop.cloud.client("s3"), shop.lake.artifacts_bucket
    found = s3.list_object_versions(Bucket=bucket, Prefix="erasures/requests/")
    return found.get("Versions", []) + found.get("DeleteMarkers", [])


def commits(call: Call) -> bool:
    return call.caller.kind == "job" and "Erase" in call.caller.name and call.action == "UpdateTable"


def test_somebody_is_erased_everywhere_and_stays_so(shop: Shop) -> None:
    lines = "1,ann,home,a@x\n2,bob,home,b@x\n3,ann,cart,a@y\n4,ann,blog,a@z\n5,bob,blog,b@y\n"
    shop.put(f"{VISITS}1.csv", HEADER + lines)
    shop.put("files/shop/sellers/1.csv", "tax_id,change_seq,stands_in_for,since\n7,1,8,2026-01-01\n")
    shop.settle()
    assert (ids(shop), refused(shop)) == ([1, 2, 3], ["4,ann,blog,a@z", "5,bob,blog,b@y"])
    assert vault(shop) == {"a@x", "b@x", "a@y", "7", "8"}
    curated = {row["visitor"]: row["visits"] for row in shop.lake.rows("shop_shop_curated", "visitors")}
    assert curated == {hashed(shop, "ann"): 2, hashed(shop, "bob"): 1}

    # A job that dies leaves the request, and its leases to end by themselves.
    plan = shop.cloud.faults.kill(commits, when="after")
    assert erase(shop, "ann")["status"] == "FAILED"
    shop.cloud.faults.clear()
    assert plan.call is not None and len(requests(shop)) == 1
    shop.age_leases()
    done = erase(shop, "ann")
    assert done["status"] == "SUCCEEDED", done
    assert requests(shop) == [], "nothing names her any more"
    assert (ids(shop), refused(shop)) == ([2], ["5,bob,blog,b@y"])
    assert vault(shop) == {"b@x", "7", "8"}, "the sellers' own values are theirs still"
    curated = {row["visitor"]: row["visits"] for row in shop.lake.rows("shop_shop_curated", "visitors")}
    assert curated == {hashed(shop, "bob"): 1}

    ours = [row for row in shop.query("erasures") if row[0] == done["name"]]
    said = {(row[5], row[7]): row for row in ours if row[4] in ("shop.visits", "shop.visitors")}
    assert said["cleaned", "verified"][8] == said["quarantine", "verified"][8] == 0
    assert said["raw", "remains"][8:10] == (3, 1)
    assert "expires 30 days after it came; then removed 30 days" in said["raw", "remains"][11]
    assert "never" not in {row[10] for row in ours}, "everything has an end"
    assert "ann" not in json.dumps(ours, default=str)

    again = shop.replay({"dataset": "shop.visits", "force": True})
    assert again["status"] == "SUCCEEDED"
    (batch,) = [b for b in shop.lake.ledger().batches() if b["dataset"] == "shop.visits"]
    assert {k: int(v) for k, v in batch["rerun"]["counts"].items() if v} == {
        "read": 5, "duplicate": 1, "quarantined": 1, "erased": 3}  # fmt: skip
    assert (ids(shop), refused(shop), vault(shop)) == ([2], ["5,bob,blog,b@y"], {"b@x", "7", "8"})
