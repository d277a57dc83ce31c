"""A put that S3 performs only where no object lies yet: of all who try, one wins."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

_CONFLICT_TRIES = 5
_CONFLICT_SECONDS = 0.2


def put_absent(s3: Any, bucket: str, key: str, body: bytes) -> bool:
    """Puts the object unless its key is taken; tells whether it did.

    A put whose answer was lost is sent again by the client, and then finds the key taken by its own object.
    """
    for tries_left in reversed(range(_CONFLICT_TRIES)):
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
            return True
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 412:
                return False
            # S3 asks for another try while a request for the same key is under way.
            if status != 409 or not tries_left:
                raise
        time.sleep(_CONFLICT_SECONDS)
    raise AssertionError("the last try returns or raises")
