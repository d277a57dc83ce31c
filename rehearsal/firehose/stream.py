"""One delivery stream at work: from the put of a record to the object in S3."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.firehose.buffers import Buffers, Pending
from rehearsal.firehose.records import Failure, Outcome, Record
from rehearsal.firehose.settings import Settings
from rehearsal.firehose.transformation import Answers, Transformation

PRINCIPAL = "firehose.amazonaws.com"
WRITE_AGAIN, INVOKE_AGAIN = 5.0, 1.0
"""Seconds of the service until a failed write or invocation is tried again."""


@dataclass
class Faults:
    """What goes wrong on purpose. repeated: share of the records that are delivered twice, chosen by the seed. refused:
    how many of the next records a PutRecordBatch refuses with ServiceUnavailableException, the rest of it being taken.
    compressed_errors: whether error output is compressed like the deliveries, which the documentation leaves open.
    """

    repeated: float = 0.0
    seed: int = 0
    refused: int = 0
    compressed_errors: bool = False
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def repeats(self) -> bool:
        return self.repeated > 0 and self._random.random() < self.repeated


@dataclass(frozen=True)
class Account:
    """What a stream needs of the account it lives in.

    client: (service, role ARN) → boto3 client that acts for Firehose. spawn: runs a task in the background. measure:
    (metric, stream, value) records a metric.
    """

    region: str
    speed: float
    faults: Faults
    client: Callable[[str, str], Any]
    spawn: Callable[..., None]
    measure: Callable[[str, str, float], None]


class Stream:
    """A stream and what it holds. `pump` moves on what is due: at every put, end of a task, and deadline."""

    def __init__(self, settings: Settings, account: Account):
        self.settings, self._account = settings, account
        self._lock = threading.RLock()
        self._buffers = Buffers(settings, account.speed)
        self._under_way = 0
        self._stuck: list[tuple[float, Pending]] = []
        self._trouble = ""
        self._closed = False
        processor = settings.processor
        self._transform = processor and Transformation(
            processor,
            settings.arn,
            account.region,
            lambda: account.client("lambda", processor.role),
            INVOKE_AGAIN / account.speed,
        )

    def put(self, records: list[bytes]) -> list[str | None]:
        """Take records: their ids, None for those that are refused."""
        ids: list[str | None] = []
        for data in records:
            if self._account.faults.refused > 0:
                self._account.faults.refused -= 1
                self._account.measure("ThrottledRecords", self.settings.name, 1)
                ids.append(None)
                continue
            record = Record.new(data)
            ids.append(record.id)
            with self._lock:
                if self._transform is not None:
                    self._buffers.gathered.add(record)
                else:
                    self._accept([Outcome(record, data, {})])
        self.pump()
        return ids

    def pump(self, everything: bool = False) -> None:
        """Start what is due; with `everything`, what is held, as if its time were over."""
        now = time.monotonic()
        with self._lock:
            if self._closed:
                return
            for records in self._buffers.take(now, everything):
                self._start("transformation in", len(records), self._transformed, records)
            again = [pending for due, pending in self._stuck if everything or due <= now]
            self._stuck = [entry for entry in self._stuck if not everything and entry[0] > now]
            for pending in again + self._buffers.ready(now, everything):
                self._start("delivery of", 1, self._write, pending)

    def deadline(self) -> float | None:
        """When something is due next, on the monotonic clock."""
        with self._lock:
            own = self._buffers.deadline()
            return min([due for due, _ in self._stuck] + ([own] if own is not None else []), default=None)

    def busy(self) -> str:
        """What the stream holds, in words; empty when it holds nothing."""
        with self._lock:
            waiting = len(self._buffers.gathered.records) + len(self._buffers.partitions) + len(self._stuck)
            if not waiting and not self._under_way:
                return ""
            return f"Firehose stream {self.settings.name} holds records" + (
                f": {self._trouble}" if self._trouble else ""
            )

    def close(self) -> None:
        """Forget what is held: what a deleted stream has not delivered is lost."""
        with self._lock:
            self._closed = True
            self._buffers, self._stuck = Buffers(self.settings, self._account.speed), []

    def _start(self, what: str, count: int, task: Callable[[Any], None], given: Any) -> None:
        self._under_way += count
        self._account.spawn(f"{what} Firehose stream {self.settings.name}", self._run, count, task, given)

    def _run(self, count: int, task: Callable[[Any], None], given: Any) -> None:
        try:
            task(given)
        finally:
            with self._lock:
                self._under_way -= count
            self.pump()

    def _transformed(self, records: list[Record]) -> None:
        assert self._transform is not None
        answers = self._transform(records)
        with self._lock:
            self._accept(answers)

    def _accept(self, answers: Answers) -> None:
        reasons = {}
        for answer in answers:
            for _ in range(2 if self._account.faults.repeats() else 1):
                failure = answer if isinstance(answer, Failure) else self._buffers.admit(answer)
                if failure is not None:
                    reasons[failure.code] = failure.message
                    self._buffers.reject(failure)
        for code, message in reasons.items():
            self._log(code, message)

    def _write(self, pending: Pending) -> None:
        key, body = self._object(pending)
        settings = self.settings
        age = (time.time() - pending.oldest) * self._account.speed
        self._account.measure("DeliveryToS3.DataFreshness", settings.name, age)
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.key} if settings.key else {}
        try:
            client = self._account.client("s3", settings.role)
            client.put_object(Bucket=settings.bucket, Key=key, Body=body, **encryption)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            self._log(f"S3.{code}", message)
            with self._lock:
                self._trouble = f"s3://{settings.bucket}/{key}: {code}: {message}"
                self._stuck.append((time.monotonic() + WRITE_AGAIN / self._account.speed, pending))
            return
        with self._lock:
            self._trouble = ""

    def _object(self, pending: Pending) -> tuple[str, bytes]:
        settings, at, error = self.settings, datetime.fromtimestamp(pending.oldest, UTC), pending.target.error
        zipped = settings.gzip and (not error or self._account.faults.compressed_errors)
        if error:
            prefix = settings.error_prefix.evaluate(at, error_type=error)
        else:
            prefix = settings.prefix.evaluate(at, dict(pending.target.keys))
        extension = settings.extension if zipped or not settings.gzip else ""
        name = f"{settings.name}-1-{at:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"
        body = b"".join(pending.chunks)
        return prefix + name, gzip.compress(body) if zipped else body

    def _log(self, code: str, message: str) -> None:
        """Write to the stream's error log, if it has one; what keeps it from that is nobody's failure but the log's."""
        settings = self.settings
        if not settings.log_group:
            return
        line = {"deliveryStreamARN": settings.arn, "errorCode": code, "errorMessage": message}
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(line)}
        self._account.spawn("error log of Firehose", self._put_log, event)

    def _put_log(self, event: dict[str, Any]) -> None:
        settings = self.settings
        names = {"logGroupName": settings.log_group, "logStreamName": settings.log_stream}
        try:
            self._account.client("logs", settings.role).put_log_events(**names, logEvents=[event])
        except ClientError as error:
            with self._lock:
                self._trouble = self._trouble or f"error log {settings.log_group}: {error}"
