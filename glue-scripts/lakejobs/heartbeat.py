"""Keeps leases alive while a job works, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from lakejobs.errors import LeaseLost, describe
from lakejobs.events import log
from lakejobs.ledger import Lease, Ledger


class Heartbeat:
    """Renews each lease every third of its life. A lease that another run took over is reported by `check`."""

    def __init__(self, ledger: Ledger, leases: Iterable[Lease], lease_seconds: int) -> None:
        self._ledger = ledger
        self._leases = list(leases)
        self._interval = lease_seconds / 3
        self._lost: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        if self._leases:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._leases:
            self._thread.join()

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost if the lease is known to be lost. Cheap: it asks nobody."""
        if lease.name in self._lost:
            raise LeaseLost(self._lost[lease.name])

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            for lease in self._leases:
                if lease.name in self._lost:
                    continue
                try:
                    self._ledger.renew(lease)
                except LeaseLost as lost:
                    self._lost[lease.name] = str(lost)
                    log("lease lost", lease=lease.name, run=lease.run)
                except Exception as error:  # the next beat tries again; the write under the lease decides
                    log("lease not renewed", lease=lease.name, run=lease.run, error=describe(error))
