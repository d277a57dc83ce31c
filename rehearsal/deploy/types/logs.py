"""Log groups and their streams."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import TAGS, applied, fields, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import tags

GROUP = fields(
    LogGroupName=applied(),
    LogGroupClass=applied("STANDARD"),
    RetentionInDays=stored("log events do not expire in the stand-in"),
    KmsKeyId=stored("logs are not encrypted in the stand-in"),
    Tags=TAGS,
)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    logs, name = maker.client("logs"), props.get("LogGroupName") or maker.name(512)
    params: dict[str, Any] = {"logGroupName": name}
    if "KmsKeyId" in props:
        params["kmsKeyId"] = props["KmsKeyId"]
    if props.get("Tags"):
        params["tags"] = {tag["Key"]: tag["Value"] for tag in props["Tags"]}
    logs.create_log_group(**params)
    if "RetentionInDays" in props:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(props["RetentionInDays"]))
    return Made(name, {"Arn": maker.arn("logs", f"log-group:{name}:*")})


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    logs, name = maker.client("logs"), made.physical_id
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found = next(group for group in groups if group["logGroupName"] == name)
    return {
        "LogGroupName": found["logGroupName"],
        "LogGroupClass": found.get("logGroupClass", "STANDARD"),
        "RetentionInDays": found.get("retentionInDays"),
        "KmsKeyId": found.get("kmsKeyId"),
        "Tags": tags(logs.list_tags_log_group(logGroupName=name)["tags"]),
    }


def _make_stream(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("LogStreamName") or maker.name(512)
    maker.client("logs").create_log_stream(logGroupName=props["LogGroupName"], logStreamName=name)
    return Made(name)


def _read_stream(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    group, name = props["LogGroupName"], made.physical_id
    found = maker.client("logs").describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
    names = [entry["logStreamName"] for entry in found if entry["logStreamName"] == name]
    return {"LogGroupName": group, "LogStreamName": names[0] if names else None}


TYPES = (
    ResourceType(
        "AWS::Logs::LogStream",
        fields(("LogGroupName",), LogGroupName=applied(), LogStreamName=applied()),
        _make_stream,
        _read_stream,
        lambda maker, made, props: maker.client("logs").delete_log_stream(
            logGroupName=props["LogGroupName"], logStreamName=made.physical_id
        ),
        listed=("log group",),
    ),
    ResourceType(
        "AWS::Logs::LogGroup",
        GROUP,
        _make,
        _read,
        lambda maker, made, props: maker.client("logs").delete_log_group(logGroupName=made.physical_id),
        attributes=("Arn",),
        listed=("log group",),
    ),
)
