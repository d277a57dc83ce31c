"""CloudWatch alarms: evaluated on their metric, and published to their topics when they go off.

Stock moto keeps alarms and never looks at them. Metrics are what PutMetricData and embedded metrics brought, and of
the services' own metrics those of SERVICE_METRICS. A rehearsal is minutes long where a lake runs for days: by default
it counts as one period, so an alarm that went off stays in ALARM until `reset`.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import botocore.session
from botocore.exceptions import ClientError
from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricAggregatedDatum, MetricDatum, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from rehearsal.cloud.repairs import Repairs

if TYPE_CHECKING:
    from rehearsal.cloud.cloud import Cloud

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
DEPTH = "ApproximateNumberOfMessagesVisible"
SERVICE_METRICS = (
    ("AWS/DMS", "CDCIncomingChanges"),
    ("AWS/DMS", "CDCLatencySource"),
    ("AWS/DMS", "CDCLatencyTarget"),
    ("AWS/Lambda", "Errors"),
    ("AWS/SQS", DEPTH),
    ("AWS/States", "ExecutionsAborted"),
    ("AWS/States", "ExecutionsFailed"),
    ("AWS/States", "ExecutionsTimedOut"),
    ("AWS/Firehose", "DeliveryToS3.DataFreshness"),
    ("AWS/Firehose", "ThrottledRecords"),
)
"""Metrics of the services themselves that the stand-in has."""
Windows = Literal["rehearsal", "clock"]


def install(cloud: Cloud, windows: Windows = "rehearsal") -> Alarms:
    """Make the Cloud evaluate alarms. To be called before the Cloud starts."""
    part = Alarms(cloud, windows)
    cloud.attach(part)
    return part


def handled(namespace: str, metric: str) -> bool:
    """Whether the stand-in has the metric: the app's own, and of the services SERVICE_METRICS."""
    return not namespace.startswith("AWS/") or (namespace, metric) in SERVICE_METRICS


@dataclass(frozen=True)
class Published:
    """A message published to a topic."""

    topic_arn: str
    subject: str | None
    message: str


@dataclass(frozen=True)
class Point:
    """One data point; several samples may be summed up in it."""

    at: float
    total: float
    minimum: float
    maximum: float
    samples: float


class Alarms:
    """The part of the Cloud that evaluates alarms: whenever the Cloud looks for work, and at DescribeAlarms.

    windows: `rehearsal` counts everything since the start (or `reset`) as one period; `clock` uses each alarm's own
    periods, up to now.
    """

    name = "alarms"

    def __init__(self, cloud: Cloud, windows: Windows = "rehearsal"):
        if windows not in ("rehearsal", "clock"):
            raise ValueError(f"windows={windows!r}: must be 'rehearsal' or 'clock'")
        self._cloud, self._windows = cloud, windows
        self._lock = threading.RLock()
        self._repairs = Repairs()
        self._depths: dict[str, list[Point]] = {}
        self._since = 0.0
        self._looked_at: tuple[int, ...] = ()

    def start(self) -> None:
        self._since = time.time()
        self._depths.clear()

        def describe_alarms(response: CloudWatchResponse) -> Any:
            self.evaluate()
            return stock(response)

        stock = self._repairs.replace(CloudWatchResponse, "describe_alarms", describe_alarms)

    def busy(self) -> list[str]:
        """Never busy; evaluates when a metric or queue has changed since the last look."""
        state = self._state()
        if state != self._looked_at:
            self.evaluate()
            self._looked_at = state
        return []

    def stop(self) -> None:
        self._repairs.undo()

    def reset(self) -> None:
        """Forget what was measured so far: every alarm starts anew."""
        with self._lock:
            self._since = time.time()
            self._depths.clear()

    def in_alarm(self) -> list[str]:
        """Names of the alarms in ALARM now, sorted."""
        self.evaluate()
        return sorted(alarm.name for alarm in self._backend.alarms.values() if alarm.state_value == ALARM)

    def published(self, topic_arn: str | None = None) -> list[Published]:
        """Messages published to a topic, or to all of them, in order: alarms' and the app's own."""
        topics = sns_backends[self._cloud.account][self._cloud.region].topics
        return [
            Published(arn, entry[2], str(entry[1]))
            for arn, topic in topics.items()
            if topic_arn in (None, arn)
            for entry in topic.sent_notifications
        ]

    def evaluate(self, now: float | None = None) -> list[str]:
        """Evaluate every alarm as of `now` (epoch seconds; default: the present); names of those that changed state."""
        moment = time.time() if now is None else now
        with self._lock:
            self._sample(moment)
            changed = []
            for alarm in list(self._backend.alarms.values()):
                if alarm.rule is None and self._update(alarm, moment):
                    changed.append(alarm.name)
            return changed

    @property
    def _backend(self) -> CloudWatchBackend:
        return cloudwatch_backends[self._cloud.account][self._cloud.region]

    def _state(self) -> tuple[int, ...]:
        backend = self._backend
        return (len(backend.metric_data), len(backend.alarms), *(len(q.messages) for q in self._queues().values()))

    def _queues(self) -> dict[str, Any]:
        return dict(sqs_backends[self._cloud.account][self._cloud.region].queues)

    def _sample(self, moment: float) -> None:
        for name, queue in self._queues().items():
            depth = float(len(queue.messages))
            self._depths.setdefault(name, []).append(Point(moment, depth, depth, depth, 1))

    def _update(self, alarm: Alarm, moment: float) -> bool:
        state, reason = self._judge(alarm, moment)
        if state == alarm.state_value:
            return False
        before = alarm.state_value
        alarm.update_state(reason, "{}", state)
        actions = {ALARM: alarm.alarm_actions, OK: alarm.ok_actions, INSUFFICIENT: alarm.insufficient_data_actions}
        if alarm.actions_enabled:
            for arn in actions[state]:
                self._act(arn, alarm, before, reason)
        return True

    def _judge(self, alarm: Alarm, moment: float) -> tuple[str, str]:
        values = [self._statistic(alarm, points) for points in self._periods(alarm, moment)]
        missing = alarm.treat_missing_data or "missing"
        present = [value for value in values if value is not None]
        if not present and missing == "missing":
            return INSUFFICIENT, "no data point"
        if not present and missing == "ignore":
            return alarm.state_value, alarm.state_reason
        breaching = sum(self._breaches(alarm, value, missing) for value in values)
        needed = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
        shown = ", ".join("missing" if value is None else f"{value:g}" for value in values)
        reason = f"{breaching} of {len(values)} data points ({shown}) are {alarm.comparison_operator} {alarm.threshold}"
        return (ALARM if breaching >= min(needed, len(values)) else OK), reason

    def _periods(self, alarm: Alarm, moment: float) -> list[list[Point]]:
        """The points of each period, newest first."""
        points = self._points(alarm)
        if self._windows == "rehearsal":
            return [[point for point in points if self._since <= point.at <= moment]]
        length = float(alarm.period)
        edges = [moment - index * length for index in range(int(alarm.evaluation_periods))]
        return [[p for p in points if edge - length < p.at <= edge and p.at >= self._since] for edge in edges]

    def _points(self, alarm: Alarm) -> list[Point]:
        wanted = {dimension.name: dimension.value for dimension in alarm.dimensions}
        if (alarm.namespace, alarm.metric_name) == ("AWS/SQS", DEPTH):
            return self._depths.get(wanted.get("QueueName", ""), [])
        found = []
        for datum in list(self._backend.metric_data):
            if datum.namespace != alarm.namespace or datum.name != alarm.metric_name:
                continue
            if {dimension.name: dimension.value for dimension in datum.dimensions} == wanted:
                found.append(_point(datum))
        return found

    @staticmethod
    def _statistic(alarm: Alarm, points: list[Point]) -> float | None:
        if not points:
            return None
        total, samples = sum(point.total for point in points), sum(point.samples for point in points)
        return {
            "Sum": total,
            "SampleCount": samples,
            "Average": total / samples,
            "Minimum": min(point.minimum for point in points),
            "Maximum": max(point.maximum for point in points),
        }[alarm.statistic]

    @staticmethod
    def _breaches(alarm: Alarm, value: float | None, missing: str) -> bool:
        if value is None:
            return missing == "breaching"
        threshold = float(alarm.threshold)
        return {
            "GreaterThanThreshold": value > threshold,
            "GreaterThanOrEqualToThreshold": value >= threshold,
            "LessThanThreshold": value < threshold,
            "LessThanOrEqualToThreshold": value <= threshold,
        }[alarm.comparison_operator]

    def _act(self, arn: str, alarm: Alarm, before: str, reason: str) -> None:
        """Publish as CloudWatch does; other actions are refused when the template is read."""
        region = _long_name(self._cloud.region)
        message = {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": self._cloud.account,
            "NewStateValue": alarm.state_value,
            "NewStateReason": reason,
            "StateChangeTime": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Region": region,
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": before,
            "Trigger": {
                "MetricName": alarm.metric_name,
                "Namespace": alarm.namespace,
                "Statistic": str(alarm.statistic).upper(),
                "Period": int(alarm.period),
                "EvaluationPeriods": int(alarm.evaluation_periods),
                "ComparisonOperator": alarm.comparison_operator,
                "Threshold": float(alarm.threshold),
            },
        }
        subject = f'{alarm.state_value}: "{alarm.name}" in {region}'[:100]
        topics = self._cloud.service_client("cloudwatch.amazonaws.com", "sns", source=alarm.alarm_arn)
        try:
            topics.publish(TopicArn=arn, Subject=subject, Message=json.dumps(message))
        except ClientError as error:  # the alarm's history says so in the service; here the denial is recorded
            if error.response["Error"]["Code"] not in ("AuthorizationError", "AccessDeniedException"):
                raise


def _long_name(region: str) -> str:
    """A region as CloudWatch calls it in messages: US East (N. Virginia)."""
    for partition in botocore.session.get_session().get_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return partition["regions"][region]["description"]
    return region


def _point(datum: Any) -> Point:
    at = datum.timestamp
    moment = (at.replace(tzinfo=datetime.UTC) if at.tzinfo is None else at).timestamp()
    if isinstance(datum, MetricAggregatedDatum):
        return Point(moment, datum.sum, datum.min, datum.max, datum.sample_count)
    assert isinstance(datum, MetricDatum)
    return Point(moment, datum.value, datum.value, datum.value, 1)
