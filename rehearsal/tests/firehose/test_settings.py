"""What a stream may be configured to do, and its prefixes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from rehearsal.firehose.prefixes import BadPrefix, destination, parse
from rehearsal.firehose.settings import Refused, read

AT = datetime(2026, 1, 31, 6, 5, 4)
FUNCTION = {"ParameterName": "LambdaArn", "ParameterValue": "arn:function"}
ERRORS = "e/!{firehose:error-output-type}/"


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("", ""),
        ("plain/", "plain/"),
        ("a/!{timestamp:yyyy-MM-dd}/", "a/2026-01-31/"),
        ("a/!{timestamp:yyyy'/month='MM'/it''s 'HH:mm:ss}/", "a/2026/month=01/it's 06:05:04/"),
        ("!{partitionKeyFromLambda:k}/x/!{partitionKeyFromLambda:k}", "v/x/v"),
        (ERRORS, "e/processing-failed/"),
    ],
)
def test_prefixes(given: str, want: str) -> None:
    assert parse(given).evaluate(AT, {"k": "v"}, "processing-failed") == want


def test_random_strings_differ() -> None:
    one, two = parse("!{firehose:random-string}/!{firehose:random-string}").evaluate(AT).split("/")
    assert len(one) == len(two) == 11 and one != two


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("!{timestamp:YYYY}/", "YYYY is not modelled"),  # the year of the week, a classic mistake
        ("!{timestamp:yyyyMMddX}/", "X is not modelled"),
        ("!{timestamp:'a}/", "a quote has no end"),
        ("!{firehose:shard}/", "unknown expression !{firehose:shard}"),
        ("!{partitionKeyFromLambda:}/", "unknown expression"),
        ("!{date:yyyy}/", "unknown expression !{date:yyyy}"),
        ("!{yyyy}/", "is no !{namespace:value}"),
        ("a/!{timestamp:yyyy", "has no end"),
    ],
)
def test_prefixes_that_are_refused(given: str, complaint: str) -> None:
    with pytest.raises(BadPrefix, match=complaint.replace("{", r"\{").replace("!", r"\!")):
        parse(given)


def test_long_prefixes_are_refused_when_evaluated() -> None:
    prefix = parse("!{partitionKeyFromLambda:k}/")
    assert len(prefix.evaluate(AT, {"k": "v" * 511})) == 512
    with pytest.raises(BadPrefix, match="513 characters once evaluated"):
        prefix.evaluate(AT, {"k": "v" * 512})


@pytest.mark.parametrize(
    ("prefix", "error", "dynamic", "complaint"),
    [
        ("a/!{firehose:error-output-type}/", ERRORS, False, "for ErrorOutputPrefix only"),
        ("a/!{partitionKeyFromQuery:k}/", ERRORS, True, "queries are not modelled"),
        ("a/!{partitionKeyFromLambda:k}/", ERRORS, False, "need dynamic partitioning"),
        ("a/", ERRORS, True, "needs a partition key"),
        ("a/", "", False, "ErrorOutputPrefix: missing"),
        ("a/", "e/", False, "error-output-type} is missing"),
        ("a/", ERRORS + "!{partitionKeyFromLambda:k}/", False, "not allowed here"),
    ],
)
def test_pairs_that_are_refused(prefix: str, error: str, dynamic: bool, complaint: str) -> None:
    with pytest.raises(BadPrefix, match=complaint):
        destination(prefix, error, dynamic=dynamic, transformed=True)


def test_a_prefix_without_time_gets_one() -> None:
    prefix, _ = destination("a", ERRORS, dynamic=False, transformed=False)
    assert prefix.evaluate(AT) == "a2026/01/31/06/"


def settings(**changes: Any) -> Any:
    given = {
        "RoleARN": "arn:role",
        "BucketARN": "arn:aws:s3:::b",
        "Prefix": "a/",
        "ErrorOutputPrefix": ERRORS,
        **changes,
    }
    return read("s", "arn:s", changes.pop("kind", "DirectPut"), None, {k: v for k, v in given.items() if k != "kind"})


def test_defaults() -> None:
    found = settings()
    assert (found.size, found.interval, found.gzip, found.extension) == (5 * 1024 * 1024, 300, False, "")
    assert found.bucket == "b" and found.processor is None and not found.encrypted
    processed = settings(
        ProcessingConfiguration={"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": [FUNCTION]}]}
    )
    assert (processed.processor.size, processed.processor.interval, processed.processor.retries) == (1024 * 1024, 60, 3)
    assert processed.processor.role == "arn:role"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "KinesisStreamAsSource"}, "DeliveryStreamType 'KinesisStreamAsSource' is not modelled"),
        (
            {"DataFormatConversionConfiguration": {}},
            "not modelled in an S3 destination: DataFormatConversionConfiguration",
        ),
        ({"S3BackupMode": "Enabled"}, "S3BackupMode"),
        ({"CustomTimeZone": "Asia/Tokyo"}, "CustomTimeZone 'Asia/Tokyo'"),
        ({"CompressionFormat": "Snappy"}, "CompressionFormat 'Snappy'"),
        ({"BufferingHints": {"SizeInMBs": 5}}, "go together"),
        ({"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 60}}, "got 129; allowed: 1 to 128"),
        ({"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 901}}, "got 901; allowed: 0 to 900"),
        (
            {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Decompression"}]}},
            "one Lambda processor",
        ),
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda"}]}}, "LambdaArn is missing"),
        ({"Prefix": "!{timestamp:YYYY}"}, "YYYY is not modelled"),
    ],
)
def test_settings_that_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        settings(**changes)


@pytest.mark.parametrize(
    ("hints", "complaint"),
    [
        ({"SizeInMBs": 63, "IntervalInSeconds": 60}, "got 63; allowed: 64 to 128"),
        ({"SizeInMBs": 64, "IntervalInSeconds": 59}, "got 59; allowed: 60 to 900"),
    ],
)
def test_dynamic_partitioning_needs_larger_buffers(hints: dict[str, int], complaint: str) -> None:
    processing = {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": [FUNCTION]}]}
    dynamic = {"DynamicPartitioningConfiguration": {"Enabled": True}, "ProcessingConfiguration": processing}
    with pytest.raises(Refused, match=complaint):
        settings(Prefix="!{partitionKeyFromLambda:k}/", BufferingHints=hints, **dynamic)


@pytest.mark.parametrize(
    "parameter",
    [
        ("BufferSizeInMBs", "3.1"),
        ("BufferSizeInMBs", "0.1"),
        ("BufferIntervalInSeconds", "901"),
        ("NumberOfRetries", "301"),
    ],
)
def test_processor_ranges(parameter: tuple[str, str]) -> None:
    listed = [FUNCTION, dict(zip(("ParameterName", "ParameterValue"), parameter, strict=True))]
    with pytest.raises(Refused, match="allowed: 0.2 to 3, 0 to 900, 0 to 300"):
        settings(ProcessingConfiguration={"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": listed}]})
