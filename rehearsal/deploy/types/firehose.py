"""Firehose delivery streams from direct puts to S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.deploy import shapes
from rehearsal.deploy.properties import TAGS, ListOf, applied, fields
from rehearsal.deploy.resource import Account, Finding, Made, Maker, ResourceType
from rehearsal.firehose.settings import Refused, read

_PARAMETER = fields(
    ("ParameterName", "ParameterValue"),
    ParameterName=applied("LambdaArn", "RoleArn", "NumberOfRetries", "BufferSizeInMBs", "BufferIntervalInSeconds"),
    ParameterValue=applied(),
)
_DESTINATION = fields(
    ("BucketARN", "RoleARN"),
    BucketARN=applied(),
    RoleARN=applied(),
    Prefix=applied(),
    ErrorOutputPrefix=applied(),
    BufferingHints=fields(("IntervalInSeconds", "SizeInMBs"), IntervalInSeconds=applied(), SizeInMBs=applied()),
    CompressionFormat=applied("UNCOMPRESSED", "GZIP"),
    FileExtension=applied(),
    CustomTimeZone=applied("UTC"),
    EncryptionConfiguration=fields(
        NoEncryptionConfig=applied("NoEncryption"),
        KMSEncryptionConfig=fields(("AWSKMSKeyARN",), AWSKMSKeyARN=applied()),
    ),
    CloudWatchLoggingOptions=fields(Enabled=applied(), LogGroupName=applied(), LogStreamName=applied()),
    DynamicPartitioningConfiguration=fields(
        Enabled=applied(),
        RetryOptions=fields(DurationInSeconds=applied()),
    ),
    ProcessingConfiguration=fields(
        Enabled=applied(),
        Processors=ListOf(fields(("Type",), Type=applied("Lambda"), Parameters=ListOf(_PARAMETER, ordered=False))),
    ),
    S3BackupMode=applied("Disabled"),
)
STREAM = fields(
    ("ExtendedS3DestinationConfiguration",),
    DeliveryStreamName=applied(),
    DeliveryStreamType=applied("DirectPut"),
    DeliveryStreamEncryptionConfigurationInput=fields(
        ("KeyType",), KeyType=applied("CUSTOMER_MANAGED_CMK", "AWS_OWNED_CMK"), KeyARN=applied()
    ),
    ExtendedS3DestinationConfiguration=_DESTINATION,
    Tags=TAGS,
)


def _check(_cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    """What the model refuses of the destination as a whole, before anything is made."""
    given = props.get("ExtendedS3DestinationConfiguration")
    try:
        read("checked", "", "DirectPut", None, given or {})
    except Refused as refused:
        yield Finding("ExtendedS3DestinationConfiguration", given, str(refused))
    except (KeyError, TypeError, ValueError):
        return  # told by the table of properties, or known only once another resource exists


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("DeliveryStreamName") or maker.name(64)
    kept = {key: value for key, value in props.items() if key != "DeliveryStreamName"}
    arn = maker.call("firehose", "create_delivery_stream", DeliveryStreamName=name, **kept)["DeliveryStreamARN"]
    return Made(name, {"Arn": arn})


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    firehose, name = maker.client("firehose"), made.physical_id
    found = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    destination = found["Destinations"][0]["ExtendedS3DestinationDescription"]
    return {
        "DeliveryStreamName": found["DeliveryStreamName"],
        "DeliveryStreamType": found["DeliveryStreamType"],
        "DeliveryStreamEncryptionConfigurationInput": found.get("DeliveryStreamEncryptionConfiguration"),
        "ExtendedS3DestinationConfiguration": shapes.from_api(_DESTINATION, destination),
        "Tags": firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"],
    }


TYPES = (
    ResourceType(
        "AWS::KinesisFirehose::DeliveryStream",
        STREAM,
        _make,
        _read,
        lambda maker, made, props: maker.client("firehose").delete_delivery_stream(DeliveryStreamName=made.physical_id),
        attributes=("Arn",),
        listed=("delivery stream",),
        check=_check,
    ),
)
