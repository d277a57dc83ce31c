"""The DMS API on the stand-in: parameters in, answers out.

Stock moto has the classic tasks only, with an engine that moves no data; they are refused here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.dms.responses import DatabaseMigrationServiceResponse

from rehearsal.cloud.repairs import Repairs
from rehearsal.dms import errors
from rehearsal.dms.service import Dms

Parameters = dict[str, Any]
PAGE = 100

CLASSIC = (
    "create_replication_instance",
    "create_replication_task",
    "delete_replication_instance",
    "delete_replication_task",
    "describe_replication_instances",
    "describe_replication_tasks",
    "modify_replication_instance",
    "start_replication_task",
    "stop_replication_task",
    "test_connection",
    "describe_connections",
)


def install_answers(dms: Dms, repairs: Repairs) -> None:
    """Answer DMS's operations from `dms`."""
    for name, answer in _operations(dms).items():
        repairs.replace(DatabaseMigrationServiceResponse, name, _method(answer))
    for name in CLASSIC:
        repairs.replace(DatabaseMigrationServiceResponse, name, _method(_refuse(name)))


def _operations(dms: Dms) -> dict[str, Callable[[Parameters], Any]]:
    registry = dms.registry
    return {
        "create_endpoint": lambda p: {"Endpoint": dms.endpoints.create(p).described()},
        "describe_endpoints": lambda p: _list("Endpoints", p, registry.endpoints.values(), ENDPOINT_FILTERS),
        "delete_endpoint": lambda p: {"Endpoint": {**dms.endpoints.delete(p).described(), "Status": "deleting"}},
        "create_replication_subnet_group": lambda p: {"ReplicationSubnetGroup": dms.groups.create(p).described},
        "describe_replication_subnet_groups": lambda p: _list(
            "ReplicationSubnetGroups", p, registry.groups.values(), GROUP_FILTERS
        ),
        "delete_replication_subnet_group": dms.groups.delete,
        "create_replication_config": lambda p: {"ReplicationConfig": dms.configs.create(p).config()},
        "modify_replication_config": lambda p: {"ReplicationConfig": dms.configs.modify(p).config()},
        "delete_replication_config": lambda p: {"ReplicationConfig": dms.configs.delete(p).config()},
        "describe_replication_configs": lambda p: _list(
            "ReplicationConfigs", p, registry.replications.values(), CONFIG_FILTERS, lambda r: r.config()
        ),
        "start_replication": lambda p: {"Replication": dms.start_replication(p).described()},
        "stop_replication": lambda p: {"Replication": dms.stop_replication(p).described()},
        "describe_replications": lambda p: _list(
            "Replications", p, registry.replications.values(), CONFIG_FILTERS, lambda r: r.described()
        ),
        "describe_replication_table_statistics": lambda p: _statistics(dms, p),
        "list_tags_for_resource": lambda p: {"TagList": dms.tags_of(p)},
        "add_tags_to_resource": dms.tag,
        "remove_tags_from_resource": dms.untag,
    }


def _method(answer: Callable[[Parameters], Any]) -> Callable[[DatabaseMigrationServiceResponse], Any]:
    def method(response: DatabaseMigrationServiceResponse) -> Any:
        found = answer(json.loads(response.body or "{}"))
        return EmptyResult() if found is None else ActionResult(found)

    return method


def _refuse(name: str) -> Callable[[Parameters], Any]:
    def refuse(_parameters: Parameters) -> Any:
        raise NotImplementedError(f"{name}: replication instances and classic tasks are not modelled, only serverless")

    return refuse


Filters = dict[str, Callable[[Any], str]]
ENDPOINT_FILTERS: Filters = {
    "endpoint-arn": lambda e: e.arn,
    "endpoint-type": lambda e: e.kind,
    "endpoint-id": lambda e: e.identifier,
    "engine-name": lambda e: e.engine,
}
GROUP_FILTERS: Filters = {"replication-subnet-group-id": lambda g: g.identifier}
CONFIG_FILTERS: Filters = {
    "replication-config-arn": lambda r: r.arn,
    "replication-config-id": lambda r: r.identifier,
}
TABLE_FILTERS: Filters = {
    "schema-name": lambda t: t["SchemaName"],
    "table-name": lambda t: t["TableName"],
    "table-state": lambda t: t["TableState"],
}


def _list(
    member: str,
    parameters: Parameters,
    items: Iterable[Any],
    filters: Filters,
    show: Callable[[Any], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    chosen = _filtered(list(items), parameters.get("Filters", []), filters)
    if not chosen and parameters.get("Filters"):
        raise errors.NotFound(f"no {member} match {json.dumps(parameters['Filters'])}")
    page, marker = _page(chosen, parameters)
    described = [show(item) if show else _described(item) for item in page]
    return {member: described, **({"Marker": marker} if marker else {})}


def _described(item: Any) -> dict[str, Any]:
    return item.described() if callable(item.described) else item.described


def _statistics(dms: Dms, parameters: Parameters) -> dict[str, Any]:
    replication = dms.find(parameters["ReplicationConfigArn"])
    tables = replication.progress.table_statistics()
    page, marker = _page(_filtered(tables, parameters.get("Filters", []), TABLE_FILTERS), parameters)
    answer = {"ReplicationConfigArn": replication.arn, "ReplicationTableStatistics": page}
    return {**answer, **({"Marker": marker} if marker else {})}


def _filtered(items: list[Any], given: list[dict[str, Any]], known: Filters) -> list[Any]:
    for one in given:
        name = one["Name"]
        if name not in known:
            raise errors.InvalidValue(f"filter {name!r} is not known; known: {', '.join(known)}")
        items = [item for item in items if known[name](item) in one["Values"]]
    return items


def _page(items: Sequence[Any], parameters: Parameters) -> tuple[Sequence[Any], str]:
    size = parameters.get("MaxRecords", PAGE)
    if not 20 <= size <= 500:
        raise errors.InvalidValue(f"MaxRecords: {size}: from 20 to 500 is allowed")
    start = int(parameters.get("Marker") or 0)
    following = start + size
    return items[start:following], str(following) if following < len(items) else ""
