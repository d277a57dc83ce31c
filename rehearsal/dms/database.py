"""The operational source: an embedded PostgreSQL that can be replicated from, reached by TCP with a password."""

from __future__ import annotations

import atexit
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rehearsal.dms.stream import lsn_number
from rehearsal.dms.tls import Front

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR, which is not used
    from pgserver._commands import POSTGRES_BIN_PATH, initdb, pg_ctl
    from pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

HOST = "127.0.0.1"
SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": "50",
    "max_wal_senders": "50",
    "wal_sender_timeout": "60s",
    "listen_addresses": HOST,
    "password_encryption": "scram-sha-256",
    "fsync": "off",
    "full_page_writes": "off",
}
SYSTEM_USER = "pgserver"
"""Runs the server where this process is root, which PostgreSQL refuses to run as."""


class Database:
    """One PostgreSQL server with one database and an owner role, a part of the Cloud.

    The owner may log in with its password only, owns the database, and may replicate. `start` takes about a second.
    With `tls` connections to `port` are encrypted if they ask for it.
    """

    name = "source database"
    host = HOST

    def __init__(
        self, database: str = "erp", username: str = "replicator", password: str = "not-a-secret", tls: bool = False
    ):
        self.database, self.username, self.password = database, username, password
        self.port = self._own_port = 0
        self.front: Front | None = None
        self._tls = tls
        self._folder: Path | None = None
        self._user: str | None = None
        self._up = False
        self._lock = threading.RLock()
        self._probe: psycopg.Connection[Any] | None = None
        self.on_return: list[Callable[[], None]] = []
        """Called when the server answers again after it was gone."""

    def start(self) -> None:
        if self._folder is not None:
            return
        atexit.register(self.stop)
        self._folder = Path(tempfile.mkdtemp(prefix="source-"))
        self._user = _prepare_user(self._folder)
        authentication = ["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=utf8", "--no-sync"]
        initdb([*authentication, "-U", "postgres"], pgdata=self._folder, user=self._user)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = self._own_port = probe.getsockname()[1]
        lines = [f"{name} = '{value}'" for name, value in {**SETTINGS, "port": str(self._own_port)}.items()]
        with (self._folder / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self._launch()
        if self._tls:
            self.front = Front(HOST, self._own_port)
            self.port = self.front.port
        owner = sql.Identifier(self.username)
        with self.admin("postgres") as admin:
            create = sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}")
            admin.execute(create.format(owner, sql.Literal(self.password)))
            encoding = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            make = f"CREATE DATABASE {{}} OWNER {{}} {encoding}"
            admin.execute(sql.SQL(make).format(sql.Identifier(self.database), owner))
        with self.admin() as admin:
            admin.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(owner))

    def busy(self) -> list[str]:
        return []

    def stop(self) -> None:
        """Stop the server and remove its data. Safe to call twice."""
        if self._folder is None:
            return
        atexit.unregister(self.stop)
        if self.front is not None:
            self.front.stop()
        self._up, self._probe = False, None
        if (self._folder / "postmaster.pid").exists():
            self._control("stop", "-m", "immediate")
        folder, self._folder = self._folder, None
        shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Database:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def plain_port(self) -> int:
        """Where the server itself listens, which is `port` without `tls`."""
        return self._own_port

    @property
    def up(self) -> bool:
        """Whether the server takes connections."""
        return self._up

    def secret(self) -> dict[str, Any]:
        """What the secret of the endpoint holds: engine, host, port, username, password and dbname."""
        return {
            "engine": "postgres",
            "host": HOST,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "dbname": self.database,
        }

    def secret_string(self) -> str:
        """`secret` as JSON text, for Secrets Manager."""
        return json.dumps(self.secret())

    def processes(self) -> list[int]:
        """The server's process id while it runs: it detaches itself from this process."""
        return [int(self._pid_file().split()[0])] if self._up else []

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the owner, with autocommit: how the application changes its data."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=self.username,
            password=self.password,
            dbname=self.database,
            autocommit=True,
        )

    def admin(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A connection of the superuser through the server's own socket, with autocommit."""
        name = self.database if database is None else database
        where = {"host": str(self._folder), "port": self._own_port}
        return psycopg.connect(**where, user="postgres", dbname=name, autocommit=True, connect_timeout=5)

    def log_end(self) -> int:
        """Where the server's log ends: what was committed lies before it. Quick: its connection is kept."""
        with self._lock:
            text = self._kept().execute("SELECT pg_current_wal_flush_lsn()").fetchone()[0]
        return lsn_number(text)

    def is_read(self, slot: str) -> bool:
        """Whether somebody reads from a replication slot of this name now. Quick: its connection is kept."""
        with self._lock:
            query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active"
            return self._kept().execute(query, [slot]).fetchone() is not None

    def vanish(self) -> None:
        """Cut every connection and stop answering, as a crashed server does. What was committed stays."""
        with self._lock:
            if self._up:
                self._up, self._probe = False, None
                self._control("stop", "-m", "immediate")

    def come_back(self) -> None:
        """Answer again after `vanish`."""
        with self._lock:
            if not self._up:
                self._launch()
        for call in list(self.on_return):
            call()

    def change_password(self, password: str) -> None:
        """Give the owner another password: what the secret held before is refused from now on."""
        with self.admin() as admin:
            change = sql.SQL("ALTER ROLE {} PASSWORD {}")
            admin.execute(change.format(sql.Identifier(self.username), sql.Literal(password)))
        self.password = password

    def _kept(self) -> psycopg.Connection[Any]:
        if self._probe is None or self._probe.closed:
            self._probe = self.admin("postgres")
        return self._probe

    def _launch(self) -> None:
        self._control("-w", "-o", f"-k {self._folder}", "-l", str(self._folder / "log"), "start")
        self._up = True

    def _control(self, *arguments: str) -> None:
        try:
            pg_ctl(list(arguments), pgdata=self._folder, user=self._user)
        except subprocess.CalledProcessError as error:
            log = self._folder / "log"
            tail = log.read_text().splitlines()[-10:] if log.exists() else []
            raise RuntimeError(f"pg_ctl {' '.join(arguments)} failed: {error}\n" + "\n".join(tail)) from error

    def _pid_file(self) -> str:
        return (self._folder / "postmaster.pid").read_text()


def _prepare_user(folder: Path) -> str | None:
    """The system user to run as, with the rights to the data folder and the programs; None for this one."""
    if os.geteuid() != 0:
        return None
    ensure_user_exists(SYSTEM_USER)
    ensure_prefix_permissions(folder)
    ensure_prefix_permissions(POSTGRES_BIN_PATH)
    read, execute = stat.S_IRGRP | stat.S_IROTH, stat.S_IXGRP | stat.S_IXOTH
    ensure_folder_permissions(POSTGRES_BIN_PATH, execute | read)
    ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", read)
    os.chown(folder, pwd.getpwnam(SYSTEM_USER).pw_uid, -1)
    return SYSTEM_USER
