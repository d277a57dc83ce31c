"""How a stream buffers, transforms, partitions and writes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from rehearsal.firehose import buffers
from rehearsal.firehose.records import Record, event
from rehearsal.tests.firehose.conftest import ECHO, Streams, failures

pytestmark = pytest.mark.cloud


def test_records_are_joined_as_they_are(streams: Streams) -> None:
    stream, bucket = streams.stream()
    answer = streams.put(stream, b"a", b"b\n", b"\xff\x00", b"")
    assert answer["FailedPutCount"] == 0 and not answer["Encrypted"]
    assert len({entry["RecordId"] for entry in answer["RequestResponses"]}) == 4
    assert list(streams.delivered(bucket).values()) == [b"ab\n\xff\x00"]


def test_object_names(streams: Streams) -> None:
    stream, bucket = streams.stream(Prefix="plain", CompressionFormat="GZIP")
    streams.api.put_record(DeliveryStreamName=stream, Record={"Data": b"x"})
    (key,) = streams.delivered(bucket)
    day = time.strftime("%Y/%m/%d/%H", time.gmtime())
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(rf"plain{day}/{stream}-1-\d{{4}}(-\d\d){{5}}-{uuid}\.gz", key), key
    assert streams.s3.get_object(Bucket=bucket, Key=key)["Body"].read()[:2] == b"\x1f\x8b"


def test_the_buffer_closes_by_size_or_time(streams: Streams) -> None:
    stream, bucket = streams.stream(BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    for _ in range(3):
        streams.put(stream, b"x" * 400_000)
    deadline = time.monotonic() + 5
    while not (found := streams.s3.list_objects_v2(Bucket=bucket).get("Contents")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [entry["Size"] for entry in found] == [1_200_000]
    streams.put(stream, b"rest")
    assert any("holds records" in text for text in streams.cloud.busy())
    assert len(streams.s3.list_objects_v2(Bucket=bucket)["Contents"]) == 1
    streams.part.flush()
    assert sorted(len(body) for body in streams.delivered(bucket).values()) == [4, 1_200_000]


def test_partitions_by_the_function(streams: Streams) -> None:
    handler = ECHO.replace('{"domain": "web"', '{"domain": base64.b64decode(record["data"]).decode().split(",")[0]')
    stream, bucket = streams.routed(handler, FileExtension=".gz", CompressionFormat="GZIP")
    streams.put(stream, b"web,1", b"shop,1", b"web,2")
    found = streams.delivered(bucket)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    folders = {key.rsplit("/", 1)[0]: body for key, body in found.items()}
    assert folders == {
        f"clicks/web/events/ingest_date={day}": b"web,1web,2",
        f"clicks/shop/events/ingest_date={day}": b"shop,1",
    }
    assert all(key.endswith(".gz") and not key.endswith(".gz.gz") for key in found)


def test_what_the_function_gets_and_may_answer(streams: Streams) -> None:
    handler = """
import base64
def handle(event):
    assert sorted(event) == ["deliveryStreamArn", "invocationId", "records", "region"], event
    answers = []
    for record in event["records"]:
        assert sorted(record) == ["approximateArrivalTimestamp", "data", "recordId"], record
        text = base64.b64decode(record["data"]).decode()
        keys = {"domain": "web", "dataset": "events"} if text != "keyless" else {"domain": ""}
        data = base64.b64encode(b"<" + text.encode() + b">").decode()
        answer = {"recordId": record["recordId"], "result": "Ok", "data": data, "metadata": {"partitionKeys": keys}}
        if text in ("Dropped", "ProcessingFailed", "Odd"):
            answer = {"recordId": record["recordId"], "result": text, "data": ""}
        if text == "broken":
            answer["data"] = "%"
        if text != "missing":
            answers.append(answer)
    answers.append({"recordId": "unknown", "result": "Ok", "data": ""})
    return {"records": answers}
"""
    stream, bucket = streams.routed(handler)
    records = [b"good", b"Dropped", b"ProcessingFailed", b"missing", b"keyless", b"Odd", b"broken"]
    streams.put(stream, *records)
    found = streams.delivered(bucket)
    bodies = {key.split("/")[0]: body for key, body in found.items()}
    assert bodies["clicks"] == b"<good>" and len(found) == 2
    (key,) = (key for key in found if key.startswith("clicks-errors/"))
    assert key.startswith(f"clicks-errors/processing-failed/{stream}-1-")
    got = {entry["data"]: (entry["errorCode"], entry["attemptsMade"]) for entry in failures(bodies["clicks-errors"])}
    assert got == {
        b"ProcessingFailed": ("Lambda.ProcessingFailedStatus", 1),
        b"missing": ("Lambda.MissingRecordId", 1),
        b"keyless": ("DynamicPartitioning.MissingKeys", 1),
        b"Odd": ("Lambda.JsonProcessingException", 1),
        b"broken": ("Lambda.JsonProcessingException", 1),
    }


def test_invocations_are_tried_again(streams: Streams) -> None:
    handler = "tries = []\n" + ECHO.replace(
        "    answers = []\n",
        "    answers = []\n    tries.append(1)\n    if len(tries) < 4: raise RuntimeError('not yet')\n",
    )
    stream, bucket = streams.routed(handler)
    streams.put(stream, b"x")
    assert list(streams.delivered(bucket).values()) == [b"x"]


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("def handle(event): raise RuntimeError('boom')", "Lambda.FunctionError"),
        ("def handle(event): return b'no json'", "Lambda.JsonProcessingException"),
        ("def handle(event): return {'records': 1}", "Lambda.JsonProcessingException"),
        ("def handle(event): return {'records': [{'recordId': 1}, {'recordId': 1}]}", "Lambda.DuplicatedRecordId"),
        ("def handle(event): return {'x': 'y' * 7_000_000}", "Lambda.FunctionError"),
    ],
)
def test_a_failed_invocation_fails_all_its_records(streams: Streams, handler: str, code: str) -> None:
    stream, bucket = streams.routed(handler)
    streams.put(stream, b"x", b"\xff")
    ((key, body),) = streams.delivered(bucket).items()
    assert key.startswith("clicks-errors/processing-failed/")
    entries = failures(body)
    assert [entry["data"] for entry in entries] == [b"x", b"\xff"]
    assert all(entry["errorCode"] == code and entry["attemptsMade"] == 4 for entry in entries)
    assert (
        entries[0]["lambdaArn"].endswith(":$LATEST")
        and entries[0]["attemptEndingTimestamp"] >= entries[0]["arrivalTimestamp"]
    )


def test_a_function_that_may_not_be_called(streams: Streams) -> None:
    processing = streams.processing("nowhere", NumberOfRetries="0")
    stream, bucket = streams.routed(ProcessingConfiguration=processing)
    streams.put(stream, b"x")
    (body,) = streams.delivered(bucket).values()
    assert failures(body)[0]["errorCode"] == "Lambda.ResourceNotFound"


def test_batches_of_the_function_have_a_bound(streams: Streams) -> None:
    handler = ECHO.replace(
        '"data": record["data"]', '"data": base64.b64encode(b"%d;" % len(event["records"])).decode()'
    )
    stream, bucket = streams.routed(handler, parameters={"BufferIntervalInSeconds": "900"})
    for _ in range(4):
        streams.put(stream, b"x" * 500_000, b"y")
    streams.part.flush()
    streams.cloud.wait_idle(30)
    streams.part.flush()
    text = b"".join(streams.delivered(bucket).values())
    assert sorted(text.split(b";")[:-1]) == sorted([b"5"] * 5 + [b"3"] * 3)  # a third x reaches 1 MiB


def test_small_records_fill_a_request_before_the_buffer() -> None:
    gathered = buffers.Gathered()
    for _ in range(80_000):
        gathered.add(Record.new(b"0123456789"))
    requests = []
    while gathered.records:
        requests.append(gathered.cut(1024 * 1024))
    sizes = [len(event("arn", "eu-west-1", "id", records)) for records in requests]
    assert max(sizes) <= 6 * 1024 * 1024 and len(sizes) == 3
    assert sum(map(len, requests)) == 80_000 and (gathered.size, gathered.request) == (0, 0)


def test_too_many_partitions(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    assert buffers.PARTITIONS == 500
    monkeypatch.setattr(buffers, "PARTITIONS", 2)
    handler = ECHO.replace('"dataset": "events"', '"dataset": base64.b64decode(record["data"]).decode()')
    stream, bucket = streams.routed(handler)
    streams.put(stream, b"a", b"b", b"c", b"a", b"d")
    found = streams.delivered(bucket)
    (over,) = (body for key, body in found.items() if key.startswith("clicks-errors/activePartitionExceeded/"))
    assert [entry["data"] for entry in failures(over)] == [b"c", b"d"] and sorted(found.values())[:2] == [b"aa", b"b"]


def test_objects_are_written_under_the_key(streams: Streams) -> None:
    key = streams.kms.create_key()["KeyMetadata"]["Arn"]
    settings = {"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}}
    top = {"DeliveryStreamEncryptionConfigurationInput": {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key}}
    stream, bucket = streams.stream(**settings, top=top)
    assert streams.put(stream, b"x")["Encrypted"]
    (name,) = streams.delivered(bucket)
    head = streams.s3.head_object(Bucket=bucket, Key=name)
    assert head["ServerSideEncryption"] == "aws:kms" and head["SSEKMSKeyId"] == key
    described = streams.api.describe_delivery_stream(DeliveryStreamName=stream)["DeliveryStreamDescription"]
    assert described["DeliveryStreamEncryptionConfiguration"] == {
        "KeyARN": key,
        "KeyType": "CUSTOMER_MANAGED_CMK",
        "Status": "ENABLED",
    }


def test_calls_are_made_under_the_role(streams: Streams) -> None:
    stream, bucket = streams.routed()
    streams.put(stream, b"x")
    (key,) = streams.delivered(bucket)
    role = streams.role("delivery", "firehose.amazonaws.com")
    used = {(action, resource) for who, action, resource, _ in streams.cloud.uses if who == role}
    assert ("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}") in used
    assert {"lambda:InvokeFunction", "lambda:GetFunctionConfiguration"} <= {action for action, _ in used}


def test_a_write_that_fails_is_tried_until_it_succeeds(streams: Streams) -> None:
    group = streams.name("log")
    streams.logs.create_log_group(logGroupName=group)
    streams.logs.create_log_stream(logGroupName=group, logStreamName="S3Delivery")
    bucket = streams.name("later")
    logging = {"Enabled": True, "LogGroupName": group, "LogStreamName": "S3Delivery"}
    stream, _ = streams.stream(bucket=bucket, CloudWatchLoggingOptions=logging)
    streams.put(stream, b"x")
    deadline = time.monotonic() + 10
    while not any("NoSuchBucket" in text for text in streams.cloud.busy()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pair = [{"Name": "DeliveryStreamName", "Value": stream}]
    told = streams.cloud.client("cloudwatch").list_metrics(Namespace="AWS/Firehose", Dimensions=pair)["Metrics"]
    assert [metric["MetricName"] for metric in told] == ["DeliveryToS3.DataFreshness"], "what waits grows old"
    streams.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert list(streams.delivered(bucket).values()) == [b"x"]
    assert any("S3.NoSuchBucket" in line for line in streams.cloud.log_lines(group))


def test_a_deleted_stream_delivers_nothing_more(streams: Streams) -> None:
    stream, bucket = streams.stream(BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    streams.put(stream, b"x")
    streams.api.delete_delivery_stream(DeliveryStreamName=stream)
    assert streams.delivered(bucket) == {}
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        streams.put(stream, b"x")


def test_records_are_refused_and_repeated_on_purpose(streams: Streams, faults: Callable[..., None]) -> None:
    stream, bucket = streams.stream()
    faults(refused=2)
    answer = streams.put(stream, b"a", b"b", b"c")
    codes = [entry.get("ErrorCode") for entry in answer["RequestResponses"]]
    assert answer["FailedPutCount"] == 2 and codes == ["ServiceUnavailableException"] * 2 + [None]
    faults(repeated=0.5, seed=7)
    streams.put(stream, *[b"x"] * 100)
    text = b"".join(streams.delivered(bucket).values())
    assert text[:1] == b"c" and 120 < len(text) < 180


def test_limits_of_a_put(streams: Streams) -> None:
    stream, bucket = streams.stream()
    wrong: list[tuple[list[bytes], str]] = [
        ([b"x" * 1_024_001], "ValidationException"),
        ([b"x"] * 501, "ValidationException"),
        ([b"x" * 1_024_000] * 5, "InvalidArgumentException"),
    ]
    lenient = streams.cloud.service_client("test.amazonaws.com", "firehose")
    for records, code in wrong:
        with pytest.raises(ClientError, match=code):
            lenient.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": data} for data in records])
    assert streams.delivered(bucket) == {}
    streams.put(stream, *[b"x" * 1_000_000] * 4)
    assert sum(map(len, streams.delivered(bucket).values())) == 4_000_000


def test_the_clock_is_the_rehearsals(streams: Streams) -> None:
    stream, bucket = streams.stream()
    began = time.monotonic()
    streams.put(stream, b"x")
    streams.delivered(bucket)
    assert 60 / streams.cloud.speed <= time.monotonic() - began < 5


def test_stopping_a_busy_cloud(streams: Streams) -> None:
    """Kept last: the Cloud of the module stops with records held, which is no problem."""
    stream, _ = streams.stream(BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    streams.put(stream, b"x")
