"""Event source mappings from queues to functions.

Stock moto invokes the function inside SendMessage and knows only all or nothing. The service polls, hands over
batches, hides failed messages until their timeout is over, and takes partial failures
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction, lambda_backends
from moto.events.models import EventPattern
from moto.sqs.models import Message, Queue

from rehearsal.cloud.enforcement import Enforcement
from rehearsal.cloud.faults import Caller
from rehearsal.cloud.functions import Functions
from rehearsal.cloud.needs import Need
from rehearsal.cloud.queues import Queues
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.work import Work

CONCURRENT_BATCHES = 5
POLL_SECONDS = 0.02


class Mappings:
    """Polls the mapped queues of one account and region."""

    def __init__(
        self,
        account: str,
        region: str,
        speed: float,
        queues: Queues,
        functions: Functions,
        enforcement: Enforcement,
        work: Work,
        repairs: Repairs,
    ):
        self._backend: LambdaBackend = lambda_backends[account][region]
        self._region, self._speed = region, speed
        self._queues, self._functions, self._enforcement, self._work = queues, functions, enforcement, work
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._refused_until: dict[str, float] = {}
        self._detach(repairs)

    def start(self) -> None:
        self._work.thread("event source mappings", self._poll, busy=False)

    def enabled(self) -> list[EventSourceMapping]:
        """The mappings that are polled."""
        return [m for m in list(self._backend._event_source_mappings.values()) if _is_enabled(m)]

    def busy(self) -> list[str]:
        """Queues with a consumer that still hold messages."""
        found = []
        for arn in {mapping.event_source_arn for mapping in self.enabled()}:
            counts = {state: n for state, n in self._queues.waiting(arn).items() if n}
            if counts:
                text = ", ".join(f"{n} {state}" for state, n in counts.items())
                found.append(f"queue {arn.rsplit(':', 1)[-1]}: {text}")
        return found

    @staticmethod
    def _detach(repairs: Repairs) -> None:
        """Keep moto from calling functions itself: it looks at the queue's own list of mappings."""

        def create_event_source_mapping(backend: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
            if ":sqs:" not in str(spec.get("EventSourceArn")):
                raise NotImplementedError(f"event source {spec.get('EventSourceArn')}: only queues are modelled")
            return stock(backend, spec)

        stock = repairs.replace(LambdaBackend, "create_event_source_mapping", create_event_source_mapping)

    def _poll(self) -> None:
        while not self._work.stopping.wait(POLL_SECONDS):
            for mapping in self.enabled():
                self._poll_one(mapping)

    def _poll_one(self, mapping: EventSourceMapping) -> None:
        limit = int((mapping.scaling_config or {}).get("MaximumConcurrency", CONCURRENT_BATCHES))
        queue = self._queues.find(mapping.event_source_arn)
        if queue is None:
            return
        with self._lock:
            if self._under_way[mapping.uuid] >= limit:
                return
        if not self._queues.waiting(mapping.event_source_arn).get("visible") or not self._may_poll(mapping, queue):
            return
        window = float(mapping.max_batch_window or 0) / self._speed
        taken_at = time.time()
        messages = self._queues.take(mapping.event_source_arn, mapping.batch_size)
        if not messages:
            return
        with self._lock:
            self._under_way[mapping.uuid] += 1
        where = f"batch of {queue.name} for {mapping.function_arn.rsplit(':', 1)[-1]}"
        self._work.thread(where, self._run, mapping, queue, messages, taken_at, window)

    def _may_poll(self, mapping: EventSourceMapping, queue: Queue) -> bool:
        """Lambda polls under the role of the function.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        """
        if time.monotonic() < self._refused_until.get(mapping.uuid, 0):
            return False
        function = self._functions.find(mapping.function_arn)
        names = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        wanted = [Need(f"sqs:{name}", queue.queue_arn) for name in names]
        wanted += self._enforcement.encryption.queue(queue.queue_arn, "Decrypt")
        if self._enforcement.check(Caller("lambda", function.function_name, "", function.role), wanted) is None:
            return True
        self._refused_until[mapping.uuid] = time.monotonic() + 1
        return False

    def _run(
        self, mapping: EventSourceMapping, queue: Queue, messages: list[Message], taken_at: float, window: float
    ) -> None:
        try:
            self._fill(mapping, messages, taken_at + window)
            function = self._functions.find(mapping.function_arn)
            chosen = [m for m in messages if _passes(mapping, m)]
            failed = self._invoke(mapping, function, queue, chosen) if chosen else set()
            for message in messages:
                if message.id in failed:
                    self._queues.release(queue.queue_arn, message, taken_at)
                else:
                    self._queues.delete(queue.queue_arn, message)
        except Exception:
            for message in messages:
                self._queues.release(queue.queue_arn, message, taken_at)
            raise
        finally:
            with self._lock:
                self._under_way[mapping.uuid] -= 1

    def _fill(self, mapping: EventSourceMapping, messages: list[Message], deadline: float) -> None:
        while len(messages) < mapping.batch_size and time.time() < deadline and not self._work.stopping.is_set():
            time.sleep(POLL_SECONDS)
            messages += self._queues.take(mapping.event_source_arn, mapping.batch_size - len(messages))

    def _invoke(
        self, mapping: EventSourceMapping, function: LambdaFunction, queue: Queue, messages: list[Message]
    ) -> set[str]:
        records = [self._record(queue, message) for message in messages]
        answer, failed, _text = self._functions.invoke(function, json.dumps({"Records": records}).encode())
        everything = {message.id for message in messages}
        if failed:
            return everything
        if "ReportBatchItemFailures" not in (mapping.function_response_types or []):
            return set()
        return failed_items(answer, everything)

    def _record(self, queue: Queue, message: Message) -> dict[str, Any]:
        attributes = {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        }
        if queue.fifo_queue:
            attributes["MessageGroupId"] = str(message.group_id)
            attributes["MessageDeduplicationId"] = str(message.deduplication_id)
            attributes["SequenceNumber"] = str(message.sequence_number)
        own = {
            name: {k[:1].lower() + k[1:]: v for k, v in value.items()}
            for name, value in message.message_attributes.items()
        }
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": own,
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": queue.queue_arn,
            "awsRegion": self._region,
        }


def failed_items(answer: bytes, everything: set[str]) -> set[str]:
    """The message ids a batch answer reports as failed; every id when the answer is not a valid report."""
    try:
        report = json.loads(answer or b"null")
    except ValueError:
        return everything
    if report in (None, "", {}):
        return set()
    if not isinstance(report, dict) or "batchItemFailures" not in report:
        return everything
    failures = report["batchItemFailures"]
    if failures is None:
        return set()
    if not isinstance(failures, list) or not all(isinstance(item, dict) for item in failures):
        return everything
    ids = [item.get("itemIdentifier") for item in failures]
    return set(ids) if all(name in everything for name in ids) else everything


def _is_enabled(mapping: EventSourceMapping) -> bool:
    return str(mapping.enabled).lower() != "false" and ":sqs:" in mapping.event_source_arn


def _passes(mapping: EventSourceMapping, message: Message) -> bool:
    filters = (mapping.filter_criteria or {}).get("Filters") or []
    if not filters:
        return True
    try:
        body: Any = json.loads(message.body)
    except ValueError:
        body = message.body
    return any(EventPattern.load(item["Pattern"]).matches_event({"body": body}) for item in filters)
