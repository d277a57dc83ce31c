"""A process that keeps one Spark context and runs job after job in it, each in a session of its own.

Started by `rehearsal.spark.launch` with the file descriptor of a socket: one JSON object per line, a request to run
and its outcome. It ends when the socket closes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

# Java SDK 1 and 2 name the secret differently.
JVM_CREDENTIALS = {
    "aws.accessKeyId": "AWS_ACCESS_KEY_ID",
    "aws.secretKey": "AWS_SECRET_ACCESS_KEY",
    "aws.secretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "aws.sessionToken": "AWS_SESSION_TOKEN",
}


def main(descriptor: int) -> None:
    channel = socket.socket(fileno=descriptor)
    base = SparkSession.builder.appName("rehearsal").getOrCreate()
    base.sparkContext.setLogLevel("ERROR")
    with channel, channel.makefile("rw", encoding="utf-8") as lines:
        _send(lines, {"ready": os.getpid()})
        for line in lines:
            _send(lines, run(base, json.loads(line)))


def run(base: SparkSession, request: dict[str, Any]) -> dict[str, Any]:
    """Run one job: `{"state": "SUCCEEDED"}`, `{"state": "FAILED", "error": …}` or `{"state": "RESTART"}`.

    RESTART: the run asks for a setting that only a new context can have; nothing was run.
    """
    session = base.newSession()
    for name, value in request["settings"].items():
        try:
            session.conf.set(name, value)
        except Exception:  # a static setting: it is one of the context or it needs a new context
            if base.sparkContext.getConf().get(name) != value:
                return {"state": "RESTART", "error": f"{name}={value}"}
    folder = Path(request["folder"])
    with _environment(request["environment"], base), _streams(folder), _imports(folder, request["paths"]):
        try:
            with _as_default(base, session):
                sys.argv = [request["script"], *request["arguments"]]
                runpy.run_path(request["script"], run_name="__main__")
            return {"state": "SUCCEEDED"}
        except SystemExit as end:
            if end.code in (None, 0):
                return {"state": "SUCCEEDED"}
            print(end.code, file=sys.stderr)
            return {"state": "FAILED", "error": f"SystemExit: {end.code}"}
        except BaseException as error:
            traceback.print_exc()
            return {"state": "FAILED", "error": describe(error, request["script"])}


def describe(error: BaseException, script: str) -> str:
    """`Type: first lines of the message` behind the category and the script's line, as Glue shows a failure."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    line = f"Failed Line Number: {lines[0]}; " if lines else ""
    return f"Error Category: UNCLASSIFIED_ERROR; {line}{type(error).__name__}: {error}"[:1000]


def _send(lines: Any, message: dict[str, Any]) -> None:
    lines.write(json.dumps(message) + "\n")
    lines.flush()


@contextlib.contextmanager
def _environment(values: dict[str, str], base: SparkSession) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    context = base.sparkContext
    context.environment.update(values)
    system = context._jvm.java.lang.System
    for name, variable in JVM_CREDENTIALS.items():
        system.setProperty(name, values[variable])
    _forget_default_session()
    try:
        yield
    finally:
        _forget_default_session()
        context.cancelAllJobs()
        base.catalog.clearCache()
        for name in JVM_CREDENTIALS:
            system.clearProperty(name)
        os.environ.clear()
        os.environ.update(before)
        gc.collect()


def _forget_default_session() -> None:
    """boto3 keeps the credentials of its first default session; the next run acts under another role."""
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None


@contextlib.contextmanager
def _as_default(base: SparkSession, session: SparkSession) -> Iterator[None]:
    """Let `SparkSession.builder.getOrCreate()` find the run's session, and keep a script from stopping the context."""
    jvm = base.sparkContext._jvm.org.apache.spark.sql.SparkSession
    stop = SparkSession.stop
    SparkSession._instantiatedSession = SparkSession._activeSession = session
    SparkSession.stop = lambda _session: None  # type: ignore[method-assign]
    jvm.setDefaultSession(session._jsparkSession)
    jvm.setActiveSession(session._jsparkSession)
    try:
        yield
    finally:
        SparkSession.stop = stop  # type: ignore[method-assign]
        SparkSession._instantiatedSession = SparkSession._activeSession = base
        jvm.setDefaultSession(base._jsparkSession)
        jvm.setActiveSession(base._jsparkSession)


@contextlib.contextmanager
def _streams(folder: Path) -> Iterator[None]:
    """Send what the job prints (Python and child processes) to files of the run."""
    kept = os.dup(1), os.dup(2)
    try:
        for target, name in ((1, "stdout"), (2, "stderr")):
            with (folder / name).open("ab") as file:
                os.dup2(file.fileno(), target)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for target, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)


@contextlib.contextmanager
def _imports(folder: Path, paths: list[str]) -> Iterator[None]:
    """Put the run's Python files on the path, and forget what was imported from them afterwards."""
    path, arguments = list(sys.path), list(sys.argv)
    sys.path[:0] = paths
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = path, arguments
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(folder)) or _is_of(module, folder):
                del sys.modules[name]
        for entry in list(sys.path_importer_cache):
            if entry.startswith(str(folder)):
                del sys.path_importer_cache[entry]


def _is_of(module: Any, folder: Path) -> bool:
    return any(str(entry).startswith(str(folder)) for entry in getattr(module, "__path__", None) or ())


if __name__ == "__main__":
    main(int(sys.argv[1]))
