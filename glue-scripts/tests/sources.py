"""A PostgreSQL database that tests compare tables with, and what they have to say of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from lake import Lake
from lakejobs.arguments import ValidateArguments
from lakejobs.validate.job import validate

from rehearsal.dms.database import Database
from rehearsal.dms.tls import Front

_NUMBERS = itertools.count(1)


@dataclass
class Source:
    """One server. Tests reach it plainly, the job through `front`, which encrypts."""

    database: Database
    front: Front
    sql: psycopg.Connection[Any]

    def secret(self, **changes: Any) -> str:
        return json.dumps({**self.database.secret(), "port": self.front.port, **changes})

    def table(self, definition: str, rows: Sequence[Sequence[Any]] = (), schema: str = "public") -> str:
        """Makes a table of that definition, with these rows; its name."""
        name = f"t{next(_NUMBERS)}"
        self.sql.execute(f"CREATE TABLE {schema}.{name} ({definition})")
        if rows:
            marks = ", ".join(["%s"] * len(rows[0]))
            self.sql.cursor().executemany(f"INSERT INTO {schema}.{name} VALUES ({marks})", rows)
        return name


@contextmanager
def running() -> Iterator[Source]:
    with Database() as database:
        front = Front(database.host, database.port)
        try:
            with database.connect() as sql:
                yield Source(database, front, sql)
        finally:
            front.stop()


@dataclass
class Validation:
    """Validations of a lake's datasets against tables of a source, by dataset; `more` are further arguments."""

    lake: Lake
    source: Source
    tables: dict[str, str]
    schema: str = "public"
    ssl: str = "require"
    more: dict[str, Any] = field(default_factory=dict)

    def arguments(self, name: str, request: dict[str, Any], secret: str | None = None) -> ValidateArguments:
        lake, n = self.lake, next(_NUMBERS)
        arn = lake.clients.secrets.create_secret(Name=f"source{n}", SecretString=secret or self.source.secret())["ARN"]
        told = {"name": "Erp", "database": self.source.database.database, "schema": self.schema, "ssl": self.ssl,
                "connections": 3, "tables": self.tables}  # fmt: skip
        manifest = f"s3://{lake.buckets['artifacts']}/manifests/{lake.pin()}.json"
        made = ValidateArguments("test", name, manifest, json.dumps(request), lake.buckets["artifacts"],
                                 json.dumps(told), arn, lake.secret, lake.hash_keys, lake.token_keys, 0, 60, 1000,
                                 "true")  # fmt: skip
        return replace(made, **self.more)

    def run(self, name: str = "v", sleep: Any = None, secret: str | None = None, **request: Any) -> dict[str, Any]:
        """Runs the job; how the validation ended."""
        validate(self.lake.spark, self.arguments(name, request, secret), self.lake.clients, sleep=sleep or _never)
        (outcome,) = self.read("outcomes", name)
        return outcome

    def read(self, kind: str, name: str = "v") -> list[dict[str, Any]]:
        """The lines of a validation's `results`, `mismatches` or `outcomes`."""
        body = self.lake.clients.read(f"s3://{self.lake.buckets['artifacts']}/validations/{kind}/{name}.json")
        return [json.loads(line) for line in body.splitlines()]

    def measure(self, measure: str, column: str = "", name: str = "v") -> dict[str, Any]:
        """The one row of the results that is about that."""
        (row,) = [r for r in self.read("results", name) if (r["measure"], r["column_name"]) == (measure, column)]
        return row


def _never(_: float) -> None:
    raise AssertionError("nothing is to be looked at again")
