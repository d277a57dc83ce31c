"""Start, idleness, problems and stop."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from moto.sqs.models import Queue

from rehearsal.cloud import Cloud, IdleTimeout, InternalErrors
from rehearsal.tests.cloud.conftest import Account
from rehearsal.tests.cloud.test_functions import invoke

pytestmark = pytest.mark.cloud


def test_stop_leaves_no_process_thread_port_or_state(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    stock = Queue.__dict__["add_message"]
    cloud = Cloud(tmp_path, speed=10, schedules="tick", enforce=False).start()
    account = Account(cloud)
    function = account.function("def handle(event): time.sleep(event.get('seconds', 0))")
    invoke(account, function)
    client = cloud.client("lambda")
    client.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"seconds": 60}')
    machine = account.machine({"A": {"Type": "Wait", "Seconds": 6000, "End": True}})
    account.stepfunctions.start_execution(stateMachineArn=machine)
    _, arn = account.queue()
    client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    while not any("invocation of" in entry for entry in cloud.busy()):
        time.sleep(0.01)
    port = int(cloud.endpoint.rsplit(":", 1)[1])
    began = time.monotonic()
    cloud.stop()
    assert time.monotonic() - began < 8
    cloud.stop()
    assert cloud.problems == []
    assert [t for t in threading.enumerate() if t not in before and t.is_alive()] == []
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= children
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert Queue.__dict__["add_message"] is stock
    assert "MOTO_ACCOUNT_ID" not in os.environ
    with Cloud(tmp_path) as again:
        assert again.client("lambda").list_functions()["Functions"] == []


def test_there_is_one_cloud_per_process(new_cloud, tmp_path: Path) -> None:
    new_cloud()
    with pytest.raises(RuntimeError, match="another Cloud runs"):
        Cloud(tmp_path / "other").start()


def test_wait_idle_sees_a_chain_to_its_end(new_cloud) -> None:
    """Bucket → rule → queue → function → execution → event → function: no look in between finds nothing."""
    account = new_cloud(speed=10)
    last = account.function('def handle(event): print("LAST")')
    machine = account.machine({"A": {"Type": "Wait", "Seconds": 1, "End": True}})
    account.rule(
        {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}},
        {"Arn": f"arn:aws:lambda:eu-west-1:111122223333:function:{last}"},
    )
    first = account.function(f"def handle(event): client('stepfunctions').start_execution(stateMachineArn={machine!r})")
    url, queue = account.queue(DelaySeconds="2")
    account.cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName=first, BatchSize=1)
    bucket = account.bucket(events=True)
    account.rule({"source": ["aws.s3"]}, {"Arn": queue})
    for n in range(1, 6):
        account.s3.put_object(Bucket=bucket, Key=str(n), Body=b"")
        account.cloud.wait_idle(30)
        assert account.cloud.log_lines(f"/aws/lambda/{last}").count("LAST") == n


def test_idle_timeout_names_what_is_busy(new_cloud) -> None:
    account = new_cloud()
    url, queue = account.queue(DelaySeconds="60")
    function = account.function("def handle(event): pass")
    account.cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName=function)
    account.sqs.send_message(QueueUrl=url, MessageBody="x")
    seen: list[list[str]] = []
    with pytest.raises(IdleTimeout, match=r"not idle after 1.5 s: queue queue-1: 1 delayed"):
        account.cloud.wait_idle(1.5, seen.append)
    assert seen == [["queue queue-1: 1 delayed"]]


def test_problems_in_the_background_surface(new_cloud) -> None:
    account = new_cloud()

    def fail() -> None:
        raise ZeroDivisionError("planted")

    account.cloud.spawn("probe", fail)
    with pytest.raises(InternalErrors, match=r"probe: (?s:.)*ZeroDivisionError: planted"):
        account.cloud.wait_idle(5)


def test_parts_are_started_asked_and_stopped(tmp_path: Path) -> None:
    told: list[str] = []

    class Part:
        name = "probe"

        def start(self) -> None:
            told.append("start")

        def busy(self) -> list[str]:
            return ["probe is busy"] if len(told) == 1 else []

        def stop(self) -> None:
            told.append("stop")

    cloud = Cloud(tmp_path)
    cloud.attach(Part())
    with cloud:
        with pytest.raises(IdleTimeout, match="probe is busy"):
            cloud.wait_idle(0.1)
        told.append("done")
        cloud.wait_idle(1)
    assert told == ["start", "done", "stop"]


def test_requests_of_strangers_are_refused(new_cloud) -> None:
    account = new_cloud()
    for service in ("s3", "sqs", "sns", "lambda", "dynamodb"):
        stranger = boto3.client(
            service,
            endpoint_url=account.cloud.endpoint,
            region_name="eu-west-1",
            aws_access_key_id="AKIASTRANGER00000000",
            aws_secret_access_key="x",
        )
        operation = {"s3": "list_buckets", "sqs": "list_queues", "sns": "list_topics", "lambda": "list_functions"}
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            getattr(stranger, operation.get(service, "list_tables"))()


def test_environment_in_seconds_is_scaled_on_request(new_cloud) -> None:
    account = new_cloud(speed=60, scaled_environment=["WINDOW_SECONDS"])
    names = ["WINDOW_SECONDS", "LEASE_SECONDS"]
    function = account.function(
        f"def handle(event): return [os.environ[n] for n in {names}]",
        Environment={"Variables": {"WINDOW_SECONDS": "90", "LEASE_SECONDS": "90"}},
    )
    assert invoke(account, function)["Payload"] == ["2", "90"]


def test_speed_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="speed=0.5: must be 1 or more"):
        Cloud(tmp_path, speed=0.5)
