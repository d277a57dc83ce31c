"""What tests of erasures share: files that become batches, and what a report says."""

from __future__ import annotations

import time

from lake import Lake
from lakejobs.lists import Object

ID = "sales.orders"


def batch_of(lake: Lake, dataset_id: str, *objects: Object, **more: object) -> dict:
    """The objects as one batch, refined; its entry for a run."""
    item = lake.freeze(dataset_id, list(objects), **more)
    lake.refine([item])
    return item


def put(lake: Lake, file: str, body: str | bytes, name: str = "orders") -> Object:
    return lake.land(f"files/sales/{name}/{file}", body)


def of(rows: list[dict], action: str, zone: str, dataset_id: str = ID) -> list[dict]:
    """The rows of a report about one action in one zone."""
    return [r for r in rows if (r["action"], r["zone"], r["dataset"]) == (action, zone, dataset_id)]


def next_second() -> None:
    """S3 tells whole seconds; what lands later lands in another one."""
    time.sleep(1.1)
