"""DynamoDB tables, in both of their CloudFormation forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.deploy import shapes
from rehearsal.deploy.properties import STRING_SET, TAGS, Fields, Finding, ListOf, applied, fields, recorded
from rehearsal.deploy.resource import Account, Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool

NO_BACKUP = "the stand-in keeps no backups"
NO_CAPACITY = "the stand-in does not meter or throttle"
NO_ENCRYPTION = "global tables are not encrypted in the stand-in"

_KEYS = ListOf(fields(AttributeName=applied(), KeyType=applied("HASH", "RANGE")), ordered=False)
_ATTRIBUTES = ListOf(fields(AttributeName=applied(), AttributeType=applied("S", "N", "B")), ordered=False)
_PROJECTION = fields(ProjectionType=applied("ALL", "KEYS_ONLY", "INCLUDE"), NonKeyAttributes=STRING_SET)
_INDEX = {"IndexName": applied(), "KeySchema": _KEYS, "Projection": _PROJECTION}
_CAPACITY = recorded(NO_CAPACITY)
_COMMON = {
    "TableName": applied(),
    "AttributeDefinitions": _ATTRIBUTES,
    "KeySchema": _KEYS,
    "BillingMode": applied("PAY_PER_REQUEST", "PROVISIONED"),
    "TimeToLiveSpecification": fields(AttributeName=applied(), Enabled=applied()),
    "GlobalSecondaryIndexes": ListOf(
        fields(ProvisionedThroughput=_CAPACITY, OnDemandThroughput=_CAPACITY, **_INDEX), ordered=False
    ),
    "LocalSecondaryIndexes": ListOf(fields(**_INDEX), ordered=False),
}
_ENCRYPTION = fields(SSEEnabled=applied(), SSEType=applied("KMS"), KMSMasterKeyId=applied())
_RECOVERY = fields(PointInTimeRecoveryEnabled=recorded(NO_BACKUP), RecoveryPeriodInDays=recorded(NO_BACKUP))
TABLE = fields(
    ("KeySchema", "AttributeDefinitions"),
    **_COMMON,
    ProvisionedThroughput=fields(ReadCapacityUnits=applied(), WriteCapacityUnits=applied()),
    PointInTimeRecoverySpecification=_RECOVERY,
    SSESpecification=_ENCRYPTION,
    DeletionProtectionEnabled=applied(),
    Tags=TAGS,
)
_REPLICA = fields(
    ("Region",),
    Region=applied(),
    PointInTimeRecoverySpecification=_RECOVERY,
    DeletionProtectionEnabled=applied(),
    SSESpecification=fields(KMSMasterKeyId=recorded(NO_ENCRYPTION)),
    Tags=TAGS,
)
GLOBAL_TABLE = fields(
    ("KeySchema", "AttributeDefinitions", "Replicas"),
    **_COMMON,
    SSESpecification=fields(SSEEnabled=recorded(NO_ENCRYPTION), SSEType=recorded(NO_ENCRYPTION)),
    Replicas=ListOf(_REPLICA),
)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    dynamodb, name = maker.client("dynamodb"), props.get("TableName") or maker.name(255)
    kept = {k: v for k, v in props.items() if k not in ("TableName", "TimeToLiveSpecification", "SSESpecification")}
    kept.pop("PointInTimeRecoverySpecification", None)
    if as_bool((encryption := props.get("SSESpecification", {})).get("SSEEnabled", False)):
        own = {k: v for k, v in encryption.items() if k != "SSEEnabled"}
        kept["SSESpecification"] = {"Enabled": True, "SSEType": "KMS", **own}
    if kept.get("BillingMode", "PROVISIONED") == "PROVISIONED":
        for index in kept.get("GlobalSecondaryIndexes", []):
            index["ProvisionedThroughput"] = kept.get("ProvisionedThroughput")
    table = maker.call("dynamodb", "create_table", TableName=name, **kept)["TableDescription"]
    if "TimeToLiveSpecification" in props:
        wanted = props["TimeToLiveSpecification"]
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={
                "AttributeName": wanted["AttributeName"],
                "Enabled": as_bool(wanted.get("Enabled", True)),
            },
        )
    return Made(name, {"Arn": table["TableArn"], "TableId": table.get("TableId")})


def _read(node: Fields) -> Any:
    def read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
        dynamodb, name = maker.client("dynamodb"), made.physical_id
        table = dynamodb.describe_table(TableName=name)["Table"]
        found = shapes.from_api(node, table)
        # A table with provisioned capacity has no summary of its billing mode.
        found["BillingMode"] = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        described = table.get("SSEDescription", {})
        found["SSESpecification"] = {
            "SSEEnabled": described.get("Status") == "ENABLED",
            "SSEType": described.get("SSEType"),
            "KMSMasterKeyId": described.get("KMSMasterKeyArn"),
        }
        found["Tags"] = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        found["TimeToLiveSpecification"] = {
            "AttributeName": expiry.get("AttributeName"),
            "Enabled": expiry["TimeToLiveStatus"] in ("ENABLED", "ENABLING"),
        }
        return found

    return read


def _check_global(cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    regions = [replica["Region"] for replica in props["Replicas"]]
    if regions != [cloud.region]:
        yield Finding("Replicas", regions, f"handled: one replica, in the stack's region {cloud.region}")


def _make_global(maker: Maker, props: dict[str, Any]) -> Made:
    """One replica, in the stack's own region, is an ordinary table."""
    replicas = props["Replicas"]
    kept = {key: value for key, value in props.items() if key not in ("Replicas", "SSESpecification")}
    own = {key: replicas[0][key] for key in ("DeletionProtectionEnabled", "Tags") if key in replicas[0]}
    return _make(maker, {**kept, **own})


def _read_global(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = _read(TABLE)(maker, made, props)
    replica = {"Region": maker.cloud.region, "Tags": found["Tags"]}
    return {**found, "Replicas": [{**replica, "DeletionProtectionEnabled": found.get("DeletionProtectionEnabled")}]}


def _remove(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    dynamodb = maker.client("dynamodb")
    if dynamodb.describe_table(TableName=made.physical_id)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=made.physical_id, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=made.physical_id)


TYPES = (
    ResourceType("AWS::DynamoDB::Table", TABLE, _make, _read(TABLE), _remove, ("Arn",), ("dynamodb table",)),
    ResourceType(
        "AWS::DynamoDB::GlobalTable",
        GLOBAL_TABLE,
        _make_global,
        _read_global,
        _remove,
        ("Arn", "TableId"),
        ("dynamodb table",),
        check=_check_global,
    ),
)
