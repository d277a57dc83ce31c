"""What a stream holds: records before their transformation, and after it per partition of the destination."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rehearsal.firehose.prefixes import BadPrefix
from rehearsal.firehose.records import EXCEEDED, PROCESSING, Failure, Outcome, Record
from rehearsal.firehose.settings import Settings

PARTITIONS = 500
"""Active partitions of a stream."""
ENVELOPE = 160
"""Bytes that a record takes in a request beside its data, at most."""
REQUEST = 6_000_000
"""Bytes of a request, which a function takes up to 6 MB of: reached by small records before the buffer's size is."""


@dataclass
class Gathered:
    """Records that wait for their transformation."""

    records: list[Record] = field(default_factory=list)
    size: int = 0
    request: int = 0
    since: float = 0.0

    def add(self, record: Record) -> None:
        if not self.records:
            self.since = time.monotonic()
        self.records.append(record)
        self.size += len(record.data)
        self.request += _request(record)

    def cut(self, size: int) -> list[Record]:
        """Take out the records of one request: the first of them, up to `size` bytes of data or REQUEST."""
        taken, data, request = 0, 0, 0
        while taken < len(self.records) and data < size:
            record = self.records[taken]
            if taken and request + _request(record) > REQUEST:
                break
            taken, data, request = taken + 1, data + len(record.data), request + _request(record)
        found, self.records = self.records[:taken], self.records[taken:]
        self.size, self.request, self.since = self.size - data, self.request - request, time.monotonic()
        return found


def _request(record: Record) -> int:
    return (len(record.data) + 2) // 3 * 4 + ENVELOPE


@dataclass(frozen=True)
class Target:
    """Where the records of a partition go: the prefix's partition keys, or the type of error."""

    keys: tuple[tuple[str, str], ...] = ()
    error: str = ""


@dataclass
class Pending:
    """Bytes that wait to be written as one object. oldest: epoch seconds of the arrival of its oldest record."""

    target: Target
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    oldest: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def add(self, data: bytes, arrived: float) -> None:
        self.oldest = min(self.oldest or arrived, arrived)
        self.chunks.append(data)
        self.size += len(data)


class Buffers:
    """The buffers of one stream. Not safe in several threads: the stream guards it. speed divides the intervals."""

    def __init__(self, settings: Settings, speed: float):
        self._settings, self._speed = settings, speed
        self.gathered = Gathered()
        self.partitions: dict[str, Pending] = {}

    def take(self, now: float, everything: bool = False) -> list[list[Record]]:
        """Records due for their transformation, by request."""
        processor, gathered = self._settings.processor, self.gathered
        if processor is None or not gathered.records:
            return []
        late = now >= gathered.since + processor.interval / self._speed
        requests = []
        while gathered.records and (
            everything or late or gathered.size >= processor.size or gathered.request > REQUEST
        ):
            requests.append(gathered.cut(processor.size))
        return requests

    def ready(self, now: float, everything: bool = False) -> list[Pending]:
        """Objects that are due to be written."""
        interval = self._settings.interval / self._speed
        due = [
            name
            for name, pending in self.partitions.items()
            if everything or pending.size >= self._settings.size or now >= pending.since + interval
        ]
        return [self.partitions.pop(name) for name in due]

    def deadline(self) -> float | None:
        """When something is due next, on the monotonic clock."""
        times = [pending.since + self._settings.interval / self._speed for pending in self.partitions.values()]
        if self._settings.processor and self.gathered.records:
            times.append(self.gathered.since + self._settings.processor.interval / self._speed)
        return min(times, default=None)

    def admit(self, outcome: Outcome) -> Failure | None:
        """Put a record into its partition; a failure if it has none, or if there are too many."""
        missing = [key for key in self._settings.prefix.partition_keys() if not outcome.keys.get(key)]
        if missing:
            text = f"the function returned no partition key {', '.join(missing)}"
            return Failure(outcome.record, PROCESSING, "DynamicPartitioning.MissingKeys", text)
        keys = tuple((key, outcome.keys[key]) for key in self._settings.prefix.partition_keys())
        name = self._settings.prefix.partition(dict(keys))
        try:
            self._settings.prefix.evaluate(datetime.fromtimestamp(outcome.record.arrived, UTC), dict(keys))
        except BadPrefix as error:
            return Failure(outcome.record, PROCESSING, "DynamicPartitioning.InvalidPrefix", str(error))
        pending = self.partitions.get(name)
        if pending is None:
            active = sum(1 for other in self.partitions.values() if not other.target.error)
            if self._settings.dynamic and active >= PARTITIONS:
                text = f"{PARTITIONS} partitions are active"
                code = "DynamicPartitioning.ActivePartitionLimitExceeded"
                return Failure(outcome.record, EXCEEDED, code, text, data=outcome.data)
            pending = self.partitions[name] = Pending(Target(keys))
        pending.add(outcome.data, outcome.record.arrived)
        return None

    def reject(self, failure: Failure) -> None:
        """Put a record into the error output."""
        name = f"!error:{failure.kind}"
        pending = self.partitions.setdefault(name, Pending(Target(error=failure.kind)))
        pending.add(failure.line(), failure.record.arrived)
