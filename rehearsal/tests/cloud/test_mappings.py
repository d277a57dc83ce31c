"""Event source mappings from queues to functions."""

from __future__ import annotations

import json

import pytest

from rehearsal.cloud.mappings import failed_items
from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud

COUNT = """
def handle(event):
    print("BATCH", json.dumps([r["body"] for r in event["Records"]]))
    return {answer}
"""


def batches(account: Account, function: str) -> list[list[str]]:
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    return [json.loads(line[6:]) for line in lines if line.startswith("BATCH ")]


def mapped(account: Account, handler: str, *, report: bool = True, **settings) -> tuple[str, str, str]:
    """A queue with dead letters after two tries, mapped to a function: queue URL, letters URL, function."""
    fifo = settings.pop("fifo", False)
    letters, letters_arn = account.queue(fifo=fifo)
    redrive = json.dumps({"deadLetterTargetArn": letters_arn, "maxReceiveCount": 2})
    url, arn = account.queue(fifo=fifo, RedrivePolicy=redrive, VisibilityTimeout="4")
    function = account.function(handler)
    types = {"FunctionResponseTypes": ["ReportBatchItemFailures"]} if report else {}
    client = account.cloud.client("lambda")
    client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function, **types, **settings)
    return url, letters, function


def test_messages_come_in_batches_and_are_deleted(account: Account) -> None:
    url, letters, function = mapped(account, COUNT.format(answer="None"), BatchSize=4, MaximumBatchingWindowInSeconds=4)
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(7)]
    account.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    account.cloud.wait_idle(20)
    found = batches(account, function)
    assert sorted(body for batch in found for body in batch) == [str(n) for n in range(7)]
    assert sorted(len(batch) for batch in found) == [3, 4]
    assert account.drain(letters) == []


def test_only_the_reported_messages_are_tried_again(account: Account) -> None:
    answer = (
        '{"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "bad"]}'
    )
    handler = COUNT.replace("{answer}", answer)
    url, letters, function = mapped(account, handler, MaximumBatchingWindowInSeconds=4)
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(["good", "bad", "fine"])]
    account.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    account.cloud.wait_idle(20)
    assert [m["Body"] for m in account.drain(letters)] == ["bad"]
    assert sum("bad" in batch for batch in batches(account, function)) == 2
    assert sum("good" in batch for batch in batches(account, function)) == 1


@pytest.mark.parametrize(
    "handler",
    [
        'def handle(event): raise RuntimeError("no")',
        'def handle(event): return {"batchItemFailures": [{"itemIdentifier": "unknown"}]}',
        'def handle(event): return b"not json"',
    ],
    ids=["exception", "unknown id", "bad JSON"],
)
def test_an_answer_that_is_no_report_fails_the_whole_batch(account: Account, handler: str) -> None:
    url, letters, _ = mapped(account, handler)
    account.sqs.send_message(QueueUrl=url, MessageBody="a")
    account.sqs.send_message(QueueUrl=url, MessageBody="b")
    account.cloud.wait_idle(20)
    assert sorted(m["Body"] for m in account.drain(letters)) == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "want"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"wrong": "a"}]}', {"a", "b"}),
        (b'{"wrong": []}', {"a", "b"}),
        (b"oops", {"a", "b"}),
    ],
)
def test_what_a_report_says(answer: bytes, want: set[str]) -> None:
    assert failed_items(answer, {"a", "b"}) == want


def test_fifo_messages_of_a_group_are_handled_one_after_another(account: Account) -> None:
    handler = """
def handle(event):
    for r in event["Records"]:
        print("BEGIN", r["body"])
        time.sleep(0.1)
        print("LEAVE", r["body"])
"""
    url, _, function = mapped(account, handler, fifo=True, BatchSize=1)
    for n in range(4):
        account.sqs.send_message(QueueUrl=url, MessageBody=str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    account.cloud.wait_idle(20)
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    found = [line for line in lines if line.startswith(("BEGIN", "LEAVE"))]
    assert found == [f"{word} {n}" for n in range(4) for word in ("BEGIN", "LEAVE")]


def test_messages_that_no_filter_passes_are_dropped(account: Account) -> None:
    filters = {"Filters": [{"Pattern": json.dumps({"body": {"kind": ["wanted"]}})}]}
    url, letters, function = mapped(account, COUNT.format(answer="None"), FilterCriteria=filters)
    for kind in ("wanted", "other"):
        account.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"kind": kind}))
    account.cloud.wait_idle(20)
    assert batches(account, function) == [['{"kind": "wanted"}']]
    assert account.drain(letters) == []


def test_a_disabled_mapping_is_not_polled(account: Account) -> None:
    url, _, function = mapped(account, COUNT.format(answer="None"), Enabled=False)
    account.sqs.send_message(QueueUrl=url, MessageBody="x")
    account.cloud.wait_idle(5)
    assert batches(account, function) == []
