"""The report: what was removed, what was found when the tables were read anew, and what remains until when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lakejobs.aws import Clients
from lakejobs.clock import stamp
from lakejobs.erase.lifecycle import Expiry

# What a row tells: what has gone; what is found where it is looked for anew, which has to be nothing; what is left, and
# until when; what was not searched, and why.
ERASED, VERIFIED, REMAINS, UNSEARCHED = "erased", "verified", "remains", "unsearched"

RESULTS, OBJECTS = "erasures/results/", "erasures/objects/"
NEVER = "never"


@dataclass(frozen=True)
class Result:
    """One row. `subject` is a keyed hash, empty of what is about the whole request; `place` is a table or folder."""

    dataset: str
    zone: str
    place: str
    action: str
    subject: str = ""
    row_count: int = 0
    object_count: int = 0
    version_before: str = ""
    version_after: str = ""
    files_before: int = 0
    files_after: int = 0
    until: str = ""
    rule: str = ""
    detail: str = ""


def remains(dataset: str, zone: str, place: str, expiry: Expiry, **more: Any) -> Result:
    """What is left, until it goes by that rule."""
    until = NEVER if expiry.at is None else stamp(expiry.at)
    return Result(dataset, zone, place, REMAINS, until=until, rule=expiry.rule, **more)


@dataclass(frozen=True)
class HeldBy:
    """A version of a landed object with records about somebody."""

    dataset: str
    subject: str
    bucket: str
    object_key: str
    object_version: str
    records: int
    stored_at: str
    until: str
    rule: str


@dataclass(frozen=True)
class Report:
    """Where the rows of one erasure are kept. There is one once the erasure is done."""

    clients: Clients
    bucket: str
    erasure: str

    @property
    def key(self) -> str:
        return f"{RESULTS}{self.erasure}.json"

    def exists(self) -> bool:
        found = self.clients.s3.list_objects_v2(Bucket=self.bucket, Prefix=self.key, MaxKeys=1)
        return bool(found.get("KeyCount"))

    def keep(
        self, subject: str, started: datetime, ended: datetime, results: Sequence[Result], held: Sequence[HeldBy]
    ) -> None:
        """Puts the objects first, so that a report that is there is whole."""
        common = {"erasure": self.erasure, "subject_name": subject}
        self._put(f"{OBJECTS}{self.erasure}.json", ({**common, **asdict(one)} for one in held))
        times = {"started_at": stamp(started), "ended_at": stamp(ended)}
        self._put(self.key, ({**common, **times, **asdict(one)} for one in results))

    def _put(self, key: str, rows: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
        self.clients.s3.put_object(Bucket=self.bucket, Key=key, Body=lines.encode())
