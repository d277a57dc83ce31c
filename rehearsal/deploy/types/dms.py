"""DMS: serverless replication configurations, their endpoints, and subnet groups."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rehearsal.deploy import shapes
from rehearsal.deploy.properties import STRING_SET, TAGS, Finding, applied, document, fields, recorded, stored
from rehearsal.deploy.resource import Account, Made, Maker, ResourceType
from rehearsal.dms.mappings import parse_mappings
from rehearsal.dms.problems import Refused
from rehearsal.dms.settings import parse_settings

NO_CAPACITY = "the replication runs on this machine: capacity units and availability zones are not used"
NO_NETWORK = "there is no network between the replication and its endpoints in the stand-in"
NO_STORAGE_KEY = "what a replication stores while it runs is not encrypted in the stand-in"
NO_TLS = "the connection to the source database is not encrypted in the stand-in"

POSTGRES = fields(
    ("SecretsManagerAccessRoleArn", "SecretsManagerSecretId"),
    SecretsManagerAccessRoleArn=applied(),
    SecretsManagerSecretId=applied(),
    CaptureDdls=applied(True),
    FailTasksOnLobTruncation=applied(),
    HeartbeatEnable=recorded("the stand-in's source has no idle slots that hold its log back"),
    HeartbeatFrequency=recorded("the stand-in's source has no idle slots that hold its log back"),
    PluginName=applied("no-preference", "test-decoding", "pglogical", "NO_PREFERENCE", "TEST_DECODING", "PGLOGICAL"),
)
S3 = fields(
    ("BucketName", "DataFormat", "ServiceAccessRoleArn"),
    BucketName=applied(),
    BucketFolder=applied(),
    DataFormat=applied("parquet"),
    ServiceAccessRoleArn=applied(),
    EncryptionMode=applied("sse-s3", "sse-kms", "SSE_S3", "SSE_KMS"),
    ServerSideEncryptionKmsKeyId=applied(),
    CompressionType=applied("none", "gzip", "NONE", "GZIP"),
    EncodingType=applied("plain", "plain-dictionary", "rle-dictionary"),
    ParquetVersion=applied("parquet-1-0", "parquet-2-0"),
    ParquetTimestampInMillisecond=applied(),
    EnableStatistics=applied(),
    RowGroupLength=applied(),
    IncludeOpForFullLoad=applied(),
    CdcInsertsOnly=applied(),
    CdcInsertsAndUpdates=applied(False),
    CdcMaxBatchInterval=applied(),
    CdcMinFileSize=applied(),
    MaxFileSize=applied(),
    DatePartitionEnabled=applied(False),
    PreserveTransactions=applied(),
    CdcPath=applied(),
    CsvDelimiter=applied(","),
    CsvNullValue=applied(),
    CsvRowDelimiter=applied("\\n", "\n"),
    Rfc4180=applied(True),
    GlueCatalogGeneration=applied(False),
    ExpectedBucketOwner=applied(),
)
ENDPOINT = fields(
    ("EndpointType", "EngineName"),
    EndpointIdentifier=applied(),
    EndpointType=applied("source", "target"),
    EngineName=applied("postgres", "s3"),
    DatabaseName=applied(),
    KmsKeyId=stored("connection settings are not encrypted in the stand-in"),
    PostgreSqlSettings=POSTGRES,
    ResourceIdentifier=applied(),
    S3Settings=S3,
    SslMode=stored(NO_TLS),
    Tags=TAGS,
)
CONFIG = fields(
    (
        "ComputeConfig",
        "ReplicationConfigIdentifier",
        "ReplicationType",
        "SourceEndpointArn",
        "TableMappings",
        "TargetEndpointArn",
    ),
    ComputeConfig=fields(
        ("MaxCapacityUnits",),
        AvailabilityZone=stored(NO_CAPACITY),
        KmsKeyId=stored(NO_STORAGE_KEY),
        MaxCapacityUnits=stored(NO_CAPACITY),
        MinCapacityUnits=stored(NO_CAPACITY),
        MultiAZ=stored(NO_CAPACITY),
        PreferredMaintenanceWindow=recorded("there is no maintenance in the stand-in"),
        ReplicationSubnetGroupId=applied(),
        VpcSecurityGroupIds=stored(NO_NETWORK),
    ),
    ReplicationConfigIdentifier=applied(),
    ReplicationSettings=document(),
    ReplicationType=applied("full-load", "cdc", "full-load-and-cdc"),
    ResourceIdentifier=applied(),
    SourceEndpointArn=applied(),
    TableMappings=document(),
    Tags=TAGS,
    TargetEndpointArn=applied(),
)
GROUP = fields(
    ("ReplicationSubnetGroupDescription", "SubnetIds"),
    ReplicationSubnetGroupDescription=applied(),
    ReplicationSubnetGroupIdentifier=applied(),
    SubnetIds=STRING_SET,
    Tags=TAGS,
)


def _check_config(_cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    readers: tuple[tuple[str, Callable[[str], Any]], ...] = (
        ("TableMappings", parse_mappings),
        ("ReplicationSettings", parse_settings),
    )
    for name, read in readers:
        if name not in props:
            continue
        try:
            read(shapes.as_text(props[name]))
        except Refused as refused:
            for problem in refused.problems:
                yield Finding(name, props[name], problem)


def _check_endpoint(_cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    pairs = {("source", "postgres"): "PostgreSqlSettings", ("target", "s3"): "S3Settings"}
    pair = props["EndpointType"], props["EngineName"]
    if pair not in pairs:
        yield Finding("EngineName", props["EngineName"], "handled: a source of engine postgres, a target of engine s3")
    elif pairs[pair] not in props:
        yield Finding(pairs[pair], None, f"this property is required for the engine {props['EngineName']}")


def _make_endpoint(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("EndpointIdentifier") or maker.name(255, lower=True)
    made = maker.call("dms", "create_endpoint", **{**props, "EndpointIdentifier": name})["Endpoint"]
    return Made(made["EndpointArn"])


def _read_endpoint(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    filters = [{"Name": "endpoint-arn", "Values": [made.physical_id]}]
    found = maker.client("dms").describe_endpoints(Filters=filters)["Endpoints"][0]
    reported = {**shapes.from_api(ENDPOINT, found), "EndpointType": found["EndpointType"].lower()}
    return {**reported, **_identifier(props, made.physical_id), "Tags": _tags(maker, made.physical_id)}


def _make_config(maker: Maker, props: dict[str, Any]) -> Made:
    made = maker.call("dms", "create_replication_config", **props)["ReplicationConfig"]
    return Made(made["ReplicationConfigArn"], {"ReplicationConfigArn": made["ReplicationConfigArn"]})


def _read_config(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    filters = [{"Name": "replication-config-arn", "Values": [made.physical_id]}]
    found = maker.client("dms").describe_replication_configs(Filters=filters)["ReplicationConfigs"][0]
    reported = shapes.from_api(CONFIG, found)
    return {**reported, **_identifier(props, made.physical_id), "Tags": _tags(maker, made.physical_id)}


def _remove_config(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    """A replication that runs is not stopped: the service refuses to delete its configuration, and so does a stack.
    One that is gone already counts as deleted.

    Its log group, which the service makes at the first run, goes with it here.
    """
    dms = maker.client("dms")
    with contextlib.suppress(dms.exceptions.ResourceNotFoundFault):
        dms.delete_replication_config(ReplicationConfigArn=made.physical_id)
    logs, group = maker.client("logs"), f"dms-serverless-replication-{made.physical_id.rsplit(':', 1)[-1]}"
    if logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.delete_log_group(logGroupName=group)


def _make_group(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("ReplicationSubnetGroupIdentifier") or maker.name(255, lower=True)
    given = {**props, "ReplicationSubnetGroupIdentifier": name}
    made = maker.call("dms", "create_replication_subnet_group", **given)["ReplicationSubnetGroup"]
    return Made(made["ReplicationSubnetGroupIdentifier"])


def _read_group(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    filters = [{"Name": "replication-subnet-group-id", "Values": [made.physical_id]}]
    found = maker.client("dms").describe_replication_subnet_groups(Filters=filters)["ReplicationSubnetGroups"][0]
    return {
        **found,
        "SubnetIds": [subnet["SubnetIdentifier"] for subnet in found["Subnets"]],
        "Tags": _tags(maker, maker.arn("dms", f"subgrp:{made.physical_id}")),
    }


def _identifier(props: dict[str, Any], arn: str) -> dict[str, str]:
    """A resource identifier is not reported: it shows as the last part of the ARN."""
    return {"ResourceIdentifier": arn.rsplit(":", 1)[-1]} if "ResourceIdentifier" in props else {}


def _tags(maker: Maker, arn: str) -> list[dict[str, str]]:
    return maker.client("dms").list_tags_for_resource(ResourceArn=arn)["TagList"]


TYPES = (
    ResourceType(
        "AWS::DMS::Endpoint",
        ENDPOINT,
        _make_endpoint,
        _read_endpoint,
        lambda maker, made, props: maker.client("dms").delete_endpoint(EndpointArn=made.physical_id),
        listed=("dms endpoint",),
        check=_check_endpoint,
    ),
    ResourceType(
        "AWS::DMS::ReplicationConfig",
        CONFIG,
        _make_config,
        _read_config,
        _remove_config,
        attributes=("ReplicationConfigArn",),
        listed=("dms replication config",),
        check=_check_config,
    ),
    ResourceType(
        "AWS::DMS::ReplicationSubnetGroup",
        GROUP,
        _make_group,
        _read_group,
        lambda maker, made, props: maker.client("dms").delete_replication_subnet_group(
            ReplicationSubnetGroupIdentifier=made.physical_id
        ),
        listed=("dms subnet group",),
    ),
)
