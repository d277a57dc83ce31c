"""Delivery to targets of EventBridge rules and schedules: who is called, what is retried, what is a dead letter.

Stock moto knows neither retries nor dead letters.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.cloud.work import Work

# Answers that are not retried: the target is not there, or may not be called.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
FINAL = {
    "ResourceNotFoundException": "NO_RESOURCE",
    "StateMachineDoesNotExist": "NO_RESOURCE",
    "AWS.SimpleQueueService.NonExistentQueue": "NO_RESOURCE",
    "QueueDoesNotExist": "NO_RESOURCE",
    "NotFound": "NO_RESOURCE",
    "AccessDeniedException": "NO_PERMISSIONS",
    "AccessDenied": "NO_PERMISSIONS",
}
ATTEMPTS = 185
AGE_SECONDS = 86_400

# The API actions of EventBridge Scheduler's templated targets.
TEMPLATED = {
    "lambda": "invoke", "states": "startExecution", "sns": "publish", "sqs": "sendMessage", "events": "putEvents",
}  # fmt: skip

# (service, role or None, ARN of the rule or schedule it acts for) → boto3 client acting for the principal
Clients = Callable[[str, str | None, str], Any]


class Undeliverable(Exception):
    """A target of a kind the rehearsal does not model."""


class Delivery:
    """Calls targets in the background for one service, under the target's role or by resource policy."""

    def __init__(self, speed: float, clients: Clients, work: Work):
        self._speed, self._clients, self._work = speed, clients, work

    def deliver(self, rule_arn: str, target: dict[str, Any], payload: str, event: dict[str, Any]) -> None:
        """Deliver in the background, with the target's retry policy and dead-letter queue."""
        where = f"event {event['detail-type']} → {target['Arn'].split(':', 5)[-1]}"
        self._work.spawn(where, self._attempt, where, rule_arn, target, payload, event, 0, time.monotonic())

    def _attempt(
        self,
        where: str,
        rule_arn: str,
        target: dict[str, Any],
        payload: str,
        event: dict[str, Any],
        retries: int,
        began: float,
    ) -> None:
        policy = target.get("RetryPolicy") or {}
        try:
            self._call(rule_arn, target, payload, event)
            return
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        except KeyError as error:
            code, message = "ResourceNotFoundException", str(error)
        if code in FINAL:
            self._bury(where, rule_arn, target, event, FINAL[code], message, retries, None)
        elif retries >= int(policy.get("MaximumRetryAttempts", ATTEMPTS)):
            self._bury(where, rule_arn, target, event, code, message, retries, "MaximumRetryAttempts")
        elif (time.monotonic() - began) * self._speed >= int(policy.get("MaximumEventAgeInSeconds", AGE_SECONDS)):
            self._bury(where, rule_arn, target, event, code, message, retries, "MaximumEventAgeInSeconds")
        else:
            pause = min(600.0, 2.0**retries) * random.uniform(0.5, 1.0) / self._speed
            arguments = (where, rule_arn, target, payload, event, retries + 1, began)
            self._work.later(pause, f"{where} (retry {retries + 1} after {code})", self._attempt, *arguments)

    def _call(self, rule_arn: str, target: dict[str, Any], payload: str, event: dict[str, Any]) -> None:
        arn, role = target["Arn"], target.get("RoleArn")
        service = arn.split(":", 5)[2]
        if service == "lambda":
            self._clients("lambda", role, rule_arn).invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
        elif service == "states":
            self._clients("stepfunctions", role, rule_arn).start_execution(stateMachineArn=arn, input=payload)
        elif service == "sns":
            self._clients("sns", role, rule_arn).publish(TopicArn=arn, Message=payload)
        elif service == "sqs":
            group = (target.get("SqsParameters") or {}).get("MessageGroupId")
            settings = {"MessageGroupId": group} if group else {}
            send_message(self._clients("sqs", role, rule_arn), arn, payload, **settings)
        elif service == "events":
            entry = {"Source": event["source"], "DetailType": event["detail-type"], "EventBusName": arn}
            self._clients("events", role, rule_arn).put_events(
                Entries=[{**entry, "Detail": json.dumps(event["detail"])}]
            )
        else:
            raise Undeliverable(f"target {arn}: only Lambda, Step Functions, SNS, SQS and event buses are modelled")

    def _bury(
        self,
        where: str,
        rule_arn: str,
        target: dict[str, Any],
        event: dict[str, Any],
        code: str,
        message: str,
        retries: int,
        condition: str | None,
    ) -> None:
        letters = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not letters:
            return  # the service drops the event as well
        attributes = {
            **_origin(rule_arn, target["Arn"], event),
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
            "RETRY_ATTEMPTS": str(retries),
        }
        if condition:
            attributes["EXHAUSTED_RETRY_CONDITION"] = condition
        # A schedule's dead letters go under its role, a rule's by the policy of the queue.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
        role = target.get("RoleArn") if ":scheduler:" in rule_arn else None
        values = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        with suppress(ClientError):  # a letter that may not be sent is lost, and the denial recorded
            send_message(self._clients("sqs", role, rule_arn), letters, json.dumps(event), MessageAttributes=values)


def send_message(sqs: Any, arn: str, body: str, **settings: Any) -> None:
    """Send to a queue known by its ARN."""
    account, name = arn.split(":")[4:6]
    sqs.send_message(QueueUrl=f"{sqs.meta.endpoint_url}/{account}/{name}", MessageBody=body, **settings)


def _origin(arn: str, target: str, event: dict[str, Any]) -> dict[str, str]:
    """How a dead letter names the rule or the schedule it comes from.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    if ":scheduler:" not in arn:
        return {"RULE_ARN": arn, "TARGET_ARN": target}
    service = target.split(":", 5)[2]
    return {
        "SCHEDULE_ARN": arn,
        "TARGET_ARN": f"arn:{target.split(':', 2)[1]}:scheduler:::aws-sdk:{service}:{TEMPLATED[service]}",
        "EXECUTION_ID": event["id"],
        "SCHEDULED_TIME": event["time"],
        "IS_PAYLOAD_TRUNCATED": "false",
    }
