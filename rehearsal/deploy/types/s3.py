"""Buckets and bucket policies."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from rehearsal.deploy.properties import TAGS, ListOf, applied, document, fields, recorded, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool
from rehearsal.deploy.upload import location

NO_EXPIRY = "the stand-in does not expire or move objects"
NO_ACCESS_LOGS = "the stand-in writes no server access logs"
NO_BLOCKING = "public access does not exist in the stand-in: nothing is blocked"

_DAYS = stored(NO_EXPIRY)
_TRANSITION = fields(("StorageClass",), StorageClass=_DAYS, TransitionInDays=_DAYS)
_NONCURRENT = fields(NoncurrentDays=_DAYS, NewerNoncurrentVersions=_DAYS)
_RULE = fields(
    ("Status",),
    Id=_DAYS,
    Status=_DAYS,
    Prefix=_DAYS,
    ExpirationInDays=_DAYS,
    ExpiredObjectDeleteMarker=_DAYS,
    AbortIncompleteMultipartUpload=fields(DaysAfterInitiation=_DAYS),
    NoncurrentVersionExpiration=_NONCURRENT,
    Transitions=ListOf(_TRANSITION),
)
_BLOCK = stored(NO_BLOCKING)
_ENCRYPTION = fields(
    SSEAlgorithm=applied("aws:kms", "AES256"),
    KMSMasterKeyID=applied(),
)
BUCKET = fields(
    BucketName=applied(),
    BucketEncryption=fields(
        ("ServerSideEncryptionConfiguration",),
        ServerSideEncryptionConfiguration=ListOf(
            fields(ServerSideEncryptionByDefault=_ENCRYPTION, BucketKeyEnabled=applied())
        ),
    ),
    VersioningConfiguration=fields(("Status",), Status=applied("Enabled", "Suspended")),
    PublicAccessBlockConfiguration=fields(
        BlockPublicAcls=_BLOCK, BlockPublicPolicy=_BLOCK, IgnorePublicAcls=_BLOCK, RestrictPublicBuckets=_BLOCK
    ),
    OwnershipControls=fields(("Rules",), Rules=ListOf(fields(ObjectOwnership=applied("BucketOwnerEnforced")))),
    LifecycleConfiguration=fields(("Rules",), Rules=ListOf(_RULE)),
    LoggingConfiguration=fields(DestinationBucketName=recorded(NO_ACCESS_LOGS), LogFilePrefix=recorded(NO_ACCESS_LOGS)),
    NotificationConfiguration=fields(
        EventBridgeConfiguration=fields(EventBridgeEnabled=applied(True)),
    ),
    Tags=TAGS,
)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    s3, region = maker.client("s3"), maker.cloud.region
    bucket = props.get("BucketName") or maker.name(63, lower=True)
    s3.create_bucket(Bucket=bucket, **location(region))
    if encryption := props.get("BucketEncryption"):
        rules = [_renamed(rule, _TO_API) for rule in encryption["ServerSideEncryptionConfiguration"]]
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    if versioning := props.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    if block := props.get("PublicAccessBlockConfiguration"):
        flags = {key: as_bool(value) for key, value in block.items()}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=flags)
    if ownership := props.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
    if lifecycle := props.get("LifecycleConfiguration"):
        rules = [_lifecycle_to_api(rule, index) for index, rule in enumerate(lifecycle["Rules"])]
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    if "EventBridgeConfiguration" in props.get("NotificationConfiguration", {}):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    if tags := props.get("Tags"):
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return Made(
        bucket,
        {
            "Arn": maker.arn("s3", bucket, region="").replace(f":{maker.cloud.account}:", "::"),
            "DomainName": f"{bucket}.s3.{domain}",
            "RegionalDomainName": f"{bucket}.s3.{region}.{domain}",
        },
    )


_TO_API = {
    "ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault",
    "ExpirationInDays": "Days",
    "TransitionInDays": "Days",
}


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    return as_bool(value) if value in ("true", "false") else value


def _lifecycle_to_api(rule: dict[str, Any], index: int) -> dict[str, Any]:
    """A rule of a template has its expiration flat and no filter."""
    out = {"ID": rule.get("Id", f"rule-{index}"), "Status": rule["Status"]}
    out["Filter"] = {"Prefix": rule.get("Prefix", "")}
    expiration = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = int(rule["ExpirationInDays"])
    if "ExpiredObjectDeleteMarker" in rule:
        expiration["ExpiredObjectDeleteMarker"] = as_bool(rule["ExpiredObjectDeleteMarker"])
    if expiration:
        out["Expiration"] = expiration
    for key in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration", "Transitions"):
        if key in rule:
            out[key] = _renamed(rule[key], _TO_API)
    return out


def _lifecycle_from_api(rule: dict[str, Any]) -> dict[str, Any]:
    out = {"Id": rule["ID"], "Status": rule["Status"], "Prefix": rule.get("Filter", {}).get("Prefix", "")}
    expiration = rule.get("Expiration", {})
    if "Days" in expiration:
        out["ExpirationInDays"] = expiration["Days"]
    if "ExpiredObjectDeleteMarker" in expiration:
        out["ExpiredObjectDeleteMarker"] = expiration["ExpiredObjectDeleteMarker"]
    for key in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if key in rule:
            out[key] = rule[key]
    if "Transitions" in rule:
        out["Transitions"] = _renamed(rule["Transitions"], {"Days": "TransitionInDays"})
    return out


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    """Each part asked of the service that holds it; a part the service does not have is absent."""
    s3, bucket, found = maker.client("s3"), made.physical_id, {"BucketName": made.physical_id}
    back = {"ApplyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault"}
    readers = {
        "BucketEncryption": lambda: {
            "ServerSideEncryptionConfiguration": _renamed(
                s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"], back
            )
        },
        "VersioningConfiguration": lambda: s3.get_bucket_versioning(Bucket=bucket),
        "PublicAccessBlockConfiguration": lambda: s3.get_public_access_block(Bucket=bucket)[
            "PublicAccessBlockConfiguration"
        ],
        "OwnershipControls": lambda: s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"],
        "LifecycleConfiguration": lambda: {
            "Rules": [
                _lifecycle_from_api(rule) for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
            ]
        },
        "NotificationConfiguration": lambda: _notifications(s3.get_bucket_notification_configuration(Bucket=bucket)),
        "Tags": lambda: s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
    }
    for key, reader in readers.items():
        if key in props:
            try:
                found[key] = reader()
            except ClientError as error:
                found[key] = {"error": error.response["Error"]["Code"]}
    return found


def _notifications(answer: dict[str, Any]) -> dict[str, Any]:
    enabled = "EventBridgeConfiguration" in answer
    return {"EventBridgeConfiguration": {"EventBridgeEnabled": enabled}}


def empty(s3: Any, bucket: str) -> None:
    """Delete every version and delete marker of a bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        keys = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        if keys:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _remove(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    empty(maker.client("s3"), made.physical_id)
    maker.client("s3").delete_bucket(Bucket=made.physical_id)


def _make_policy(maker: Maker, props: dict[str, Any]) -> Made:
    maker.call("s3", "put_bucket_policy", Bucket=props["Bucket"], Policy=props["PolicyDocument"])
    return Made(props["Bucket"])


TYPES = (
    ResourceType(
        "AWS::S3::Bucket",
        BUCKET,
        _make,
        _read,
        _remove,
        attributes=("Arn", "DomainName", "RegionalDomainName"),
        listed=("s3 bucket",),
    ),
    ResourceType(
        "AWS::S3::BucketPolicy",
        fields(("Bucket", "PolicyDocument"), Bucket=applied(), PolicyDocument=document()),
        _make_policy,
        lambda maker, made, props: {
            "Bucket": made.physical_id,
            "PolicyDocument": maker.client("s3").get_bucket_policy(Bucket=made.physical_id)["Policy"],
        },
        lambda maker, made, props: maker.client("s3").delete_bucket_policy(Bucket=made.physical_id),
        listed=("s3 bucket",),
    ),
)
