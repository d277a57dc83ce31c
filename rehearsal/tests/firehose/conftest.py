"""A running Cloud with Firehose, and streams that are made quickly."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rehearsal import firehose
from rehearsal.cloud import Cloud
from rehearsal.tests.cloud.conftest import ACCOUNT, REGION, Account

PREFIX = (
    "clicks/!{partitionKeyFromLambda:domain}/!{partitionKeyFromLambda:dataset}/ingest_date=!{timestamp:yyyy-MM-dd}/"
)
ERRORS = "clicks-errors/!{firehose:error-output-type}/"

ECHO = """
import base64
def handle(event):
    answers = []
    for record in event["records"]:
        keys = {"domain": "web", "dataset": "events"}
        answers.append({"recordId": record["recordId"], "result": "Ok", "data": record["data"],
                        "metadata": {"partitionKeys": keys}})
    return {"records": answers}
"""


class Streams(Account):
    """An account whose delivery streams write to one bucket."""

    def __init__(self, cloud: Cloud, part: firehose.Firehose):
        super().__init__(cloud)
        self.part = part

    @property
    def api(self) -> Any:
        return self.cloud.client("firehose")

    def processing(self, function: str, **parameters: str) -> dict[str, Any]:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        values = {"LambdaArn": arn, "BufferSizeInMBs": "1", "BufferIntervalInSeconds": "60", **parameters}
        listed = [{"ParameterName": name, "ParameterValue": value} for name, value in values.items()]
        return {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": listed}]}

    def routed(self, handler: str = ECHO, **settings: Any) -> tuple[str, str]:
        """A stream with dynamic partitioning by a function: its name and its bucket."""
        parameters = settings.pop("parameters", {})
        changes: dict[str, Any] = {
            "Prefix": PREFIX,
            "ErrorOutputPrefix": ERRORS,
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": self.processing(self.function(handler), **parameters),
        }
        return self.stream(**{**changes, **settings})

    def stream(self, **settings: Any) -> tuple[str, str]:
        """A stream to S3: its name and its bucket."""
        name, bucket = self.name("stream"), settings.pop("bucket", None) or self.bucket()
        top = settings.pop("top", {})
        destination = {
            "RoleARN": self.role("delivery", "firehose.amazonaws.com"),
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "Prefix": "plain/!{timestamp:yyyy}/",
            "ErrorOutputPrefix": ERRORS,
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
            **settings,
        }
        self.api.create_delivery_stream(
            DeliveryStreamName=name,
            DeliveryStreamType="DirectPut",
            ExtendedS3DestinationConfiguration=destination,
            **top,
        )
        return name, bucket

    def put(self, stream: str, *records: bytes) -> dict[str, Any]:
        return self.api.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": data} for data in records])

    def delivered(self, bucket: str) -> dict[str, bytes]:
        """Key → content of what was delivered, once the streams hold nothing."""
        self.cloud.wait_idle(30)
        found = {}
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                body = self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                found[entry["Key"]] = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        return found


def failures(content: bytes) -> list[dict[str, Any]]:
    """The records of an error object, with their data decoded."""
    found = [json.loads(line) for line in io.BytesIO(content)]
    for entry in found:
        entry["data"] = base64.b64decode(entry["rawData"])
    return found


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streams]:
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=600, enforce=False)
    part = firehose.install(cloud)
    with cloud:
        yield Streams(cloud, part)
        problems = cloud.problems
    assert not problems


@pytest.fixture
def faults(streams: Streams) -> Iterator[Callable[..., None]]:
    """Sets faults of the model for the length of a test."""

    def put(**values: Any) -> None:
        fresh = type(streams.part.faults)(**values)
        streams.part.faults.__dict__.update(fresh.__dict__)

    yield put
    put()
