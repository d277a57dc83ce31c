"""An embedded PostgreSQL server that holds the clean data and answers the same questions as the lake."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from rehearsal.data.declared import Dataset
from rehearsal.data.encode import text
from rehearsal.data.tpch import Batch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR; the socket lies in the data folder
    import pgserver

TYPES = {"string": "text", "int": "integer", "double": "double precision"}


class Oracle:
    """One PostgreSQL server in a temporary folder, reached by a Unix socket; use it in a `with` block."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._server: Any = None
        self._connection: psycopg.Connection[Any] | None = None
        self._domains: set[str] = set()

    def __enter__(self) -> Oracle:
        self._folder = Path(tempfile.mkdtemp(prefix="oracle-"))
        self._server = pgserver.get_server(self._folder, cleanup_mode="stop")
        with psycopg.connect(self._server.get_uri(), autocommit=True) as first:
            first.execute("CREATE DATABASE oracle TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        self._connection = psycopg.connect(self._server.get_uri(database="oracle"), autocommit=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._server is not None:
            self._server.cleanup()
            self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def processes(self) -> list[int]:
        """The server's process id, while it runs: it detaches itself from this process."""
        return [self._server.get_pid()] if self._server is not None else []

    def load(self, batches: Iterable[Batch]) -> None:
        """Make one table per dataset, `<domain>.<name>`, with the last change of each key by its sequence, or the rows
        of the last snapshot. A table that is there already is made anew."""
        batches = list(batches)
        datasets = {b.dataset.id: b.dataset for b in batches}
        for dataset in datasets.values():
            own = [b for b in batches if b.dataset.id == dataset.id]
            self._stage(dataset, own[-1:] if dataset.whole else own)
            self._settle(dataset)
        self._domains |= {f'"{d.domain}"' for d in datasets.values()}
        if self._domains:
            self._sql(f"SET search_path = {', '.join(sorted(self._domains))}")
        self._sql("ANALYZE")

    def _stage(self, dataset: Dataset, batches: list[Batch]) -> None:
        columns = ", ".join(f'"{c.name}" {TYPES.get(c.type, c.type)}' for c in dataset.columns)
        self._sql(f'CREATE SCHEMA IF NOT EXISTS "{dataset.domain}"')
        self._sql(f"CREATE TEMPORARY TABLE changes ({columns})")
        assert self._connection is not None
        with self._connection.cursor() as cursor, cursor.copy("COPY changes FROM STDIN") as copy:
            for batch in batches:
                for row in batch.rows:
                    copy.write_row([text(v, c) for v, c in zip(row, dataset.columns, strict=True)])

    def _settle(self, dataset: Dataset) -> None:
        keys = ", ".join(f'"{k}"' for k in dataset.keys)
        order = keys if dataset.sequence is None else f'{keys}, "{dataset.sequence}" DESC'
        table = f'"{dataset.domain}"."{dataset.name}"'
        self._sql(f"DROP TABLE IF EXISTS {table}")
        self._sql(f"CREATE TABLE {table} AS SELECT DISTINCT ON ({keys}) * FROM changes ORDER BY {order}")
        self._sql(f"ALTER TABLE {table} ADD PRIMARY KEY ({keys})")
        self._sql("DROP TABLE changes")
        for column in dataset.columns:  # correlated subqueries would scan the table for each row
            if column.type in ("int", "bigint") and column.name != dataset.sequence:
                self._sql(f'CREATE INDEX ON {table} ("{column.name}")')

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query; decimals as Decimal, dates as date."""
        return self._sql(sql).fetchall()

    def table(self, dataset: Dataset, columns: list[str]) -> list[tuple[Any, ...]]:
        """The named columns of every row of a dataset's table."""
        names = ", ".join(f'"{c}"' for c in columns)
        return self.rows(f'SELECT {names} FROM "{dataset.domain}"."{dataset.name}"')

    def _sql(self, sql: str) -> psycopg.Cursor[Any]:
        assert self._connection is not None, "use the oracle in a with block"
        return self._connection.execute(sql)
