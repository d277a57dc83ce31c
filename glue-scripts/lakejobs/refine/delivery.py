"""Which of two snapshots is later. No time of processing has a say in it."""

from __future__ import annotations

import re
from typing import Any

from lakejobs.declared import Delivery
from lakejobs.lists import Object

# The order of the newest delivery that the table holds.
SNAPSHOT_PROPERTY = "strata.snapshot-order"

_UNITS = ("year", "month", "day", "hour", "minute", "second")


def stamp_of(delivery: Delivery, key: str) -> str | None:
    """The stamp in a key below its landing prefix, as digits from the year down; empty if none is declared.

    None for a key that does not hold it.
    """
    if delivery.stamp is None:
        return ""
    found = re.search(delivery.stamp, key)
    return found and "".join(found[unit] for unit in _UNITS if unit in found.re.groupindex)


def order_of(s3: Any, item: Object, stamp: str) -> str:
    """A delivery's place among all of its dataset, compared as text: stamp, when S3 stored it (UTC), identity.

    S3 tells whole seconds. Within one the identity decides, in no particular way, but always in the same one.
    """
    head = s3.head_object(Bucket=item.bucket, Key=item.key, VersionId=item.version)
    return f"{stamp}/{head['LastModified'].strftime('%Y-%m-%dT%H:%M:%SZ')}/{item.hash[:16]}"
