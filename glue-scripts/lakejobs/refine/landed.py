"""Landed object versions: reading one, and whether it is still the newest of its key.

Shipped by value to executors with the survey, so this module imports nothing of the package.
"""

from __future__ import annotations

import io
from typing import Any

from botocore.exceptions import ClientError


class Unreadable(Exception):
    """The object itself is at fault; the message says how."""


# Classes of which nothing is read in place: Spark's file systems may pass over such objects without an error.
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


def is_current(s3: Any, bucket: str, key: str, version: str) -> bool:
    """Whether this version is what any read of the key returns now."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
        return head.get("VersionId", "null") == version and head.get("StorageClass") not in ARCHIVED
    except ClientError as error:
        if code_of(error) in ("404", "NoSuchKey", "NotFound"):
            return False
        raise


def get_version(s3: Any, item: dict[str, Any], **more: Any) -> Any:
    """The body of a listed version. Raises Unreadable if it is gone or archived."""
    try:
        return s3.get_object(Bucket=item["bucket"], Key=item["key"], VersionId=item["version"], **more)["Body"]
    except ClientError as error:
        if code_of(error) in ("NoSuchVersion", "NoSuchKey", "404"):
            raise Unreadable("this version no longer exists in the raw bucket") from error
        if code_of(error) == "InvalidObjectState":
            raise Unreadable("is in an archive class of S3; replay its batch with restore") from error
        raise


def code_of(error: ClientError) -> str:
    """The service's code for what went wrong."""
    return error.response.get("Error", {}).get("Code", "")


class RangedObject(io.RawIOBase):
    """One object version as a seekable file; each read is a ranged request."""

    def __init__(self, s3: Any, item: dict[str, Any]) -> None:
        self._s3, self._item, self._at = s3, item, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._item["size"]}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._item["size"])
        if self._at >= end:
            return 0
        data = get_version(self._s3, self._item, Range=f"bytes={self._at}-{end - 1}").read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
