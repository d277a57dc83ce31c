"""Roles hold no more than they need: a used action that is taken away stops the lake, an unused one has its reason."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from shop import ITEMS, Shop, State

from rehearsal.cloud.enforcement import Denial
from rehearsal.iam.patterns import action_matches, resource_matches
from rehearsal.iam.variables import Context
from rehearsal.scenario.rehearse import roles

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

FILE = "id,change_seq,kind,price\n1,1,book,1.25\n101,1,game,8.00\n1,1,toy,1\n"
COMPONENT = re.compile(
    r"Lake(?:Arrivals|Pipeline)(Notice|Dispatch|Record|Reconcile|Refine|Publish|Run|Replay|Restore)Role"
)
DENIED_WITHIN = 60.0

KEY = (
    "AWS documents these for who uses a DynamoDB table under a customer key, without saying which request makes which; "
    "the stand-in models Decrypt (docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html)"
)
COLD = "done once when a function starts: the smoke run finds it warm"
UPLOAD = "an upload in parts that fails has to be cleaned up; one small file is no upload in parts"
LISTING = "part of reading a zone: without it S3 answers 403 of a missing object, and Hadoop lists folders"
FAILURE = "the failure path: executions that end badly, exhausted attempts, undelivered events, the alarm topic"
RESUMED = "resumed and replayed batches and runs, leases that expire in the hands of a run, and what they clean up"
HISTORY = "a rule on the number of rows compares with earlier batches; the smoke run's dataset declares none"
VAULT = "the smoke run's dataset is not tokenised; that of test_vault needs the key of its vault"
SCHEDULED = "the function runs by its own schedule, not in the smoke run"
ICEBERG = "Iceberg's: old metadata and failed commits are removed, tables are listed, existing tables changed"
HIVE = "part of reading a catalog: tables that are not Iceberg have partitions, the operations tables among them"
GLUE = "Glue makes a log group that is missing; the template's own are there"
STOPPED = "Step Functions stops the job of an execution that is stopped, and lists runs when it lost count"
OPERATED = "nobody starts a replay in the smoke run"
DELIVERY = "Step Functions sets up the machine's log delivery and traces; the stand-in models neither"

_REASONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (KEY, ("dispatch", "notice", "publish", "reconcile", "record", "refine"),
     ("kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo")),
    (COLD, ("dispatch", "notice", "record"), ("logs:CreateLogStream",)),
    (COLD, ("dispatch", "notice"), ("s3:GetObject",)),
    (UPLOAD, ("dispatch", "publish", "record", "refine"), ("s3:AbortMultipartUpload",)),
    (LISTING, ("dispatch", "publish"), ("s3:ListBucket",)),
    (LISTING, ("refine",), ("s3:ListBucketVersions",)),
    (FAILURE, ("record",), ("dynamodb:ConditionCheckItem", "dynamodb:PutItem", "sns:Publish", "sqs:SendMessage")),
    (RESUMED, ("dispatch",), ("states:DescribeExecution",)),
    (RESUMED, ("refine",), ("dynamodb:PutItem",)),
    (RESUMED, ("publish",), ("dynamodb:DeleteItem",)),
    (HISTORY, ("refine",), ("dynamodb:Query",)),
    (VAULT, ("refine",), ("secretsmanager:GetSecretValue",)),
    (SCHEDULED, ("reconcile",),
     ("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "kms:Decrypt",
      "kms:GenerateDataKey", "lambda:InvokeFunction", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject",
      "s3:ListBucketVersions", "sqs:SendMessage")),
    (ICEBERG, ("publish", "refine"), ("glue:GetDatabase", "glue:GetTables", "s3:DeleteObject")),
    (ICEBERG, ("publish",), ("glue:UpdateTable",)),
    (HIVE, ("publish",), ("glue:BatchGetPartition", "glue:GetPartition", "glue:GetPartitions")),
    (GLUE, ("publish", "refine"), ("logs:CreateLogGroup",)),
    (STOPPED, ("run",), ("glue:BatchStopJobRun", "glue:GetJobRuns")),
    (OPERATED, ("replay",), ("lambda:InvokeFunction",)),
    (OPERATED, ("restore",),
     ("kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject", "s3:GetObjectVersion",
      "s3:ListBucket", "s3:RestoreObject")),
    (DELIVERY, ("replay", "run"),
     ("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments")),
)  # fmt: skip

UNUSED = {
    (component, action): reason for reason, names, actions in _REASONS for component in names for action in actions
}
"""(component, action) → why a role holds what the smoke run does not use."""


@dataclass(frozen=True)
class Use:
    """One action of a role on a resource, as the control run used it."""

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role.rsplit('/', 1)[1]} {self.action} {self.resource}"


def run(shop: Shop) -> State:
    """The smoke scenario: one file with good rows and a bad one, through to the curated table."""
    shop.put(f"{ITEMS}one.csv", FILE)
    shop.settle()
    state = shop.state()
    assert [s for _, s, _ in state.batches] == ["applied"] and state.curated and not state.unfinished, state
    return state


def uses(shop: Shop) -> dict[Use, int]:
    return {Use(r, a, t): n for r, a, t, n in shop.cloud.uses if COMPONENT.search(r)}


@dataclass
class Control:
    """The unmodified run, and what it used."""

    state: State
    used: list[Use]


@pytest.fixture(scope="module")
def control(deployed: Shop) -> Control:
    """Runs on functions and a Spark worker that are warm, as those of the changed runs are."""
    if not uses(deployed):
        deployed.reset()
        run(deployed)
    deployed.reset()
    before = uses(deployed)
    state = run(deployed)
    assert roles(deployed.cloud).ok, roles(deployed.cloud).findings
    return Control(state, sorted((use for use, n in uses(deployed).items() if n > before.get(use, 0)), key=str))


def policies(shop: Shop) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(role name, policy name, document) of the template, as deployed."""
    for policy in shop.deployment.of_type("AWS::IAM::Policy"):
        for role in policy.properties["Roles"]:
            yield role, policy.properties["PolicyName"], policy.properties["PolicyDocument"]


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def grants(statement: dict[str, Any], use: Use) -> bool:
    fits = any(resource_matches(pattern, use.resource, Context()) for pattern in listed(statement["Resource"]))
    return fits and any(action_matches(pattern, use.action) for pattern in listed(statement["Action"]))


@contextmanager
def without(shop: Shop, use: Use) -> Iterator[list[str]]:
    """Takes the action out of every statement that grants this use; yields the resources it was granted on."""
    iam = shop.cloud.client("iam")
    taken: list[str] = []
    changed = []
    for role, name, document in policies(shop):
        if role != use.role.rsplit("/", 1)[1]:
            continue
        statements = []
        for statement in document["Statement"]:
            kept = listed(statement["Action"])
            if grants(statement, use):
                taken += listed(statement["Resource"])
                kept = [action for action in kept if not action_matches(action, use.action)]
            if kept:
                statements.append({**statement, "Action": kept})
        if statements != [{**s, "Action": listed(s["Action"])} for s in document["Statement"]]:
            changed.append((role, name, document))
            less = json.dumps({**document, "Statement": statements})
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=less)
    assert taken, f"no statement of the template grants {use}"
    try:
        yield taken
    finally:
        for role, name, document in changed:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def first_denial(shop: Shop) -> Denial | None:
    deadline = time.monotonic() + DENIED_WITHIN
    while time.monotonic() < deadline:
        if shop.cloud.denials:
            return shop.cloud.denials[0]
        time.sleep(0.1)
    return None


def fails_without(shop: Shop, control: Control, use: Use) -> None:
    """The run is refused and says what is missing; once it is given back, the same file comes through."""
    shop.reset()
    try:
        with without(shop, use) as resources:
            shop.put(f"{ITEMS}one.csv", FILE)
            denial = first_denial(shop)
            assert denial is not None, f"nothing was refused without {use}"
            assert (denial.role, denial.action) == (use.role, use.action), f"without {use}: {denial}"
            assert any(resource_matches(pattern, denial.resource, Context()) for pattern in resources), denial
            (finding, *_) = roles(shop.cloud).findings
            assert use.role in finding and use.action in finding and denial.resource in finding
        print(f"removed {use}: {denial}")
        shop.recover()
        shop.lake.invoke("dispatch", {"action": "replay", "state": "failed"})
        shop.recover()
        state = shop.state()
        assert (state.items, state.quarantine, state.curated) == (
            control.state.items,
            control.state.quarantine,
            control.state.curated,
        )
    finally:
        shop.cloud.clear_denials()


def draw(control: Control, count: int) -> list[Use]:
    """Different (role, action) pairs, each on one of its resources."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed}")
    dice = random.Random(seed)
    pairs = sorted({(use.role, use.action) for use in control.used})
    return [
        dice.choice([use for use in control.used if (use.role, use.action) == pair])
        for pair in dice.sample(pairs, count)
    ]


def test_a_removed_action_stops_the_run(deployed: Shop, control: Control):
    for use in draw(control, 2):
        fails_without(deployed, control, use)


@pytest.mark.soak
def test_ten_removed_actions(deployed: Shop, control: Control):
    for use in draw(control, 10):
        fails_without(deployed, control, use)


def test_every_unused_action_has_its_reason(deployed: Shop, control: Control):
    granted = {
        (found[1].lower(), action)
        for role, _, document in policies(deployed)
        if (found := COMPONENT.search(role))
        for statement in document["Statement"]
        for action in listed(statement["Action"])
    }
    used = {(found[1].lower(), use.action) for use in control.used if (found := COMPONENT.search(use.role))}
    unused = granted - used
    unexplained = sorted(unused - UNUSED.keys())
    assert not unexplained, "granted, unused and without a reason:\n" + "\n".join(map(str, unexplained))
    assert not (stale := sorted(UNUSED.keys() - granted)), f"a reason for what is not granted: {stale}"
    assert not (wrong := sorted(UNUSED.keys() & used)), f"a reason for what is used: {wrong}"
