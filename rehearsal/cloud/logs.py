"""CloudWatch Logs and the metrics embedded in log lines."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends


class Logs:
    """Writes log lines as the services do, and turns embedded metrics into data points.

    Stock moto stores log events but reads no embedded metric format from them.
    """

    def __init__(self, account: str, region: str):
        self._logs = logs_backends[account][region]
        self._metrics = cloudwatch_backends[account][region]
        self._lock = threading.Lock()

    def write(self, group: str, stream: str, lines: list[str]) -> None:
        """Append lines to a stream; group and stream are created when missing."""
        if not lines:
            return
        now = int(time.time() * 1000)
        with self._lock:
            if group not in self._logs.groups:
                self._logs.create_log_group(group, {})
            if stream not in self._logs.groups[group].streams:
                self._logs.create_log_stream(group, stream)
            self._logs.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])
        for line in lines:
            if '"_aws"' in line:
                self._embedded_metrics(line)

    def lines(self, group: str) -> list[str]:
        """Every line of a group, by stream and arrival."""
        found = self._logs.groups.get(group)
        return [event.message for stream in found.streams.values() for event in stream.events] if found else []

    def _embedded_metrics(self, line: str) -> None:
        start = line.find("{")
        try:
            document: dict[str, Any] = json.loads(line[start:])
            directives = document["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            return  # CloudWatch ignores a line that is not in the embedded metric format
        for directive in directives:
            for dimensions in directive.get("Dimensions") or [[]]:
                pairs = [{"Name": name, "Value": str(document[name])} for name in dimensions]
                data = [
                    {
                        "MetricName": metric["Name"],
                        "Value": value,
                        "Unit": metric.get("Unit", "None"),
                        "Dimensions": pairs,
                        "Timestamp": None,
                    }
                    for metric in directive["Metrics"]
                    for value in _values(document.get(metric["Name"]))
                ]
                with self._lock:
                    self._metrics.put_metric_data(directive["Namespace"], data)


def _values(value: Any) -> list[float]:
    if value is None:
        return []
    return [float(v) for v in value] if isinstance(value, list) else [float(value)]
