"""EventBridge rules and schedules."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import ListOf, MapOf, applied, document, fields, recorded, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_text

NO_FLEXIBILITY = "schedules fire at once when they are due or asked to fire"

_RETRY = fields(MaximumRetryAttempts=applied(), MaximumEventAgeInSeconds=applied())
_TARGET = fields(
    ("Arn", "Id"),
    Arn=applied(),
    Id=applied(),
    RoleArn=applied(),
    Input=document(),
    InputPath=applied(),
    InputTransformer=fields(("InputTemplate",), InputPathsMap=MapOf(), InputTemplate=applied()),
    DeadLetterConfig=fields(Arn=applied()),
    RetryPolicy=_RETRY,
    SqsParameters=fields(MessageGroupId=applied()),
)
RULE = fields(
    Name=applied(),
    Description=applied(),
    EventPattern=document(),
    ScheduleExpression=applied(),
    State=applied("ENABLED", "DISABLED"),
    RoleArn=applied(),
    Targets=ListOf(_TARGET, ordered=False),
)
SCHEDULE = fields(
    ("FlexibleTimeWindow", "ScheduleExpression", "Target"),
    Name=applied(),
    Description=applied(),
    FlexibleTimeWindow=fields(("Mode",), Mode=stored(NO_FLEXIBILITY), MaximumWindowInMinutes=stored(NO_FLEXIBILITY)),
    ScheduleExpression=applied(),
    ScheduleExpressionTimezone=applied(),
    State=applied("ENABLED", "DISABLED"),
    KmsKeyArn=recorded("schedules are not encrypted in the stand-in"),
    Target=fields(
        ("Arn", "RoleArn"),
        Arn=applied(),
        RoleArn=applied(),
        Input=document(),
        DeadLetterConfig=fields(Arn=applied()),
        RetryPolicy=_RETRY,
        SqsParameters=fields(MessageGroupId=applied()),
    ),
)


def _make_rule(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("Name") or maker.name(64)
    kept = {k: v for k, v in props.items() if k not in ("Name", "Targets", "EventPattern")}
    if "EventPattern" in props:
        kept["EventPattern"] = as_text(props["EventPattern"])
    arn = maker.client("events").put_rule(Name=name, **kept)["RuleArn"]
    if targets := props.get("Targets"):
        answer = maker.call("events", "put_targets", Rule=name, Targets=targets)
        if answer.get("FailedEntryCount"):
            raise RuntimeError(f"put_targets: {answer['FailedEntries']}")
    return Made(name, {"Arn": arn})


def _read_rule(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    events, name = maker.client("events"), made.physical_id
    return {**events.describe_rule(Name=name), "Targets": events.list_targets_by_rule(Rule=name)["Targets"]}


def _remove_rule(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    events, name = maker.client("events"), made.physical_id
    if ids := [target["Id"] for target in props.get("Targets", [])]:
        events.remove_targets(Rule=name, Ids=ids)
    events.delete_rule(Name=name)


def _make_schedule(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("Name") or maker.name(64)
    kept = {key: value for key, value in props.items() if key != "Name"}
    arn = maker.call("scheduler", "create_schedule", Name=name, **kept)["ScheduleArn"]
    return Made(name, {"Arn": arn})


TYPES = (
    ResourceType("AWS::Events::Rule", RULE, _make_rule, _read_rule, _remove_rule, ("Arn",), ("event rule",)),
    ResourceType(
        "AWS::Scheduler::Schedule",
        SCHEDULE,
        _make_schedule,
        lambda maker, made, props: maker.client("scheduler").get_schedule(Name=made.physical_id),
        lambda maker, made, props: maker.client("scheduler").delete_schedule(Name=made.physical_id),
        attributes=("Arn",),
        listed=("schedule",),
    ),
)
