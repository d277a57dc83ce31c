"""Access keys and the callers behind them: the administrator, role sessions and service principals."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import dataclass

from rehearsal.cloud.faults import Caller

_ALPHABET = string.ascii_uppercase + string.digits
ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Credentials:
    """Keys of one session, as an SDK takes them."""

    access_key: str
    secret_key: str
    token: str

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }


class Identities:
    """Gives every actor a session of its own, so that each call names who made it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, Caller] = {}
        self._shared_sessions: dict[tuple[str, str, str], Credentials] = {}
        self.administrator = self.session(ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR)

    def session(self, kind: str, name: str, role: str) -> Credentials:
        """A new session of `role` for the actor (kind, name)."""
        key = "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        credentials = Credentials(key, secrets.token_hex(20), secrets.token_urlsafe(60))
        self.register(Caller(kind, name, key, role))
        return credentials

    def service(self, principal: str, role: str | None = None) -> Credentials:
        """The shared session of a service principal, under `role` or by resource policy."""
        return self._shared("service", principal, role or principal)

    def role(self, role: str) -> Credentials:
        """The shared session of whoever acts under a role by hand."""
        return self._shared("role", role.rsplit("/", 1)[-1], role)

    def register(self, caller: Caller) -> None:
        with self._lock:
            self._callers[caller.session] = caller

    def _shared(self, kind: str, name: str, role: str) -> Credentials:
        with self._lock:
            known = self._shared_sessions.get((kind, name, role))
        if known:
            return known
        credentials = self.session(kind, name, role)
        with self._lock:
            return self._shared_sessions.setdefault((kind, name, role), credentials)

    def find(self, access_key: str) -> Caller | None:
        with self._lock:
            return self._callers.get(access_key)
