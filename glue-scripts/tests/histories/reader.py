"""A reader beside the runs: what it saw on main, and when."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lake import Lake
from lakejobs.session import activate, another_session

from histories.wire import Wire


class Reader:
    """Reads a table again and again on a thread and in a session of its own, as somebody else would.

    `saw` holds, for each read, when it had ended and the batches whose rows it saw; `errors` what a read failed with,
    unless the wire was refusing requests, those of a dead run as well as this reader's.
    """

    def __init__(self, lake: Lake, table: str, wire: Wire) -> None:
        self.saw: list[tuple[float, frozenset[str]]] = []
        self.errors: list[str] = []
        self._lake, self._spark, self._table = lake, another_session(lake.spark), table
        self._wire = wire
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._from: dict[str, float] = {}

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def may_see(self, batch: str, from_now: bool) -> None:
        """From now on the batch's rows may be seen, or (blocked) not until this is said again."""
        if not from_now:
            self._from[batch] = math.inf
        elif self._from.get(batch, math.inf) == math.inf:
            self._from[batch] = time.monotonic()

    def too_early(self) -> list[str]:
        """Batches of which rows were seen that must not have been."""
        return sorted({batch for at, seen in self.saw for batch in seen if self._from.get(batch, math.inf) > at})

    def _run(self) -> None:
        activate(self._spark)
        while not self._stop.is_set():
            refused = self._wire.refused
            try:
                rows = self._lake.now(self._table, self._spark)
                if rows is not None:
                    found = rows.select("_batch_id").distinct().collect()
                    self.saw.append((time.monotonic(), frozenset(row[0] for row in found)))
            except Exception as error:  # told by the test, which fails for it
                if self._wire.refused == refused:
                    self.errors.append(f"{type(error).__name__}: {error}"[:500])
            self._stop.wait(0.02)
