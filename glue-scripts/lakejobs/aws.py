"""Clients of the AWS services the jobs call, from the environment of the driver or of an executor."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
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
    """Arguments for `boto3.client("s3")` in an executor, taken from the driver's environment."""
    found = {}
    for argument, names in _FORWARDED.items():
        value = next((os.environ[n] for n in names if os.environ.get(n)), None)
        if value is not None:
            found[argument] = value
    return found


def _client(service: str) -> Any:
    # A session of its own: the default one keeps the credentials of the first job in a warm process.
    return boto3.session.Session().client(service, config=_RETRIES)


@dataclass(frozen=True)
class Clients:
    s3: Any = field(default_factory=lambda: _client("s3"))
    dynamodb: Any = field(default_factory=lambda: _client("dynamodb"))
    glue: Any = field(default_factory=lambda: _client("glue"))
    secrets: Any = field(default_factory=lambda: _client("secretsmanager"))
    sqs: Any = field(default_factory=lambda: _client("sqs"))
    cloudwatch: Any = field(default_factory=lambda: _client("cloudwatch"))

    def read(self, uri: str) -> bytes:
        """The bytes of an object of the lake's own."""
        bucket, key = split_uri(uri)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
