"""Copies and statistics that the lake has made of somebody's records in the artifacts bucket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lakejobs.declared import Dataset
from lakejobs.erase.landed_versions import Version, list_versions
from lakejobs.erase.left import ARTIFACTS
from lakejobs.erase.results import ERASED, Result
from lakejobs.refine.landed import get_version

# What of a batch's statistics a single value shows in.
_SHOWING = ("min", "max", "mean", "min_length", "max_length")


@dataclass
class Made:
    """What was made of batches that held their records. `hashes` are those of the landed objects that hold one."""

    s3: Any
    bucket: str
    hashes: set[str]
    copies: int = 0
    blanked: int = 0

    def remove(self, batches: Iterable[str]) -> None:
        """Removes what was made of these batches."""
        for batch in sorted(batches):
            self.copies += remove_copies(self.s3, self.bucket, batch, self.hashes)
            self.blanked += blank_profile(self.s3, self.bucket, batch)

    def results(self, dataset: Dataset) -> list[Result]:
        """What has gone so far."""
        statistics = "statistics in which single values show, of batches that held their records"
        return [
            Result(
                dataset.id, ARTIFACTS, "batches/", ERASED, object_count=self.copies, detail="copies of landed objects"
            ),
            Result(dataset.id, ARTIFACTS, "quality/profiles/", ERASED, row_count=self.blanked, detail=statistics),
        ]


def copies_of(batch: str) -> str:
    """The folder of a batch's copies of versions that were no longer current."""
    return f"batches/{batch}/objects/"


def remove_copies(s3: Any, bucket: str, batch: str, hashes: Iterable[str] | None = None) -> int:
    """Removes for good the copies of these objects, by hash; of all if None. Returns how many."""
    wanted = None if hashes is None else set(hashes)
    gone = 0
    for version in list(list_versions(s3, bucket, copies_of(batch))):
        key = version.object.key
        if wanted is None or key.removeprefix(copies_of(batch)).split("/")[0] in wanted:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version.object.version)
            gone += 1
    return gone


def blank_profile(s3: Any, bucket: str, batch: str) -> int:
    """Leaves out of a batch's statistics what single values show in; earlier versions go for good. Returns the rows
    that have changed."""
    key = f"quality/profiles/{batch}.json"

    def versions() -> list[Version]:
        return [v for v in list_versions(s3, bucket, key) if v.object.key == key]

    current = next((v.object for v in versions() if v.noncurrent_since is None), None)
    changed = 0
    if current is not None:
        body = get_version(s3, {"bucket": bucket, "key": key, "version": current.version}).read()
        rows = [json.loads(line) for line in body.splitlines()]
        changed = sum(any(row[name] is not None for name in _SHOWING) for row in rows)
        if changed:
            lines = (json.dumps(row | dict.fromkeys(_SHOWING), separators=(",", ":")) + "\n" for row in rows)
            s3.put_object(Bucket=bucket, Key=key, Body="".join(lines).encode())
    for version in versions():
        if version.noncurrent_since is not None:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version.object.version)
    return changed


def remove_for_good(s3: Any, bucket: str, key: str) -> None:
    """Removes every version of an object."""
    for version in list(list_versions(s3, bucket, key)):
        if version.object.key == key:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version.object.version)
