"""Replays by the state machine: what was blocked, corrected or archived comes through, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from effects import effect
from shop import Shop

from rehearsal.cloud.faults import When
from rehearsal.scenario import athena
from rehearsal.scenario.lake import Query

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

ORDERS = "files/shop/orders/"
FIX = "corrections/shop/orders/fix.jsonl"


@pytest.fixture
def mended(shop: Shop) -> Iterator[Shop]:
    yield shop
    shop.declare(shop.first)


def quarantined(shop: Shop) -> list[dict[str, Any]]:
    return shop.lake.rows("shop_shop_quarantine", "orders")


def fix(record: dict[str, Any], **values: str) -> str:
    names = ("batch_id", "object_key", "object_version", "record_sha256", "occurrence")
    return json.dumps({**{name: record[name] for name in names}, "set": values})


def items(shop: Shop) -> dict[int, int]:
    return {row["id"]: row["item"] for row in shop.lake.rows("shop_shop_cleaned", "orders", ["id", "item"])}


def corrections(shop: Shop) -> list[tuple[Any, ...]]:
    text = (
        "SELECT correction_line, outcome, reason, refused_for FROM shop_operations.corrections"
        " ORDER BY correction_version, correction_line"
    )
    (some,) = [q for q in shop.lake.queries().values() if q.name == "failed_batches"]
    return athena.run(shop.cloud.client("athena"), Query("corrections", text, some.workgroup))


def test_blocked_then_quarantined_then_corrected(mended: Shop):
    shop = mended
    shop.put(f"{ORDERS}bad.csv", "id,item\n3,1\n4,\n5,1\n6,x\n")
    shop.settle()
    still = shop.replay({"state": "blocked"})
    assert still["status"] == "FAILED" and "1 failed:\nbatch " in still["cause"]
    assert "is blocked (gate)" in still["cause"]
    assert [s for name, s in shop.lake.alarms().items() if "PipelineReplayFailed" in name] == ["ALARM"]

    shop.declare(shop.mended)
    done = shop.replay({"action": "replay", "state": "blocked"})
    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"])["batches"] == {"applied": 1}
    assert items(shop) == {3: 1, 5: 1}
    by_raw = {row["raw"]: row for row in quarantined(shop)}
    assert set(by_raw) == {"4,", "6,x"}

    shop.put(FIX, "\n".join([fix(by_raw["4,"], item="7"), fix(by_raw["6,x"], item="y")]) + "\n")
    half = shop.replay({"corrections": FIX})
    assert half["status"] == "FAILED"
    assert half["cause"] == "1 failed:\nthe correction in line 2 is quarantined: type:item"
    assert items(shop) == {3: 1, 4: 7, 5: 1}
    assert [row["raw"] for row in quarantined(shop)] == ["6,x"]
    first = [(1, "inserted", "", "required:item"), (2, "quarantined", "type:item", "type:item")]
    assert corrections(shop) == first

    shop.put(FIX, fix(by_raw["6,x"], item="8") + "\n")
    whole = shop.replay({"corrections": FIX})
    assert whole["status"] == "SUCCEEDED", whole
    assert json.loads(whole["output"])["corrections"] == {"inserted": 1}
    assert items(shop) == {3: 1, 4: 7, 5: 1, 6: 8}
    assert quarantined(shop) == []
    before = shop.main_snapshots("shop_shop_cleaned", "orders"), sorted(corrections(shop))
    again = shop.replay({"dataset": "shop.orders", "from": "2020-01-01", "force": True})
    assert again["status"] == "SUCCEEDED", again
    assert (shop.main_snapshots("shop_shop_cleaned", "orders"), sorted(corrections(shop))) == before, "twice is once"


def test_input_that_is_wrong_is_refused_with_its_field(shop: Shop):
    for give, want in (
        ({"bach": "x"}, 'unknown field "bach"'),
        ({"state": "done", "restore": {"tier": "Fast", "days": 1}}, 'restore.tier: got "Fast", want one of Bulk'),
        ({"corrections": "fix.jsonl"}, 'corrections: got "fix.jsonl", want the key of a file in the raw bucket'),
    ):
        ended = shop.replay(give)
        assert ended["status"] == "FAILED" and want in ended["cause"], ended


def test_what_is_archived_is_fetched_first(shop: Shop):
    """The stand-in has a restored object at once; that S3 takes hours is not played."""
    shop.cloud.client("s3").put_object(
        Bucket=shop.lake.raw_bucket, Key=f"{ORDERS}cold.csv", Body=b"id,item\n9,1\n", StorageClass="DEEP_ARCHIVE"
    )
    shop.settle()
    (batch,) = shop.lake.ledger().batches()
    assert (batch["state"], batch["code"]) == ("failed", "unreadable")
    assert "is in an archive class of S3" in batch["reason"]
    assert shop.replay({"state": "failed"})["status"] == "FAILED"
    done = shop.replay({"state": "failed", "restore": {"tier": "Bulk", "days": 2}})
    assert done["status"] == "SUCCEEDED", done
    assert items(shop) == {9: 1}


def test_dead_letters_are_redriven_by_the_command_of_the_outputs(shop: Shop):
    """A message that nobody could handle lies among the dead ones until the mended function gets it again."""
    sqs, functions = shop.cloud.client("sqs"), shop.cloud.client("lambda")
    command = next(value for name, value in shop.deployment.outputs.items() if "RedriveCommand" in name)
    moves = [line.split() for line in command.split(" && ")]
    assert [move[:3] for move in moves] == [["aws", "sqs", "start-message-move-task"]] * 2
    (arrivals,) = [dict(zip(move[3::2], move[4::2], strict=True)) for move in moves if not move[-1].endswith(".fifo")]
    main, dead = (
        sqs.get_queue_url(QueueName=arrivals[name].rsplit(":", 1)[-1])["QueueUrl"]
        for name in ("--destination-arn", "--source-arn")
    )
    main_arn = arrivals["--destination-arn"]
    (mapping,) = functions.list_event_source_mappings(EventSourceArn=main_arn)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    shop.put(f"{ORDERS}late.csv", "id,item\n11,1\n")
    (message,) = sqs.receive_message(QueueUrl=main, WaitTimeSeconds=5)["Messages"]
    sqs.send_message(QueueUrl=dead, MessageBody=message["Body"])
    sqs.delete_message(QueueUrl=main, ReceiptHandle=message["ReceiptHandle"])
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    shop.settle()
    assert shop.lake.ledger().batches() == []
    for move in moves:
        source, destination = move[4::2]
        sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
    shop.settle()
    assert items(shop) == {11: 1}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_where_corrections_are_told(shop: Shop, when: When):
    shop.put("files/shop/items/bad.csv", "id,change_seq,kind,price\n1,1,book,1\n2,1,toy,2\n")
    shop.settle()
    (record,) = shop.lake.rows("shop_shop_quarantine", "items")
    key = "corrections/shop/items/fix.jsonl"
    shop.put(key, fix(record, kind="game") + "\n")
    shop.cloud.faults.clear()
    plan = shop.cloud.faults.kill(lambda call: effect(call) == "refine: artifacts corrections", nth=1, when=when)
    shop.lake.invoke("dispatch", {"action": "replay", "corrections": key})
    shop.recover()
    assert plan.call is not None
    shop.cloud.faults.clear()
    state = shop.state()
    assert [row[0] for row in state.items] == ["1", "2"] and state.quarantine == () and state.unfinished == ()
    assert [row[:2] for row in corrections(shop)] == [(1, "inserted")]
    assert len(shop.main_snapshots("shop_shop_cleaned", "items")) == 2
