"""Fixtures of the contract suite: a running Cloud per module, and a function whose handler is Python."""

from __future__ import annotations

import io
import itertools
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.cloud import Cloud

ACCOUNT, REGION = "111122223333", "eu-west-1"

BOOTSTRAP = """#!{python}
import json, os, sys, time, urllib.request
sys.stdout.reconfigure(line_buffering=True)
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
def client(service):
    import boto3
    return boto3.client(service)
{handler}
while True:
    with urllib.request.urlopen(base + "next") as answer:
        request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    try:
        outcome, path = handle(event), "/response"
    except Exception as error:
        outcome, path = {{"errorType": type(error).__name__, "errorMessage": str(error)}}, "/error"
    data = outcome if isinstance(outcome, bytes) else json.dumps(outcome).encode()
    urllib.request.urlopen(urllib.request.Request(base + request + path, data=data)).close()
"""


class Account:
    """What the probes need of an account: names that do not collide, and resources made quickly."""

    def __init__(self, cloud: Cloud):
        self.cloud = cloud
        self._numbers = itertools.count(1)
        self._roles: set[str] = set()

    def __getattr__(self, service: str) -> Any:
        return self.cloud.client(service)

    def name(self, stem: str) -> str:
        return f"{stem}-{next(self._numbers)}"

    def role(self, name: str, service: str = "lambda.amazonaws.com") -> str:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        if arn not in self._roles:
            statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
            self._roles.add(arn)
        return arn

    def function(self, handler: str, **settings: Any) -> str:
        """A function named after the test, with `def handle(event)` in Python; its name."""
        name = self.name("fn")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("bootstrap", BOOTSTRAP.format(python=sys.executable, handler=handler))
        self.cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=self.role(f"role-{name}"),
            Code={"ZipFile": archive.getvalue()},
            **{"Timeout": 10, **settings},
        )
        return name

    def queue(self, *, fifo: bool = False, **attributes: str) -> tuple[str, str]:
        """A queue: its URL and ARN."""
        name = self.name("queue") + (".fifo" if fifo else "")
        values = {**({"FifoQueue": "true"} if fifo else {}), **attributes}
        url = self.sqs.create_queue(QueueName=name, Attributes=values)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def bucket(self, *, events: bool = False) -> str:
        name = self.name("bucket")
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if events:
            configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
            self.s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
        return name

    def rule(self, pattern: dict[str, Any], target: dict[str, Any], **settings: Any) -> str:
        name = self.name("rule")
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern), **settings)
        self.events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
        return name

    def drain(self, url: str) -> list[dict[str, Any]]:
        """Every visible message, deleted."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def machine(self, states: dict[str, Any], start: str = "A", **top: Any) -> str:
        definition = json.dumps({"StartAt": start, "States": states, **top})
        role = self.role("machine", "states.amazonaws.com")
        made = self.stepfunctions.create_state_machine(name=self.name("machine"), definition=definition, roleArn=role)
        return made["stateMachineArn"]

    def execute(self, machine: str, given: Any = None, **settings: Any) -> dict[str, Any]:
        """Run an execution to its end."""
        started = self.stepfunctions.start_execution(
            stateMachineArn=machine, input=json.dumps(given if given is not None else {}), **settings
        )
        self.cloud.wait_idle(60)
        return self.stepfunctions.describe_execution(executionArn=started["executionArn"])


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Cloud(tmp_path_factory.mktemp("cloud"), speed=20, enforce=False) as cloud:
        yield Account(cloud)
        problems = cloud.problems
    assert not problems


@pytest.fixture
def new_cloud(tmp_path: Path) -> Iterator[Callable[..., Account]]:
    """Makes a Cloud of the test's own. Not to be used beside `account`: there is one Cloud per process."""
    made: list[Cloud] = []

    def make(**settings: Any) -> Account:
        made.append(Cloud(tmp_path / str(len(made)), **{"enforce": False, **settings}).start())
        return Account(made[-1])

    yield make
    for cloud in made:
        cloud.stop()
