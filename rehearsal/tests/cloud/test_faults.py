"""Killed callers: before and after a call, with and without their process."""

from __future__ import annotations

import os
from typing import Any

import pytest

from rehearsal.cloud import Match
from rehearsal.tests.cloud.conftest import Account
from rehearsal.tests.cloud.test_functions import invoke

pytestmark = pytest.mark.cloud

WRITER = """
def handle(event):
    print("PID", os.getpid())
    s3 = client("s3")
    done = []
    for n in range(3):
        try:
            s3.put_object(Bucket=event["bucket"], Key=str(n), Body=b"x")
            done.append(n)
        except Exception as error:
            print("REFUSED", n, error.response["Error"]["Code"], error.response["ResponseMetadata"]["RetryAttempts"])
    return done
"""


def keys(account: Account, bucket: str) -> list[str]:
    return [entry["Key"] for entry in account.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize(("when", "written"), [("before", ["0"]), ("after", ["0", "1"])])
def test_a_killed_function_does_nothing_more(account: Account, when: Any, written: list[str]) -> None:
    bucket, function = account.bucket(), account.function(WRITER)
    kill = account.cloud.faults.kill(Match(kind="lambda", name=function, action="PutObject"), nth=2, when=when)
    answer = invoke(account, function, {"bucket": bucket})
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Runtime.ExitError"
    assert keys(account, bucket) == written
    assert kill.fired
    assert (kill.call.caller.name, kill.call.resource) == (function, f"arn:aws:s3:::{bucket}/1")
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    assert [line for line in lines if line.startswith("REFUSED")] == [
        "REFUSED 1 CallerKilled 0",
        "REFUSED 2 CallerKilled 0",
    ]
    assert invoke(account, function, {"bucket": bucket})["Payload"] == [0, 1, 2]


def test_a_killed_process_is_gone(account: Account) -> None:
    bucket, function = account.bucket(), account.function(WRITER)
    kill = account.cloud.faults.kill_process(Match(name=function, action="PutObject"), nth=2, when="after")
    answer = invoke(account, function, {"bucket": bucket})
    assert answer["Payload"]["errorType"] == "Runtime.ExitError"
    assert keys(account, bucket) == ["0", "1"]
    assert kill.fired
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    assert not [line for line in lines if line.startswith("REFUSED")]
    (pid,) = [int(line[4:]) for line in lines if line.startswith("PID")]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_record_names_caller_and_keys(account: Account) -> None:
    table = account.name("table")
    keys_ = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    account.dynamodb.create_table(
        TableName=table,
        KeySchema=keys_,
        AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    function = account.function(
        """
def handle(event):
    item = lambda pk: {"pk": {"S": pk}, "sk": {"S": "s"}}
    dynamodb = client("dynamodb")
    dynamodb.get_item(TableName=event["table"], Key=item("a"))
    put = {"TableName": event["table"], "Item": {**item("a"), "n": {"N": "1"}}}
    check = {"TableName": event["table"], "Key": item("b"), "ConditionExpression": "attribute_not_exists(pk)"}
    dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])
"""
    )
    account.cloud.faults.clear()
    invoke(account, function, {"table": table})
    calls = [call for call in account.cloud.faults.calls if call.caller.kind == "lambda"]
    arn = f"arn:aws:dynamodb:eu-west-1:111122223333:table/{table}"
    (call,) = calls
    assert (call.caller.name, call.action, call.resource) == (function, "TransactWriteItems", arn)
    assert call.detail == "Put a/s; ConditionCheck b/s"
    role = account.role(f"role-{function}")
    uses = {(action, resource): count for by, action, resource, count in account.cloud.uses if by == role}
    assert uses["dynamodb:GetItem", arn] == uses["dynamodb:PutItem", arn] == uses["dynamodb:ConditionCheckItem", arn]


def test_the_administrator_is_never_killed(account: Account) -> None:
    bucket = account.bucket()
    kill = account.cloud.faults.kill(Match(action="PutObject", resource=f"*{bucket}*"))
    account.s3.put_object(Bucket=bucket, Key="a", Body=b"")
    assert not kill.fired


@pytest.mark.parametrize("wrong", [{"nth": 0}, {"when": "during"}])
def test_wrong_plans_are_refused(account: Account, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nth=.* must be 1 or more and when=.* 'before' or 'after'"):
        account.cloud.faults.kill(Match(), **wrong)


def test_a_call_whose_answer_is_lost_is_recorded_once(account: Account) -> None:
    bucket, s3 = account.bucket(), account.cloud.client("s3")
    lost = []

    def lose(attempts: int, **_event: Any) -> int | None:
        """Retry the first attempt without a pause, as if its answer had not come."""
        lost.append(attempts)
        return 0 if attempts == 1 else None

    account.cloud.faults.clear()
    s3.meta.events.register_first("needs-retry.s3.PutObject", lose)
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key="same", Body=b"x")
    assert lost == [1, 2, 1, 2], "each was sent twice"
    assert [call.action for call in account.cloud.faults.calls] == ["PutObject"] * 2
