"""What the Athena API answers about executions, results and named queries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from moto.athena.models import AthenaBackend
from moto.athena.responses import AthenaResponse

from rehearsal.cloud.athena import results
from rehearsal.cloud.athena.engine import Answer
from rehearsal.cloud.athena.running import Running
from rehearsal.cloud.athena.states import FAILED, QUEUED, RUNNING, InvalidRequest
from rehearsal.cloud.repairs import Repairs

PAGE = 1000
"""Rows of one page of results, the header included."""


def install_responses(repairs: Repairs, find: Callable[[str], Running]) -> None:
    """Answer from moto's executions and what `find` knows of each besides. It raises InvalidRequest for others."""

    def get_query_execution(response: AthenaResponse) -> str:
        identifier = response._get_param("QueryExecutionId")
        return json.dumps({"QueryExecution": _described(find, response.athena_backend, identifier)})

    def batch_get_query_execution(response: AthenaResponse) -> str:
        wanted = response._get_param("QueryExecutionIds", [])
        known = [key for key in wanted if key in response.athena_backend.executions]
        described = [_described(find, response.athena_backend, key) for key in known]
        missing = [{"QueryExecutionId": key} for key in wanted if key not in known]
        return json.dumps({"QueryExecutions": described, "UnprocessedQueryExecutionIds": missing})

    def get_query_results(response: AthenaResponse) -> str:
        identifier = response._get_param("QueryExecutionId")
        execution = response.athena_backend.get_query_execution(identifier)
        answer = find(identifier).answer
        if execution.status in (QUEUED, RUNNING):
            raise InvalidRequest(f"Query has not yet finished. Current state: {execution.status}")
        if answer is None:
            raise InvalidRequest(f"Query did not finish successfully. Final query state: {execution.status}")
        return json.dumps(_page(answer, response._get_param("NextToken"), response._get_param("MaxResults") or PAGE))

    def delete_named_query(response: AthenaResponse) -> str:
        identifier = response._get_param("NamedQueryId")
        if response.athena_backend.named_queries.pop(identifier, None) is None:
            raise InvalidRequest(f"NamedQuery {identifier} was not found")
        return "{}"

    def batch_get_named_query(response: AthenaResponse) -> str:
        wanted = response._get_param("NamedQueryIds", [])
        queries = response.athena_backend.named_queries
        found = [_named(queries[key]) for key in wanted if key in queries]
        missing = [{"NamedQueryId": key} for key in wanted if key not in queries]
        return json.dumps({"NamedQueries": found, "UnprocessedNamedQueryIds": missing})

    def list_tags_for_resource(response: AthenaResponse) -> str:
        tags = response.athena_backend.list_tags_for_resource(response._get_param("ResourceARN"))
        return json.dumps(tags or {"Tags": []})

    repairs.replace(AthenaResponse, "get_query_execution", get_query_execution)
    repairs.replace(AthenaResponse, "batch_get_query_execution", batch_get_query_execution)
    repairs.replace(AthenaResponse, "get_query_results", get_query_results)
    repairs.replace(AthenaResponse, "delete_named_query", delete_named_query)
    repairs.replace(AthenaResponse, "batch_get_named_query", batch_get_named_query)
    repairs.replace(AthenaResponse, "list_tags_for_resource", list_tags_for_resource)


def _described(find: Callable[[str], Running], backend: AthenaBackend, identifier: str) -> dict[str, Any]:
    execution, running = backend.get_query_execution(identifier), find(identifier)
    status: dict[str, Any] = {"State": execution.status, "SubmissionDateTime": execution.start_time}
    if execution.status not in (QUEUED, RUNNING):
        status["CompletionDateTime"] = running.ended
        if running.reason:
            status["StateChangeReason"] = running.reason
        if execution.status == FAILED:
            category = running.category
            status["AthenaError"] = {"ErrorCategory": category, "ErrorMessage": running.reason, "Retryable": False}
    scanned = running.answer.scanned if running.answer else 0
    elapsed = int(((running.ended or time.time()) - running.started) * 1000)
    described = {
        "QueryExecutionId": identifier,
        "Query": execution.query,
        "StatementType": "DML",
        "ResultConfiguration": execution.config,
        "QueryExecutionContext": execution.context or {},
        "Status": status,
        "Statistics": {
            "DataScannedInBytes": scanned,
            "EngineExecutionTimeInMillis": elapsed,
            "TotalExecutionTimeInMillis": elapsed,
        },
        "WorkGroup": execution.workgroup.name if execution.workgroup else "primary",
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
    }
    if execution.execution_parameters:
        described["ExecutionParameters"] = execution.execution_parameters
    return described


def _page(answer: Answer, token: str | None, size: int) -> dict[str, Any]:
    """The header counts as the first row of the first page."""
    if size > PAGE:
        raise InvalidRequest(f"MaxResults is more than maximum allowed length {PAGE}.")
    rows, start = results.api_rows(answer.columns, answer.rows), int(token or 0)
    page: dict[str, Any] = {
        "ResultSet": {
            "Rows": rows[start : start + size],
            "ResultSetMetadata": {"ColumnInfo": results.column_info(answer.columns)},
        },
        "UpdateCount": 0,
    }
    if start + size < len(rows):
        page["NextToken"] = str(start + size)
    return page


def _named(query: Any) -> dict[str, Any]:
    return {
        "Name": query.name,
        "Description": query.description,
        "Database": query.database,
        "QueryString": query.query_string,
        "NamedQueryId": query.id,
        "WorkGroup": query.workgroup.name,
    }
