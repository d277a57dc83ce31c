"""What lies in the raw zone for a dataset: every version of every object, and when S3 removes each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakejobs.declared import Dataset
from lakejobs.erase.lifecycle import Expiry, Rules
from lakejobs.lists import Object
from lakejobs.manifest import Manifest


@dataclass(frozen=True)
class Version:
    """A version of an object. `noncurrent_since` is None of the newest one, unless it was deleted."""

    object: Object
    stored_at: datetime
    noncurrent_since: datetime | None

    def expiry(self, rules: Rules) -> Expiry:
        if self.noncurrent_since is None:
            return rules.current(self.object.key, self.stored_at)
        return rules.noncurrent(self.object.key, self.noncurrent_since)


def list_versions(s3: Any, bucket: str, prefix: str) -> Iterator[Version]:
    """Every version below a prefix."""
    by_key: dict[str, list[tuple[datetime, dict[str, Any]]]] = defaultdict(list)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for kind in ("Versions", "DeleteMarkers"):
            for item in page.get(kind, []):
                by_key[item["Key"]].append((item["LastModified"], item))
    for key, found in by_key.items():
        # The newest first, as S3 lists them; of one second the current one.
        found.sort(key=lambda pair: (pair[0], pair[1]["IsLatest"]), reverse=True)
        since: datetime | None = None
        for stored_at, item in found:
            if "Size" in item:
                etag = item["ETag"].strip('"')
                of = Object(bucket, key, item["VersionId"], item["Size"], etag, "")
                yield Version(of, stored_at, since)
            since = stored_at


def versions_of(s3: Any, bucket: str, manifest: Manifest, dataset: Dataset) -> list[Version]:
    """Every version that landed for the dataset, what its readers ignore left out."""
    found = []
    for landing in manifest.landing:
        if landing.dataset == dataset.id:
            for version in list_versions(s3, bucket, landing.prefix):
                key = version.object.key
                if manifest.landing_of(key) == landing and not _ignored(key):
                    found.append(version)
    return found


def _ignored(key: str) -> bool:
    name = key.rsplit("/", 1)[-1]
    return not name or name.startswith(("_", "."))
