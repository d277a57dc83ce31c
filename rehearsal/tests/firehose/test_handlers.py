"""The lake's own functions on a stream: transform and redeliver, built from their Go source."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal.deploy.handlers import build
from rehearsal.tests.firehose.conftest import ACCOUNT, ERRORS, PREFIX, REGION, Streams

pytestmark = pytest.mark.cloud

ROOT = Path(__file__).parents[3]
MODULE = "github.com/strata-cdk/strata/lambda/"
ROUTING = {"field": "dataset", "datasets": ["web.clicks", "web.errors"]}


@dataclass(frozen=True)
class Source:
    """A stream with its two functions, its bucket and its ledger."""

    streams: Streams
    name: str
    bucket: str
    transform: str
    redeliver: str
    table: str

    def put(self, *records: bytes) -> None:
        self.streams.put(self.name, *records)

    def folders(self) -> dict[str, bytes]:
        """What lies in each folder, without the day and the names of the objects."""
        found: dict[str, bytes] = {}
        for key, body in self.streams.delivered(self.bucket).items():
            folder = key.rsplit("/", 1)[0].split("/ingest_date=")[0]
            found[folder] = found.get(folder, b"") + body
        return found

    def noticed(self, state: str, key: str, version: str) -> dict[str, str]:
        """Put an object into the ledger as notice would."""
        digest = hashlib.sha256(f"{key}\x00{version}".encode()).hexdigest()[:40]
        item = {"pk": f"inbox#!{state}", "sk": f"object#{digest}", "key": key, "version": version, "state": state}
        item |= {"bucket": self.bucket, "etag": "e", "noticed_at": "2026-01-01T00:00:00.000000Z"}
        self.streams.dynamodb.put_item(TableName=self.table, Item={name: {"S": value} for name, value in item.items()})
        return item

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        client = self.streams.cloud.client("lambda")
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    built = build({MODULE + "transform", MODULE + "redeliver"}, ROOT, tmp_path_factory.mktemp("handlers"))
    return {path.rsplit("/", 1)[-1]: archive for path, archive in built.items()}


@pytest.fixture
def source(streams: Streams, archives: dict[str, bytes]) -> Iterator[Source]:
    def function(handler: str, **environment: str) -> str:
        name = streams.name(handler)
        streams.cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=streams.role(f"role-{name}"),
            Code={"ZipFile": archives[handler]},
            Environment={"Variables": {"LAKE": "shop", **environment}},
            Timeout=900,
        )
        return name

    transform = function("transform", ROUTING=json.dumps(ROUTING))
    name, bucket = streams.stream(
        Prefix=PREFIX,
        ErrorOutputPrefix=ERRORS,
        BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 60},
        CompressionFormat="GZIP",
        FileExtension=".gz",
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=streams.processing(transform),
    )
    table = streams.name("ledger")
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    streams.dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
    )
    settings = {"RAW_BUCKET": bucket, "DELIVERY_STREAM": name, "ERRORS_PREFIX": "clicks-errors/"}
    redeliver = function("redeliver", LEDGER_TABLE=table, **settings)
    yield Source(streams, name, bucket, transform, redeliver, table)
    streams.api.delete_delivery_stream(DeliveryStreamName=name)


def test_records_go_where_they_say(source: Source) -> None:
    odd = [b"no json", b"", b"\xff\xfe", b'{"dataset":"Web.Clicks"}', b"[1]"]
    source.put(
        b'{"dataset":"web.errors","n":1}',
        b'{"dataset":"web.clicks"}\n',
        b'{"dataset":"web.errors"}\n{"dataset":"web.errors"}\r\n',
        b'{"dataset":"shop.carts"}',
        *odd,
    )
    assert source.folders() == {
        "clicks/web/errors": b'{"dataset":"web.errors","n":1}\n{"dataset":"web.errors"}\n{"dataset":"web.errors"}\r\n',
        "clicks/web/clicks": b'{"dataset":"web.clicks"}\n' + b"".join(record + b"\n" for record in odd),
        "clicks/shop/carts": b'{"dataset":"shop.carts"}\n',
    }


def test_rogue_names_share_a_folder(source: Source) -> None:
    source.put(*(f'{{"dataset":"rogue.n{number}"}}'.encode() for number in range(100)))
    folders = source.folders()
    assert len(folders) == 17 and folders["clicks/_unrouted/_unrouted"].count(b"\n") == 84


def test_what_shares_a_folder_is_put_back_once_it_is_declared(source: Source) -> None:
    source.put(*(f'{{"dataset":"rogue.n{number}"}}'.encode() for number in range(20)))
    shared = "clicks/_unrouted/_unrouted"
    lines = source.folders()[shared].splitlines(keepends=True)
    for entry in source.streams.s3.list_object_versions(Bucket=source.bucket, Prefix=shared)["Versions"]:
        source.noticed("unroutable", entry["Key"], entry["VersionId"])
    names = [json.loads(line)["dataset"] for line in lines]
    environment = {"LAKE": "shop", "ROUTING": json.dumps(ROUTING | {"datasets": [*ROUTING["datasets"], *names]})}
    source.streams.cloud.client("lambda").update_function_configuration(
        FunctionName=source.transform, Environment={"Variables": environment}
    )

    request = {"action": "redeliver", "prefix": "clicks/_unrouted/"}
    assert source.call(source.redeliver, {"action": "redeliver"}) == {"objects": 0, "records": 0, "left": 0}
    assert source.call(source.redeliver, request) == {"objects": 1, "records": 4, "left": 0}
    assert source.call(source.redeliver, request) == {"objects": 0, "records": 0, "left": 0}
    folders = source.folders()
    assert {name: folders[f"clicks/{name.replace('.', '/')}"] for name in names} == dict(zip(names, lines, strict=True))
    assert folders[shared] == b"".join(lines)


def test_an_answer_that_would_be_too_large_is_put_back(source: Source) -> None:
    records = [f"{number}".encode() * 900_000 for number in range(8)]
    event = {
        "invocationId": "one",
        "deliveryStreamArn": f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{source.name}",
        "region": REGION,
        "records": [
            {"recordId": str(number), "approximateArrivalTimestamp": 1, "data": base64.b64encode(data).decode()}
            for number, data in enumerate(records)
        ],
    }
    answer = source.call(source.transform, event)
    results = [entry["result"] for entry in answer["records"]]
    assert results == ["Ok"] * 4 + ["Dropped"] * 4 and len(json.dumps(answer)) <= 6_100_000
    assert sorted(source.folders()["clicks/web/clicks"].split(b"\n")[:-1]) == records[4:]


def test_what_could_not_be_delivered_is_put_back_once(source: Source) -> None:
    client = source.streams.cloud.client("lambda")
    client.put_function_concurrency(FunctionName=source.transform, ReservedConcurrentExecutions=0)
    records = [b'{"dataset":"web.errors"}', b"\xff", b'{"dataset":"web.clicks"}\n']
    source.put(*records)
    (folder,) = source.folders()
    assert folder == "clicks-errors/processing-failed"
    (entry,) = source.streams.s3.list_object_versions(Bucket=source.bucket)["Versions"]
    key, version = entry["Key"], entry["VersionId"]
    item = source.noticed("failed", key, version)
    client.delete_function_concurrency(FunctionName=source.transform)

    request = {"action": "redeliver", "key": key, "version": version}
    assert source.call(source.redeliver, request) == {"objects": 1, "records": 3, "left": 0}
    assert source.call(source.redeliver, {"action": "redeliver"}) == {"objects": 0, "records": 0, "left": 0}
    folders = source.folders()
    del folders["clicks-errors/processing-failed"]
    assert folders == {
        "clicks/web/errors": b'{"dataset":"web.errors"}\n',
        "clicks/web/clicks": b'\xff\n{"dataset":"web.clicks"}\n',
    }
    stored = source.streams.dynamodb.get_item(
        TableName=source.table, Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}}
    )["Item"]
    assert stored["state"]["S"] == "redelivered" and stored["records"]["N"] == "3"
    assert stored["redelivered_at"]["S"].startswith(time.strftime("%Y-"))
