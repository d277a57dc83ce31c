"""What of a Delta table's past goes: files that no version of its retention needs, or that no version ever named."""

from __future__ import annotations

from typing import Any

from lakejobs.events import log
from lakejobs.lists import split_uri
from lakejobs.tables.delta import DeltaTable
from lakejobs.tables.interface import Fence, Limits, Removed

# For how long the log remembers that a file was replaced, and its own entries.
_FILES_PROPERTY, _LOG_PROPERTY = "delta.deletedFileRetentionDuration", "delta.logRetentionDuration"
_LOG_DAYS = 30


def expire(table: DeltaTable, s3: Any, limits: Limits, fence: Fence) -> Removed:
    """Removes files by Delta's VACUUM. It knows one age for both kinds, so the longer one counts. Raises Moved if
    another writer has come in between.
    """
    hours = -(-max(limits.replaced_seconds, limits.unreferenced_seconds) // 3600)
    wanted = {_FILES_PROPERTY: f"interval {hours} hours"}
    if hours > _LOG_DAYS * 24:
        # A version is read by its log entries and the checkpoint before them.
        wanted[_LOG_PROPERTY] = f"interval {hours + 24} hours"
    if any(table.properties.get(name) != value for name, value in wanted.items()):
        fence()
        table.publish(None, table.main, wanted)
    fence()
    before = _files(s3, table.log.location)
    table.spark.sql(f"VACUUM {table.reference} RETAIN {hours} HOURS")
    removed = before - _files(s3, table.log.location)
    log("table vacuumed", table=table.name, files=removed)
    return Removed(orphans=removed)


def _files(s3: Any, location: str) -> int:
    """Files of the table's folder but those of its log."""
    bucket, folder = split_uri(location)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
    return sum(f"{folder}/_delta_log/" not in o["Key"] for page in pages for o in page.get("Contents", []))
