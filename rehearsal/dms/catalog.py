"""What the source's catalog says of its tables, columns, keys and types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from rehearsal.dms.types import NO_MODIFIER, SourceType

TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relreplident
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname"""
COLUMNS = """
SELECT a.attname, a.atttypid, a.atttypmod, coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""
TYPES = """
SELECT t.oid, t.typname, t.typtype, t.typcategory = 'A' AND t.typelem <> 0, t.typbasetype, t.typtypmod
FROM pg_type t"""


@dataclass(frozen=True)
class Column:
    name: str
    type_id: int
    modifier: int
    key: bool


@dataclass(frozen=True)
class Table:
    """A table of the source. identity: its REPLICA IDENTITY (`d` default, `n` nothing, `f` full, `i` index)."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)

    @property
    def changes_are_logged(self) -> bool:
        """Whether updates and deletes say which row they mean."""
        return self.identity in "fi" or (self.identity == "d" and bool(self.keys))


class Types:
    """The source's types by their ids, with domains resolved."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str, bool, int, int]] = {}

    def load(self, connection: psycopg.Connection[Any]) -> None:
        rows = connection.execute(TYPES).fetchall()
        self._known = {oid: (name, kind, array, base, mod) for oid, name, kind, array, base, mod in rows}

    def knows(self, type_id: int) -> bool:
        return type_id in self._known

    def get(self, type_id: int, modifier: int) -> SourceType:
        name, kind, array, base, declared = self._known[type_id]
        if kind == "d":
            return self.get(base, modifier if modifier != NO_MODIFIER else declared)
        return SourceType(name, kind, array, modifier)


def tables(connection: psycopg.Connection[Any]) -> list[Table]:
    """Every ordinary table outside the system's schemas: of a partitioned table its partitions, not itself."""
    return [_table(connection, row) for row in connection.execute(TABLES).fetchall()]


def _table(connection: psycopg.Connection[Any], row: tuple[Any, ...]) -> Table:
    oid, schema, name, identity = row
    columns = tuple(Column(*column) for column in connection.execute(COLUMNS, (oid,)).fetchall())
    return Table(oid, schema, name, identity, columns)
