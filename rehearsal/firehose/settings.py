"""What a delivery stream is configured to do. Whatever is not modelled is refused when the stream is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.firehose.prefixes import BadPrefix, Prefix, destination

MIB = 1024 * 1024
HANDLED = {
    "RoleARN", "BucketARN", "Prefix", "ErrorOutputPrefix", "BufferingHints", "CompressionFormat", "FileExtension",
    "EncryptionConfiguration", "CloudWatchLoggingOptions", "ProcessingConfiguration", "S3BackupMode",
    "DynamicPartitioningConfiguration", "CustomTimeZone",
}  # fmt: skip
PARAMETERS = {"LambdaArn", "RoleArn", "NumberOfRetries", "BufferSizeInMBs", "BufferIntervalInSeconds"}


class Refused(ValueError):
    """Settings that the service refuses or that are not modelled; `text` is for the caller."""


@dataclass(frozen=True)
class Processor:
    """The transforming function. size in bytes, interval in seconds of the service."""

    function: str
    role: str
    retries: int
    size: int
    interval: float


@dataclass(frozen=True)
class Settings:
    """A direct-put stream to S3. size in bytes, interval and retry in seconds of the service."""

    name: str
    arn: str
    role: str
    bucket: str
    prefix: Prefix
    error_prefix: Prefix
    size: int
    interval: float
    gzip: bool
    extension: str
    key: str
    log_group: str
    log_stream: str
    processor: Processor | None
    dynamic: bool
    encrypted: bool


def read(name: str, arn: str, kind: str, encryption: Mapping[str, Any] | None, given: Mapping[str, Any]) -> Settings:
    """The settings of an extended S3 destination. Raises Refused."""
    if kind not in ("", "DirectPut"):
        raise Refused(f"DeliveryStreamType {kind!r} is not modelled; modelled: DirectPut")
    if unknown := sorted(set(given) - HANDLED):
        raise Refused(f"not modelled in an S3 destination: {', '.join(unknown)}")
    if given.get("S3BackupMode", "Disabled") != "Disabled":
        raise Refused("S3BackupMode Enabled is not modelled")
    if given.get("CustomTimeZone", "UTC") != "UTC":
        raise Refused(f"CustomTimeZone {given['CustomTimeZone']!r} is not modelled; modelled: UTC")
    compression = given.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in ("UNCOMPRESSED", "GZIP"):
        raise Refused(f"CompressionFormat {compression!r} is not modelled; modelled: UNCOMPRESSED, GZIP")
    dynamic = bool((given.get("DynamicPartitioningConfiguration") or {}).get("Enabled"))
    size, interval = _buffer(given.get("BufferingHints") or {}, dynamic)
    processor = _processor(given.get("ProcessingConfiguration") or {}, given["RoleARN"])
    try:
        texts = given.get("Prefix", ""), given.get("ErrorOutputPrefix", "")
        prefixes = destination(*texts, dynamic=dynamic, transformed=processor is not None)
    except BadPrefix as error:
        raise Refused(str(error)) from None
    logging = given.get("CloudWatchLoggingOptions") or {}
    key = (given.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
    return Settings(
        name=name,
        arn=arn,
        role=given["RoleARN"],
        bucket=given["BucketARN"].split(":::")[-1],
        prefix=prefixes[0],
        error_prefix=prefixes[1],
        size=size,
        interval=interval,
        gzip=compression == "GZIP",
        extension=given.get("FileExtension") or (".gz" if compression == "GZIP" else ""),
        key=key.get("AWSKMSKeyARN", ""),
        log_group=logging.get("LogGroupName", "") if logging.get("Enabled") else "",
        log_stream=logging.get("LogStreamName", ""),
        processor=processor,
        dynamic=dynamic,
        encrypted=encryption is not None,
    )


def _buffer(hints: Mapping[str, Any], dynamic: bool) -> tuple[int, float]:
    if len(hints) == 1:
        raise Refused("BufferingHints: SizeInMBs and IntervalInSeconds go together")
    size, interval = int(hints.get("SizeInMBs", 64 if dynamic else 5)), int(hints.get("IntervalInSeconds", 300))
    least_size, least_interval = (64, 60) if dynamic else (1, 0)
    if not least_size <= size <= 128:
        raise Refused(f"BufferingHints.SizeInMBs: got {size}; allowed: {least_size} to 128")
    if not least_interval <= interval <= 900:
        raise Refused(f"BufferingHints.IntervalInSeconds: got {interval}; allowed: {least_interval} to 900")
    return size * MIB, float(interval)


def _processor(given: Mapping[str, Any], role: str) -> Processor | None:
    if not given.get("Enabled"):
        return None
    processors = given.get("Processors") or []
    if [entry["Type"] for entry in processors] != ["Lambda"]:
        raise Refused("ProcessingConfiguration: one Lambda processor is modelled, and no other")
    values = {entry["ParameterName"]: entry["ParameterValue"] for entry in processors[0].get("Parameters", [])}
    if unknown := sorted(set(values) - PARAMETERS):
        raise Refused(f"processor parameters that are not modelled: {', '.join(unknown)}")
    if "LambdaArn" not in values:
        raise Refused("ProcessingConfiguration: the parameter LambdaArn is missing")
    size, interval = float(values.get("BufferSizeInMBs", "1")), float(values.get("BufferIntervalInSeconds", "60"))
    retries = int(values.get("NumberOfRetries", "3"))
    if not 0.2 <= size <= 3 or not 0 <= interval <= 900 or not 0 <= retries <= 300:
        raise Refused(
            f"processor: BufferSizeInMBs {size:g}, BufferIntervalInSeconds {interval:g}, NumberOfRetries {retries}; "
            "allowed: 0.2 to 3, 0 to 900, 0 to 300"
        )
    return Processor(values["LambdaArn"], values.get("RoleArn", role), retries, int(size * MIB), interval)
