"""S3: the `Object Created` events that EventBridge gets.

Stock moto sends two events for a multipart upload (PutObject and CompleteMultipartUpload), a fixed sequencer and
requester, `eTag` instead of `etag`, epoch numbers for times, `version-id` on unversioned buckets, and delivers inside
the request; its GetBucketNotification leaves EventBridge out. Only `Object Created` is modelled: deletions, tags and
restores send no event.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import PermissionResult
from moto.s3 import notifications
from moto.s3.models import FakeBucket
from moto.s3.notifications import S3NotificationEvent
from moto.s3.responses import S3Response

from rehearsal.cloud.repairs import Repairs

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
REASONS = {
    S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}

Emit = Callable[[dict[str, Any]], None]


class Storage:
    """Turns S3 writes into events and remembers them, so that they can be delivered again."""

    def __init__(self, account: str, emit: Emit, problem: Callable[[str, str], None], repairs: Repairs):
        self._account, self._emit, self._problem = account, emit, problem
        self._sequence = itertools.count(int(time.time() * 1_000_000))
        self.events: list[dict[str, Any]] = []
        repairs.replace(notifications, "send_event", self._send_event)
        _repair_notification_answer(repairs)
        # moto applies a bucket policy without its conditions: a Deny of plain HTTP would refuse every call.
        repairs.replace(FakeBucket, "get_permission", lambda bucket, action, resource: PermissionResult.NEUTRAL)

    def _send_event(self, account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        configuration = bucket.notification_configuration
        if configuration is None or event_name not in REASONS:
            return
        if event_name == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT and key.multipart is not None:
            return  # the event of the completed upload follows
        if configuration.queue or configuration.topic or configuration.cloud_function:
            self._problem(
                f"bucket {bucket.name}",
                "notifications to queues, topics and functions are not modelled: use EventBridgeConfiguration",
            )
        if configuration.event_bridge is not None:
            event = self._event(event_name, bucket, key)
            self.events.append(event)
            self._emit(event)

    def _event(self, event_name: Any, bucket: Any, key: Any) -> dict[str, Any]:
        version = {"version-id": key.version_id} if bucket.is_versioned else {}
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": self._account,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": bucket.region_name,
            "resources": [bucket.arn],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket.name},
                "object": {
                    "key": key.name,
                    "size": key.size,
                    "etag": key.etag.strip('"'),
                    **version,
                    "sequencer": f"{next(self._sequence):016X}",
                },
                "request-id": uuid.uuid4().hex[:16].upper(),
                "requester": self._account,
                "source-ip-address": "127.0.0.1",
                "reason": REASONS[event_name],
            },
        }


def _repair_notification_answer(repairs: Repairs) -> None:
    stock = S3Response.get_bucket_notification

    def answer(response: S3Response) -> Any:
        found = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if found is None or found.event_bridge is None or found.queue or found.topic or found.cloud_function:
            return stock(response)
        response.data["Action"] = "GetBucketNotificationConfiguration"
        return response.serialized(ActionResult({"EventBridgeConfiguration": {}}))

    repairs.replace(S3Response, "get_bucket_notification", answer)
