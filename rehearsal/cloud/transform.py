"""Input of EventBridge targets: constant, path, or template."""

from __future__ import annotations

import json
import re
from typing import Any


def target_input(target: dict[str, Any], event: dict[str, Any], rule_arn: str = "", rule_name: str = "") -> str:
    """The text a target gets for an event: InputTransformer, else Input, else InputPath, else the whole event."""
    transformer = target.get("InputTransformer")
    if transformer:
        return _render(transformer["InputTemplate"], transformer.get("InputPathsMap") or {}, event, rule_arn, rule_name)
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(json_path(event, target["InputPath"]))
    return json.dumps(event)


def json_path(document: Any, path: str) -> Any:
    """The value at a path of names and indexes (`$.detail.object.key`, `$.resources[0]`), None when absent.

    Raises ValueError for a path that is more than that.
    """
    if not re.fullmatch(r"\$(\.[\w-]+|\[\d+\]|\['[^']+'\])*", path):
        raise ValueError(f"path {path!r}: only names and indexes are modelled, such as $.detail.object.key")
    for name, index, quoted in re.findall(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]", path):
        if index:
            document = document[int(index)] if isinstance(document, list) and int(index) < len(document) else None
        else:
            document = document.get(name or quoted) if isinstance(document, dict) else None
    return document


def _render(template: str, paths: dict[str, str], event: dict[str, Any], rule_arn: str, rule_name: str) -> str:
    values = {name: json_path(event, path) for name, path in paths.items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_name,
        "aws.events.event.ingestion-time": event.get("time"),
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }

    def substitute(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        value = values[match[1]]
        quoted = template[: match.start()].replace('\\"', "").count('"') % 2 == 1
        if not quoted:
            return json.dumps(value) if value is not None else '""'
        text = value if isinstance(value, str) else json.dumps(value) if value is not None else ""
        return json.dumps(text)[1:-1]

    return re.sub(r"<([\w.\-]+)>", substitute, template)
