"""Which of two snapshots is later."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from conftest import ROOT
from lakejobs.declared import Delivery
from lakejobs.lists import Object
from lakejobs.refine.delivery import order_of, stamp_of

STAMPS = json.loads((ROOT / "constructs/dataset/testdata/stamps.golden.json").read_bytes())


@pytest.mark.parametrize("case", STAMPS, ids=lambda c: f"{c['layout']} in {c['key']}")
def test_stamps_are_what_the_constructs_take_them_for(case: dict) -> None:
    assert (stamp_of(Delivery(case["expression"]), case["key"]) or "") == case["stamp"]


def test_without_a_stamp_every_key_is_as_good() -> None:
    assert stamp_of(Delivery(None), "any") == ""


class Versions:
    """S3, as far as it knows when it stored a version."""

    def __init__(self, seconds: int) -> None:
        self.at = dt.datetime(2026, 1, 1, 9, 59, 0, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)

    def head_object(self, **asked: Any) -> dict:
        assert asked == {"Bucket": "raw", "Key": "k", "VersionId": "v"}
        return {"LastModified": self.at}


def test_stamp_decides_and_then_the_time_s3_stored_it() -> None:
    item = Object("raw", "k", "v", 1, "e", "2026-01-01T00:00:00.000000Z")
    orders = [order_of(Versions(s), item, stamp) for stamp, s in (("20251231", 90), ("20260101", 0), ("20260101", 60))]
    assert orders == sorted(orders)
    assert order_of(Versions(0), item, "") == f"/2026-01-01T09:59:00Z/{item.hash[:16]}"
