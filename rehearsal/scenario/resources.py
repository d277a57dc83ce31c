"""What a rehearsal costs this machine: seconds by phase and the peak memory of the process tree."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import psutil

INTERVAL = 0.5


class PeakMemory:
    """Samples the resident memory of this process and its descendants twice a second, in a `with` block.

    Shared pages count once per process, so the figure is an upper bound. `more` names roots that left the tree.
    """

    def __init__(self, more: Callable[[], list[int]] = list):
        self._more, self._stop = more, threading.Event()
        self._thread = threading.Thread(target=self._run, name="peak-memory", daemon=True)
        self.peak = 0

    @property
    def megabytes(self) -> int:
        return round(self.peak / 1e6)

    def sample(self) -> int:
        """Resident bytes now."""
        total, seen = 0, set()
        for root in [os.getpid(), *self._more()]:
            try:
                process = psutil.Process(root)
                tree = [process, *process.children(recursive=True)]
            except psutil.Error:
                continue
            for member in tree:
                if member.pid not in seen:
                    seen.add(member.pid)
                    try:
                        total += member.memory_info().rss
                    except psutil.Error:
                        continue
        return total

    def _run(self) -> None:
        while not self._stop.is_set():
            self.peak = max(self.peak, self.sample())
            self._stop.wait(INTERVAL)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, self.sample())


class Phases:
    """Seconds by phase, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.started = time.monotonic()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @property
    def total(self) -> float:
        return time.monotonic() - self.started


def machine() -> dict[str, str | int | float]:
    """The size of this machine."""
    return {
        "cpus": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
