"""EventBridge rules: which events reach which targets.

Stock moto matches rules that are disabled and rules that have only a schedule, and drops events for every target but
queues, buses and log groups (a Lambda target makes PutEvents fail).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule, events_backends

from rehearsal.cloud.delivery import Delivery
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.transform import target_input


class Events:
    """Routes events of one account and region to the targets of its rules."""

    def __init__(self, account: str, region: str, delivery: Delivery, repairs: Repairs):
        self._account, self._region, self._delivery = account, region, delivery
        self._backend = events_backends[account][region]
        repairs.replace(Rule, "send_to_targets", self._send_to_targets)

    @property
    def rules(self) -> list[Rule]:
        """Rules of every bus."""
        return [rule for bus in list(self._backend.event_buses.values()) for rule in list(bus.rules.values())]

    def emit(self, event: dict[str, Any]) -> None:
        """Send an event of an AWS service to the rules of the default bus."""
        for rule in list(self._backend.event_buses["default"].rules.values()):
            self._route(rule, event)

    def service_event(
        self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str] | None = None
    ) -> dict[str, Any]:
        """The envelope of a service's event."""
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self._account,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": self._region,
            "resources": resources or [],
            "detail": detail,
        }

    def fire(self, rule: Rule) -> None:
        """Send a rule's scheduled event to its targets."""
        event = self.service_event("aws.events", "Scheduled Event", {}, [rule.arn])
        for target in list(rule.targets):
            self._delivery.deliver(rule.arn, target, target_input(target, event, rule.arn, rule.name), event)

    @property
    def _send_to_targets(self) -> Callable[..., None]:
        def send_to_targets(rule: Rule, original_event: dict[str, Any], transform_input: bool = True) -> None:
            event = {k: v for k, v in original_event.items() if k not in ("ingestion-time", "replay-name")}
            given = event["time"]
            if not isinstance(given, str):
                event["time"] = datetime.fromtimestamp(float(given), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._route(rule, event)

        return send_to_targets

    def _route(self, rule: Rule, event: dict[str, Any]) -> None:
        if rule.state == "DISABLED" or not rule.event_pattern.get_pattern():
            return
        if rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                self._delivery.deliver(rule.arn, target, target_input(target, event, rule.arn, rule.name), event)
