"""The tables of a run: what the source says of them, how their rows are written, and what suspends them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from rehearsal.dms import catalog, state
from rehearsal.dms.catalog import Table
from rehearsal.dms.layout import Built, Layout, SourceColumn
from rehearsal.dms.pgoutput import UNCHANGED, Relation, Row
from rehearsal.dms.plan import Fatal, Plan
from rehearsal.dms.state import Progress, TableState
from rehearsal.dms.types import DataError, Options

Key = tuple[str, str]


class Tables:
    """The replicated tables, as one connection to the source sees them."""

    def __init__(self, plan: Plan, progress: Progress, connection: psycopg.Connection[Any]):
        self._plan, self._progress, self._connection = plan, progress, connection
        self._types = catalog.Types()
        self._types.load(connection)
        found = {(table.schema, table.name): table for table in catalog.tables(connection)}
        self.selected: dict[Key, Table] = {key: found[key] for key in found if plan.mappings.selects(*key)}
        self._options = Options(
            unverified=plan.unverified,
            lob_limit=plan.settings["TargetMetadata", "LobMaxSize"] * 1024,
            trim=plan.source.settings["TrimSpaceInChar"],
            milliseconds=plan.target.settings["ParquetTimestampInMillisecond"],
        )

    def layout(self, table: Table) -> Layout:
        """How rows of a table as the catalog has it are written. Raises DataError for what cannot be."""
        if not table.keys and any(self._types.get(c.type_id, c.modifier).array for c in table.columns):
            raise DataError("a table with an array column needs a primary key")
        return self._layout((table.schema, table.name), table.columns, table.keys)

    def described(self, relation: Relation) -> Layout | None:
        """How rows of a table as the stream describes it are written; None for a table that is not replicated or is
        suspended, which one that cannot be written is from here on."""
        key = (relation.schema, relation.name)
        table_state = self._progress.tables.get(key)
        if table_state is None or table_state.suspended:
            return None
        if any(not self._types.knows(column.type_id) for column in relation.columns):
            self._types.load(self._connection)
        keys = tuple(column.name for column in relation.columns if column.key)
        if relation.identity != "d":  # its columns are not the primary key
            known = next((t for t in catalog.tables(self._connection) if (t.schema, t.name) == key), None)
            keys = known.keys if known else ()
        if table_state.columns and table_state.columns != relation.columns:
            table_state.ddls += 1
        table_state.columns = relation.columns
        try:
            return self._layout(key, relation.columns, keys)
        except DataError as error:
            self.suspend(table_state, str(error))
            return None

    def look_up(self, relation: Relation, row: Row) -> Row:
        """The row with values that the log does not carry as the table has them now; NULL where the row is gone."""
        missing = [i for i, value in enumerate(row) if value is UNCHANGED]
        names = [sql.Identifier(column.name) for column in relation.columns]
        wanted = sql.SQL(", ").join(sql.SQL("{}::text").format(names[i]) for i in missing)
        keys = [
            sql.SQL("{}::text = {}").format(names[i], sql.Literal(row[i]))
            for i, column in enumerate(relation.columns)
            if column.key
        ]
        table = sql.Identifier(relation.schema, relation.name)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(wanted, table, sql.SQL(" AND ").join(keys))
        found = self._connection.execute(query).fetchone() or [None] * len(missing)
        filled = dict(zip(missing, found, strict=True))
        return tuple(filled.get(i, value) for i, value in enumerate(row))

    def judge(self, table_state: TableState, built: Built) -> None:
        """What the settings say of values that were cut, and of rows that cannot be written. Raises Fatal, or
        suspends the table, or leaves the rows out."""
        where = f"{table_state.schema}.{table_state.name}"
        if built.cut:
            if self._plan.source.settings["FailTasksOnLobTruncation"]:
                raise Fatal(f"Last Error {where}: {built.cut} values are longer than LobMaxSize")
            self._plan.log(f"W: {where}: {built.cut} values were cut")
        if not built.wrong:
            return
        text = f"{where}: {built.wrong[0][1]} ({len(built.wrong)} values in all)"
        match self._plan.settings["ErrorBehavior", "DataErrorPolicy"]:
            case "STOP_TASK":
                raise Fatal(f"Last Error {text}")
            case "SUSPEND_TABLE":
                self.suspend(table_state, text)
            case _:
                table_state.error_rows += len({row for row, _ in built.wrong})
                self._plan.log(f"E: {text}: the rows are left out")

    def suspend(self, table_state: TableState, text: str) -> None:
        """Write nothing more of a table until a reload; by TableErrorPolicy the run fails instead."""
        with self._progress.lock:
            table_state.state = state.ERROR
        self._plan.log(f"E: table {table_state.schema}.{table_state.name} is suspended: {text}")
        if self._plan.settings["ErrorBehavior", "TableErrorPolicy"] == "STOP_TASK":
            raise Fatal(f"Last Error table {table_state.schema}.{table_state.name}: {text}")

    def _layout(self, key: Key, columns: Iterable[SourceColumn], keys: tuple[str, ...]) -> Layout:
        return Layout(*key, tuple(columns), keys, self._types, self._plan.mappings, self._options)
