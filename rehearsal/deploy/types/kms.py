"""Customer keys and their aliases."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import TAGS, applied, document, fields, recorded, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool

KEY = fields(
    ("KeyPolicy",),
    KeyPolicy=document(),
    Description=applied(),
    EnableKeyRotation=stored("keys are not rotated"),
    RotationPeriodInDays=recorded("keys are not rotated"),
    KeySpec=applied("SYMMETRIC_DEFAULT"),
    KeyUsage=applied("ENCRYPT_DECRYPT"),
    Enabled=applied(True),
    MultiRegion=applied(False),
    PendingWindowInDays=recorded("the stand-in is discarded as a whole: keys do not wait for their deletion"),
    Tags=TAGS,
)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    kept = {key: props[key] for key in ("Description", "KeySpec", "KeyUsage", "MultiRegion") if key in props}
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in props.get("Tags", [])]
    answer = maker.call("kms", "create_key", Policy=props["KeyPolicy"], Tags=tags, **kept)["KeyMetadata"]
    if as_bool(props.get("EnableKeyRotation", False)):
        maker.client("kms").enable_key_rotation(KeyId=answer["KeyId"])
    return Made(answer["KeyId"], {"Arn": answer["Arn"], "KeyId": answer["KeyId"]})


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    kms, key = maker.client("kms"), made.physical_id
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    tags = kms.list_resource_tags(KeyId=key)["Tags"]
    return {
        **metadata,
        "KeyPolicy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
        "Tags": [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in tags],
    }


def _read_alias(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    metadata = maker.client("kms").describe_key(KeyId=made.physical_id)["KeyMetadata"]
    target = metadata["Arn"] if str(props["TargetKeyId"]).startswith("arn:") else metadata["KeyId"]
    return {"AliasName": made.physical_id, "TargetKeyId": target}


def _make_alias(maker: Maker, props: dict[str, Any]) -> Made:
    key = maker.client("kms").describe_key(KeyId=props["TargetKeyId"])["KeyMetadata"]["KeyId"]
    maker.client("kms").create_alias(AliasName=props["AliasName"], TargetKeyId=key)
    return Made(props["AliasName"])


TYPES = (
    ResourceType(
        "AWS::KMS::Key",
        KEY,
        _make,
        _read,
        lambda maker, made, props: maker.client("kms").schedule_key_deletion(
            KeyId=made.physical_id, PendingWindowInDays=7
        ),
        attributes=("Arn", "KeyId"),
        listed=("kms key",),
    ),
    ResourceType(
        "AWS::KMS::Alias",
        fields(("AliasName", "TargetKeyId"), AliasName=applied(), TargetKeyId=applied()),
        _make_alias,
        _read_alias,
        lambda maker, made, props: maker.client("kms").delete_alias(AliasName=made.physical_id),
        listed=("kms alias",),
    ),
)
