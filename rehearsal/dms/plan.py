"""What a run of a replication is made of, how it is told to stop, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.dms.faults import Faults
from rehearsal.dms.mappings import Mappings
from rehearsal.dms.settings import Settings
from rehearsal.dms.source import Source
from rehearsal.dms.target import Target
from rehearsal.dms.unverified import Unverified


@dataclass(frozen=True)
class Plan:
    """name: of the replication, for messages. log: one line to its log. measure: one data point per metric."""

    name: str
    kind: str
    source: Source
    target: Target
    mappings: Mappings
    settings: Settings
    unverified: Unverified
    faults: Faults
    speed: float
    log: Callable[[str], None]
    measure: Callable[[dict[str, float]], None]


class Stopped(Exception):
    """The run is over. reason: as in StopReason."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Fatal(Exception):
    """The run fails, in the words of FailureMessages."""


class Interrupted(Exception):
    """The engine is restarted: what was not checkpointed is read again."""


class Control:
    """What others ask of a run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._interrupt = threading.Event()
        self._abandoned = threading.Event()

    def stop(self) -> None:
        """End in good order: what was read is written, and the checkpoint taken."""
        self._stop.set()
        self._wake.set()

    def abandon(self) -> None:
        """End where it is, as the stand-in is stopped."""
        self._abandoned.set()
        self.stop()

    def interrupt(self) -> None:
        """Restart the engine: it goes on from its checkpoint, so that the last batch is delivered again."""
        self._interrupt.set()
        self._wake.set()

    def wake(self) -> None:
        """Cut a pause before a retry short."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def abandoned(self) -> bool:
        return self._abandoned.is_set()

    @property
    def interrupted(self) -> bool:
        return self._interrupt.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait; whether it was cut short."""
        return self._wake.wait(seconds)

    def begin(self) -> None:
        """An attempt begins: what woke or interrupted the last one is done with."""
        self._interrupt.clear()
        self._wake.clear()

    def check(self) -> None:
        """Raise Stopped when the run is to end."""
        if self.stopping:
            raise Stopped("NORMAL")


def words(error: Exception) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split())
