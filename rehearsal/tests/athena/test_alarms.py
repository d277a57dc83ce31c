"""Alarms follow their metric and tell their topic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.cloud import Cloud
from rehearsal.cloud.alarms import Alarms, handled
from rehearsal.cloud.services import Services

pytestmark = pytest.mark.cloud
METRIC = {"Namespace": "Strata", "MetricName": "FailedBatches", "Dimensions": [{"Name": "Lake", "Value": "commerce"}]}


@pytest.fixture
def alarms(parts: tuple[Cloud, Services]) -> Iterator[Alarms]:
    cloud, services = parts
    services.alarms.reset()
    yield services.alarms
    cloudwatch = cloud.client("cloudwatch")
    names = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
    cloudwatch.delete_alarms(AlarmNames=names)


def put(cloud: Cloud, name: str = "failed", **more: Any) -> str:
    """An alarm on a sum above zero; the ARN of its topic."""
    topic = cloud.client("sns").create_topic(Name=f"{name}-topic")["TopicArn"]
    given = {
        **METRIC, "AlarmName": name, "Statistic": "Sum", "Period": 300, "EvaluationPeriods": 1, "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching", "AlarmActions": [topic],
        "OKActions": [topic], **more,
    }  # fmt: skip
    cloud.client("cloudwatch").put_metric_alarm(**given)
    return topic


def measure(cloud: Cloud, value: float, lake: str = "commerce") -> None:
    datum = {"MetricName": "FailedBatches", "Value": value, "Dimensions": [{"Name": "Lake", "Value": lake}]}
    cloud.client("cloudwatch").put_metric_data(Namespace="Strata", MetricData=[datum])


def state(cloud: Cloud, name: str = "failed") -> str:
    return cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def test_goes_off_once_and_tells_the_topic(cloud: Cloud, alarms: Alarms) -> None:
    topic = put(cloud)
    assert state(cloud) == "OK"
    measure(cloud, 0)
    measure(cloud, 5, lake="another")
    assert alarms.in_alarm() == []
    measure(cloud, 1)
    cloud.wait_idle(10)
    assert alarms.in_alarm() == ["failed"]
    assert state(cloud) == "ALARM"
    measure(cloud, 1)
    cloud.wait_idle(10)
    published = alarms.published(topic)
    assert [json.loads(item.message)["NewStateValue"] for item in published] == ["ALARM"]
    assert json.loads(published[0].message)["Trigger"]["MetricName"] == "FailedBatches"
    assert published[0].subject == 'ALARM: "failed" in Europe (Ireland)'


def test_embedded_metrics_count(cloud: Cloud, alarms: Alarms) -> None:
    put(cloud)
    directive = {"Namespace": "Strata", "Dimensions": [["Lake"]], "Metrics": [{"Name": "FailedBatches"}]}
    line = json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "Lake": "commerce", "FailedBatches": 2})
    cloud._live().logs.write("/aws/lambda/record", "s", [line])
    assert alarms.in_alarm() == ["failed"]


def test_queue_depth(cloud: Cloud, alarms: Alarms) -> None:
    url = cloud.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    depth = {"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum"}
    put(cloud, "dead", **depth, Dimensions=[{"Name": "QueueName", "Value": "dead"}])
    cloud.wait_idle(10)
    assert alarms.in_alarm() == []
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    cloud.wait_idle(10)
    assert alarms.in_alarm() == ["dead"]


def test_periods_of_the_clock(cloud: Cloud, alarms: Alarms) -> None:
    by_clock = Alarms(cloud, "clock")
    topic = put(cloud, EvaluationPeriods=3, DatapointsToAlarm=2)
    measure(cloud, 1)
    now = time.time()
    assert by_clock.evaluate(now) == []
    datum = {"MetricName": "FailedBatches", "Value": 1, "Dimensions": METRIC["Dimensions"], "Timestamp": now - 400}
    cloud.client("cloudwatch").put_metric_data(Namespace="Strata", MetricData=[datum])
    assert by_clock.evaluate(now) == ["failed"]
    assert by_clock.evaluate(now + 1000) == ["failed"], "both points have left the three periods: OK again"
    states = [json.loads(item.message)["NewStateValue"] for item in alarms.published(topic)][-2:]
    assert states == ["ALARM", "OK"]


@pytest.mark.parametrize(
    ("treat", "want"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "OK"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_missing_data(cloud: Cloud, alarms: Alarms, treat: str, want: str) -> None:
    put(cloud, MetricName="NeverSent", TreatMissingData=treat)
    alarms.evaluate()
    assert state(cloud) == want


@pytest.mark.parametrize(
    ("statistic", "operator", "threshold", "want"),
    [
        ("Sum", "GreaterThanThreshold", 6, "OK"),
        ("Sum", "GreaterThanOrEqualToThreshold", 6, "ALARM"),
        ("Maximum", "GreaterThanThreshold", 3, "ALARM"),
        ("Minimum", "LessThanThreshold", 3, "ALARM"),
        ("Average", "LessThanOrEqualToThreshold", 3, "ALARM"),
        ("SampleCount", "GreaterThanThreshold", 2, "OK"),
    ],
)
def test_statistics(cloud: Cloud, alarms: Alarms, statistic: str, operator: str, threshold: float, want: str) -> None:
    put(cloud, Statistic=statistic, ComparisonOperator=operator, Threshold=threshold)
    measure(cloud, 2)
    measure(cloud, 4)
    alarms.evaluate()
    assert state(cloud) == want


def test_actions_can_be_off(cloud: Cloud, alarms: Alarms) -> None:
    topic = put(cloud, "quiet", ActionsEnabled=False)
    measure(cloud, 1)
    assert alarms.in_alarm() == ["quiet"]
    assert alarms.published(topic) == []


def test_which_metrics_exist() -> None:
    assert handled("Strata", "FailedRuns")
    assert handled("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert not handled("AWS/SQS", "NumberOfMessagesSent")
    assert handled("AWS/Lambda", "Errors")
    assert not handled("AWS/Lambda", "Throttles")
    assert handled("AWS/States", "ExecutionsFailed")
    assert not handled("AWS/States", "ExecutionThrottled")
