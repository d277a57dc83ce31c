"""What DMS tells of a replication: events, metrics, log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

NAMESPACE = "AWS/DMS"
METRICS = ("CDCLatencySource", "CDCLatencyTarget", "CDCIncomingChanges")
"""Modelled of the metrics of a serverless replication. Not modelled: CapacityUtilization, CPUUtilization,
CDCThroughputBandwidthTarget, CDCThroughputRowsSource, CDCThroughputRowsTarget, FullLoadThroughputBandwidthTarget and
FullLoadThroughputRowsTarget."""

DIMENSION = "ReplicationConfigId"
"""Its value is `<account>:<resource id of the configuration's ARN>`."""

UNITS = {"CDCIncomingChanges": "Count"}

MESSAGES = {
    "initializing": "is initializing.",
    "preparing_metadata_resources": "is preparing the resources for metadata collection.",
    "testing_connection": "has connections tied to its endpoints that are being tested.",
    "fetching_metadata": "is fetching metadata.",
    "calculating_capacity": "is calculating capacity.",
    "provisioning_capacity": "is provisioning its capacity.",
    "replication_starting": "is starting.",
    "running": "is running.",
    "stopping": "is stopping.",
    "stopped": "has stopped.",
    "failed": "has failed.",
}
LOGGED = {
    "initializing": "Initializing the replication workflow.",
    "preparing_metadata_resources": "Preparing the resources for metadata collection. This can take some time.",
    "testing_connection": "Completed preparing resources for metadata collection. Testing connection to source and "
    "target endpoints to ensure proper configuration.",
}

Emit = Callable[[str, str, dict[str, Any], list[str]], None]


class Telemetry:
    """Of one replication. log: (group, stream, line)."""

    def __init__(
        self, account: str, region: str, arn: str, emit: Emit, log: Callable[[str, str, str], None], logging: bool
    ):
        self._account, self._region, self._arn = account, region, arn
        self._emit, self._log, self._logging = emit, log, logging
        self._id = arn.rsplit(":", 1)[-1]
        self.group = f"dms-serverless-replication-{self._id}"

    def announce(self, status: str, message: str) -> None:
        """A change of state: an event, and a line of the orchestrator's log stream."""
        detail = {
            "type": "REPLICATION_CONFIG",
            "category": "StateChange",
            "eventType": f"REPLICATION_{status.upper()}",
            "detailMessage": f"Replication with resource id, '{self._id}', {MESSAGES[status]} {message}".strip(),
        }
        self._emit("aws.dms", "DMS Replication State Change", detail, [self._arn])
        self._task_event(status, message)
        line = {"replication_state": status, "message": LOGGED.get(status, message or MESSAGES[status])}
        if status == "failed":
            line["failure_message"] = message
        self._log(self.group, f"dms-serverless-replication-orchestrator-{self._id}", str(line))

    def line(self, text: str) -> None:
        """A line of the engine's own log, where EnableLogging asks for it."""
        if self._logging:
            self._log(self.group, f"dms-serverless-serv-res-id-{self._id}", text)

    def measure(self, values: dict[str, float]) -> None:
        """One data point per metric."""
        pairs = [{"Name": DIMENSION, "Value": f"{self._account}:{self._id}"}]
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Unit": UNITS.get(name, "Seconds"),
                "Dimensions": pairs,
                "Timestamp": None,
            }
            for name, value in values.items()
        ]
        cloudwatch_backends[self._account][self._region].put_metric_data(NAMESPACE, data)

    def _task_event(self, status: str, message: str) -> None:
        """Beside its own events a serverless replication sends two of the task inside it; a failure has none."""
        kinds = {"running": "STARTED", "stopped": "STOPPED"}
        if status in kinds:
            detail = {
                "type": "REPLICATION_TASK",
                "category": "StateChange",
                "eventType": f"REPLICATION_TASK_{kinds[status]}",
                "detailMessage": message or f"Replication task {kinds[status].lower()}.",
            }
            task = self._arn.replace(":replication-config:", ":task:serv-res-id-")
            self._emit("aws.dms", "DMS Replication Task State Change", detail, [task])
