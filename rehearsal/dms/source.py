"""The PostgreSQL side: how the engine reaches its source, and the slot and publications it reads from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from psycopg import sql

from rehearsal.dms.catalog import Table
from rehearsal.dms.database import Database
from rehearsal.dms.stream import Stream, lsn_number
from rehearsal.dms.target import ClientOf

REQUIRED = ("host", "port", "username", "password")
FATAL = (
    "password authentication failed",
    "permission denied",
    "does not exist",
    "can no longer get changes from replication slot",
    "must be superuser or replication role",
)
"""Words of the server about what no retry mends."""
_ENDED_SECONDS = 30
"""How long the server may take to end the reader of a slot."""


class SourceError(Exception):
    """The source cannot be used as it is: the connection test fails, or the run ends."""


class Source:
    """The source of one replication. `databases`: the servers the model can reach."""

    def __init__(
        self,
        settings: dict[str, Any],
        database_name: str,
        client_of: ClientOf,
        databases: Callable[[], Iterable[Database]],
        slot: str,
    ):
        self.settings = settings
        self.slot = slot
        self._database_name = database_name
        self._client_of = client_of
        self._databases = databases
        self.time_zone = "UTC"

    def connect(self) -> psycopg.Connection[Any]:
        """A connection with the secret's credentials. Raises SourceError, or psycopg.OperationalError."""
        options = "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex"
        parameters = {**self._parameters(), "options": f"{options} -c TimeZone={self.time_zone}"}
        return psycopg.connect(**parameters, autocommit=True, connect_timeout=5)

    def server_time_zone(self) -> str:
        """The TimeZone of the server's configuration."""
        with psycopg.connect(**self._parameters(), autocommit=True, connect_timeout=5) as connection:
            return connection.execute("SHOW TimeZone").fetchone()[0]

    def stream(self, start: int) -> Stream:
        return Stream(self._parameters(), self.slot, list(self._publications), start, self.time_zone)

    def prepare(self, tables: list[Table], timeout: float) -> int:
        """Make the slot anew; the log position from which it has every change. Waits for open transactions.

        `pgoutput` reads what publications name, which the plug-ins of DMS do without: the model makes them as the
        superuser. Tables whose updates are not identified are published for inserts only, or PostgreSQL would refuse
        to update them.
        """
        with self._database().admin(self._name()) as admin:
            self._drop(admin)
            everything, inserts = self._publications
            full = [table for table in tables if table.changes_are_logged]
            rest = [table for table in tables if not table.changes_are_logged]
            self._publish(admin, everything, full, "insert, update, delete, truncate")
            self._publish(admin, inserts, rest, "insert, truncate")
        with self.connect() as connection:
            connection.execute(f"SET statement_timeout = {max(1, int(timeout * 1000))}")
            made = connection.execute("SELECT lsn FROM pg_create_logical_replication_slot(%s, 'pgoutput')", [self.slot])
            return lsn_number(made.fetchone()[0])

    def clean_up(self) -> None:
        """Drop the slot and the publications, if the server answers: a slot nobody reads holds the log back."""
        try:
            database = self._database()
        except SourceError:
            return
        if database.up:
            with database.admin(self._name()) as admin:
                self._drop(admin)

    def log_end(self) -> int | None:
        """Where the source's log ends; None when the server is not up."""
        database = self._database()
        return database.log_end() if database.up else None

    def is_read(self) -> bool:
        """Whether a connection reads from the slot now; False when the server is not up."""
        database = self._database()
        return database.up and database.is_read(self.slot)

    @property
    def up(self) -> bool:
        return self._database().up

    @property
    def _publications(self) -> tuple[str, str]:
        return f"{self.slot}_all", f"{self.slot}_inserts"

    def _drop(self, admin: psycopg.Connection[Any]) -> None:
        drop_slot(admin, self.slot)
        for name in self._publications:
            admin.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))

    def _publish(self, admin: psycopg.Connection[Any], name: str, tables: list[Table], operations: str) -> None:
        of = sql.SQL(", ").join(sql.Identifier(table.schema, table.name) for table in tables)
        clause = sql.SQL(" FOR TABLE {}").format(of) if tables else sql.SQL("")
        make = sql.SQL("CREATE PUBLICATION {}{} WITH (publish = {})")
        admin.execute(make.format(sql.Identifier(name), clause, sql.Literal(operations)))

    def _parameters(self) -> dict[str, Any]:
        """The replication speaks plainly, as the deployer notes: to the server itself, which its front would wait for
        in this process."""
        secret = self._secret()
        port = int(secret["port"])
        return {
            "host": secret["host"],
            "port": next((d.plain_port for d in self._databases() if d.port == port), port),
            "user": secret["username"],
            "password": secret["password"],
            "dbname": self._name(secret),
        }

    def _name(self, secret: dict[str, Any] | None = None) -> str:
        found = secret or self._secret()
        name = self._database_name or self.settings["DatabaseName"] or found.get("dbname")
        if not name:
            raise SourceError("the endpoint names no database, and its secret has no dbname")
        return str(name)

    def _secret(self) -> dict[str, Any]:
        """Read at each connection, as a rotated password must be found."""
        name = self.settings["SecretsManagerSecretId"]
        client = self._client_of("secretsmanager", self.settings["SecretsManagerAccessRoleArn"])
        try:
            found = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
        except ValueError as error:
            raise SourceError(f"the secret {name} is no JSON object") from error
        missing = [key for key in REQUIRED if not isinstance(found, dict) or not found.get(key)]
        if missing:
            raise SourceError(f"the secret {name} lacks {', '.join(missing)}; it must hold {', '.join(REQUIRED)}")
        return found

    def _database(self) -> Database:
        secret = self._secret()
        for database in self._databases():
            if (str(secret["host"]), int(secret["port"])) == (database.host, database.port):
                return database
        known = ", ".join(f"{database.host}:{database.port}" for database in self._databases()) or "none"
        raise SourceError(f"no server answers at {secret['host']}:{secret['port']}; the rehearsal has: {known}")


def drop_slot(admin: psycopg.Connection[Any], slot: str) -> None:
    """Drop a slot, if there is one of the name, ending whoever reads from it, however often they come back."""
    until = time.monotonic() + _ENDED_SECONDS
    while time.monotonic() < until:
        query = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
        found = admin.execute(query, [slot]).fetchone()
        if found is None:
            return
        if found[0] is not None:
            admin.execute("SELECT pg_terminate_backend(%s)", [found[0]])
            admin.execute("SELECT pg_sleep(0.02)")
            continue
        try:
            admin.execute("SELECT pg_drop_replication_slot(%s)", [slot])
            return
        except psycopg.errors.ObjectInUse:
            continue
    raise RuntimeError(f"slot {slot} is still in use {_ENDED_SECONDS} s after its reader was ended first")


def is_fatal(error: psycopg.Error) -> bool:
    """Whether no retry can mend it."""
    return any(words in str(error) for words in FATAL) or not isinstance(error, psycopg.OperationalError)
