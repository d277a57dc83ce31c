"""What DMS keeps of a replication from one run to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rehearsal.dms.sequence import Mark, Sequence

STARTING = (
    "initializing",
    "preparing_metadata_resources",
    "testing_connection",
    "fetching_metadata",
    "calculating_capacity",
    "provisioning_capacity",
    "replication_starting",
)
"""The states on the way to `running`, in order."""

AT_WORK = (*STARTING, "running", "stopping")
BEFORE, LOADING, COMPLETED, ERROR = "Before load", "Full load", "Table completed", "Table error"
RELOADING, MISSING = "Table is being reloaded", "Table does not exist"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of PostgreSQL: transactions from `following` on, and those that were running, are not seen."""

    following: int
    running: frozenset[int]

    @staticmethod
    def parse(text: str) -> Snapshot:
        """From `pg_current_snapshot`: `xmin:xmax:xip,…`."""
        _, following, running = text.split(":")
        return Snapshot(int(following), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, xid: int) -> bool:
        return xid < self.following and xid not in self.running


@dataclass
class TableState:
    """Statistics of one table. capture_from: where the log ended when its load began. snapshot: what the load saw."""

    schema: str
    name: str
    state: str = BEFORE
    capture_from: int = 0
    snapshot: Snapshot | None = None
    reloaded: bool = False
    rows: int = 0
    error_rows: int = 0
    load_started: datetime | None = None
    load_ended: datetime | None = None
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    ddls: int = 0
    columns: tuple[Any, ...] = ()
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def suspended(self) -> bool:
        return self.state == ERROR

    def is_loaded(self, end: int, xid: int) -> bool:
        """Whether a transaction that committed at `end` precedes the load. One that committed between the beginning
        of the load and its snapshot does not: its changes are in both."""
        return self.snapshot is not None and end < self.capture_from and self.snapshot.sees(xid)


@dataclass(frozen=True)
class Checkpoint:
    """Everything up to `position` is on the target; `mark` is where the change sequence stood there."""

    position: int = 0
    mark: Mark = Mark()


class Progress:
    """The state of a replication: what DescribeReplications and DescribeReplicationTableStatistics tell.

    begun: the tables are known and the slot is made; a reload begins anew.
    """

    def __init__(self, announce: Callable[[str, str], None]):
        self._announce = announce
        self.lock = threading.RLock()
        self.status = "created"
        self.stop_reason = ""
        self.failures: list[str] = []
        self.tables: dict[tuple[str, str], TableState] = {}
        self.begun = False
        self.slot = ""
        self.checkpoint = Checkpoint()
        self.sequence = Sequence()
        self.start_type = ""
        self.runs = 0
        self.times: dict[str, datetime] = {}

    def become(self, status: str, message: str = "") -> None:
        """Change the status and tell of it."""
        with self.lock:
            self.status = status
            self.times["ReplicationUpdateTime"] = datetime.now(UTC)
        self._announce(status, message)

    def note(self, *names: str) -> None:
        """Set times to the present one."""
        with self.lock:
            self.times.update(dict.fromkeys(names, datetime.now(UTC)))

    def begin(self, start_type: str) -> None:
        """A new run is asked for."""
        with self.lock:
            self.start_type, self.stop_reason, self.failures = start_type, "", []
            self.runs += 1
            self.times.pop("StopDate", None)
        self.note("StartDate")
        if start_type != "resume-processing":
            self.note("FreshStartDate")
            with self.lock:
                self.times.pop("FullLoadFinishDate", None)
                self.times.pop("FullLoadStartDate", None)

    def end(self, status: str, reason: str, failure: str | None = None) -> None:
        """The run is over."""
        with self.lock:
            self.stop_reason = f"Stop Reason {reason}"
            self.failures = [failure] if failure else []
        self.note("StopDate", "ReplicationLastStopTime")
        self.become(status, failure or self.stop_reason)

    def statistics(self) -> dict[str, Any]:
        """`ReplicationStats`."""
        with self.lock:
            states = [table.state for table in self.tables.values()]
            count = {state: states.count(state) for state in (BEFORE, LOADING, RELOADING, COMPLETED, ERROR)}
            began = self.times.get("StartDate")
            ended = self.times.get("StopDate") or datetime.now(UTC)
            done = 100 * count[COMPLETED] // len(states) if states else 0
            return {
                "FullLoadProgressPercent": done,
                "ElapsedTimeMillis": int((ended - began).total_seconds() * 1000) if began else 0,
                "TablesLoaded": count[COMPLETED],
                "TablesLoading": count[LOADING] + count[RELOADING],
                "TablesQueued": count[BEFORE],
                "TablesErrored": count[ERROR],
                **{name: self.times[name] for name in STATISTIC_TIMES if name in self.times},
            }

    def table_statistics(self) -> list[dict[str, Any]]:
        """`ReplicationTableStatistics`, by schema and table."""
        with self.lock:
            return [_statistics(replace(self.tables[key])) for key in sorted(self.tables)]


STATISTIC_TIMES = ("FreshStartDate", "StartDate", "StopDate", "FullLoadStartDate", "FullLoadFinishDate")


def _statistics(table: TableState) -> dict[str, Any]:
    times = {"FullLoadStartTime": table.load_started, "FullLoadEndTime": table.load_ended}
    return {
        "SchemaName": table.schema,
        "TableName": table.name,
        "Inserts": table.inserts,
        "Deletes": table.deletes,
        "Updates": table.updates,
        "Ddls": table.ddls,
        "AppliedInserts": table.inserts,
        "AppliedDeletes": table.deletes,
        "AppliedUpdates": table.updates,
        "AppliedDdls": table.ddls,
        "FullLoadRows": table.rows,
        "FullLoadCondtnlChkFailedRows": 0,
        "FullLoadErrorRows": table.error_rows,
        **{name: value for name, value in times.items() if value},
        "FullLoadReloaded": table.reloaded,
        "LastUpdateTime": table.updated,
        "TableState": table.state,
        "ValidationPendingRecords": 0,
        "ValidationFailedRecords": 0,
        "ValidationSuspendedRecords": 0,
        "ValidationState": "Not enabled",
    }
