"""Judges a model's SQL before it runs: one query, over its references only, with one possible result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pyspark.errors import ParseException
from pyspark.sql import DataFrame, SparkSession

from lakejobs.manifest import Model
from lakejobs.publish.models import render

# Spark holds these to be deterministic because they are the same throughout one query; they differ between queries.
_CLOCK_AND_USER = {
    "CurrentDate": "current_date", "CurrentTimestamp": "current_timestamp", "Now": "now",
    "LocalTimestamp": "localtimestamp", "CurrentTimeZone": "current_timezone", "CurrentUser": "current_user",
    "CurrentDatabase": "current_database", "CurrentCatalog": "current_catalog", "SparkVersion": "version",
}  # fmt: skip
# max_by and min_by are not among these: they depend on row order only between equal orderings.
_BY_ROW_ORDER = {
    "First": "first", "Last": "last", "AnyValue": "any_value", "CollectList": "collect_list",
    "CollectSet": "collect_set",
}  # fmt: skip
_SORTED_BY = ("SortArray", "ArraySort")
_SORTED_OUT = ("CollectList", "CollectSet")


class ModelRefused(Exception):
    """The model's SQL breaks a rule; the message says which and how to mend it."""


def check_text(spark: SparkSession, model: Model) -> None:
    """Refuses SQL that is not one query over the model's references. Nothing is read or run."""
    names = {name: f"strata_reference_{i}" for i, name in enumerate(model.inputs)}
    # Only a query can stand in brackets: no command, no second statement.
    text = f"SELECT * FROM (\n{render(model, names.__getitem__)}\n) AS model"
    parser = spark._jsparkSession.sessionState().sqlParser()
    try:
        plan = json.loads(parser.parsePlan(text).toJSON())
    except ParseException as error:
        raise ModelRefused(f"is no single query: {' '.join(str(error).split())[:500]}") from error
    relations = {tuple(_parts(node)) for node in _nodes(plan) if _kind(node) == "UnresolvedRelation"}
    common = {name for node in _nodes(plan) for name in _common_tables(node)}
    allowed = {(name,) for name in names.values()} | {(name,) for name in common}
    foreign = sorted(".".join(r) for r in relations if tuple(p.lower() for p in r) not in {_lower(a) for a in allowed})
    if foreign:
        raise ModelRefused(f'reads {", ".join(foreign)}; a model reads tables by {{{{ ref("<id>") }}}} only')


def check_plan(frame: DataFrame) -> None:
    """Refuses an analysed query whose result may differ between runs over the same data."""
    plan = frame._jdf.queryExecution().analyzed()
    kinds = [kind for kind in map(_kind, _nodes(json.loads(plan.toJSON()))) if kind]
    found = [_CLOCK_AND_USER[k] for k in kinds if k in _CLOCK_AND_USER]
    for i, kind in enumerate(kinds):
        if kind not in _BY_ROW_ORDER:
            continue
        if kind in _SORTED_OUT and i >= 2 and kinds[i - 2] in _SORTED_BY:
            continue
        found.append(_BY_ROW_ORDER[kind])
    found += ["limit without order by"] * _unordered_limits(kinds)
    if not plan.deterministic():
        found.append("a function that differs between calls (such as rand, uuid or input_file_name)")
    if found:
        raise ModelRefused(
            f"uses {', '.join(sorted(set(found)))}: its result would differ between runs over the same data. Take dates"
            " from a column, sort collected lists with array_sort, order before limit"
        )


def _unordered_limits(kinds: list[str]) -> int:
    unordered = 0
    for i, kind in enumerate(kinds):
        if kind == "GlobalLimit":
            below = next((k for k in kinds[i + 1 :] if k in _PLAN_NODES and k not in ("LocalLimit", "Project")), "")
            unordered += below != "Sort"
    return unordered


_PLAN_NODES = {
    "LocalLimit", "Project", "Sort", "Aggregate", "Filter", "Join", "Window", "Union", "Distinct", "SubqueryAlias",
    "WithCTE", "CTERelationRef", "DataSourceV2Relation", "LogicalRelation", "LocalRelation", "Range", "OneRowRelation",
    "Generate", "Except", "Intersect", "Offset", "Tail", "Sample", "Deduplicate", "Expand", "Pivot",
}  # fmt: skip


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a plan's JSON, parents before children."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _kind(node: dict[str, Any]) -> str:
    return str(node.get("class", "")).rsplit(".", 1)[-1].removesuffix("$")


def _parts(node: dict[str, Any]) -> list[str]:
    return [part.strip().lower() for part in re.sub(r"^\[|\]$", "", str(node["multipartIdentifier"])).split(",")]


def _common_tables(node: dict[str, Any]) -> list[str]:
    """Names of the common table expressions of a WITH clause."""
    if _kind(node) != "UnresolvedWith":
        return []
    return [str(entry["_1"]).lower() for entry in node["cteRelations"]]


def _lower(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)
