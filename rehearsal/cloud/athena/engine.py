"""Runs one translated query on DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from rehearsal.cloud.athena import results
from rehearsal.cloud.athena.failure import QueryFailed, ScanLimit
from rehearsal.cloud.athena.rewrite import MACROS
from rehearsal.cloud.athena.sql import translate
from rehearsal.cloud.athena.tables import Catalog
from rehearsal.cloud.athena.types import Type


@dataclass(frozen=True)
class Answer:
    """columns: names and Trino types. rows: values as text. scanned: bytes of the files read."""

    columns: tuple[tuple[str, Type], ...]
    rows: list[results.Row]
    scanned: int


@dataclass(frozen=True)
class Question:
    """A query to run. limit: the bytes it may read, or None."""

    text: str
    database: str | None
    parameters: list[str]
    limit: int | None


def run(question: Question, catalog: Catalog, on_start: Any = None) -> Answer:
    """Run the query. `on_start` gets the DuckDB connection, so that another thread can interrupt it.

    Raises QueryFailed with Athena's reason, ScanLimit when the files are more than the limit.
    """
    query = translate(question.text, question.database, question.parameters, catalog.columns, catalog.view)
    scanned = sum(catalog.table(name).bytes for name, _ in query.scans)
    if question.limit is not None and scanned > question.limit:
        raise ScanLimit(f"Bytes scanned limit was exceeded ({scanned} bytes of {question.limit})")
    wanted: dict[Any, set[str]] = {}
    for name, columns in query.scans:
        wanted.setdefault(name, set()).update(columns)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 2")
        for macro in MACROS:
            connection.execute(macro)
        for name, columns in wanted.items():
            table = catalog.table(name)
            # Counting rows needs a column, whichever.
            read = tuple(sorted(columns)) or tuple(table.columns)[:1]
            connection.register(name.view, _narrow(table.read(read)))
        if on_start is not None:
            on_start(connection)
        try:
            found = connection.sql(query.sql).to_arrow_table()
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise QueryFailed(_name(error), _reason(error)) from error
        return Answer(query.columns, results.rows(found, query.columns), scanned)


def _narrow(table: pa.Table) -> pa.Table:
    """Lower-case names, as the catalog has them."""
    return table.rename_columns([name.lower() for name in table.column_names])


def _name(error: duckdb.Error) -> str:
    text = str(error)
    if "ivision by zero" in text:
        return "DIVISION_BY_ZERO"
    if isinstance(error, duckdb.OutOfRangeException) or "out of range" in text.lower() or "Overflow" in text:
        return "NUMERIC_VALUE_OUT_OF_RANGE"
    if isinstance(error, duckdb.ConversionException):
        return "INVALID_CAST_ARGUMENT"
    if "More than one row returned by a subquery" in text:
        return "SUBQUERY_MULTIPLE_ROWS"
    return "GENERIC_INTERNAL_ERROR"


def _reason(error: duckdb.Error) -> str:
    text = str(error).splitlines()[0]
    return "Division by zero" if "ivision by zero" in text else text
