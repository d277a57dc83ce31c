"""Queues: deduplication, order, delays, dead letters."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


def send(account: Account, url: str, body: str, group: str = "g", identity: str | None = None) -> None:
    account.sqs.send_message(
        QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=identity or body
    )


def receive(account: Account, url: str, count: int = 10) -> list[dict]:
    return account.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count).get("Messages", [])


def test_fifo_deduplicates_for_five_minutes_even_after_the_first_message_was_deleted(account: Account) -> None:
    url, _ = account.queue(fifo=True)
    send(account, url, "first", identity="same")
    assert [m["Body"] for m in account.drain(url)] == ["first"]
    send(account, url, "second", identity="same")
    assert receive(account, url) == []
    send(account, url, "third", identity="other")
    assert [m["Body"] for m in account.drain(url)] == ["third"]


def test_deduplication_ends_with_its_window(account: Account) -> None:
    url, _ = account.queue(fifo=True)
    send(account, url, "first", identity="same")
    account.drain(url)
    for key in list(account.cloud._live().queues._seen):
        account.cloud._live().queues._seen[key] -= 300 / account.cloud.speed
    send(account, url, "second", identity="same")
    assert [m["Body"] for m in account.drain(url)] == ["second"]


def test_content_based_deduplication(account: Account) -> None:
    url, _ = account.queue(fifo=True, ContentBasedDeduplication="true")
    for body in ("a", "a", "b"):
        account.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    assert [m["Body"] for m in account.drain(url)] == ["a", "b"]


def test_fifo_hands_out_one_group_at_a_time_and_in_order(account: Account) -> None:
    url, _ = account.queue(fifo=True)
    for body, group in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        send(account, url, body, group)
    first = receive(account, url, 1)
    assert [m["Body"] for m in first] == ["a1"]
    others = receive(account, url)
    assert [m["Body"] for m in others] == ["b1"]
    account.sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert [m["Body"] for m in receive(account, url)] == ["a2"]


def test_delays_and_visibility_run_at_the_cloud_s_speed(account: Account) -> None:
    url, _ = account.queue(DelaySeconds="10", VisibilityTimeout="10")
    account.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert receive(account, url) == []
    time.sleep(10 / account.cloud.speed + 0.1)
    assert len(receive(account, url)) == 1
    assert receive(account, url) == []
    time.sleep(10 / account.cloud.speed + 0.1)
    assert len(receive(account, url)) == 1


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(account: Account) -> None:
    letters, arn = account.queue()
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url, _ = account.queue(RedrivePolicy=redrive, VisibilityTimeout="0")
    account.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [len(receive(account, url)) for _ in range(3)] == [1, 1, 0]
    assert [m["Body"] for m in account.drain(letters)] == ["x"]


@pytest.mark.parametrize("fifo", [False, True])
def test_dead_letters_are_moved_back_and_counted_anew(account: Account, fifo: bool) -> None:
    letters, dead = account.queue(fifo=fifo)
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    url, arn = account.queue(fifo=fifo, RedrivePolicy=redrive, VisibilityTimeout="0")
    group = {"MessageGroupId": "g", "MessageDeduplicationId": "x"} if fifo else {}
    account.sqs.send_message(QueueUrl=url, MessageBody="x", **group)
    assert [len(receive(account, url)) for _ in range(2)] == [1, 0]
    account.sqs.start_message_move_task(SourceArn=dead, DestinationArn=arn)
    assert receive(account, letters) == []
    assert [m["Body"] for m in receive(account, url)] == ["x"]
    for source, destination, want in (
        (arn, dead, "Source queue must be configured as a Dead Letter Queue"),
        (dead, account.queue(fifo=not fifo)[1], "must be of the same type"),
        (dead, f"{dead}-none", f"no queue {dead}-none"),
    ):
        with pytest.raises(ClientError, match=want):
            account.sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
