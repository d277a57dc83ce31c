"""SQS: visibility, delays, FIFO order, deduplication, dead-letter queues and their redrive.

Stock moto deduplicates only against messages that are still in the queue (a deleted message's id is free again at
once), scans and changes queues without a lock, invokes mapped Lambdas inside SendMessage, has no StartMessageMoveTask,
and knows no clock but its own. The service deduplicates for five minutes whatever became of the first message, keeps
the groups of a FIFO queue one at a time, and polls for Lambda on its own threads.
"""

from __future__ import annotations

import itertools
import threading
import time
from copy import deepcopy
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import unix_time_millis
from moto.sqs.exceptions import SQSException
from moto.sqs.models import Message, Queue, SQSBackend, _filter_message_attributes, sqs_backends
from moto.sqs.responses import SQSResponse

from rehearsal.cloud.repairs import Repairs

DEDUPLICATION_SECONDS = 300


class Queues:
    """The queues of one account and region. Timers run `speed` times faster than the service's."""

    def __init__(self, account: str, region: str, speed: float, repairs: Repairs):
        self._backend: SQSBackend = sqs_backends[account][region]
        self._speed = speed
        self._lock = threading.RLock()
        self._seen: dict[tuple[str, str, str], float] = {}
        self._sequence = itertools.count(1)
        self._install(repairs)

    def find(self, arn: str) -> Queue | None:
        with self._lock:
            return self._backend.queues.get(arn.rsplit(":", 1)[-1])

    def waiting(self, arn: str) -> dict[str, int]:
        """How many messages are visible, delayed and in flight."""
        queue = self.find(arn)
        if queue is None:
            return {}
        with self._lock:
            delayed = sum(m.delayed for m in queue._messages)
            hidden = sum(not m.visible for m in queue._messages)
            return {"visible": len(queue._messages) - delayed - hidden, "delayed": delayed, "in flight": hidden}

    def take(self, arn: str, count: int) -> list[Message]:
        """Receive up to `count` messages for a consumer that hides them until `delete` or `release`."""
        queue = self.find(arn)
        if queue is None:
            return []
        with self._lock:
            return self._receive(queue, count, hidden_seconds=43_200, scaled=False)  # the longest SQS allows

    def delete(self, arn: str, message: Message) -> None:
        """Remove a taken message."""
        if queue := self.find(arn):
            with self._lock:
                queue._messages = [found for found in queue._messages if found.id != message.id]

    def release(self, arn: str, message: Message, taken_at: float) -> None:
        """Let a message that was taken at `taken_at` (epoch seconds) become visible when its timeout is over."""
        if queue := self.find(arn):
            with self._lock:
                for found in queue._messages:
                    if found.id == message.id:
                        found.visible_at = (taken_at + queue.visibility_timeout / self._speed) * 1000

    def send(self, arn: str, body: str, group: str | None = None, attributes: dict[str, str] | None = None) -> None:
        """Put a message as a service does (dead letters). Raises KeyError when there is no such queue."""
        queue = self.find(arn)
        if queue is None:
            raise KeyError(f"no queue {arn}")
        values = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
        self._backend.send_message(queue.name, body, message_attributes=values, group_id=group)

    def redrive(self, source: str, destination: str) -> None:
        """Move all messages of a dead-letter queue to another queue, as if they had just been sent."""
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        dead, queue = self.find(source), self.find(destination)
        if dead is None or queue is None:
            raise SQSException("ResourceNotFoundException", f"no queue {destination if dead else source}")
        with self._lock:
            if not any(other.dead_letter_queue is dead for other in self._backend.queues.values()):
                raise SQSException("UnsupportedOperation", "Source queue must be configured as a Dead Letter Queue.")
            if dead.fifo_queue != queue.fifo_queue:
                raise SQSException("UnsupportedOperation", "Source and destination queue must be of the same type.")
            moved, dead._messages = dead._messages, []
            for message in moved:
                message.approximate_receive_count, message.visible_at = 0, 0.0
                if queue.fifo_queue:
                    message.sequence_number = f"{next(self._sequence):020d}"
            queue._messages += moved

    def _install(self, repairs: Repairs) -> None:
        def start_message_move_task(response: SQSResponse) -> ActionResult:
            source = response._get_param("SourceArn")
            self.redrive(source, response._get_param("DestinationArn"))
            return ActionResult({"TaskHandle": source})

        def after(seconds: int) -> float:
            return unix_time_millis() + 1000 * int(seconds) / self._speed

        def change_visibility(message: Message, visibility_timeout: int) -> None:
            message.visible_at = after(visibility_timeout)

        def delay(message: Message, delay_seconds: int) -> None:
            message.delayed_until = after(delay_seconds)

        def delete_message(queue: Queue, receipt_handle: str) -> None:
            with self._lock:
                stock_delete(queue, receipt_handle)

        def change_message_visibility(backend: SQSBackend, *args: Any, **kwargs: Any) -> None:
            with self._lock:
                stock_change(backend, *args, **kwargs)

        def receive_message(
            backend: SQSBackend,
            queue_name: str,
            count: int,
            wait_seconds_timeout: int,
            visibility_timeout: int,
            message_attribute_names: list[str] | None = None,
        ) -> list[Message]:
            queue = backend.get_queue(queue_name)
            deadline = time.monotonic() + (wait_seconds_timeout or 0)
            while True:
                with self._lock:
                    found = self._receive(queue, count, visibility_timeout or 0, scaled=True)
                if found or time.monotonic() >= deadline:
                    break
                time.sleep(0.05)
            for message in found:
                _filter_message_attributes(message, message_attribute_names or [])
            return found

        def set_attributes(queue: Queue, attributes: dict[str, Any], now: float | None = None) -> None:
            """Stock moto forgets the queue's policy whenever another attribute is set."""
            policy = getattr(queue, "_policy_json", None)
            stock_set(queue, attributes, now)
            if "Policy" not in attributes and policy is not None:
                queue._policy_json = policy

        stock_set = repairs.replace(Queue, "_set_attributes", set_attributes)
        repairs.replace(Message, "change_visibility", change_visibility)
        repairs.replace(Message, "delay", delay)
        repairs.replace(Message, "visible", property(lambda message: unix_time_millis() >= message.visible_at))
        repairs.replace(Queue, "add_message", self._add)
        stock_delete = repairs.replace(Queue, "delete_message", delete_message)
        repairs.replace(SQSBackend, "receive_message", receive_message)
        repairs.replace(SQSResponse, "start_message_move_task", start_message_move_task)
        stock_change = repairs.replace(SQSBackend, "change_message_visibility", change_message_visibility)

    @property
    def _add(self) -> Any:
        def add_message(queue: Queue, message: Message) -> None:
            with self._lock:
                if queue.fifo_queue:
                    if self._is_duplicate(queue, message):
                        return
                    message.sequence_number = f"{next(self._sequence):020d}"
                queue._messages.append(message)

        return add_message

    def _is_duplicate(self, queue: Queue, message: Message) -> bool:
        if not message.deduplication_id:
            return False
        scope = message.group_id if queue.deduplication_scope == "messageGroup" else ""
        key = (queue.queue_arn, scope or "", message.deduplication_id)
        now = time.monotonic()
        if self._seen.get(key, 0) > now:
            return True
        self._seen[key] = now + DEDUPLICATION_SECONDS / self._speed
        return False

    def _receive(self, queue: Queue, count: int, hidden_seconds: float, scaled: bool) -> list[Message]:
        """Take visible messages in order; a FIFO group with a message in flight, or delayed, waits."""
        blocked = {m.group_id for m in queue._messages if not m.visible} if queue.fifo_queue else set()
        found: list[Message] = []
        for message in list(queue._messages):
            if len(found) >= count:
                break
            if queue.fifo_queue and message.group_id in blocked:
                continue
            if not message.visible:
                continue
            if message.delayed:
                blocked.add(message.group_id)
                continue
            if self._is_dead(queue, message):
                queue._messages.remove(message)
                queue.dead_letter_queue._messages.append(message)
                continue
            message.mark_received()
            message.visible_at = unix_time_millis() + 1000 * hidden_seconds / (self._speed if scaled else 1)
            found.append(deepcopy(message))
        return found

    @staticmethod
    def _is_dead(queue: Queue, message: Message) -> bool:
        if queue.dead_letter_queue is None or not queue.redrive_policy:
            return False
        return message.approximate_receive_count >= queue.redrive_policy["maxReceiveCount"]
