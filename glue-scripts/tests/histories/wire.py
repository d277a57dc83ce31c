"""The wire between a run and AWS: its side effects by name, its death at any of them, and what others do meanwhile."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from rehearsal.cloud.calls import Names, Request, read_request

_NAMES = Names("123456789012", "eu-west-1")


@dataclass
class Run:
    """A run as the wire sees it: its side effects so far, what is to strike it, and whether that has."""

    fault: tuple | None
    meanwhile: Callable[[], None]
    effects: list[str] = field(default_factory=list)
    fired: bool = False
    dead: bool = False


class Wire:
    """Hooked into the stand-in while `watched`; counts the mutating requests of the run that is on.

    A run that has been killed gets a refusal for every further request, as if its process were gone. So does whoever
    else asks meanwhile: `refused` counts the refusals.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._on: Run | None = None
        self._lock = threading.Lock()

    @contextmanager
    def watched(self) -> Iterator[None]:
        original = DomainDispatcherApplication.__call__
        DomainDispatcherApplication.__call__ = lambda app, environ, start: self._request(original, app, environ, start)
        try:
            yield
        finally:
            DomainDispatcherApplication.__call__ = original

    @contextmanager
    def run(self, fault: tuple | None, meanwhile: Callable[[], None]) -> Iterator[Run]:
        """Everything inside is one run. `fault` is a slot's; `meanwhile` is what others do once it is overtaken."""
        before, self._on = self._on, Run(fault, meanwhile)
        try:
            yield self._on
        finally:
            self._on = before

    def _request(self, original: Callable, app: Any, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        run = self._on
        if run is None:
            return original(app, environ, start)
        request = _read(environ)
        if run.dead:
            with self._lock:
                self.refused += 1
            return _refuse(start, request)
        if not request.mutating:
            return original(app, environ, start)
        with self._lock:
            run.effects.append(f"{request.service}:{request.action} {request.detail or request.resource}")
            struck = run.fault is not None and len(run.effects) == run.fault[1]
            run.fired = run.fired or struck
            run.dead = struck and run.fault[0] == "crash"
        if not struck:
            return original(app, environ, start)
        if run.fault[0] == "overtaken":
            self._on = None
            try:
                run.meanwhile()
            finally:
                self._on = run
            return original(app, environ, start)
        if run.fault[2] == "after":
            for _ in original(app, environ, lambda *_args: lambda _data: None):
                pass
        return _refuse(start, request)


def _read(environ: dict[str, Any]) -> Request:
    """Only of requests to DynamoDB the body tells what they are about."""
    body = b""
    if environ.get("HTTP_X_AMZ_TARGET"):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    return read_request(environ, body, _NAMES)


def _refuse(start: Any, request: Request) -> list[bytes]:
    """A refusal that no client tries again."""
    if request.protocol == "rest-xml":
        kind, text = "application/xml", "<Error><Code>CallerKilled</Code><Message>the run is dead</Message></Error>"
    else:
        kind, text = "application/x-amz-json-1.1", '{"__type": "CallerKilled", "message": "the run is dead"}'
    start("403 Forbidden", [("Content-Type", kind), ("Content-Length", str(len(text)))])
    return [text.encode()]
