"""The endpoint: one HTTP server in front of moto that knows who calls, notes it, and can refuse a killed caller."""

from __future__ import annotations

import io
import json
import threading
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any
from xml.sax.saxutils import escape

from flask import Flask
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from rehearsal.cloud.calls import Names, Request, access_key, read_request
from rehearsal.cloud.enforcement import Denial, Enforcement
from rehearsal.cloud.faults import Caller, Faults
from rehearsal.cloud.identities import Identities, set_current_caller
from rehearsal.cloud.work import Work

# moto checks, then writes, without a lock: requests of these services are performed one at a time, as the services
# themselves order the writes to one item, table version or execution name. Of S3 only the writes are ordered.
SERIAL_SERVICES = ("dynamodb", "glue", "states", "s3")


class Uses:
    """Counts (role, permission, resource)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, role: str, permission: str, resource: str, count: int = 1) -> None:
        with self._lock:
            self._counts[role, permission, resource] += count

    def rows(self) -> list[tuple[str, str, str, int]]:
        with self._lock:
            return sorted((role, action, resource, count) for (role, action, resource), count in self._counts.items())


class Repeats:
    """Tells a call that an SDK sends again, because its answer was lost on the way, from another call alike.

    The SDKs give every attempt of a call the same `amz-sdk-invocation-id`. On a busy machine the SDK of Go loses
    answers here as it does those of AWS: https://github.com/aws/aws-sdk-go-v2/issues/2737
    """

    KEPT = 10_000
    """So many calls are remembered: an SDK gives up long before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, None] = {}

    def is_one(self, request: Request) -> bool:
        """Whether the call arrived before. One that was sent before and did not arrive is none."""
        invocation = request.headers.get("amz-sdk-invocation-id")
        if invocation is None:
            return False
        with self._lock:
            if invocation in self._seen:
                return True
            self._seen[invocation] = None
            if len(self._seen) > self.KEPT:
                del self._seen[next(iter(self._seen))]
        return False


class Gateway:
    """WSGI application around moto's own."""

    def __init__(self, names: Names, identities: Identities, faults: Faults, enforcement: Enforcement, work: Work):
        self._names, self._identities, self._faults = names, identities, faults
        self._enforcement, self._work = enforcement, work
        self._repeats = Repeats()
        self._moto = _Dispatcher(_backend_app)
        self._locks = {service: threading.RLock() for service in SERIAL_SERVICES}
        self.on_kill: Callable[[Caller, bool], None] = lambda _caller, _process: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = _read_body(environ)
        request = read_request(environ, body, self._names)
        environ["wsgi.input"] = io.BytesIO(body)
        caller = self._identities.find(access_key(environ) or "")
        if caller is None:
            text = "the request is not signed with a key of this run"
            return _answer(start_response, request, "403 Forbidden", "InvalidClientTokenId", text)
        if dead := self._faults.dead(caller.session):
            text = f"{caller.kind} {caller.name} was killed at {dead}"
            return _answer(start_response, request, "403 Forbidden", "CallerKilled", text)
        set_current_caller(caller.session)
        if denial := self._enforcement.request(caller, request):
            return _refuse(start_response, request, denial, self._enforcement.session_arn(caller))
        if not request.mutating:
            return self._perform(request, environ, start_response)
        self._work.touch()
        if self._repeats.is_one(request):
            return self._perform(request, environ, start_response)
        call, kill = self._faults.record(caller, request.service, request.action, request.resource, request.detail)
        if kill is None:
            return self._perform(request, environ, start_response)
        if kill.when == "after":
            for _ in self._perform(request, environ, lambda *_args: lambda _data: None):
                pass
        self.on_kill(caller, kill.process)
        text = f"{caller.kind} {caller.name} was killed {kill.when} {call}"
        return _answer(start_response, request, "403 Forbidden", "CallerKilled", text)

    def _perform(self, request: Request, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        serial = request.service in self._locks and (request.mutating or request.service != "s3")
        try:
            with self._locks[request.service] if serial else nullcontext():
                return self._moto(environ, start_response)
        except Exception as error:
            where = f"{request.service}:{request.action} {request.resource}"
            self._work.problem(where, traceback.format_exc(limit=-8))
            text = f"the rehearsal does not model this call: {type(error).__name__}: {error}"
            return _answer(start_response, request, "400 Bad Request", "NotModelled", text)


class _Dispatcher(DomainDispatcherApplication):
    """moto's own looks at every folder of its package for each request; the answer does not change."""

    def __init__(self, create_app: Callable[[str], Flask]):
        super().__init__(create_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class Server:
    """Serves the gateway on a free port of 127.0.0.1."""

    def __init__(self, gateway: Gateway):
        self._server = _Server("127.0.0.1", 0, gateway, handler=_Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="cloud-endpoint", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, and wait for those under way."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadedWSGIServer):
    daemon_threads = False  # so that server_close waits for the requests under way


class _Handler(MotoRequestHandler):
    timeout = 60  # a client that stalls in the middle of a request does not hold up `stop`

    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are not printed: the record of calls is `faults.calls` and `uses`."""


def _backend_app(service: str) -> Flask:
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


def _read_body(environ: dict[str, Any]) -> bytes:
    if environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"].read()
    length = environ.get("CONTENT_LENGTH")
    return environ["wsgi.input"].read(int(length)) if length else b""


def _refuse(start_response: Any, request: Request, denial: Denial, who: str) -> list[bytes]:
    """A denial in the words and the form of the service.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    text = f"User: {who} is not authorized to perform: {denial.action} on resource: {denial.resource}: {denial.reason}"
    if request.protocol == "rest-xml":
        return _answer(start_response, request, "403 Forbidden", "AccessDenied", text)
    if request.protocol == "query":
        code = "AuthorizationError" if request.service == "sns" else "AccessDenied"
        return _answer(start_response, request, "403 Forbidden", code, text)
    status = "403 Forbidden" if request.protocol == "rest-json" else "400 Bad Request"
    return _answer(start_response, request, status, "AccessDeniedException", text)


def _answer(start_response: Any, request: Request, status: str, code: str, text: str) -> list[bytes]:
    """An error in the form the service's protocol has."""
    number = str(uuid.uuid4())
    if request.protocol == "rest-xml":
        kind = "application/xml"
        body = f"<Error><Code>{code}</Code><Message>{escape(text)}</Message><RequestId>{number}</RequestId></Error>"
    elif request.protocol == "query":
        kind = "text/xml"
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
        body = f"<ErrorResponse>{inner}<RequestId>{number}</RequestId></ErrorResponse>"
    else:
        kind = "application/x-amz-json-1.0"
        body = json.dumps({"__type": code, "message": text})
    data = body.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(data))), ("x-amzn-ErrorType", code)]
    if request.service == "sqs" and request.protocol == "json" and code == "AccessDeniedException":
        headers.append(("x-amzn-query-error", "AccessDenied;Sender"))  # what the SDKs call the error
    start_response(status, [*headers, ("x-amzn-RequestId", number)])
    return [data]
