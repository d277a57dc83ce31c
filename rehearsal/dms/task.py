"""A run of a replication on a thread of its own: its states, its connection test, its recovery, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.dms import state
from rehearsal.dms.engine import POLL_SECONDS, Engine
from rehearsal.dms.plan import Control, Fatal, Interrupted, Plan, Stopped, words
from rehearsal.dms.source import SourceError, is_fatal
from rehearsal.dms.state import Progress

TESTING = "testing_connection"


class Task:
    """Runs a replication until it stops or fails. `broken`: told of an error of the model itself."""

    def __init__(self, plan: Plan, progress: Progress, broken: Callable[[BaseException], None]):
        self._plan, self._progress, self._broken = plan, progress, broken
        self.control = Control()
        self._engine = Engine(plan, progress, self.control)
        self._thread = threading.Thread(target=self._guard, name=f"dms-{plan.name}"[:60], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def phase(self) -> str:
        return self._engine.phase

    def busy(self) -> str:
        """What is under way, in words; empty when everything committed is delivered, or the source is gone."""
        if not self._thread.is_alive():
            return ""
        if self.phase == "recovering":
            return "recovery of the source" if self._plan.source.up else ""
        if self.phase != "running" or self.control.stopping or self.control.interrupted:
            return self.phase
        return self._engine.waiting()

    def _guard(self) -> None:
        try:
            self._run()
        except Stopped as stopped:
            self._progress.end("stopped", stopped.reason)
        except Fatal as fatal:
            self._progress.end("failed", "FATAL_ERROR", str(fatal))
        except BaseException as error:  # an error of the model: kept as its problem, not hidden in a thread
            self._progress.end("failed", "FATAL_ERROR", f"the model failed: {error}")
            if not self.control.abandoned:
                self._broken(error)

    def _run(self) -> None:
        for status in state.STARTING:
            self._progress.become(status)
            if status == TESTING:
                self._test_connections()
        self._progress.become("running")
        retries = 0
        while True:
            try:
                self._engine.attempt()
            except Interrupted:
                pass
            except psycopg.Error as error:
                self.control.check()
                retries = 1 if self.phase == "running" else retries + 1
                self._recover(error, retries)
            except (ClientError, BotoCoreError) as error:
                raise Fatal(f"Last Error a call to AWS is refused: {error}") from error
            except SourceError as error:
                raise Fatal(f"Last Error {error}") from error
            if self._plan.unverified.sequence_on_resume == "kept":
                self._progress.sequence.go_back(self._progress.checkpoint.mark)

    def _test_connections(self) -> None:
        source, name = self._plan.source, self._plan.name
        try:
            if self._plan.unverified.zoned_timestamp == "source":
                source.time_zone = source.server_time_zone()
            source.connect().close()
        except (psycopg.Error, SourceError, ClientError, BotoCoreError) as error:
            raise Fatal(f"Test connection failed for the source endpoint of {name}: {words(error)}") from error
        try:
            self._plan.target.check()
        except (ClientError, BotoCoreError) as error:
            raise Fatal(f"Test connection failed for the target endpoint of {name}: {error}") from error

    def _recover(self, error: psycopg.Error, retries: int) -> None:
        """Wait before the next attempt, or give up, as ErrorBehavior says."""
        text, behaviour = words(error), self._plan.settings.values["ErrorBehavior"]
        if is_fatal(error):
            raise Fatal(f"Last Error {text} Stop Reason FATAL_ERROR Error Level FATAL") from error
        most, longest = behaviour["RecoverableErrorCount"], behaviour["RecoverableErrorThrottlingMax"]
        if 0 <= most < retries:
            raise Fatal(f"Last Error {text} Stop Reason RECOVERABLE_ERROR after {most} retries") from error
        pause = behaviour["RecoverableErrorInterval"]
        if behaviour["RecoverableErrorThrottling"]:
            pause = min(pause * 2 ** (retries - 1), longest)
            if pause >= longest and behaviour["RecoverableErrorStopRetryAfterThrottlingMax"]:
                raise Fatal(f"Last Error {text} Stop Reason RECOVERABLE_ERROR at the longest pause") from error
        self._plan.log(f"E: {text} (retry {retries} in {pause} s)")
        self._engine.phase = "recovering"
        deadline = time.monotonic() + pause / self._plan.speed
        while time.monotonic() < deadline and not self.control.pause(POLL_SECONDS):
            self._engine.measure()
        self.control.check()
