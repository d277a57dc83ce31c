"""Lambda: invocations, errors, logs and embedded metrics."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


def invoke(account: Account, function: str, event: Any = None, **settings: Any) -> dict[str, Any]:
    client = account.cloud.client("lambda")
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event or {}), **settings)
    body = answer["Payload"].read()
    return {**answer, "Payload": json.loads(body) if body else None}


def test_an_instance_is_used_again_and_acts_under_its_role(account: Account) -> None:
    function = account.function(
        'def handle(event): return {"pid": os.getpid(), "who": client("sts").get_caller_identity()["Arn"]}'
    )
    first, second = invoke(account, function), invoke(account, function)
    assert first["Payload"] == second["Payload"]
    assert errors(account, function) == 0
    assert first["Payload"]["who"].startswith(f"arn:aws:sts::111122223333:assumed-role/role-{function}/")
    assert "FunctionError" not in first


def errors(account: Account, function: str) -> float:
    """The sum of the function's metric Errors."""
    now = datetime.now(UTC)
    found = account.cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def test_concurrent_invocations_get_instances_of_their_own(account: Account) -> None:
    function = account.function("def handle(event): time.sleep(0.3); return os.getpid()")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(invoke(account, function)["Payload"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ('def handle(event): raise ValueError("no")', "ValueError"),
        ("def handle(event): os._exit(3)", "Runtime.ExitError"),
        ("def handle(event): time.sleep(30)", "Sandbox.Timedout"),
    ],
)
def test_errors_of_functions(account: Account, handler: str, kind: str) -> None:
    function = account.function(handler, Timeout=1)
    answer = invoke(account, function, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["Payload"]["errorType"] == kind
    assert invoke(account, function)["Payload"]["errorType"] == kind  # a new instance takes the next one
    assert errors(account, function) == 2


def test_an_asynchronous_event_is_tried_three_times_and_then_sent_on(account: Account) -> None:
    url, queue = account.queue()
    function = account.function('def handle(event): print("TRY"); raise ValueError("no")')
    client = account.cloud.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": queue}}
    )
    answer = invoke(account, function, {"n": 1}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    account.cloud.wait_idle(30)
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    assert lines.count("TRY") == 3
    (message,) = account.drain(url)
    assert json.loads(message["Body"])["requestPayload"] == {"n": 1}


def test_logs_and_embedded_metrics(account: Account) -> None:
    directive = {"Namespace": "Probe", "Dimensions": [["Lake"]], "Metrics": [{"Name": "Failed", "Unit": "Count"}]}
    line = {"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "Lake": "commerce", "Failed": 3}
    function = account.function(f"def handle(event): print({json.dumps(line)!r})")
    answer = invoke(account, function, LogType="Tail")
    assert "CloudWatchMetrics" in base64.b64decode(answer["LogResult"]).decode()
    lines = account.cloud.log_lines(f"/aws/lambda/{function}")
    assert [line.split(" ")[0] for line in lines] == ["START", '{"_aws":', "END", "REPORT"]
    now = datetime.now(UTC)
    found = account.cloudwatch.get_metric_statistics(
        Namespace="Probe",
        MetricName="Failed",
        Dimensions=[{"Name": "Lake", "Value": "commerce"}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=60,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in found["Datapoints"]) == 3


def test_logging_configuration_is_kept(account: Account) -> None:
    group = account.name("group")
    function = account.function('def handle(event): print("hello")', LoggingConfig={"LogGroup": group})
    configuration = account.cloud.client("lambda").get_function_configuration(FunctionName=function)
    assert configuration["LoggingConfig"]["LogGroup"] == group
    invoke(account, function)
    assert "hello" in account.cloud.log_lines(group)


def test_reserved_concurrency_throttles(account: Account) -> None:
    function = account.function("def handle(event): time.sleep(1)")
    client = account.cloud.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    thread = threading.Thread(target=invoke, args=(account, function))
    thread.start()
    try:
        while not any(function in entry for entry in account.cloud.busy()):
            pass
        strict = account.cloud._live().clients.make("lambda", account.cloud._live().identities.administrator)
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            strict.invoke(FunctionName=function, Payload="{}")
    finally:
        thread.join()
