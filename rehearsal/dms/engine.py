"""One attempt of a run: from a new connection to the source, through the load, to the change stream."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import psycopg

from rehearsal.dms import state
from rehearsal.dms.capture import Capture
from rehearsal.dms.load import TableLoad
from rehearsal.dms.plan import Control, Fatal, Interrupted, Plan, Stopped, words
from rehearsal.dms.state import Checkpoint, Progress, TableState
from rehearsal.dms.stream import Stream
from rehearsal.dms.tables import Tables
from rehearsal.dms.types import DataError

POLL_SECONDS = 0.05


class Engine:
    """Loads and follows. `attempt` ends by an exception only; the next attempt goes on from the checkpoint.

    phase: `starting`, `full load`, `running`, `stopping`; the task sets `recovering` between attempts.
    """

    def __init__(self, plan: Plan, progress: Progress, control: Control):
        self._plan, self._progress, self._control = plan, progress, control
        self._capture: Capture | None = None
        self._stream: Stream | None = None
        self._measured = 0.0
        self._reached: float | None = None
        self.phase = "starting"

    def attempt(self) -> None:
        """Raises Stopped or Fatal at the end of the run, Interrupted, and what the source or target raise."""
        plan = self._plan
        self._control.begin()
        with plan.source.connect() as connection:
            tables = Tables(plan, self._progress, connection)
            self._begin(tables)
            if plan.kind != "cdc":
                self.phase = "full load"
                self._load(connection, tables)
            if plan.kind == "full-load":
                raise Stopped("FULL_LOAD_ONLY_FINISHED")
            if plan.settings["FullLoadSettings", "StopTaskCachedChangesNotApplied"]:
                raise Stopped("STOPPED_AFTER_FULL_LOAD")
            self._follow(tables)

    def waiting(self) -> str:
        """What of the changes is not delivered, in words; empty when everything committed is."""
        capture, stream = self._capture, self._stream
        if capture is None or stream is None:
            return "a new connection"
        end = self._plan.source.log_end()
        if end is not None and not self._plan.source.is_read():
            return "a new connection"  # the source has just ended that of the stream, which does not know it yet
        if end is not None and stream.position < end:
            return "changes to be read"
        # what was read just now is seen here: asked the other way round, it could be missed
        return f"{capture.pending} changes to be written" if capture.pending else ""

    def measure(self) -> None:
        """Metrics of change data capture, from its beginning: once a minute, on the clock of the service's timers."""
        now = time.monotonic()
        if self._reached is None or now - self._measured < 60 / self._plan.speed:
            return
        self._measured = now
        capture = self._capture
        oldest = capture.oldest if capture else None
        late = time.time() - oldest.timestamp() if oldest else 0.0
        self._plan.measure(
            {
                "CDCLatencySource": (now - self._reached) * self._plan.speed if self.phase == "recovering" else 0.0,
                "CDCLatencyTarget": max(0.0, late) * self._plan.speed,
                "CDCIncomingChanges": float(capture.pending) if capture else 0.0,
            }
        )

    def _begin(self, tables: Tables) -> None:
        """A first run and a reload begin with a new slot; a resumed run, and each retry, go on with what there is."""
        plan, progress = self._plan, self._progress
        if progress.begun:
            return
        if not tables.selected and plan.settings["ErrorBehavior", "FailOnNoTablesCaptured"]:
            raise Fatal("Last Error No tables were found at task initialization: the table mappings match none")
        reloaded = progress.start_type == "reload-target"
        with progress.lock:
            progress.tables = {key: TableState(*key, reloaded=reloaded) for key in tables.selected}
        deletes = plan.unverified.reload_deletes
        if plan.kind != "cdc" and deletes != "nothing":
            for schema, table in tables.selected:
                plan.target.delete(schema, table, load_files_only=deletes == "load_files")
        if plan.kind != "full-load":
            timeout = plan.settings["FullLoadSettings", "TransactionConsistencyTimeout"] / plan.speed
            position = plan.source.prepare(list(tables.selected.values()), timeout)
            progress.checkpoint = Checkpoint(position, progress.sequence.mark)
            progress.slot = plan.source.slot
        progress.begun = True

    def _load(self, connection: psycopg.Connection[Any], tables: Tables) -> None:
        """Load what is not loaded yet, table by table; the files are put at once, whatever delays are planned."""
        progress, order = self._progress, self._plan.mappings.order
        left = [s for s in progress.tables.values() if s.state not in (state.COMPLETED, state.ERROR)]
        if not left:
            return
        progress.note("FullLoadStartDate")
        with_op = self._plan.target.settings["IncludeOpForFullLoad"]
        load = TableLoad(connection, self._plan.target, with_op, tables.judge, self._row_read)
        for table_state in sorted(left, key=lambda s: (-order(s.schema, s.name), s.schema, s.name)):
            self._control.check()
            self._load_table(load, tables, table_state)
        progress.note("FullLoadFinishDate")

    def _load_table(self, load: TableLoad, tables: Tables, table_state: TableState) -> None:
        table = tables.selected.get((table_state.schema, table_state.name))
        if table is None:
            table_state.state = state.MISSING
            return
        table_state.state = state.RELOADING if table_state.reloaded else state.LOADING
        try:
            load.run(table, tables.layout(table), table_state, lambda: self._plan.source.log_end() or 0)
            self._plan.target.release(everything=True)
            if not table_state.suspended:
                table_state.state = state.COMPLETED
        except DataError as error:
            tables.suspend(table_state, str(error))
        except psycopg.OperationalError:
            table_state.state = state.BEFORE
            raise
        except psycopg.Error as error:
            tables.suspend(table_state, words(error))

    def _row_read(self, schema: str, table: str, rows: int) -> None:
        self._plan.faults.loading(schema, table, rows)
        if rows % 1000 == 0:
            self._control.check()

    def _follow(self, tables: Tables) -> None:
        plan, progress = self._plan, self._progress
        stops = plan.settings["FullLoadSettings", "StopTaskCachedChangesApplied"]
        cached = plan.source.log_end() if stops else None
        with closing(plan.source.stream(progress.checkpoint.position)) as stream:
            capture = Capture(
                progress, plan.target, tables.described, tables.look_up, tables.judge, plan.unverified, plan.speed
            )
            self._capture, self._stream = capture, stream
            self.phase = "running"
            try:
                while not self._control.stopping:
                    if self._control.interrupted:
                        raise Interrupted
                    self._step(stream, capture)
                    if cached is not None and stream.position >= cached:
                        self._settle(stream, capture)
                        raise Stopped("STOPPED_AFTER_CACHED_EVENTS")
                self.phase = "stopping"
                if not self._control.abandoned:
                    self._settle(stream, capture)
                raise Stopped("NORMAL")
            finally:
                self._capture = self._stream = None
                plan.target.forget_waiting()

    def _step(self, stream: Stream, capture: Capture) -> None:
        for position, message in stream.read(POLL_SECONDS):
            capture.take(position, message)
        self._reached = time.monotonic()
        if capture.due():
            capture.flush()
            stream.confirm(self._progress.checkpoint.position)
        self._plan.target.release()
        self.measure()

    def _settle(self, stream: Stream, capture: Capture) -> None:
        capture.settle()
        stream.confirm(self._progress.checkpoint.position)
