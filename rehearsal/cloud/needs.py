"""What a request needs: permissions on resources, with the condition keys that the request brings.

Where the service authorization reference names an operation's permission or resources otherwise than the operation,
the tables here follow it (https://docs.aws.amazon.com/service-authorization/latest/reference/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from rehearsal.cloud.calls import Names, Request, table_arn
from rehearsal.iam.variables import Values

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
PERMISSIONS = {
    "s3": {
        "HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions", "CopyObject": "PutObject",
        "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "UploadPartCopy": "PutObject",
        "CompleteMultipartUpload": "PutObject", "DeleteObjects": "DeleteObject", "ListBuckets": "ListAllMyBuckets",
        "ListParts": "ListMultipartUploadParts", "ListMultipartUploads": "ListBucketMultipartUploads",
        "GetBucketEncryption": "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    },
    "lambda": {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"},
    "sqs": {
        "SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage",
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    },
    "sns": {"PublishBatch": "Publish"},
}  # fmt: skip

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
TRANSACTION_PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}

# (service, operation) → the parameter that holds a role the caller passes on, and to whom.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
PASSED_ROLES = {
    ("lambda", "CreateFunction"): (("Role",), "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration"): (("Role",), "lambda.amazonaws.com"),
    ("glue", "CreateJob"): (("Role",), "glue.amazonaws.com"),
    ("states", "CreateStateMachine"): (("roleArn",), "states.amazonaws.com"),
    ("states", "UpdateStateMachine"): (("roleArn",), "states.amazonaws.com"),
    ("events", "PutTargets"): (("Targets", "RoleArn"), "events.amazonaws.com"),
    ("events", "PutRule"): (("RoleArn",), "events.amazonaws.com"),
    ("scheduler", "CreateSchedule"): (("Target", "RoleArn"), "scheduler.amazonaws.com"),
    ("scheduler", "UpdateSchedule"): (("Target", "RoleArn"), "scheduler.amazonaws.com"),
    ("firehose", "CreateDeliveryStream"): (
        ("ExtendedS3DestinationConfiguration", "RoleARN"),
        "firehose.amazonaws.com",
    ),
    ("dms", "CreateEndpoint"): (("S3Settings", "ServiceAccessRoleArn"), "dms.amazonaws.com"),
}

# Operations that need no permission.
FREE = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}

_HEADER_KEYS = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-acl",
    "x-amz-storage-class",
)
_CREATING = ("PutObject", "CopyObject", "CreateMultipartUpload")


@dataclass(frozen=True)
class Need:
    """One permission on one resource. context: condition keys of the request, besides those of its caller."""

    action: str
    resource: str
    context: tuple[tuple[str, Values], ...] = ()


def needs(request: Request, names: Names) -> tuple[Need, ...]:
    """Everything a request needs, but the use of keys (see `encryption`)."""
    if (request.service, request.action) in FREE:
        return ()
    found = _SERVICES.get(request.service, _plain)(request, names)
    return tuple(dict.fromkeys([*found, *_passed(request, names)]))


def _permission(request: Request) -> str:
    name = PERMISSIONS.get(request.service, {}).get(request.action, request.action)
    return f"{request.service}:{name}"


def _plain(request: Request, _names: Names) -> Iterator[Need]:
    yield Need(_permission(request), request.resource)


def _passed(request: Request, names: Names) -> Iterator[Need]:
    path, service = PASSED_ROLES.get((request.service, request.action), ((), ""))
    values: list[Any] = [request.parameters] if path else []
    for name in path:
        members = [value.get(name) for value in values if isinstance(value, Mapping)]
        values = [entry for member in members for entry in (member if isinstance(member, list) else [member])]
    for role in values:
        if isinstance(role, str) and role:
            arn = role if role.startswith("arn:") else names.role(role)
            yield Need("iam:PassRole", arn, (("iam:PassedToService", service),))


def _s3(request: Request, names: Names) -> Iterator[Need]:
    action, query = request.action, request.query
    if action == "DeleteObjects":
        for key, version in deleted_keys(request.body):
            permission = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            yield Need(permission, f"{request.resource}/{key}")
        return
    context: dict[str, Values] = {}
    if action in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        context = {f"s3:{name}": query[name] for name in ("prefix", "delimiter", "max-keys") if name in query}
    if action in _CREATING:
        context = {f"s3:{name}": request.headers[name] for name in _HEADER_KEYS if name in request.headers}
    permission = _permission(request)
    if "versionId" in query and action in ("GetObject", "HeadObject", "DeleteObject", "GetObjectTagging"):
        permission = permission.replace("Object", "ObjectVersion")
        context["s3:VersionId"] = query["versionId"]
    resource = "*" if action == "ListBuckets" else request.resource
    yield Need(permission, resource, tuple(sorted(context.items())))
    if action in _CREATING and request.headers.get("x-amz-tagging"):
        tags = dict(parse_qsl(request.headers["x-amz-tagging"]))
        values = tuple((f"s3:RequestObjectTag/{name}", value) for name, value in tags.items())
        yield Need("s3:PutObjectTagging", resource, (("s3:RequestObjectTagKeys", tuple(tags)), *values))
    if action in _CREATING and "x-amz-acl" in request.headers:
        yield Need("s3:PutObjectAcl", resource, (("s3:x-amz-acl", request.headers["x-amz-acl"]),))
    if source := copy_source(request):
        bucket, key, version = source
        yield Need("s3:GetObjectVersion" if version else "s3:GetObject", names.arn("s3", f"{bucket}/{key}"))


def copy_source(request: Request) -> tuple[str, str, str] | None:
    """(bucket, key, version or "") that a copy reads."""
    text = request.headers.get("x-amz-copy-source")
    if not text or request.action not in ("CopyObject", "UploadPartCopy"):
        return None
    path, _, version = unquote(text).lstrip("/").partition("?versionId=")
    bucket, _, key = path.partition("/")
    return bucket, key, version


def deleted_keys(body: bytes) -> Iterator[tuple[str, str]]:
    """(key, version or "") of a DeleteObjects request."""
    for entry in ElementTree.fromstring(body).iter():
        if entry.tag.rpartition("}")[2] == "Object":
            found = {child.tag.rpartition("}")[2]: child.text or "" for child in entry}
            yield found.get("Key", ""), found.get("VersionId", "")


def _dynamodb(request: Request, names: Names) -> Iterator[Need]:
    parameters = request.parameters
    if request.action in ("TransactWriteItems", "TransactGetItems"):
        for item in parameters.get("TransactItems", []):
            kind, part = next(iter(item.items()))
            yield Need(f"dynamodb:{TRANSACTION_PARTS.get(kind, kind)}", table_arn(part, names))
    elif request.action in ("BatchWriteItem", "BatchGetItem"):
        for table in parameters.get("RequestItems", {}):
            yield Need(_permission(request), table_arn({"TableName": table}, names))
    else:
        yield from _plain(request, names)


def _glue(request: Request, names: Names) -> Iterator[Need]:
    """Catalog operations need the catalog and the database beside the table.

    https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
    """
    parameters, action = request.parameters, request.action
    permission = f"glue:{action}"
    entity = re.search(r"Tables?|Partitions?|Databases?|UserDefinedFunctions?", action)
    if entity is None or "SecurityConfiguration" in action:
        yield from _plain(request, names)
        return
    yield Need(permission, names.arn("glue", "catalog"))
    given = parameters.get("DatabaseInput", {}).get("Name") or parameters.get("DatabaseName")
    database = given or (parameters.get("Name") if entity[0].startswith("Database") else None)
    if database or action != "CreateDatabase":
        yield Need(permission, names.arn("glue", f"database/{database or '*'}"))
    if entity[0].startswith(("Table", "Partition")):
        name = parameters.get("TableInput", {}).get("Name") or parameters.get("TableName") or parameters.get("Name")
        listed = parameters.get("TablesToDelete") or [name or "*"]
        for table in listed:
            yield Need(permission, names.arn("glue", f"table/{database or '*'}/{table}"))


def _logs(request: Request, names: Names) -> Iterator[Need]:
    group = request.parameters.get("logGroupName")
    stream = request.parameters.get("logStreamName")
    yield Need(_permission(request), log_arn(names, group, stream) if group else "*")


def log_arn(names: Names, group: str, stream: str | None = None) -> str:
    """A log group as policies name it (with `:*` behind it), or one of its streams.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    return names.arn("logs", f"log-group:{group}:" + (f"log-stream:{stream}" if stream else "*"))


def _kms(request: Request, names: Names) -> Iterator[Need]:
    context: dict[str, Values] = {}
    for name, value in (request.parameters.get("EncryptionContext") or {}).items():
        context[f"kms:EncryptionContext:{name}"] = str(value)
    if request.action == "ReEncrypt":
        for permission, name in (("ReEncryptFrom", "SourceKeyId"), ("ReEncryptTo", "DestinationKeyId")):
            key = str(request.parameters.get(name) or "*")
            yield Need(
                f"kms:{permission}", key if key == "*" or key.startswith("arn:") else names.arn("kms", f"key/{key}")
            )
        return
    yield Need(_permission(request), request.resource, tuple(sorted(context.items())))


def _events(request: Request, names: Names) -> Iterator[Need]:
    if request.action != "PutEvents":
        yield from _plain(request, names)
        return
    for entry in request.parameters.get("Entries", []):
        bus = str(entry.get("EventBusName") or "default")
        arn = bus if bus.startswith("arn:") else names.arn("events", f"event-bus/{bus}")
        context = (("events:detail-type", str(entry.get("DetailType"))), ("events:source", str(entry.get("Source"))))
        yield Need("events:PutEvents", arn, context)


def _cloudwatch(request: Request, names: Names) -> Iterator[Need]:
    if request.action != "PutMetricData":
        yield from _plain(request, names)
        return
    yield Need("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", str(request.parameters.get("Namespace"))),))


def _sts(request: Request, _names: Names) -> Iterator[Need]:
    external = request.parameters.get("ExternalId")
    context = (("sts:ExternalId", str(external)),) if external else ()
    yield Need(f"sts:{request.action}", str(request.parameters.get("RoleArn", "*")), context)


_SERVICES: dict[str, Callable[[Request, Names], Iterator[Need]]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "glue": _glue,
    "logs": _logs,
    "kms": _kms,
    "events": _events,
    "sts": _sts,
    "cloudwatch": _cloudwatch,
}
