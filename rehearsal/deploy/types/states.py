"""Step Functions state machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rehearsal.deploy.properties import PENDING, TAGS, Finding, MapOf, applied, document, fields, recorded
from rehearsal.deploy.resource import Account, Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_text

NO_LOGS = "the stand-in keeps the execution history and writes no log of it"
NO_ENCRYPTION = "definitions and data of executions are not encrypted in the stand-in"

MACHINE = fields(
    ("RoleArn",),
    StateMachineName=applied(),
    StateMachineType=applied("STANDARD"),
    RoleArn=applied(),
    DefinitionString=document(),
    Definition=document(),
    DefinitionSubstitutions=MapOf(applied()),
    LoggingConfiguration=recorded(NO_LOGS),
    TracingConfiguration=recorded("the stand-in writes no X-Ray traces"),
    EncryptionConfiguration=recorded(NO_ENCRYPTION),
    Tags=TAGS,
)


def definition(props: dict[str, Any]) -> str:
    """The Amazon States Language text with its substitutions made."""
    text = as_text(props["DefinitionString"] if "DefinitionString" in props else props["Definition"])
    for key, value in props.get("DefinitionSubstitutions", {}).items():
        text = text.replace("${" + key + "}", json.dumps(as_text(value))[1:-1])
    if "${" in text:
        rest = text[text.index("${") :][:60]
        raise ValueError(f"the definition has a placeholder that DefinitionSubstitutions lacks: {rest}")
    return text


def _check(cloud: Account, props: dict[str, Any]) -> Iterator[Finding]:
    if ("DefinitionString" in props) == ("Definition" in props):
        yield Finding("DefinitionString", None, "one of Definition and DefinitionString is required")
        return
    try:
        json.loads(definition(props).replace(PENDING, ""))
    except ValueError as error:
        yield Finding("DefinitionString", None, f"not a definition in JSON: {error}")


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("StateMachineName") or maker.name(80)
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in props.get("Tags", [])]
    arn = maker.client("stepfunctions").create_state_machine(
        name=name,
        definition=definition(props),
        roleArn=props["RoleArn"],
        type=props.get("StateMachineType", "STANDARD"),
        tags=tags,
    )["stateMachineArn"]
    return Made(arn, {"Arn": arn, "Name": name})


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    states = maker.client("stepfunctions")
    found = states.describe_state_machine(stateMachineArn=made.physical_id)
    tags = states.list_tags_for_resource(resourceArn=made.physical_id)["tags"]
    same = json.loads(found["definition"]) == json.loads(definition(props))
    asked = {key: props[key] for key in ("DefinitionString", "Definition", "DefinitionSubstitutions") if key in props}
    return {
        **(asked if same else dict.fromkeys(asked, found["definition"])),
        "StateMachineName": found["name"],
        "StateMachineType": found["type"],
        "RoleArn": found["roleArn"],
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in tags],
    }


TYPES = (
    ResourceType(
        "AWS::StepFunctions::StateMachine",
        MACHINE,
        _make,
        _read,
        lambda maker, made, props: maker.client("stepfunctions").delete_state_machine(stateMachineArn=made.physical_id),
        attributes=("Arn", "Name"),
        listed=("state machine",),
        check=_check,
    ),
)
