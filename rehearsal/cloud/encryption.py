"""Implicit use of customer keys: what a service does with a key in the name of whoever calls it.

Keys that AWS owns or manages need no permission of an account's own principals; a service cannot use a managed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.kms.models import kms_backends
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition

from rehearsal.cloud.calls import Names, Request
from rehearsal.cloud.needs import Need, copy_source

_ITEM_OPERATIONS = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
    "TransactGetItems", "TransactWriteItems",
)  # fmt: skip


class Encryption:
    """The encryption settings of one account and region."""

    def __init__(self, names: Names):
        self._names, self._partition = names, get_partition(names.region)

    def needs(self, request: Request) -> tuple[Need, ...]:
        """What a request needs of keys."""
        services: dict[str, Callable[[Request], Iterator[Need]]] = {
            "s3": self._s3,
            "sqs": self._sqs,
            "sns": self._sns,
            "dynamodb": self._dynamodb,
            "secretsmanager": self._secrets,
        }
        read = services.get(request.service)
        return tuple(read(request)) if read else ()

    def key_arn(self, key: str) -> str | None:
        """The ARN of a key named by id, ARN or alias; None for the keys that AWS manages."""
        if "alias/aws/" in key:
            return None
        backend = kms_backends[self._names.account][self._names.region]
        try:
            return backend.keys[backend.any_id_to_key_id(key)].arn
        except (KeyError, AttributeError):
            return key if key.startswith("arn:") else self._names.arn("kms", f"key/{key}")

    def use(self, service: str, key: str | None, action: str, context: dict[str, str]) -> Iterator[Need]:
        """One use of a key through a service, bound to an encryption context."""
        arn = self.key_arn(key) if key else None
        if arn is None:
            return
        found: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
        found["kms:ViaService"] = f"{service}.{self._names.region}.amazonaws.com"
        found["kms:EncryptionContextKeys"] = tuple(context)
        yield Need(f"kms:{action}", arn, tuple(sorted(found.items())))

    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    def _s3(self, request: Request) -> Iterator[Need]:
        bucket, key = request.parameters.get("Bucket"), request.parameters.get("Key")
        action = request.action
        if not bucket or not key:
            return
        if action in ("GetObject", "HeadObject", "GetObjectAttributes"):
            yield from self._decrypt_object(bucket, key, request.query.get("versionId"))
        if source := copy_source(request):
            yield from self._decrypt_object(*source)
        if action in ("PutObject", "CopyObject", "CreateMultipartUpload"):
            key_id, whole_bucket = self._for_writing(bucket, request)
            yield from self._object(key_id, "GenerateDataKey", bucket, key, whole_bucket)
        if action in ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload"):
            found = self._bucket(bucket)
            upload = found.multiparts.get(request.query.get("uploadId", "")) if found else None
            default, whole_bucket = self._default(bucket)
            key_id = getattr(upload, "kms_key_id", None) or default
            yield from self._object(key_id, "Decrypt", bucket, key, whole_bucket)

    def _object(self, key_id: str | None, action: str, bucket: str, key: str, whole_bucket: bool) -> Iterator[Need]:
        arn = self._names.arn("s3", bucket if whole_bucket else f"{bucket}/{key}")
        yield from self.use("s3", key_id, action, {"aws:s3:arn": arn})

    def _decrypt_object(self, bucket: str, key: str, version: str | None) -> Iterator[Need]:
        found = self.object(bucket, key, version)
        if found is not None and found.encryption in ("aws:kms", "aws:kms:dsse") and found.kms_key_id:
            whole_bucket = str(found.bucket_key_enabled).lower() == "true"
            yield from self._object(found.kms_key_id, "Decrypt", bucket, key, whole_bucket)

    def object(self, bucket: str, key: str, version: str | None) -> Any:
        """The stored object, or None."""
        if self._bucket(bucket) is None:
            return None
        backend = s3_backends[self._names.account][self._partition]
        found = backend.get_object(bucket, key, version_id=version or None)
        return None if isinstance(found, FakeDeleteMarker) else found

    def _bucket(self, name: str) -> Any:
        return s3_backends[self._names.account][self._partition].buckets.get(name)

    def _default(self, bucket: str) -> tuple[str | None, bool]:
        """The bucket's default key and whether one data key serves the whole bucket."""
        found = self._bucket(bucket)
        rule = (found.encryption or {}).get("Rule", {}) if found else {}
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if not str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            return None, False
        return default.get("KMSMasterKeyID") or "alias/aws/s3", str(rule.get("BucketKeyEnabled", "")).lower() == "true"

    def _for_writing(self, bucket: str, request: Request) -> tuple[str | None, bool]:
        asked = request.headers.get("x-amz-server-side-encryption")
        default, whole_bucket = self._default(bucket)
        if asked is None:
            return default, whole_bucket
        if not asked.startswith("aws:kms"):
            return None, False
        flag = request.headers.get("x-amz-server-side-encryption-bucket-key-enabled")
        key = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default or "alias/aws/s3"
        return key, whole_bucket if flag is None else flag.lower() == "true"

    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    def _sqs(self, request: Request) -> Iterator[Need]:
        if request.action in ("SendMessage", "SendMessageBatch"):
            yield from self.queue(request.resource, "GenerateDataKey", "Decrypt")
        if request.action == "ReceiveMessage":
            yield from self.queue(request.resource, "Decrypt")

    def queue(self, arn: str, *actions: str) -> Iterator[Need]:
        """Uses of a queue's key."""
        queue = sqs_backends[self._names.account][self._names.region].queues.get(arn.rsplit(":", 1)[-1])
        key = getattr(queue, "kms_master_key_id", None)
        for action in actions:
            yield from self.use("sqs", key, action, {"aws:sqs:arn": arn})

    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    def _sns(self, request: Request) -> Iterator[Need]:
        topic = sns_backends[self._names.account][self._names.region].topics.get(request.resource)
        if request.action in ("Publish", "PublishBatch") and topic is not None:
            for action in ("GenerateDataKey", "Decrypt"):
                yield from self.use("sns", topic.kms_master_key_id, action, {"aws:sns:topicArn": topic.arn})

    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
    def _dynamodb(self, request: Request) -> Iterator[Need]:
        if request.action not in _ITEM_OPERATIONS:
            return
        backend = dynamodb_backends[self._names.account][self._names.region]
        for arn in request.resource.split(","):
            name = arn.rpartition("table/")[2].split("/")[0]
            table = backend.tables.get(name)
            settings = (getattr(table, "sse_specification", None) or {}) if table else {}
            if settings.get("Enabled"):
                context = {"aws:dynamodb:tableName": name, "aws:dynamodb:subscriberId": self._names.account}
                yield from self.use("dynamodb", settings.get("KMSMasterKeyId"), "Decrypt", context)

    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    def _secrets(self, request: Request) -> Iterator[Need]:
        actions = {"GetSecretValue": ("Decrypt",), "PutSecretValue": ("GenerateDataKey", "Decrypt")}
        for secret in list(secretsmanager_backends[self._names.account][self._names.region].secrets.values()):
            if request.resource in (secret.arn, secret.name):
                for action in actions.get(request.action, ()):
                    yield from self.use("secretsmanager", secret.kms_key_id, action, {"SecretARN": secret.arn})
