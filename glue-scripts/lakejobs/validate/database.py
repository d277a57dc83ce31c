"""Reads tables of a PostgreSQL database over JDBC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import Column
from lakejobs.errors import JobFailed, describe
from lakejobs.refine.record import text_column
from lakejobs.validate.rendering import SESSION, among, as_text, identifier, literal, ranges, splits
from lakejobs.validate.source import Login, Source, url

DRIVER = "org.postgresql.Driver"
_FETCH_ROWS = 5000
_KEYS_PER_QUERY = 1000

# Columns of tables, views and foreign tables; a type that is a domain is that of its base. Views have no size.
_CATALOG = """
SELECT c.relname, a.attname, CASE t.typtype WHEN 'd' THEN b.typname ELSE t.typname END AS typname,
  has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) WHEN c.relkind = 'p' THEN
    (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree(c.oid))::bigint END AS bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE n.nspname = {schema} AND c.relname IN ({tables}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the database names it, with the name of its type."""

    name: str
    type: str
    readable: bool


SourceColumns = dict[str, SourceColumn]
"""Columns of a table by the names that datasets declare: their own, and that in lower case where one has it."""


@dataclass(frozen=True)
class SourceTable:
    """A table as the database has it; `bytes` is None where nothing tells."""

    columns: SourceColumns
    bytes: int | None


@dataclass(frozen=True)
class Database:
    """One database, as one user sees it. Nothing is written there, and at most `source.connections` read at once."""

    spark: SparkSession
    source: Source
    login: Login

    @cached_property
    def _options(self) -> dict[str, str]:
        return {
            "driver": DRIVER,
            "user": self.login.user,
            "password": self.login.password,
            "fetchsize": str(_FETCH_ROWS),
            "sessionInitStatement": SESSION,
        }

    def tables(self, names: Iterable[str]) -> dict[str, SourceTable]:
        """Those that exist, in one query. Raises JobFailed if the database cannot be asked."""
        wanted = ", ".join(literal(name) for name in sorted(set(names)))
        columns: dict[str, list[SourceColumn]] = defaultdict(list)
        sizes: dict[str, int | None] = {}
        for row in self._ask(_CATALOG.format(schema=literal(self.source.schema), tables=wanted)):
            columns[row["relname"]].append(SourceColumn(row["attname"], row["typname"], row["readable"]))
            sizes[row["relname"]] = row["bytes"]
        return {name: SourceTable(_by_declared_name(found), sizes[name]) for name, found in columns.items()}

    def rows(self, table: str, columns: SourceColumns, key: Sequence[str]) -> DataFrame:
        """Every row, each column as its text under `text_column`. A table whose first key column is a number is read
        in ranges of it, `source.connections` at once."""
        conditions = ["true"]
        first = columns[key[0]]
        if splits(first.type):
            named, place = identifier(first.name), self._place(table)
            (row,) = self._ask(f"SELECT min({named})::text AS low, max({named})::text AS high FROM {place}")
            conditions = ranges(first.name, row["low"], row["high"], self.source.connections)
        return self._read(table, columns, conditions)

    def rows_of(
        self, table: str, columns: SourceColumns, key: Sequence[Column], keys: Sequence[Sequence[str]]
    ) -> DataFrame:
        """The rows with these keys, as texts of the declared types."""
        own = [(columns[c.name].name, columns[c.name].type, c.type) for c in key]
        parts = [keys[i : i + _KEYS_PER_QUERY] for i in range(0, len(keys), _KEYS_PER_QUERY)]
        rows = self._read(table, columns, [among(own, part) for part in parts])
        return rows.coalesce(self.source.connections)

    def _place(self, table: str) -> str:
        return f"{identifier(self.source.schema)}.{identifier(table)}"

    def _read(self, table: str, columns: SourceColumns, conditions: list[str]) -> DataFrame:
        """One query for each condition. Each selects from the table itself, so that its columns can be named."""
        texts = ", ".join(
            f"{as_text(column.name, column.type)} AS {identifier(text_column(name))}"
            for name, column in columns.items()
        )
        parts = [self._query(f"SELECT {texts} FROM {self._place(table)} WHERE {one}") for one in conditions]
        rows = parts[0]
        for part in parts[1:]:
            rows = rows.unionByName(part)
        single = [name for name, column in columns.items() if column.type == "float4"]
        # A number of single precision is written by the lake's reader as Java writes it.
        return rows.withColumns({text_column(n): F.col(text_column(n)).cast("float").cast("string") for n in single})

    def _query(self, sql: str) -> DataFrame:
        try:
            found = self.spark.read.format("jdbc").option("url", url(self.source, self.login)).options(**self._options)
            return found.option("query", sql).load()
        except Py4JJavaError as error:
            raise JobFailed(self.told(error)) from None

    def _ask(self, sql: str) -> list:
        found = self._query(sql)
        try:
            return found.collect()
        except Py4JJavaError as error:
            raise JobFailed(self.told(error)) from None

    def told(self, error: Exception) -> str:
        """What went wrong in the database, and what mends it; no password and no row is in it."""
        state, message = _sql_state(error)
        where = f"{self.source.database} at {self.login.host}:{self.login.port}"
        if state is None:
            return describe(error)
        said = f"{where}: {' '.join(message.split())} (SQLSTATE {state})"
        for begins, mend in _MENDS.items():
            if state.startswith(begins):
                if begins == "08" and "SSL" in message:
                    mend = "the server takes no encrypted connection: let it, or declare SSL: ingestion.SSLNone"
                return f"{said}; {mend.format(user=self.login.user)}"
        return said


_MENDS = {
    "28": "the secret has to hold a user and a password that may log in; {user!r} may not",
    "3D000": "the database that is declared has to exist on that server",
    "08": "the job has to reach the server: its security group, that of the database, routes, and host and port of the"
    " secret",
    "42501": "grant USAGE on the schema and SELECT on the tables to {user!r}",
    "53300": "leave more connections free, or declare fewer Connections",
    "57P03": "the server is starting or stopping: try again",
}


def _sql_state(error: Exception) -> tuple[str | None, str]:
    """State and message of the SQLException at the bottom of the error, None if there is none."""
    cause = getattr(error, "java_exception", None)
    while cause is not None:
        if cause.getClass().getName() == "org.postgresql.util.PSQLException":
            return cause.getSQLState() or "unknown", cause.getMessage() or ""
        cause = cause.getCause()
    return None, ""


def _by_declared_name(columns: Iterable[SourceColumn]) -> SourceColumns:
    listed = list(columns)
    found = {c.name: c for c in listed}
    for column in listed:
        lower = column.name.lower()
        if lower not in found and sum(c.name.lower() == lower for c in listed) == 1:
            found[lower] = column
    return found
