"""Leases that a job takes between the runs of the pipeline, whose tables it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lakejobs.aws import Clients
from lakejobs.clock import Clock
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import PUBLISH, Lease, Ledger
from lakejobs.tables.interface import Fence

# A run holds the lease of a dataset for minutes; then there is a gap, in which dispatch looks for what has arrived.
WAIT_SECONDS = 600
_POLL_SECONDS = 2.0
# The lease of a vault: runs of maintenance and erasures hold it, batches do not.
_VAULTS = "vault/"


def vault_lease(name: str) -> str:
    return _VAULTS + name


class Busy(Exception):
    """Somebody else has held the lease all the time."""


@dataclass(frozen=True)
class Borrower:
    """Who takes leases, and by what name. `patience` is for how long one that others hold is waited for, in seconds."""

    clients: Clients
    ledger: Ledger
    name: str
    lease_seconds: int
    wake_queue_url: str
    window_seconds: int
    now: Clock
    sleep: Callable[[float], None]
    patience: float = 0.0

    @contextmanager
    def leased(self, name: str) -> Iterator[tuple[Lease, Fence]]:
        """Holds a lease and yields it with what checks it. Raises Busy. Who waits for it is woken once it is free."""
        lease = self._take(name)
        try:
            with Heartbeat(self.ledger, [lease], self.lease_seconds) as heartbeat:

                def fence() -> None:
                    heartbeat.check(lease)
                    self.ledger.renew(lease)

                yield lease, fence
        finally:
            self.ledger.release(lease)
            if name != PUBLISH and not name.startswith(_VAULTS):  # nothing arrives for models and vaults
                self._wake()

    def _take(self, name: str) -> Lease:
        waited = 0.0
        while True:
            lease = self.ledger.take(name, self.name)
            if lease is not None:
                return lease
            if waited >= self.patience:
                raise Busy(f"others held the lease {name} all the time, for {waited:.0f} seconds in the end")
            self.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def _wake(self) -> None:
        """Wakes dispatch, which has passed over the dataset if something arrived meanwhile."""
        window = int(self.now().timestamp()) // self.window_seconds
        self.clients.sqs.send_message(
            QueueUrl=self.wake_queue_url,
            MessageBody='{"action":"drain"}',
            MessageGroupId="wake",
            MessageDeduplicationId=str(window),
        )
