"""Turns template properties into the parameters of an API call and answers back into properties.

CloudFormation and the APIs mostly use the same names in another case; botocore's own models say which.
"""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.model import OperationModel, Shape

from rehearsal.deploy.properties import Fields, Leaf, ListOf, MapOf, Node


class NoSuchMember(Exception):
    """A property that the API call has no parameter for: a gap in the deployer, not in the template."""


def operation(client: Any, method: str) -> OperationModel:
    """The model behind a boto3 method name."""
    return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])


def call(client: Any, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Call `method` with properties in CloudFormation's names and types."""
    return getattr(client, method)(**to_api(params, operation(client, method).input_shape, method))


def to_api(value: Any, shape: Shape, path: str) -> Any:
    """`value` in the names and types of `shape`. Raises NoSuchMember for a member that the shape lacks."""
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            names = {_plain(name): name for name in shape.members}
            out = {}
            for key, item in value.items():
                if _plain(key) not in names:
                    raise NoSuchMember(f"{path}.{key}: {shape.name} has no such member")
                name = names[_plain(key)]
                out[name] = to_api(item, shape.members[name], f"{path}.{key}")
            return out
        case "list" if isinstance(value, list):
            return [to_api(item, shape.member, path) for item in value]
        case "map" if isinstance(value, list):
            return {item["Key"]: item["Value"] for item in value}
        case "map" if isinstance(value, dict):
            return {key: to_api(item, shape.value, f"{path}.{key}") for key, item in value.items()}
        case "string":
            return as_text(value)
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return as_bool(value)
    return value


def from_api(node: Node, answer: Any) -> Any:
    """The members of `answer` that the property tree names, in CloudFormation's names."""
    match node:
        case Fields() if isinstance(answer, dict):
            names = {_plain(name): name for name in answer}
            found = {key: names[_plain(key)] for key in node.members if _plain(key) in names}
            return {key: from_api(node.members[key], answer[name]) for key, name in found.items()}
        case ListOf() if isinstance(answer, list):
            return [from_api(node.item, item) for item in answer]
        case ListOf(item=Fields(members=members)) if isinstance(answer, dict) and set(members) == {"Key", "Value"}:
            return tags(answer)
        case MapOf() if isinstance(answer, dict):
            return {key: from_api(node.item, item) for key, item in answer.items()}
        case Leaf():
            return answer
    return answer


def tags(answer: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(answer.items())]


def as_text(value: Any) -> str:
    """How the query and JSON services want a value that they model as a string."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def as_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
