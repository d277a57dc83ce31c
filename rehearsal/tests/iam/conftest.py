"""A running Cloud that enforces roles, and what the probes do in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.cloud import Cloud
from rehearsal.cloud.enforcement import Denial

ACCOUNT, REGION = "111122223333", "eu-west-1"


def allow(actions: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Account:
    """Resources made by the administrator, calls made under roles."""

    def __init__(self, cloud: Cloud):
        self.cloud = cloud
        self._numbers = itertools.count(1)

    def __getattr__(self, service: str) -> Any:
        return self.cloud.client(service)

    def name(self, stem: str) -> str:
        return f"{stem}-{next(self._numbers)}"

    def role(self, *statements: dict[str, Any], trusts: dict[str, Any] | None = None, **trust: Any) -> str:
        """A role with these statements that one service trusts; its ARN."""
        name = self.name("role")
        believe = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": trusts or {"Service": "lambda.amazonaws.com"},
        }
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document({**believe, **trust}))
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def key(self, *statements: dict[str, Any]) -> str:
        """A customer key with these statements, or the default key policy; its ARN."""
        given = {"Policy": document(*statements)} if statements else {}
        return self.kms.create_key(**given)["KeyMetadata"]["Arn"]

    def bucket(self, key: str | None = None, bucket_key: bool = True) -> str:
        name = self.name("bucket")
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if key:
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
            self.s3.put_bucket_encryption(
                Bucket=name,
                ServerSideEncryptionConfiguration={"Rules": [{**rule, "BucketKeyEnabled": bucket_key}]},
            )
        return name

    def queue(self, **attributes: str) -> tuple[str, str]:
        name = self.name("queue")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def refused(self, call: Callable[..., Any], **arguments: Any) -> Denial:
        """Make a call that must be refused; the denial it left."""
        before = self.cloud.denials
        with pytest.raises(ClientError) as error:
            call(**arguments)
        (denial,) = [found for found in self.cloud.denials if found not in before]
        said = str(error.value)
        if error.value.operation_name not in ("HeadObject", "HeadBucket"):  # these have no body
            assert "is not authorized to perform" in said and denial.action in said and denial.resource in said, said
        return denial


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Cloud(tmp_path_factory.mktemp("cloud"), speed=20, enforce=True) as cloud:
        yield Account(cloud)
        problems = cloud.problems
    assert not problems
