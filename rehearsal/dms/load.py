"""Full load: one table under one snapshot, into LOAD files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from rehearsal.dms.catalog import Table
from rehearsal.dms.layout import Built, Layout
from rehearsal.dms.state import Snapshot, TableState
from rehearsal.dms.target import Target

Judge = Callable[[TableState, Built], None]
"""Told of each file's rows: logs what was cut or left out, or raises by the error policy."""


class TableLoad:
    """Loads tables with one connection to the source."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        target: Target,
        with_op: bool,
        judge: Judge,
        read_row: Callable[[str, str, int], None],
    ):
        self._connection, self._target, self._with_op = connection, target, with_op
        self._judge, self._read_row = judge, read_row

    def run(self, table: Table, layout: Layout, state: TableState, log_end: Callable[[], int]) -> None:
        """Load a table: changes committed from now on are captured, so those before the snapshot are in both.

        A table without rows gets no file. Files are closed at MaxFileSize, measured on the source's text.
        """
        state.capture_from = log_end()
        state.load_started, state.load_ended, state.rows, state.error_rows = datetime.now(UTC), None, 0, 0
        limit = self._target.settings["MaxFileSize"] * 1024
        rows: list[Sequence[str | None]] = []
        size = number = read = 0
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            snapshot = self._connection.execute("SELECT pg_current_snapshot()::text").fetchone()[0]
            state.snapshot = Snapshot.parse(snapshot)
            self._read_row(table.schema, table.name, 0)
            with self._connection.cursor() as cursor, cursor.copy(_query(table)) as copy:
                for row in copy.rows():
                    rows.append(row)
                    read += 1
                    size += sum(len(value) + 1 for value in row if value is not None)
                    self._read_row(table.schema, table.name, read)
                    if size >= limit:
                        number += 1
                        self._write(table, layout, state, number, rows)
                        rows, size = [], 0
        if rows:
            self._write(table, layout, state, number + 1, rows)
        state.load_ended = state.updated = datetime.now(UTC)

    def _write(
        self, table: Table, layout: Layout, state: TableState, number: int, rows: list[Sequence[str | None]]
    ) -> None:
        built = layout.loaded(rows, self._with_op)
        self._judge(state, built)
        if state.suspended:
            return
        if built.table.num_rows:
            self._target.write(self._target.load_key(table.schema, table.name, number), built.table)
        state.rows += built.table.num_rows


def _query(table: Table) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    where = sql.Identifier(table.schema, table.name)
    return sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(names, where)
