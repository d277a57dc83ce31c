"""boto3 clients of the stand-in, one per service and session."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import boto3
from botocore.config import Config

from rehearsal.cloud.identities import Credentials


class Clients:
    """Makes and keeps clients. Making one is slow and not safe in several threads; using one is both."""

    def __init__(self, region: str):
        self.endpoint = ""
        self._region = region
        self._lock = threading.Lock()
        self._session = boto3.session.Session(region_name=region)
        self._known: dict[tuple[str, str], Any] = {}

    def get(self, service: str, credentials: Credentials, *, internal: bool = False) -> Any:
        """The client of a session. `internal`: for services that call one another, without retries or checks."""
        key = (service, credentials.access_key)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._make(service, credentials, internal)
            return self._known[key]

    def make(self, service: str, credentials: Credentials) -> Any:
        """An internal client that is not kept."""
        with self._lock:
            return self._make(service, credentials, internal=True)

    def close(self) -> None:
        with self._lock:
            for client in self._known.values():
                client.close()
            self._known.clear()

    def _make(self, service: str, credentials: Credentials, internal: bool) -> Any:
        config = Config(
            read_timeout=1000,
            max_pool_connections=32,
            retries={"total_max_attempts": 1} if internal else None,
            parameter_validation=not internal,
        )
        client = self._session.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self._region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
            config=config,
        )
        if internal:  # the interpreter quotes the request id, which moto does not send with every answer
            client.meta.events.register("after-call", _add_request_id)
        return client


def _add_request_id(parsed: dict[str, Any], **_: Any) -> None:
    parsed.setdefault("ResponseMetadata", {}).setdefault("RequestId", str(uuid.uuid4()))
