"""The declared source of a validation, and how to connect to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

from lakejobs.errors import JobFailed
from lakejobs.shapes import Fields, ShapeError

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_MODES = ("require", "none")
MOST_CONNECTIONS = 64


@dataclass(frozen=True)
class Source:
    """`tables` are names of tables in `schema` by the ids of their datasets; `ssl` is `require` (encrypted, the
    server's certificate is not verified) or `none`; `connections` read at once, 1 to 64."""

    name: str
    database: str
    schema: str
    ssl: str
    connections: int
    tables: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the job's argument. Raises ShapeError with the path of the first field that is not as agreed."""
        f = Fields(json.loads(text), "source")
        tables = f.take("tables", dict)
        found = cls(
            f.take("name", str),
            f.take("database", str),
            f.take("schema", str),
            f.choice("ssl", _MODES),
            f.take("connections", int),
            {name: str(table) for name, table in tables.items()},
        )
        f.done()
        if not 1 <= found.connections <= MOST_CONNECTIONS:
            raise ShapeError(f"source.connections: is {found.connections}; allowed: 1 to {MOST_CONNECTIONS}")
        return found


@dataclass(frozen=True)
class Login:
    """Where the server is, and who logs in there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, secrets: Any, arn: str) -> Self:
        """The current version of the secret: JSON with host, port, username and password, as RDS writes it. Raises
        JobFailed, naming every field that is missing or unusable; no value is in it."""
        answer = secrets.get_secret_value(SecretId=arn)
        try:
            held = json.loads(answer.get("SecretString") or "")
        except ValueError:
            held = None
        if not isinstance(held, dict):
            raise JobFailed(f"the secret {arn} is no JSON object; it has to hold host, port, username and password")
        problems = [
            f"{name} is missing" for name in ("host", "port", "username", "password") if held.get(name) in (None, "")
        ]
        port = str(held.get("port") or "")
        if port and not (port.isdigit() and 1 <= int(port) <= 65535):
            problems.append("port is no number from 1 to 65535")
        if held.get("host") and not _HOST.fullmatch(str(held["host"])):
            problems.append("host is no name or address of a host")
        if problems:
            raise JobFailed(
                f"the secret {arn} does not tell how to connect: {'; '.join(problems)}; it has to hold host, port,"
                " username and password"
            )
        return cls(str(held["host"]), int(port), str(held["username"]), str(held["password"]))


def url(source: Source, login: Login) -> str:
    """The JDBC URL, without who logs in."""
    host = f"[{login.host}]" if ":" in login.host else login.host
    mode = "require" if source.ssl == "require" else "disable"
    options = f"sslmode={mode}&connectTimeout=10&loginTimeout=30&tcpKeepAlive=true&ApplicationName=strata-validate"
    return f"jdbc:postgresql://{host}:{login.port}/{quote(source.database, safe='')}?{options}"
