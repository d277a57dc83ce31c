"""When S3 removes an object, by the lifecycle rules of its bucket.

S3 counts whole days and rounds up to the next midnight UTC. In a versioned bucket an expired object is not gone: its
last version is noncurrent from then on, and goes by the rule for those. Removal itself comes some time after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from lakejobs.refine.landed import code_of

_NO_RULES = ("NoSuchLifecycleConfiguration",)


@dataclass(frozen=True)
class Expiry:
    """`at` is None where no rule ever removes it; `rule` says why in a sentence."""

    at: datetime | None
    rule: str


@dataclass(frozen=True)
class Rules:
    """The enabled rules of a bucket."""

    bucket: str
    rules: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, s3: Any, bucket: str) -> Rules:
        try:
            found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        except ClientError as error:
            if code_of(error) not in _NO_RULES:
                raise
            found = []
        return cls(bucket, [rule for rule in found if rule["Status"] == "Enabled"])

    def current(self, key: str, stored_at: datetime) -> Expiry:
        """Of the newest version of a key, which nobody overwrites or deletes."""
        found = []
        for rule in self._of(key):
            expiration = rule.get("Expiration", {})
            if "Days" in expiration:
                days = expiration["Days"]
                found.append((_midnight_after(stored_at, days), f"{days} days after it came"))
            elif "Date" in expiration:
                date = expiration["Date"].astimezone(UTC)
                found.append((max(date, stored_at), f"on {date:%Y-%m-%d}"))
        if not found:
            return Expiry(None, f"no lifecycle rule of {self.bucket} expires it")
        at, rule = min(found)
        rest = self.noncurrent(key, at)
        return Expiry(rest.at, f"expires {rule}; then {rest.rule}")

    def noncurrent(self, key: str, since: datetime) -> Expiry:
        """Of a version that has been overwritten or deleted since then."""
        days = [
            own["NoncurrentDays"]
            for rule in self._of(key)
            if (own := rule.get("NoncurrentVersionExpiration")) and not own.get("NewerNoncurrentVersions")
        ]
        if not days:
            return Expiry(None, f"no lifecycle rule of {self.bucket} removes noncurrent versions of it")
        return Expiry(_midnight_after(since, min(days)), f"removed {min(days)} days after it became noncurrent")

    def _of(self, key: str) -> list[Mapping[str, Any]]:
        """Those that are sure to reach a key; what asks for tags or sizes may not."""
        return [rule for rule in self.rules if (prefix := _prefix(rule)) is not None and key.startswith(prefix)]


def latest(expiries: Sequence[Expiry]) -> Expiry | None:
    """The one that comes last, None of none."""
    if not expiries:
        return None
    end = datetime.max.replace(tzinfo=UTC)
    return max(expiries, key=lambda e: e.at or end)


def _prefix(rule: Mapping[str, Any]) -> str | None:
    """The keys a rule is for by what they begin with; None of a rule that asks for more."""
    chosen = rule.get("Filter")
    if chosen is None:
        return rule.get("Prefix", "")
    if "And" in chosen:
        chosen = chosen["And"]
    return chosen.get("Prefix", "") if set(chosen) <= {"Prefix"} else None


def _midnight_after(moment: datetime, days: int) -> datetime:
    end = moment.astimezone(UTC) + timedelta(days=days)
    return end.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
