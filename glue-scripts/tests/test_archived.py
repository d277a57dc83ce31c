"""An object in an archive class is told apart, and read once it is restored."""

from __future__ import annotations

from lake import Lake
from lakejobs.lists import Object
from orders import HEADER, ORDERS

REASON = "is in an archive class of S3; replay its batch with restore"


def archived(lake: Lake, key: str, body: str) -> Object:
    answer = lake.s3.put_object(Bucket=lake.buckets["raw"], Key=key, Body=body.encode(), StorageClass="GLACIER")
    return Object(lake.buckets["raw"], key, answer["VersionId"], len(body), "", "2026-01-01T00:00:00.000000Z")


def test_a_batch_waits_for_what_is_archived(lake: Lake) -> None:
    lake.declare(ORDERS)
    cold = archived(lake, "in/cold.csv", HEADER + "1,1,a,1\n")
    item = lake.freeze("sales.orders", [cold])
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], record["code"]) == ("failed", "unreadable")
    assert [u["reason"] for u in record["unreadable"]] == [REASON]

    lake.s3.restore_object(Bucket=cold.bucket, Key=cold.key, VersionId=cold.version, RestoreRequest={"Days": 3})
    lake.reopen(item)
    lake.refine([item])
    assert lake.batch(item)["state"] == "applied"
    assert lake.rows(lake.cleaned("sales.orders"), "id", "name") == [(1, "a")]
    copies = lake.s3.list_objects_v2(Bucket=lake.buckets["artifacts"], Prefix=f"batches/{item['batch']}/objects/")
    assert copies["KeyCount"] == 1, "Spark reads a copy, since it may pass over archive classes"


def test_the_others_of_its_batch_do_not_wait(lake: Lake) -> None:
    lake.declare(ORDERS)
    cold = archived(lake, "in/other.csv", HEADER + "2,1,b,1\n")
    item = lake.freeze("sales.orders", [cold, lake.land("in/warm.csv", HEADER + "3,1,c,1\n")])
    lake.refine([item])
    record = lake.batch(item)
    assert (record["state"], int(record["objects_read"])) == ("applied", 1)
    assert [(u["key"], u["reason"]) for u in record["unreadable"]] == [(cold.key, REASON)]
