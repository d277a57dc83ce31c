"""Step Functions: names, tasks, errors, timing and events. Glue tasks are in test_jobs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker, SyncExecutionWorker

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


def task(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    end = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, **end, **more}


def call(function: str, **more: Any) -> dict[str, Any]:
    return task("lambda:invoke", {"FunctionName": function, "Payload.$": "$"}, **more)


CAUGHT = {"Type": "Pass", "Parameters": {"error.$": "$.Error", "cause.$": "$.Cause"}, "End": True}


def test_a_function_s_answer_is_the_payload(account: Account) -> None:
    function = account.function('def handle(event): return {"got": event}')
    machine = account.machine({"A": call(function, ResultSelector={"payload.$": "$.Payload"}, ResultPath="$.out")})
    done = account.execute(machine, {"n": 1})
    assert json.loads(done["output"]) == {"n": 1, "out": {"payload": {"got": {"n": 1}}}}


def test_a_function_s_error_has_its_own_name(account: Account) -> None:
    function = account.function('def handle(event): raise KeyError("no")')
    states = {"A": call(function, Catch=[{"ErrorEquals": ["KeyError"], "Next": "B"}]), "B": CAUGHT}
    done = account.execute(account.machine(states))
    output = json.loads(done["output"])
    assert output["error"] == "KeyError"
    assert json.loads(output["cause"])["errorMessage"] == "'no'"


def test_an_execution_that_ends_before_its_start_returns_is_told_of_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExecutionWorker, "start", SyncExecutionWorker.start)
    url, arn = account.queue()
    machine = account.machine({"A": {"Type": "Fail"}})
    account.rule({"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}, {"Arn": arn})
    account.execute(machine)
    told = [json.loads(message["Body"])["detail"]["status"] for message in account.drain(url)]
    assert sorted(told) == ["FAILED", "RUNNING"]
    assert failures(account, machine) == 1


def failures(account: Account, machine: str) -> float:
    now = datetime.now(UTC)
    figures = account.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/States", MetricName="ExecutionsFailed", StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1), Period=7200, Statistics=["Sum"],
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
    )  # fmt: skip
    return sum(point["Sum"] for point in figures["Datapoints"])


def test_an_execution_that_fails_is_counted_and_its_input_is_text(account: Account) -> None:
    states = {
        "A": {"Type": "Pass", "Parameters": {"text.$": "States.JsonToString($$.Execution.Input)"}, "Next": "B"},
        "B": {"Type": "Fail"},
    }
    failing, passing = (
        account.machine(states),
        account.machine({"A": states["A"] | {"Next": "B"}, "B": {"Type": "Succeed"}}),
    )
    assert json.loads(json.loads(account.execute(passing, {"force": True})["output"])["text"]) == {"force": True}
    assert account.execute(failing)["status"] == "FAILED"
    assert failures(account, failing) == 1


def test_retry_waits_and_gives_up(account: Account) -> None:
    function = account.function('def handle(event): print("TRY"); raise ValueError("no")')
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 10, "MaxAttempts": 2, "BackoffRate": 2}]
    began = time.monotonic()
    done = account.execute(account.machine({"A": call(function, Retry=retry)}))
    seconds = time.monotonic() - began
    assert (done["status"], done["error"]) == ("FAILED", "ValueError")
    assert account.cloud.log_lines(f"/aws/lambda/{function}").count("TRY") == 3
    assert seconds >= (10 + 20) / account.cloud.speed


def test_wait_runs_at_the_cloud_s_speed(account: Account) -> None:
    began = time.monotonic()
    account.execute(account.machine({"A": {"Type": "Wait", "Seconds": 20, "End": True}}))
    assert 20 / account.cloud.speed <= time.monotonic() - began < 10


def test_a_task_out_of_time_is_not_a_failed_task(account: Account) -> None:
    function = account.function("def handle(event): time.sleep(3)")
    catch = [
        {"ErrorEquals": ["States.TaskFailed"], "Next": "Wrong"},
        {"ErrorEquals": ["States.Timeout"], "Next": "B"},
    ]
    states = {
        "A": call(function, TimeoutSeconds=1, Catch=catch),
        "B": {"Type": "Pass", "Result": "in time", "End": True},
        "Wrong": {"Type": "Fail"},
    }
    assert json.loads(account.execute(account.machine(states))["output"]) == "in time"


def test_runtime_errors_pass_every_catch(account: Account) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "B"}]
    function = account.function('def handle(event): return "x" * 300000')
    states = {"A": call(function, Catch=catch), "B": {"Type": "Pass", "End": True}}
    done = account.execute(account.machine(states))
    assert (done["status"], done["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_choice_sees_the_output_of_a_task(account: Account) -> None:
    function = account.function('def handle(event): return {"publish": event["n"] > 1}')
    rules = [{"Variable": "$.refined.publish", "BooleanEquals": True, "Next": "Yes"}]
    states = {
        "A": call(function, ResultSelector={"publish.$": "$.Payload.publish"}, ResultPath="$.refined", Next="C"),
        "C": {"Type": "Choice", "Choices": rules, "Default": "No"},
        "Yes": {"Type": "Pass", "Result": "yes", "End": True},
        "No": {"Type": "Succeed"},
    }
    machine = account.machine(states)
    assert json.loads(account.execute(machine, {"n": 2})["output"]) == "yes"
    assert account.execute(machine, {"n": 1})["status"] == "SUCCEEDED"


def test_names_of_executions(account: Account) -> None:
    machine = account.machine({"A": {"Type": "Wait", "Seconds": 20, "End": True}})
    start = account.stepfunctions.start_execution
    first = start(stateMachineArn=machine, name="run-1", input='{"n":1}')
    assert start(stateMachineArn=machine, name="run-1", input='{"n":1}')["executionArn"] == first["executionArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(stateMachineArn=machine, name="run-1", input='{"n":2}')
    account.cloud.wait_idle(20)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(stateMachineArn=machine, name="run-1", input='{"n":1}')
    unnamed = [start(stateMachineArn=machine)["executionArn"] for _ in range(2)]
    assert len(set(unnamed)) == 2
    account.cloud.wait_idle(20)


def test_status_changes_are_events(account: Account) -> None:
    url, queue = account.queue()
    machine = account.machine({"A": {"Type": "Fail", "Error": "Broken", "Cause": "because"}})
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine]},
    }
    account.rule(pattern, {"Arn": queue})
    done = account.execute(machine, {"n": 1}, name="named")
    account.cloud.wait_idle(20)
    details = [json.loads(m["Body"])["detail"] for m in account.drain(url)]
    by_status = {detail["status"]: detail for detail in details}
    assert set(by_status) == {"RUNNING", "FAILED"}
    failed = by_status["FAILED"]
    assert (failed["executionArn"], failed["name"]) == (done["executionArn"], "named")
    assert (failed["error"], failed["cause"], failed["input"]) == ("Broken", "because", '{"n":1}')
    assert failed["stopDate"] >= failed["startDate"] > 1_600_000_000_000


def test_a_stopped_execution_is_aborted(account: Account) -> None:
    url, queue = account.queue()
    machine = account.machine({"A": {"Type": "Wait", "Seconds": 2000, "End": True}})
    account.rule({"detail": {"stateMachineArn": [machine], "status": ["ABORTED"]}}, {"Arn": queue})
    started = account.stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]
    time.sleep(0.2)
    account.stepfunctions.stop_execution(executionArn=started)
    account.cloud.wait_idle(10)
    assert account.stepfunctions.describe_execution(executionArn=started)["status"] == "ABORTED"
    assert len(account.drain(url)) == 1


def test_executions_that_end_badly_are_counted_by_how(account: Account) -> None:
    wait = {"A": {"Type": "Wait", "Seconds": 2000, "End": True}}
    late, stopped = account.machine(wait, TimeoutSeconds=1), account.machine(wait)
    account.execute(late)
    started = account.stepfunctions.start_execution(stateMachineArn=stopped)["executionArn"]
    account.stepfunctions.stop_execution(executionArn=started)
    account.cloud.wait_idle(10)
    for machine, name in (
        (account.machine({"A": {"Type": "Fail"}}), "ExecutionsFailed"),
        (late, "ExecutionsTimedOut"),
        (stopped, "ExecutionsAborted"),
        (account.machine({"A": {"Type": "Succeed"}}), None),
    ):
        if machine not in (late, stopped):
            account.execute(machine)
        metrics = account.cloudwatch.list_metrics(Namespace="AWS/States")["Metrics"]
        found = [m["MetricName"] for m in metrics if m["Dimensions"][0]["Value"] == machine]
        assert found == ([name] if name else [])


def test_services_are_called_under_the_machine_s_role(account: Account) -> None:
    url, _ = account.queue()
    name = account.name("table")
    account.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    condition = {"TableName": name, "Item": {"pk": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    catch = [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "D"}]
    states = {
        "A": task("dynamodb:putItem", condition, ResultPath=None, Next="B"),
        "B": task("sqs:sendMessage", {"QueueUrl": url, "MessageBody": {"a.$": "$.n"}}, ResultPath=None, Next="C"),
        "C": task("dynamodb:putItem", condition, Catch=catch),
        "D": {"Type": "Pass", "Result": "caught", "End": True},
    }
    done = account.execute(account.machine(states), {"n": 5})
    assert json.loads(done["output"]) == "caught"
    assert [json.loads(m["Body"]) for m in account.drain(url)] == [{"a": 5}]
    role = account.role("machine")
    uses = {(action, resource) for by, action, resource, _ in account.cloud.uses if by == role}
    assert ("dynamodb:PutItem", f"arn:aws:dynamodb:eu-west-1:111122223333:table/{name}") in uses
