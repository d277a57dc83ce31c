"""Background work of the stand-in: every thread is counted, and what goes wrong in one is kept."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """An internal error of the stand-in (not of the app): where it happened and the traceback."""

    where: str
    error: str


class InternalErrors(RuntimeError):
    """The stand-in itself failed in the background."""

    def __init__(self, problems: list[Problem]):
        super().__init__("the stand-in failed:\n" + "\n".join(f"{p.where}: {p.error}" for p in problems))
        self.problems = problems


class IdleTimeout(TimeoutError):
    """`wait_idle` ran out of time; `busy` names what is still under way."""

    def __init__(self, seconds: float, busy: list[str]):
        super().__init__(f"not idle after {seconds:g} s: " + "; ".join(busy))
        self.busy = busy


class Work:
    """Short tasks on a pool, long tasks and loops on threads of their own, delayed tasks on one timer.

    `generation` grows whenever anything starts, ends or is handed on. Two equal readings around a look that found
    nothing busy prove that nothing moved between the places looked at.
    """

    def __init__(self, workers: int = 16):
        self.stopping = threading.Event()
        self.problems: list[Problem] = []
        self._lock = threading.Condition()
        self._running: Counter[str] = Counter()
        self._generation = 0
        self._delayed: list[tuple[float, int, str, Callable[..., Any], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="cloud-task")
        self._threads: set[threading.Thread] = set()
        self._timer = threading.Thread(target=self._tick, name="cloud-timer", daemon=True)
        self._timer.start()

    @property
    def generation(self) -> int:
        with self._lock:
            return self._generation

    def touch(self) -> None:
        """Note that something moved (a request arrived, a message was taken)."""
        with self._lock:
            self._generation += 1

    def spawn(self, where: str, function: Callable[..., Any], *args: Any) -> None:
        """Run a short task on the pool; it counts as busy from now on."""
        if self.stopping.is_set():
            return
        self._begin(where)
        try:
            self._pool.submit(self._run, where, function, args)
        except RuntimeError:  # the pool was shut down between the check and the call
            self._end(where)

    def thread(self, where: str, function: Callable[..., Any], *args: Any, busy: bool = True) -> None:
        """Run a long task on a thread of its own; `busy=False` for a service loop that is not work itself."""
        if busy:
            self._begin(where)

        def body() -> None:
            try:
                if busy:
                    self._run(where, function, args)
                else:
                    self._guard(where, function, args)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=body, name=f"cloud-{where}"[:60], daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def later(self, seconds: float, where: str, function: Callable[..., Any], *args: Any) -> None:
        """Run a short task after `seconds`; it counts as busy from now on."""
        self._begin(where)
        with self._lock:
            heapq.heappush(self._delayed, (time.monotonic() + seconds, next(self._order), where, function, args))
            self._lock.notify_all()

    @contextmanager
    def hold(self, where: str) -> Iterator[None]:
        """Count as busy while the block runs."""
        self._begin(where)
        try:
            yield
        finally:
            self._end(where)

    def problem(self, where: str, error: str) -> None:
        """Keep an internal error."""
        with self._lock:
            self.problems.append(Problem(where, error))

    def busy(self) -> list[str]:
        with self._lock:
            return [f"{count} × {where}" if count > 1 else where for where, count in self._running.items() if count]

    def stop(self, timeout: float = 10) -> None:
        """Drop what is delayed, wait for what runs. Threads that do not end in time are a problem."""
        self.stopping.set()
        with self._lock:
            self._delayed.clear()
            self._lock.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + timeout
        pool = list(self._pool._threads)
        with self._lock:
            threads = [*self._threads, *pool, self._timer]
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    self.problem("stop", f"thread {thread.name} did not end within {timeout:g} s")

    def _begin(self, where: str) -> None:
        with self._lock:
            self._running[where] += 1
            self._generation += 1

    def _end(self, where: str) -> None:
        with self._lock:
            self._running[where] -= 1
            self._generation += 1

    def _run(self, where: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            self._guard(where, function, args)
        finally:
            self._end(where)

    def _guard(self, where: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception:
            if not self.stopping.is_set():
                self.problem(where, traceback.format_exc(limit=-6))

    def _tick(self) -> None:
        while not self.stopping.is_set():
            with self._lock:
                wait = self._delayed[0][0] - time.monotonic() if self._delayed else 1.0
                if wait > 0:
                    self._lock.wait(min(wait, 1.0))
                    continue
                _, _, where, function, args = heapq.heappop(self._delayed)
            self.spawn(where, function, *args)
            self._end(where)
