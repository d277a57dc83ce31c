"""The Lambda Runtime API on 127.0.0.1, and the function processes that poll it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rehearsal.cloud.identities import Credentials


@dataclass
class Invocation:
    """One event on its way through an instance."""

    body: bytes
    arn: str
    deadline: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    failed: bool = False

    def finish(self, answer: bytes, failed: bool) -> None:
        """Set the outcome; the first one counts."""
        if not self.done.is_set():
            self.answer, self.failed = answer, failed
            self.done.set()


def failure(kind: str, message: str) -> bytes:
    """The payload of a function error."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class Instance:
    """One process of a function, serving one invocation at a time under its own session."""

    def __init__(self, runtime: RuntimeApi, code: Path, log: Path, environment: dict[str, str], keys: Credentials):
        self.id = uuid.uuid4().hex
        self.keys = keys
        self.dead = False
        self.stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{self.id}"
        self._events: queue.Queue[Invocation | None] = queue.Queue()
        self._current: Invocation | None = None
        self._runtime = runtime
        self._log_path = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("ab")
        self._read = 0
        runtime.add(self)
        self._process = subprocess.Popen(
            [str(code / "bootstrap")],
            cwd=code,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.port}/{self.id}"},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, name=f"cloud-lambda-{self.id[:6]}", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def invoke(self, invocation: Invocation, timeout: float) -> tuple[bytes, bool, str]:
        """Run one invocation: the answer, whether it failed, and the log text it wrote."""
        self._current = invocation
        if self.dead:
            invocation.finish(failure("Runtime.ExitError", f"RequestId: {invocation.id} Error: Runtime exited"), True)
        self._events.put(invocation)
        if not invocation.done.wait(timeout):
            text = f"RequestId: {invocation.id} Error: Task timed out after {timeout:.2f} seconds"
            invocation.finish(failure("Sandbox.Timedout", text), True)
            self.close()
        self._current = None
        return invocation.answer, invocation.failed, self._new_log_text()

    def kill(self) -> None:
        """SIGKILL the process group."""
        self.dead = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and wait for its end."""
        self.kill()
        self._events.put(None)
        self._watcher.join(5)
        self._runtime.remove(self)
        self._log.close()

    def next(self) -> Invocation | None:
        """The next invocation, or None when the instance ends. Blocks."""
        return self._events.get()

    def report(self, request: str, answer: bytes, failed: bool) -> None:
        """What the process posted for an invocation; late posts of a timed-out one are ignored."""
        current = self._current
        if current and current.id == request:
            current.finish(answer, failed)

    def fail_start(self, answer: bytes) -> None:
        """The process reported that it cannot start."""
        if self._current:
            self._current.finish(answer, True)

    def _watch(self) -> None:
        code = self._process.wait()
        self.dead = True
        self._events.put(None)
        current = self._current
        if current:
            status = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            text = f"RequestId: {current.id} Error: Runtime exited with error: {status}"
            current.finish(failure("Runtime.ExitError", text), True)

    def _new_log_text(self) -> str:
        with self._log_path.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        self._read += len(data)
        return data.decode("utf-8", "replace")


class RuntimeApi:
    """One HTTP server for all instances; the instance is the first part of the path."""

    def __init__(self) -> None:
        self._instances: dict[str, Instance] = {}
        api = self

        class Handler(_Handler):
            runtime = api

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="cloud-runtime-api", daemon=True
        )
        self._thread.start()

    def add(self, instance: Instance) -> None:
        self._instances[instance.id] = instance

    def remove(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)

    def find(self, name: str) -> Instance | None:
        return self._instances.get(name)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for the handlers, which end with their processes

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed instance drops its connection, which is no error of the server; anything else is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    runtime: RuntimeApi

    def log_message(self, format: str, *args: Any) -> None:
        """Requests of the runtime are not printed."""

    def do_GET(self) -> None:
        instance = self.runtime.find(self.path.split("/")[1])
        invocation = instance.next() if instance else None
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        }
        self._reply(200, invocation.body, headers)

    def do_POST(self) -> None:
        parts = self.path.split("/")
        body = self._body()
        if instance := self.runtime.find(parts[1]):
            if parts[-2:] == ["init", "error"]:
                instance.fail_start(body)
            else:
                instance.report(parts[-2], body, parts[-1] == "error")
        self._reply(202, b"", {})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the process ended meanwhile
