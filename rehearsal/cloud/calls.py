"""Reads an AWS request: which service, which operation, which resource, and whether it changes anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import BackendRequest
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException

READS = (
    "Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "TransactGet", "Receive", "Search", "Lookup",
    "Test", "Validate", "Filter", "Decrypt", "Encrypt", "GenerateDataKey", "AssumeRole", "Select", "Poll", "Simulate",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One API call as it arrived. headers: names in lower case; query: as in the URL."""

    service: str
    action: str
    resource: str
    detail: str = ""
    protocol: str = "json"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def mutating(self) -> bool:
        return not self.action.startswith(READS)


@dataclass(frozen=True)
class Names:
    """Builds ARNs of one account and region."""

    account: str
    region: str
    partition: str = field(default="")

    def arn(self, service: str, resource: str) -> str:
        partition = self.partition or get_partition(self.region)
        if service == "s3":
            return f"arn:{partition}:s3:::{resource}"
        return f"arn:{partition}:{service}:{self.region}:{self.account}:{resource}"

    def role(self, name: str) -> str:
        """A role's ARN from its name."""
        return f"arn:{self.partition or get_partition(self.region)}:iam::{self.account}:role/{name}"


def access_key(environ: Mapping[str, Any]) -> str | None:
    """The access key a request was signed with, or None when it is not signed."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    found = re.search(r"Credential=([A-Za-z0-9]+)/", header) or re.match(r"AWS ([A-Za-z0-9]+):", header)
    if not found:
        query = unquote(environ.get("QUERY_STRING", ""))
        found = re.search(r"X-Amz-Credential=([A-Za-z0-9]+)/", query) or re.search(
            r"AWSAccessKeyId=([A-Za-z0-9]+)", query
        )
    return found[1] if found else None


def read_request(environ: dict[str, Any], body: bytes, names: Names) -> Request:
    """Classify a request. An operation that cannot be told is named `Unknown`, which counts as mutating."""
    scope = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1].lower() if scope else "s3"
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        action, parameters, protocol = target.rsplit(".", 1)[-1], _json(body), "json"
    elif service in ("s3", "lambda", "scheduler", "pipes"):
        action, parameters = _rest(service, environ, body)
        protocol = "rest-xml" if service == "s3" else "rest-json"
    else:
        parameters = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        parameters = parameters or dict(parse_qsl(environ.get("QUERY_STRING", "")))
        action, protocol = parameters.get("Action", "Unknown"), "query"
    if service == "monitoring":
        service = "cloudwatch"
    resource = _RESOURCES.get(service, _any)(parameters, names, action)
    detail = _dynamodb_detail(action, parameters) if service == "dynamodb" else ""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    headers = {name[5:].replace("_", "-").lower(): str(v) for name, v in environ.items() if name.startswith("HTTP_")}
    return Request(service, action, resource, detail, protocol, parameters, headers, query, body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _rest(service: str, environ: dict[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    try:
        operation, parameters = get_service_router(service).match(BackendRequest(environ))
    except (HTTPException, NotImplementedError):
        return "Unknown", {}
    found = {name: unquote(str(value)) for name, value in parameters.items()}
    if service != "s3":
        found = {**_json(body), **found}
    return operation.name, found


def _any(_parameters: dict[str, Any], _names: Names, _action: str) -> str:
    return "*"


def table_arn(parameters: dict[str, Any], names: Names) -> str:
    name = str(parameters.get("TableName", "*"))
    base = name if name.startswith("arn:") else names.arn("dynamodb", f"table/{name}")
    return f"{base}/index/{parameters['IndexName']}" if parameters.get("IndexName") else base


def _dynamodb(parameters: dict[str, Any], names: Names, _action: str) -> str:
    if "TransactItems" in parameters:
        tables = {table_arn(part, names) for item in parameters["TransactItems"] for part in item.values()}
        return ",".join(sorted(tables))
    if "RequestItems" in parameters:
        return ",".join(sorted(table_arn({"TableName": name}, names) for name in parameters["RequestItems"]))
    return table_arn(parameters, names) if "TableName" in parameters else "*"


def _key(values: dict[str, Any]) -> str:
    scalars = [next(iter(value.values())) for value in values.values() if isinstance(value, dict)]
    return "/".join(str(value) for value in scalars)


def _dynamodb_detail(action: str, parameters: dict[str, Any]) -> str:
    def item_key(part: dict[str, Any]) -> str:
        if "Key" in part:
            return _key(part["Key"])
        return _key({name: value for name, value in part.get("Item", {}).items() if name in ("pk", "sk")})

    if action == "TransactWriteItems":
        parts = [next(iter(item.items())) for item in parameters.get("TransactItems", [])]
        return "; ".join(f"{kind} {item_key(part)}" for kind, part in parts)
    if action in ("PutItem", "UpdateItem", "DeleteItem"):
        return f"{action.removesuffix('Item')} {item_key(parameters)}"
    return ""


def _s3(parameters: dict[str, Any], names: Names, _action: str) -> str:
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    if not bucket:
        return "*"
    return names.arn("s3", f"{bucket}/{key}" if key else bucket)


def _glue(parameters: dict[str, Any], names: Names, action: str) -> str:
    table = parameters.get("TableInput") or {}
    database = parameters.get("DatabaseName")
    name = table.get("Name") or parameters.get("TableName") or parameters.get("Name")
    if database and name:
        return names.arn("glue", f"table/{database}/{name}")
    if database:
        return names.arn("glue", f"database/{database}")
    if "DatabaseInput" in parameters:
        return names.arn("glue", f"database/{parameters['DatabaseInput'].get('Name')}")
    if "Job" in action and (parameters.get("JobName") or name):
        return names.arn("glue", f"job/{parameters.get('JobName') or name}")
    if "Database" in action and name:
        return names.arn("glue", f"database/{name}")
    return "*"


def _sqs(parameters: dict[str, Any], names: Names, _action: str) -> str:
    url = parameters.get("QueueUrl")
    name = str(url).rsplit("/", 1)[-1] if url else parameters.get("QueueName")
    return names.arn("sqs", str(name)) if name else "*"


def _states(parameters: dict[str, Any], names: Names, _action: str) -> str:
    given = parameters.get("stateMachineArn") or parameters.get("executionArn")
    return given or (names.arn("states", f"stateMachine:{parameters['name']}") if "name" in parameters else "*")


def _lambda(parameters: dict[str, Any], names: Names, _action: str) -> str:
    name = parameters.get("FunctionName")
    if not name:
        return "*"
    return name if name.startswith("arn:") else names.arn("lambda", f"function:{name}")


def _athena(parameters: dict[str, Any], names: Names, _action: str) -> str:
    """Operations on an execution are decided on its workgroup, which the execution knows."""
    if "QueryExecutionId" in parameters:
        return names.arn("athena", f"execution/{parameters['QueryExecutionId']}")
    return names.arn("athena", f"workgroup/{parameters.get('WorkGroup') or 'primary'}")


def _named(service: str, field_name: str, form: str) -> Callable[[dict[str, Any], Names, str], str]:
    def resource(parameters: dict[str, Any], names: Names, _action: str) -> str:
        value = parameters.get(field_name)
        if not value:
            return "*"
        return value if str(value).startswith("arn:") else names.arn(service, form.format(value))

    return resource


_RESOURCES: dict[str, Callable[[dict[str, Any], Names, str], str]] = {
    "dynamodb": _dynamodb,
    "s3": _s3,
    "glue": _glue,
    "sqs": _sqs,
    "states": _states,
    "lambda": _lambda,
    "sns": _named("sns", "TopicArn", "{}"),
    "logs": _named("logs", "logGroupName", "log-group:{}"),
    "kms": _named("kms", "KeyId", "key/{}"),
    "secretsmanager": _named("secretsmanager", "SecretId", "secret:{}"),
    "events": _named("events", "Rule", "rule/{}"),
    "athena": _athena,
    "firehose": _named("firehose", "DeliveryStreamName", "deliverystream/{}"),
    "dms": _named("dms", "ReplicationConfigArn", "replication-config:{}"),
    "ssm": _named("ssm", "Name", "parameter/{}"),
    "scheduler": _named("scheduler", "Name", "schedule/default/{}"),
}
