"""Lambda functions, who may call them, and the queues they read."""

from __future__ import annotations

import json
import platform
from typing import Any

from rehearsal.deploy.properties import (
    TAGS,
    ListOf,
    MapOf,
    applied,
    document,
    fields,
    recorded,
    stored,
    write_only,
)
from rehearsal.deploy.resource import Made, Maker, ResourceType

IMPORT_PATH = "strata:go-import-path"
"""Key in a function's Metadata: the Go import path of its source."""

NO_SCALING = "the stand-in does not limit or scale concurrency"
HOST_BUILD = "the arm64 binary itself is not run: the same source is built for the host"
_UPLOADED = write_only("the service answers with a hash of the code instead")

FUNCTION = fields(
    ("Code", "Role", "Runtime", "Handler"),
    FunctionName=applied(),
    Description=applied(),
    Code=fields(("S3Bucket", "S3Key"), S3Bucket=_UPLOADED, S3Key=_UPLOADED),
    Role=applied(),
    Runtime=applied("provided.al2023"),
    Handler=applied(),
    Architectures=ListOf(applied("arm64", "x86_64")),
    Timeout=applied(),
    MemorySize=applied(),
    EphemeralStorage=fields(Size=stored("the local disk is not limited")),
    Environment=fields(Variables=MapOf()),
    DeadLetterConfig=fields(TargetArn=applied()),
    KmsKeyArn=applied(),
    ReservedConcurrentExecutions=recorded(NO_SCALING),
    RecursiveLoop=recorded("the stand-in does not detect recursive loops"),
    TracingConfig=fields(Mode=recorded("the stand-in writes no X-Ray traces")),
    LoggingConfig=fields(
        LogGroup=applied(),
        LogFormat=recorded("log lines are kept as the function writes them"),
        ApplicationLogLevel=recorded("log lines are kept as the function writes them"),
        SystemLogLevel=recorded("the stand-in writes no platform log lines in JSON"),
    ),
    Tags=TAGS,
)

MAPPING = fields(
    ("EventSourceArn", "FunctionName"),
    EventSourceArn=applied(),
    FunctionName=applied(),
    BatchSize=applied(),
    Enabled=applied(),
    MaximumBatchingWindowInSeconds=applied(),
    FunctionResponseTypes=ListOf(applied("ReportBatchItemFailures")),
    FilterCriteria=fields(Filters=ListOf(fields(Pattern=document()))),
    ScalingConfig=fields(MaximumConcurrency=recorded(NO_SCALING)),
    Tags=TAGS,
)


def host_architecture() -> str:
    """This machine in Lambda's words."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def _code(maker: Maker, props: dict[str, Any]) -> dict[str, Any]:
    """Where the code is: the host build where there is one."""
    code = dict(props["Code"])
    if key := maker.substitute_code.get(maker.logical_id):
        code["S3Key"] = key
    return code


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("FunctionName") or maker.name(64)
    code = _code(maker, props)
    tags = {tag["Key"]: tag["Value"] for tag in props.get("Tags", [])}
    params = {key: value for key, value in props.items() if key not in ("FunctionName", "Code", "Tags")}
    answer = maker.call("lambda", "create_function", FunctionName=name, Code=code, Tags=tags, **params)
    return Made(name, {"Arn": answer["FunctionArn"]})


def _change(maker: Maker, made: Made, before: dict[str, Any], props: dict[str, Any]) -> Made:
    fixed = [name for name in ("FunctionName", "Tags", "Architectures") if before.get(name) != props.get(name)]
    if fixed:
        raise ValueError(f"{', '.join(fixed)} changed; the rehearsal changes code and configuration of a function")
    gone = [name for name in before if name not in props]
    if gone:
        raise ValueError(f"{', '.join(gone)} left the function; the rehearsal changes values, it does not reset them")
    same = ("FunctionName", "Code", "Tags", "Architectures")
    params = {key: value for key, value in props.items() if key not in same}
    maker.call("lambda", "update_function_configuration", FunctionName=made.physical_id, **params)
    maker.call("lambda", "update_function_code", FunctionName=made.physical_id, **_code(maker, props))
    return made


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    answer = maker.client("lambda").get_function(FunctionName=made.physical_id)
    found = dict(answer["Configuration"])
    found["KmsKeyArn"] = found.get("KMSKeyArn")
    found["Tags"] = [{"Key": key, "Value": value} for key, value in answer.get("Tags", {}).items()]
    return found


def _make_permission(maker: Maker, props: dict[str, Any]) -> Made:
    maker.call("lambda", "add_permission", StatementId=maker.logical_id, **props)
    return Made(maker.logical_id)


def _read_permission(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    policy = json.loads(maker.client("lambda").get_policy(FunctionName=props["FunctionName"])["Policy"])
    statement = next((item for item in policy["Statement"] if item["Sid"] == maker.logical_id), {})
    principal = statement.get("Principal")
    condition = statement.get("Condition", {})
    arns = condition.get("ArnLike", {})
    accounts = condition.get("StringEquals", {})
    return {
        "FunctionName": props["FunctionName"],
        "Action": statement.get("Action"),
        "Principal": principal.get("Service", principal.get("AWS")) if isinstance(principal, dict) else principal,
        "SourceArn": arns.get("AWS:SourceArn", arns.get("aws:SourceArn")),
        "SourceAccount": accounts.get("AWS:SourceAccount", accounts.get("aws:SourceAccount")),
    }


def _make_mapping(maker: Maker, props: dict[str, Any]) -> Made:
    params = {key: value for key, value in props.items() if key != "Tags"}
    answer = maker.call("lambda", "create_event_source_mapping", **params)
    resource = f"event-source-mapping:{answer['UUID']}"
    return Made(answer["UUID"], {"Id": answer["UUID"], "EventSourceMappingArn": maker.arn("lambda", resource)})


def _read_mapping(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = dict(maker.client("lambda").get_event_source_mapping(UUID=made.physical_id))
    asked = str(props["FunctionName"])
    found["FunctionName"] = asked if found["FunctionArn"].split(":function:")[1] == asked.split(":")[-1] else None
    if "Enabled" in props:
        found["Enabled"] = found["State"] in ("Enabled", "Enabling", "Creating")
    return found


TYPES = (
    ResourceType(
        "AWS::Lambda::Function",
        FUNCTION,
        _make,
        _read,
        lambda maker, made, props: maker.client("lambda").delete_function(FunctionName=made.physical_id),
        attributes=("Arn",),
        listed=("lambda function", "log group"),
        change=_change,
    ),
    ResourceType(
        "AWS::Lambda::Permission",
        fields(
            ("Action", "FunctionName", "Principal"),
            Action=applied(),
            FunctionName=applied(),
            Principal=applied(),
            SourceArn=applied(),
            SourceAccount=applied(),
        ),
        _make_permission,
        _read_permission,
        lambda maker, made, props: maker.client("lambda").remove_permission(
            FunctionName=props["FunctionName"], StatementId=made.physical_id
        ),
        listed=("lambda function",),
    ),
    ResourceType(
        "AWS::Lambda::EventSourceMapping",
        MAPPING,
        _make_mapping,
        _read_mapping,
        lambda maker, made, props: maker.client("lambda").delete_event_source_mapping(UUID=made.physical_id),
        attributes=("Id", "EventSourceMappingArn"),
        listed=("event source mapping",),
    ),
)
