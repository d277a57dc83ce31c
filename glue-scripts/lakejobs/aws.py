"""Clients of the AWS services the jobs call, from the environment of the driver or of an executor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from lakejobs.lists import split_uri

_RETRIES = Config(retries={"mode": "standard", "max_attempts": 6}, max_pool_connections=32)

# What an executor must know to call S3 as the driver does. On Glue none is set: workers find the job's role themselves.
_FORWARDED = {
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region_name": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
    "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "aws_session_token": ("AWS_SESSION_TOKEN",),
}


def executor_settings() -> dict[str, str]:
    """Arguments for `boto3.client("s3")` in an executor, taken from the driver's environment.

    The default session serves there: a worker is used again by the next task, and its clients are told their
    credentials, or find the job's.
    """
    found = {}
    for argument, names in _FORWARDED.items():
        value = next((os.environ[n] for n in names if os.environ.get(n)), None)
        if value is not None:
            found[argument] = value
    return found


@dataclass(frozen=True)
class Clients:
    s3: Any
    dynamodb: Any
    glue: Any
    secrets: Any
    sqs: Any
    cloudwatch: Any

    @classmethod
    def connect(cls) -> Clients:
        """Clients by the environment as it is now: boto3's default session would keep the credentials of the first job
        in a warm process. One session for all, since each reads the list of endpoints anew."""
        session = boto3.session.Session()

        def client(service: str) -> Any:
            return session.client(service, config=_RETRIES)

        return cls(
            s3=client("s3"),
            dynamodb=client("dynamodb"),
            glue=client("glue"),
            secrets=client("secretsmanager"),
            sqs=client("sqs"),
            cloudwatch=client("cloudwatch"),
        )

    def read(self, uri: str) -> bytes:
        """The bytes of an object of the lake's own."""
        bucket, key = split_uri(uri)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
