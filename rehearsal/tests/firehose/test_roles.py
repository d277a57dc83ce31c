"""The delivery role: what the construct grants is enough, and what is missing is named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal import firehose
from rehearsal.cloud import Cloud
from rehearsal.tests.firehose.conftest import ACCOUNT, REGION, Streams

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streams]:
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=600, enforce=True)
    part = firehose.install(cloud)
    with cloud:
        yield Streams(cloud, part)


def delivery_role(streams: Streams, bucket: str, key: str, function: str, group: str, without: str = "") -> str:
    """A role with the statements that the construct writes, but for one action."""
    resources = {
        "s3:PutObject": [f"arn:aws:s3:::{bucket}/clicks/*", f"arn:aws:s3:::{bucket}/clicks-errors/*"],
        "kms:GenerateDataKey": [key],
        "kms:Decrypt": [key],
        "lambda:InvokeFunction": [function],
        "lambda:GetFunctionConfiguration": [function],
        "logs:PutLogEvents": [group],
    }
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": where}
        for action, where in resources.items()
        if action != without
    ]
    name = streams.name("delivery")
    trust = {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document: dict[str, Any] = {"Version": "2012-10-17", "Statement": [trust]}
    streams.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    document = {"Version": "2012-10-17", "Statement": statements}
    streams.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@pytest.mark.parametrize(
    "without", ["", "s3:PutObject", "kms:GenerateDataKey", "lambda:InvokeFunction", "lambda:GetFunctionConfiguration"]
)
def test_the_delivery_role(enforced: Streams, without: str) -> None:
    bucket, key = enforced.bucket(), enforced.kms.create_key()["KeyMetadata"]["Arn"]
    group = enforced.name("log")
    enforced.logs.create_log_group(logGroupName=group)
    enforced.logs.create_log_stream(logGroupName=group, logStreamName="S3Delivery")
    handler = "def handle(event):\n    keys = {'domain': 'web', 'dataset': 'clicks'}\n" + (
        "    return {'records': [{'recordId': r['recordId'], 'result': 'Ok', 'data': r['data'],\n"
        "                         'metadata': {'partitionKeys': keys}} for r in event['records']]}"
    )
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{enforced.function(handler)}"
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    role = delivery_role(enforced, bucket, key, function, logs, without)
    stream, _ = enforced.routed(
        bucket=bucket,
        RoleARN=role,
        EncryptionConfiguration={"KMSEncryptionConfig": {"AWSKMSKeyARN": key}},
        CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": group, "LogStreamName": "S3Delivery"},
        ProcessingConfiguration=enforced.processing(function.rsplit(":", 1)[-1]),
    )

    def refused() -> list[str]:
        return [denial.action for denial in enforced.cloud.denials if denial.role == role]

    enforced.put(stream, b"x")
    if not without:
        (name,) = enforced.delivered(bucket)
        assert name.startswith("clicks/web/clicks/") and refused() == []
        return
    deadline = time.monotonic() + 20
    while not refused() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(refused()) == {without}
    if without.startswith("lambda:"):
        (name,) = enforced.delivered(bucket)
        assert name.startswith("clicks-errors/processing-failed/")
        assert any("Lambda.InvokeAccessDenied" in line for line in enforced.cloud.log_lines(group))
    enforced.api.delete_delivery_stream(DeliveryStreamName=stream)
