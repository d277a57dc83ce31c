"""Vaults of tests: their keys, what their tokens are, what they hold."""

from __future__ import annotations

import hashlib
import hmac
import itertools

from lake import Lake

MAIL = {"kind": "tokenise", "vault": "mail"}
SECRET = b"of the vault"
_ids = itertools.count()


def with_keys(lake: Lake, *vaults: str) -> None:
    made = {
        v: lake.clients.secrets.create_secret(Name=f"vault{next(_ids)}", SecretString=SECRET.decode()) for v in vaults
    }
    lake.token_keys = ",".join(f"{name}={secret['ARN']}" for name, secret in made.items())


def token(text: str) -> str:
    return "tok_" + hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()[:32]


def vault(lake: Lake, name: str = "mail") -> dict[str, str]:
    """What the vault holds; no token is there twice."""
    found = lake.now(lake.vault(name))
    rows = [] if found is None else [tuple(r) for r in found.select("token", "value").collect()]
    assert len({t for t, _ in rows}) == len(rows)
    return dict(rows)
