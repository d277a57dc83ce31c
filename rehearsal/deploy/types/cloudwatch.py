"""Alarms on one metric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.cloud import alarms
from rehearsal.deploy.properties import TAGS, Finding, Leaf, ListOf, applied, fields
from rehearsal.deploy.resource import Account, Made, Maker, ResourceType

COMPARISONS = (
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
_TOPICS = ListOf(Leaf(pattern=r"^arn:[^:]+:sns:", pattern_hint="ARNs of SNS topics"), ordered=False)
ALARM = fields(
    ("ComparisonOperator", "EvaluationPeriods", "MetricName", "Namespace", "Period", "Statistic", "Threshold"),
    AlarmName=applied(),
    AlarmDescription=applied(),
    ActionsEnabled=applied(),
    AlarmActions=_TOPICS,
    OKActions=_TOPICS,
    ComparisonOperator=applied(*COMPARISONS),
    DatapointsToAlarm=applied(),
    Dimensions=ListOf(fields(("Name", "Value"), Name=applied(), Value=applied()), ordered=False),
    EvaluationPeriods=applied(),
    MetricName=applied(),
    Namespace=applied(),
    Period=applied(),
    Statistic=applied("Sum", "Maximum", "Minimum", "Average", "SampleCount"),
    Threshold=applied(),
    TreatMissingData=applied("missing", "ignore", "breaching", "notBreaching"),
    Unit=applied(),
    Tags=TAGS,
)


def _check(cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    if not alarms.handled(props["Namespace"], props["MetricName"]):
        known = ", ".join(" ".join(metric) for metric in alarms.SERVICE_METRICS)
        message = f"the stand-in has no such metric of {props['Namespace']}; handled: the app's own, {known}"
        yield Finding("MetricName", props["MetricName"], message)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("AlarmName") or maker.name(255)
    kept = {key: value for key, value in props.items() if key != "AlarmName"}
    maker.call("cloudwatch", "put_metric_alarm", AlarmName=name, **kept)
    return Made(name, {"Arn": maker.arn("cloudwatch", f"alarm:{name}")})


def _change(maker: Maker, made: Made, before: dict[str, Any], props: dict[str, Any]) -> Made:
    """PutMetricAlarm replaces the whole alarm; the name is the same unless it is given."""
    new = _make(maker, props)
    if new.physical_id != made.physical_id:
        maker.client("cloudwatch").delete_alarms(AlarmNames=[made.physical_id])
    return new


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    cloudwatch = maker.client("cloudwatch")
    found = dict(cloudwatch.describe_alarms(AlarmNames=[made.physical_id])["MetricAlarms"][0])
    found["Tags"] = cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    return found


TYPES = (
    ResourceType(
        "AWS::CloudWatch::Alarm",
        ALARM,
        _make,
        _read,
        lambda maker, made, props: maker.client("cloudwatch").delete_alarms(AlarmNames=[made.physical_id]),
        attributes=("Arn",),
        listed=("alarm",),
        check=_check,
        change=_change,
    ),
)
