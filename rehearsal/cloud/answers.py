"""Answers that stock moto leaves out, so that what was set can be read back.

GetBucketNotificationConfiguration omits EventBridgeConfiguration, although moto keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.s3.responses import S3Response

from rehearsal.cloud.repairs import Repairs

if TYPE_CHECKING:
    from rehearsal.cloud.cloud import Cloud


def install(cloud: Cloud) -> Answers:
    """Complete the answers of the Cloud. To be called before the Cloud starts."""
    part = Answers()
    cloud.attach(part)
    return part


class Answers:
    """The part of the Cloud that completes answers."""

    name = "answers"

    def __init__(self) -> None:
        self._repairs = Repairs()

    def start(self) -> None:
        def get_bucket_notification(response: S3Response) -> Any:
            found = response.backend.get_bucket_notification_configuration(response.bucket_name)
            if not found or found.event_bridge is None or found.topic or found.queue or found.cloud_function:
                return stock(response)
            response.data["Action"] = "GetBucketNotificationConfiguration"
            return response.serialized(ActionResult({"EventBridgeConfiguration": {}}))

        stock = self._repairs.replace(S3Response, "get_bucket_notification", get_bucket_notification)

    def busy(self) -> list[str]:
        return []

    def stop(self) -> None:
        self._repairs.undo()
