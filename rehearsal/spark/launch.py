"""Starts Spark processes for job runs and watches them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rehearsal.spark.settings import (
    S3A_CREDENTIALS,
    environment,
    launch_settings,
    session_settings,
    write_properties,
)

State = Literal["SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"]
START_SECONDS = 120


@dataclass(frozen=True)
class JobRun:
    """One run: files are on this machine, `folder` holds them and takes `stdout` and `stderr`. `jars` are those that
    the job brings along."""

    id: str
    script: Path
    arguments: tuple[str, ...]
    paths: tuple[str, ...]
    conf: Mapping[str, str]
    environment: Mapping[str, str]
    endpoint: str
    region: str
    folder: Path
    timeout: float
    jars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    state: State
    error: str = ""


class Runner(Protocol):
    """Runs jobs. `kill` makes the named run end as `state` by SIGKILL of its process."""

    def run(self, job: JobRun) -> Outcome:
        """Run a job to its end; blocks."""

    def kill(self, run: str, state: State = "FAILED", error: str = "the driver process was killed") -> None: ...

    def stop(self) -> None: ...


class SharedWorker:
    """Runs jobs one after another in one process with one Spark context, started when first needed, and anew for a job
    that brings other jars along: a process has those of all jobs before."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._running: str | None = None
        self._verdict: Outcome | None = None
        self._stopped = False
        self._jars: dict[str, str] = {}

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        with self._lock:
            return self._process.pid if self._process and self._process.poll() is None else None

    def run(self, job: JobRun) -> Outcome:
        with self._turn:
            with self._lock:
                self._running, self._verdict = job.id, None
            timer = threading.Timer(job.timeout, self.kill, (job.id, "TIMEOUT", "Job run timed out"))
            timer.daemon = True
            timer.start()
            try:
                answer = self._ask(job)
                if answer.get("state") == "RESTART":
                    self._end()
                    answer = self._ask(job)
                if answer.get("state") == "RESTART":
                    return Outcome("FAILED", f"LAUNCH ERROR | Spark refuses the setting {answer['error']}")
                with self._lock:
                    verdict = self._verdict
                return verdict or Outcome(answer["state"], answer.get("error", ""))
            finally:
                timer.cancel()
                with self._lock:
                    self._running = None

    def warm_up(self, conf: Mapping[str, str], endpoint: str, region: str) -> None:
        """Start the worker with these settings unless it lives; blocks."""
        with self._turn:
            self._worker(conf, endpoint, region)

    def kill(self, run: str, state: State = "FAILED", error: str = "the driver process was killed") -> None:
        with self._lock:
            if self._running != run:
                return
            self._verdict = Outcome(state, error)
            process = self._process
        if process:
            _kill_group(process)

    def stop(self) -> None:
        self._stopped = True
        self._end()

    def _ask(self, job: JobRun) -> dict[str, str]:
        request = {
            "script": str(job.script),
            "arguments": list(job.arguments),
            "paths": list(job.paths),
            "settings": session_settings(job.conf, job.endpoint, job.region),
            "environment": dict(job.environment),
            "folder": str(job.folder),
        }
        lost = {"state": "FAILED", "error": "the driver process ended unexpectedly"}
        try:
            self._bring(job.jars)
            channel = self._worker(job.conf, job.endpoint, job.region)
            channel.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(channel)
        except OSError:
            line = b""
        if not line:
            self._end()
            return lost
        return json.loads(line)

    def _bring(self, jars: tuple[str, ...]) -> None:
        """Ends a worker that has not all of them, by their names; the next one has."""
        missing = {Path(jar).name: jar for jar in jars if Path(jar).name not in self._jars}
        if missing:
            self._jars |= missing
            self._end()

    def _worker(self, conf: Mapping[str, str], endpoint: str, region: str) -> socket.socket:
        if self._stopped:
            raise OSError("the rehearsal is ending")
        if self._channel and self._process and self._process.poll() is None:
            return self._channel
        self._end()
        self._number += 1
        folder = self._folder / f"worker-{self._number}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = launch_settings(conf, endpoint, region, folder, tuple(self._jars.values()))
        write_properties(folder / "spark.conf", settings)
        ours, theirs = socket.socketpair()
        with (folder / "log").open("ab") as log, theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "rehearsal.spark.worker", str(theirs.fileno())],
                cwd=folder,
                env=environment(folder / "spark.conf"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        with self._lock:
            self._process, self._channel = process, ours
        ours.settimeout(START_SECONDS)
        if not _read_line(ours):
            tail = (folder / "log").read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the Spark worker did not start; its log ends:\n{tail}")
        ours.settimeout(None)
        return ours

    def _end(self) -> None:
        with self._lock:
            process, channel, self._process, self._channel = self._process, self._channel, None, None
        if channel:
            channel.close()
        if process:
            _kill_group(process)
            process.wait(10)


class ProcessPerRun:
    """Runs each job in a process of its own, at most two at a time."""

    def __init__(self, folder: Path, at_once: int = 2):
        self._folder = folder
        self._slots = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._verdicts: dict[str, Outcome] = {}

    def run(self, job: JobRun) -> Outcome:
        with self._slots:
            settings = launch_settings(job.conf, job.endpoint, job.region, job.folder, job.jars)
            settings[S3A_CREDENTIALS] = "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"
            write_properties(job.folder / "spark.conf", settings)
            paths = os.pathsep.join(job.paths)
            variables = {**environment(job.folder / "spark.conf"), **job.environment, "PYTHONPATH": paths}
            with (job.folder / "stdout").open("ab") as out, (job.folder / "stderr").open("ab") as err:
                process = subprocess.Popen(
                    [sys.executable, str(job.script), *job.arguments],
                    cwd=job.folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            with self._lock:
                self._processes[job.id] = process
            try:
                code = process.wait(job.timeout)
            except subprocess.TimeoutExpired:
                self.kill(job.id, "TIMEOUT", "Job run timed out")
                code = process.wait()
            finally:
                _kill_group(process)
                with self._lock:
                    del self._processes[job.id]
                    verdict = self._verdicts.pop(job.id, None)
            if verdict:
                return verdict
            return Outcome("SUCCEEDED") if code == 0 else Outcome("FAILED", _last_line(job.folder / "stderr", code))

    def kill(self, run: str, state: State = "FAILED", error: str = "the driver process was killed") -> None:
        with self._lock:
            process = self._processes.get(run)
            if process:
                self._verdicts[run] = Outcome(state, error)
        if process:
            _kill_group(process)

    def stop(self) -> None:
        with self._lock:
            runs = list(self._processes)
        for run in runs:
            self.kill(run, "STOPPED", "the rehearsal ended")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.killpg(process.pid, signal.SIGKILL)


def _read_line(channel: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = channel.recv(65536)
        if not part:
            return b""
        data += part
    return data


def _last_line(path: Path, code: int) -> str:
    lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
    named = [line for line in lines if line[:1].isalpha() and ":" in line.split(" ")[0] + ":"]
    return (named or lines or [f"exit status {code}"])[-1][:1000]
