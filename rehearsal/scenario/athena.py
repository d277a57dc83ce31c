"""Runs the stack's named queries as a user of Athena does, and compares the answers with the oracle's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rehearsal.oracle.compare import differences, ordered, typed
from rehearsal.oracle.postgres import Oracle
from rehearsal.scenario.lake import Query

TIMEOUT = 120.0


@dataclass(frozen=True)
class Answer:
    """One query's comparison. seconds: from the start of the query to its last page."""

    name: str
    rows: int
    seconds: float
    findings: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.findings


class QueryFailed(RuntimeError):
    """Athena ended a query without a result."""


def run(client: Any, query: Query) -> list[tuple[Any, ...]]:
    """The rows of a query, typed by the result's own column types. Raises QueryFailed."""
    execution = client.start_query_execution(QueryString=query.sql, WorkGroup=query.workgroup)["QueryExecutionId"]
    deadline = time.monotonic() + TIMEOUT
    while True:
        status = client.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return _rows(client, execution)
        if status["State"] not in ("QUEUED", "RUNNING") or time.monotonic() > deadline:
            raise QueryFailed(
                f"{query.name} is {status['State']}: {status.get('StateChangeReason', 'no reason given')}"
            )
        time.sleep(0.05)


def _rows(client: Any, execution: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for n, page in enumerate(client.get_paginator("get_query_results").paginate(QueryExecutionId=execution)):
        kinds = [_kind(c) for c in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        for row in page["ResultSet"]["Rows"][1 if n == 0 else 0 :]:
            values = (cell.get("VarCharValue") for cell in row["Data"])
            rows.append(tuple(typed(v, k) for v, k in zip(values, kinds, strict=True)))
    return rows


def _kind(column: dict[str, Any]) -> str:
    return column["Type"]


def compare(client: Any, query: Query, oracle_sql: str, oracle: Oracle) -> Answer:
    """Run a named query and the oracle's; a query that fails is an answer that differs."""
    due = oracle.rows(oracle_sql)
    started = time.monotonic()
    try:
        rows = run(client, query)
    except (QueryFailed, ValueError) as error:
        return Answer(query.name, 0, time.monotonic() - started, (str(error),))
    seconds = time.monotonic() - started
    return Answer(query.name, len(rows), seconds, tuple(differences(rows, due, ordered(oracle_sql))))
