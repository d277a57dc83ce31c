"""EventBridge: rules, targets, dead letters, schedules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.cloud.schedules import UnknownSchedule, next_time
from rehearsal.cloud.transform import json_path, target_input
from rehearsal.tests.cloud.conftest import ACCOUNT, REGION, Account

pytestmark = pytest.mark.cloud

PRINT = 'def handle(event): print("GOT", json.dumps(event))'


def put(account: Account, source: str, **detail: Any) -> None:
    entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail)}
    account.events.put_events(Entries=[entry])
    account.cloud.wait_idle(30)


def got(account: Account, function: str) -> list[Any]:
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    return [json.loads(line[4:]) for line in lines if line.startswith("GOT ")]


def arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def test_object_created_has_the_shape_of_the_service(account: Account) -> None:
    url, queue = account.queue()
    bucket = account.bucket(events=True)
    account.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, {"Arn": queue})
    version = account.s3.put_object(Bucket=bucket, Key="a b/ü.csv", Body=b"abc")["VersionId"]
    account.cloud.wait_idle(10)
    (message,) = account.drain(url)
    event = json.loads(message["Body"])
    detail = event.pop("detail")
    made = detail.pop("object")
    assert set(event) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources"}
    assert (event["detail-type"], event["account"], event["region"]) == ("Object Created", ACCOUNT, REGION)
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
    sequencer = made.pop("sequencer")
    assert sequencer == f"{int(sequencer, 16):016X}"
    etag = "900150983cd24fb0d6963f7d28e17f72"
    assert made == {"key": "a b/ü.csv", "size": 3, "etag": etag, "version-id": version}
    assert (detail["bucket"], detail["reason"]) == ({"name": bucket}, "PutObject")


def test_a_multipart_upload_is_one_event(account: Account) -> None:
    url, queue = account.queue()
    bucket = account.bucket(events=True)
    account.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, {"Arn": queue})
    upload = account.s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = account.s3.upload_part(Bucket=bucket, Key="big", PartNumber=1, UploadId=upload, Body=b"x" * 10)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    account.s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload=parts)
    account.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})
    account.cloud.wait_idle(10)
    reasons = [json.loads(m["Body"])["detail"]["reason"] for m in account.drain(url)]
    assert sorted(reasons) == ["CompleteMultipartUpload", "CopyObject"]


def test_events_can_be_delivered_again(account: Account) -> None:
    url, queue = account.queue()
    bucket = account.bucket(events=True)
    account.rule({"detail": {"bucket": {"name": [bucket]}}}, {"Arn": queue})
    account.s3.put_object(Bucket=bucket, Key="x", Body=b"")
    account.cloud.wait_idle(10)
    assert account.cloud.redeliver_events() >= 1
    account.cloud.wait_idle(10)
    first, second = account.drain(url)
    assert first["Body"] == second["Body"]


def test_disabled_rules_and_schedules_do_not_match(account: Account) -> None:
    url, queue = account.queue()
    rule = account.rule({"source": ["disabled"]}, {"Arn": queue}, State="DISABLED")
    account.events.put_rule(Name=f"{rule}-s", ScheduleExpression="rate(1 day)")
    account.events.put_targets(Rule=f"{rule}-s", Targets=[{"Id": "1", "Arn": queue}])
    put(account, "disabled")
    assert account.drain(url) == []


def test_targets_get_the_event(account: Account) -> None:
    function = account.function(PRINT)
    topic = account.sns.create_topic(Name=account.name("topic"))["TopicArn"]
    url, queue = account.queue()
    account.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    machine = account.machine({"A": {"Type": "Pass", "End": True}})
    role = account.role("target", "events.amazonaws.com")
    source = account.name("source")
    account.rule({"source": [source]}, {"Arn": arn(function)})
    account.rule({"source": [source]}, {"Arn": topic})
    account.rule({"source": [source]}, {"Arn": machine, "RoleArn": role})
    put(account, source, n=1)
    assert [event["detail"] for event in got(account, function)] == [{"n": 1}]
    (notice,) = account.drain(url)
    assert json.loads(json.loads(notice["Body"])["Message"])["detail"] == {"n": 1}
    (execution,) = account.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    described = account.stepfunctions.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"])["detail"] == {"n": 1}
    uses = {(role_, action) for role_, action, _, _ in account.cloud.uses}
    assert (role, "states:StartExecution") in uses
    assert ("events.amazonaws.com", "lambda:InvokeFunction") in uses


def test_a_missing_target_is_a_dead_letter_at_once(account: Account) -> None:
    url, letters = account.queue()
    source = account.name("source")
    missing = arn("not-there")
    rule = account.rule({"source": [source]}, {"Arn": missing, "DeadLetterConfig": {"Arn": letters}})
    put(account, source, n=1)
    (letter,) = account.drain(url)
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["TARGET_ARN"] == missing
    assert attributes["RULE_ARN"].endswith(f"rule/{rule}")
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("NO_RESOURCE", "0")


def test_a_dead_letter_of_a_schedule_names_the_schedule(account: Account) -> None:
    url, letters = account.queue()
    name = account.name("schedule")
    role = account.role("scheduler", "scheduler.amazonaws.com")
    target = {"Arn": arn("not-there"), "RoleArn": role, "Input": "{}", "DeadLetterConfig": {"Arn": letters}}
    account.scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    account.cloud.fire_schedule(name)
    account.cloud.wait_idle(5)
    (letter,) = account.drain(url)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["SCHEDULE_ARN"].endswith(f"schedule/default/{name}")
    assert attributes["TARGET_ARN"] == "arn:aws:scheduler:::aws-sdk:lambda:invoke"
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert "RULE_ARN" not in attributes


EVENT = {"source": "s", "detail-type": "t", "detail": {"key": 'a"b', "n": 1, "list": [1, {"x": 2}]}, "resources": ["r"]}


@pytest.mark.parametrize(
    ("target", "want"),
    [
        ({}, EVENT),
        ({"Input": '{"action": "sweep"}'}, {"action": "sweep"}),
        ({"InputPath": "$.detail.n"}, 1),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"k": "$.detail.key", "all": "$.detail.list", "r": "$.resources[0]"},
                    "InputTemplate": '{"key": <k>, "text": "<r> has <k>", "list": <all>}',
                }
            },
            {"key": 'a"b', "text": 'r has a"b', "list": [1, {"x": 2}]},
        ),
        ({"InputTransformer": {"InputTemplate": "<aws.events.event.json>"}}, EVENT),
    ],
    ids=["whole", "constant", "path", "template", "event variable"],
)
def test_target_input(target: dict[str, Any], want: Any) -> None:
    assert json.loads(target_input(target, EVENT)) == want


def test_a_path_that_is_not_modelled_is_refused() -> None:
    with pytest.raises(ValueError, match="only names and indexes"):
        json_path(EVENT, "$..key")


def test_schedules_fire_by_hand(account: Account) -> None:
    url, queue = account.queue()
    name = account.name("schedule")
    account.events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    account.events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue, "Input": '{"action": "sweep"}'}])
    other = account.name("schedule")
    target = {"Arn": queue, "RoleArn": account.role("scheduler", "scheduler.amazonaws.com"), "Input": "tick"}
    account.scheduler.create_schedule(
        Name=other, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    account.cloud.wait_idle(5)
    assert account.drain(url) == []
    account.cloud.fire_schedule(name)
    account.cloud.fire_schedule(other)
    account.cloud.wait_idle(5)
    assert sorted(m["Body"] for m in account.drain(url)) == ["tick", '{"action": "sweep"}']
    with pytest.raises(UnknownSchedule, match=f"no schedule named 'nope'; there are: .*{name}"):
        account.cloud.fire_schedule("nope")


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("rate(5 minutes)", "2026-01-31T10:07:30"),
        ("rate(1 day)", "2026-02-01T10:02:30"),
        ("cron(0 3 * * ? *)", "2026-02-01T03:00:00"),
        ("cron(15/20 10 * * ? *)", "2026-01-31T10:15:00"),
        ("cron(0 12 ? * MON-FRI *)", "2026-02-02T12:00:00"),
        ("cron(30 6 1 JAN ? 2028)", "2028-01-01T06:30:00"),
    ],
)
def test_next_time(expression: str, want: str) -> None:
    moment = datetime(2026, 1, 31, 10, 2, 30, tzinfo=UTC)
    assert next_time(expression, moment) == datetime.fromisoformat(want).replace(tzinfo=UTC)


@pytest.mark.parametrize("expression", ["at(2026-01-01T00:00:00)", "rate(5 fortnights)", "cron(0 0 L * ? *)"])
def test_unmodelled_schedules_are_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="modelled"):
        next_time(expression, datetime.now(UTC))
