"""The timeline of a Hudi table in S3 (table version 6), and the conditional put that makes an instant the next one.

An instant is text of 17 digits, a moment to the millisecond. Hudi's readers take a data file for part of the table once
the instant in its name is completed, which is `<instant>.commit` or `<instant>.replacecommit` in `.hoodie`. Hudi's own
writers keep apart by a lock beside the table. Here what comes after an instant is decided by a conditional put under
`.hoodie/strata`, which holds all of the commit; it is then completed by whoever comes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lakejobs.lists import split_uri
from lakejobs.tables.conditional import put_absent
from lakejobs.tables.interface import Moved

# A replacecommit also takes away file groups.
COMMIT, REPLACE = "commit", "replacecommit"
# What the instant before the first one is called.
NOTHING = "0" * 17

_FOLDER = ".hoodie"
_COMPLETED = re.compile(rf"(\d{{17}})\.({COMMIT}|{REPLACE})")
_PENDING = re.compile(rf"(\d{{17}})\.(?:inflight|{COMMIT}\.requested|{REPLACE}\.(?:inflight|requested))")
_DECIDED = re.compile(r"strata/after-(\d{17})")
_FORM = "%Y%m%d%H%M%S"
_READ_AT_ONCE = 16


@dataclass(frozen=True)
class Decision:
    """What comes after an instant: the next one, and the commit that it is."""

    instant: str
    action: str
    metadata: Mapping[str, Any]

    def body(self) -> bytes:
        return json.dumps(vars(self), separators=(",", ":")).encode()


@dataclass(frozen=True)
class Listed:
    """The timeline as it was listed: names below `.hoodie` with the moment at which each object was put."""

    names: Mapping[str, datetime]

    @property
    def completed(self) -> dict[str, str]:
        """Completed instants with their actions, oldest first."""
        found = (_COMPLETED.fullmatch(name) for name in self.names)
        return dict(sorted((match[1], match[2]) for match in found if match))

    @property
    def head(self) -> str:
        """The newest completed instant, NOTHING if there is none."""
        return max(self.completed, default=NOTHING)

    @property
    def requested(self) -> dict[str, list[str]]:
        """Names of what is put before an instant is completed, by instant."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            if match := _PENDING.fullmatch(name):
                found.setdefault(match[1], []).append(name)
        return found

    @property
    def decided(self) -> dict[str, str]:
        """Names of the decisions, by the instant that each comes after."""
        found = ((_DECIDED.fullmatch(name), name) for name in self.names)
        return {match[1]: name for match, name in found if match}

    def completed_at(self, instant: str) -> datetime:
        return self.names[f"{instant}.{self.completed[instant]}"]


@dataclass(frozen=True)
class HudiTimeline:
    """The timeline of the table at `location`, an s3:// URI without a slash at its end."""

    s3: Any
    location: str

    def listed(self) -> Listed:
        bucket, prefix = split_uri(f"{self.location}/{_FOLDER}/")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = (entry for page in pages for entry in page.get("Contents", []))
        return Listed({o["Key"].removeprefix(prefix): o["LastModified"] for o in objects})

    def settled(self) -> Listed:
        """The timeline once everything that is decided is completed: a writer may have died in between."""
        found = self.listed()
        while found.head in found.decided:
            made = self.decision(found.head)
            self.complete(made)
            found = Listed({**found.names, f"{made.instant}.{made.action}": datetime.now(UTC)})
        return found

    def reserve(self, after: str, action: str) -> str:
        """An instant later than `after` that is this writer's alone, so that no file of another bears its name.

        Commits have even ones and replacecommits odd ones, so that the one key tells.
        """
        moment = datetime.now(UTC)
        if after != NOTHING:
            moment = max(moment, moment_of(after) + timedelta(milliseconds=1))
        milliseconds = moment.microsecond // 1000
        moment = moment.replace(microsecond=milliseconds * 1000)
        moment += timedelta(milliseconds=(milliseconds + (action == REPLACE)) % 2)
        while not self._put_absent(f"{instant_of(moment)}.{action}.requested", b""):
            moment += timedelta(milliseconds=2)
        return instant_of(moment)

    def decide(self, after: str, decision: Decision) -> None:
        """Makes the decision what comes after that instant, and completes it. Raises Moved if another one does."""
        body = decision.body()
        # A put whose answer was lost is sent again, and then finds its own decision.
        if not self._put_absent(f"strata/after-{after}", body) and self._read(f"strata/after-{after}") != body:
            raise Moved(f"{self.location}: another writer has decided what comes after {after}")
        self.complete(decision)

    def complete(self, decision: Decision) -> None:
        """Shows it to readers. Whoever does so once more puts the same objects."""
        inflight = "inflight" if decision.action == COMMIT else f"{REPLACE}.inflight"
        self.put(f"{decision.instant}.{inflight}", b"")
        body = json.dumps(decision.metadata, separators=(",", ":")).encode()
        self.put(f"{decision.instant}.{decision.action}", body)

    def decision(self, after: str) -> Decision:
        return Decision(**json.loads(self._read(f"strata/after-{after}")))

    def metadata(self, instant: str, action: str) -> dict[str, Any]:
        """What a completed instant says of itself; an empty one says nothing."""
        return json.loads(self._read(f"{instant}.{action}") or b"{}")

    def history(self, completed: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """These instants with what they say, newest first."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            newest = sorted(completed, reverse=True)
            # Most often the newest one is what is looked for.
            for start, end in [(0, 1), *((i, i + _READ_AT_ONCE) for i in range(1, len(newest), _READ_AT_ONCE))]:
                part = newest[start:end]
                yield from zip(part, pool.map(lambda i: self.metadata(i, completed[i]), part), strict=True)

    def put(self, name: str, body: bytes) -> None:
        """Puts an object below `.hoodie`, whatever lies there."""
        bucket, key = self._place(name)
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def put_first(self, name: str, body: bytes) -> bytes:
        """Puts an object below `.hoodie` unless there is one; returns what is there then."""
        return body if self._put_absent(name, body) else self._read(name)

    def delete(self, name: str) -> None:
        bucket, key = self._place(name)
        self.s3.delete_object(Bucket=bucket, Key=key)

    def _put_absent(self, name: str, body: bytes) -> bool:
        bucket, key = self._place(name)
        return put_absent(self.s3, bucket, key, body)

    def _read(self, name: str) -> bytes:
        bucket, key = self._place(name)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def _place(self, name: str) -> tuple[str, str]:
        return split_uri(f"{self.location}/{_FOLDER}/{name}")


def instant_of(moment: datetime) -> str:
    return f"{moment.strftime(_FORM)}{moment.microsecond // 1000:03d}"


def moment_of(instant: str) -> datetime:
    found = datetime.strptime(instant[:14], _FORM).replace(tzinfo=UTC)
    return found + timedelta(milliseconds=int(instant[14:]))
