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


_current = threading.local()


def current_caller() -> str:
    """The access key of the request that this thread performs."""
    return _current.access_key


def set_current_caller(access_key: str) -> None:
    _current.access_key = access_key


class Identities:
    """Gives every actor a session of its own, so that each call names who made it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, Caller] = {}
        self._shared_sessions: dict[tuple[str, str, str, str], Credentials] = {}
        self._sources: dict[str, str] = {}
        self.administrator = self.session(ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR)

    def session(self, kind: str, name: str, role: str, source: str = "") -> Credentials:
        """A new session of `role` for the actor (kind, name), which acts for the resource `source`."""
        key = "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        credentials = Credentials(key, secrets.token_hex(20), secrets.token_urlsafe(60))
        with self._lock:
            self._sources[key] = source
        self.register(Caller(kind, name, key, role))
        return credentials

    def service(self, principal: str, role: str | None = None, source: str = "") -> Credentials:
        """The shared session of a service principal, under `role` or by resource policy.

        source: the ARN of the resource it acts for (aws:SourceArn).
        """
        return self._shared("service", principal, role or principal, source)

    def source(self, access_key: str) -> str:
        """The ARN of the resource a service acts for in a session; empty when it names none."""
        with self._lock:
            return self._sources.get(access_key, "")

    def role(self, role: str) -> Credentials:
        """The shared session of whoever acts under a role by hand."""
        return self._shared("role", role.rsplit("/", 1)[-1], role)

    def register(self, caller: Caller) -> None:
        with self._lock:
            self._callers[caller.session] = caller

    def _shared(self, kind: str, name: str, role: str, source: str = "") -> Credentials:
        with self._lock:
            known = self._shared_sessions.get((kind, name, role, source))
        if known:
            return known
        credentials = self.session(kind, name, role, source)
        with self._lock:
            return self._shared_sessions.setdefault((kind, name, role, source), credentials)

    def find(self, access_key: str) -> Caller | None:
        with self._lock:
            return self._callers.get(access_key)
