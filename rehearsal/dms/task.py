"""One run of a replication: connection test, full load, change capture, recovery, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.dms import catalog, state
from rehearsal.dms.capture import Capture
from rehearsal.dms.catalog import Table
from rehearsal.dms.faults import Faults, Interrupted
from rehearsal.dms.layout import Built, Layout, SourceColumn
from rehearsal.dms.load import TableLoad
from rehearsal.dms.mappings import Mappings
from rehearsal.dms.pgoutput import UNCHANGED, Relation, Row
from rehearsal.dms.settings import Settings
from rehearsal.dms.source import Source, SourceError, is_fatal
from rehearsal.dms.state import Progress, TableState
from rehearsal.dms.stream import Stream
from rehearsal.dms.target import Target
from rehearsal.dms.types import DataError, Options
from rehearsal.dms.unverified import Unverified

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """What a run is made of. name: in words, for messages. log: one line to the replication's log."""

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


class Task:
    """Runs a replication on a thread of its own until it stops or fails. `broken`: told of an error of the model."""

    def __init__(self, plan: Plan, progress: Progress, broken: Callable[[BaseException], None]):
        self._plan, self._progress, self._broken = plan, progress, broken
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._interrupt = threading.Event()
        self._capture: Capture | None = None
        self._stream: Stream | None = None
        self._tables: dict[tuple[str, str], Table] = {}
        self._types = catalog.Types()
        self._layouts_failed: set[tuple[str, str]] = set()
        self._options = _options(plan)
        self._measured = 0.0
        self._reached = time.monotonic()
        self.phase = "starting"
        self._thread = threading.Thread(target=self._guard, name=f"dms-{plan.name}"[:60], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the run to end in good order: what was read is written, and the checkpoint taken."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def interrupt(self) -> None:
        """Restart the engine: it goes on from its checkpoint, so that the last batch is delivered again."""
        self._interrupt.set()
        self._wake.set()

    def retry_now(self) -> None:
        """Cut a pause before a retry short."""
        self._wake.set()

    def busy(self) -> str:
        """What is under way, in words; empty when everything committed is delivered, or the source is gone."""
        if not self._thread.is_alive():
            return ""
        if self.phase == "recovering":
            return "recovery of the source" if self._plan.source.up else ""
        if self.phase != "running" or self._stop.is_set() or self._interrupt.is_set():
            return self.phase
        capture, stream = self._capture, self._stream
        if capture is None or stream is None:
            return "recovery"
        end = self._plan.source.log_end()
        if end is not None and stream.position < end:
            return "changes to be read"
        # what was read just now is seen here: asked the other way round, it could be missed
        return f"{capture.pending} changes to be written" if capture.pending else ""

    def _guard(self) -> None:
        try:
            self._run()
        except Stopped as stopped:
            self._progress.end("stopped", stopped.reason)
        except Fatal as fatal:
            self._progress.end("failed", "FATAL_ERROR", str(fatal))
        except BaseException as error:  # an error of the model: kept as its problem, not hidden in a thread
            self._progress.end("failed", "FATAL_ERROR", f"the model failed: {error}")
            self._broken(error)
        finally:
            self.phase = "over"

    def _run(self) -> None:
        progress = self._progress
        for status in state.STARTING[:2]:
            progress.become(status)
        self._test_connections()
        for status in state.STARTING[3:]:
            progress.become(status)
        progress.become("running")
        retries = 0
        while True:
            try:
                self._work()
            except (psycopg.Error, Interrupted) as error:
                self._check_stop()
                if isinstance(error, psycopg.Error):
                    retries = 1 if self.phase == "running" else retries + 1
                    self._recover(error, retries)
                if self._plan.unverified.sequence_on_resume == "kept":
                    progress.sequence.go_back(progress.checkpoint.mark)
            except (ClientError, BotoCoreError) as error:
                raise Fatal(f"Last Error the target refuses a call: {error}") from error
            except SourceError as error:
                raise Fatal(f"Last Error {error}") from error

    def _test_connections(self) -> None:
        self._progress.become(state.STARTING[2])
        try:
            if self._plan.unverified.zoned_timestamp == "source":
                self._plan.source.time_zone = self._plan.source.server_time_zone()
            self._plan.source.connect().close()
        except (psycopg.Error, SourceError, ClientError) as error:
            raise Fatal(
                f"Test connection failed for the source endpoint of {self._plan.name}: {_words(error)}"
            ) from error
        try:
            self._plan.target.check()
        except (ClientError, BotoCoreError) as error:
            raise Fatal(f"Test connection failed for the target endpoint of {self._plan.name}: {error}") from error

    def _recover(self, error: psycopg.Error, retries: int) -> None:
        """Wait before the next attempt, or give up, as ErrorBehavior says."""
        words = _words(error)
        if is_fatal(error):
            raise Fatal(f"Last Error {words} Stop Reason FATAL_ERROR Error Level FATAL") from error
        most = self._plan.settings["ErrorBehavior", "RecoverableErrorCount"]
        if 0 <= most < retries:
            raise Fatal(f"Last Error {words} Stop Reason RECOVERABLE_ERROR after {most} retries") from error
        behaviour = self._plan.settings.values["ErrorBehavior"]
        pause, longest = behaviour["RecoverableErrorInterval"], behaviour["RecoverableErrorThrottlingMax"]
        if behaviour["RecoverableErrorThrottling"]:
            pause = min(pause * 2 ** (retries - 1), longest)
            if pause >= longest and behaviour["RecoverableErrorStopRetryAfterThrottlingMax"]:
                raise Fatal(
                    f"Last Error {words} Stop Reason RECOVERABLE_ERROR: the longest pause is reached"
                ) from error
        self._plan.log(f"E: {words} (retry {retries} in {pause} s)")
        self.phase = "recovering"
        deadline = time.monotonic() + pause / self._plan.speed
        while time.monotonic() < deadline and not self._wake.wait(POLL_SECONDS):
            self._measure()
        self._wake.clear()
        self._check_stop()

    def _work(self) -> None:
        """Everything from a new connection to the source on. Ends by an exception only."""
        self._interrupt.clear()
        with self._plan.source.connect() as connection:
            self._types.load(connection)
            found = {(table.schema, table.name): table for table in catalog.tables(connection)}
            self._tables = {key: table for key, table in found.items() if self._plan.mappings.selects(*key)}
            self._fresh_start()
            if self._plan.kind != "cdc":
                self.phase = "full load"
                self._load(connection)
            if self._plan.kind == "full-load":
                raise Stopped("FULL_LOAD_ONLY_FINISHED")
            if self._plan.settings["FullLoadSettings", "StopTaskCachedChangesNotApplied"]:
                raise Stopped("STOPPED_AFTER_FULL_LOAD")
            self._follow(connection)

    def _fresh_start(self) -> None:
        """A first run and a reload begin with a new slot; a resumed run, and each retry, go on with what there is."""
        progress = self._progress
        if progress.slot:
            return
        if not self._tables and self._plan.settings["ErrorBehavior", "FailOnNoTablesCaptured"]:
            raise Fatal("Last Error No tables were found at task initialization: the table mappings match none")
        timeout = self._plan.settings["FullLoadSettings", "TransactionConsistencyTimeout"] / self._plan.speed
        reloaded = progress.start_type == "reload-target"
        with progress.lock:
            progress.tables = {key: TableState(*key, reloaded=reloaded) for key in self._tables}
        deletes = self._plan.unverified.reload_deletes
        if self._plan.kind != "cdc" and deletes != "nothing":
            for schema, table in self._tables:
                self._plan.target.delete(schema, table, load_files_only=deletes == "load_files")
        if self._plan.kind == "full-load":
            progress.slot = "none"
            return
        position = self._plan.source.prepare(list(self._tables.values()), timeout)
        progress.checkpoint = state.Checkpoint(position, progress.sequence.mark)
        progress.slot = self._plan.source.slot

    def _load(self, connection: psycopg.Connection[Any]) -> None:
        progress, order = self._progress, self._plan.mappings.order
        waiting = [s for s in progress.tables.values() if s.state not in (state.COMPLETED, state.ERROR)]
        if waiting:
            progress.note("FullLoadStartDate")
        with_op = self._plan.target.settings["IncludeOpForFullLoad"]
        load = TableLoad(connection, self._plan.target, with_op, self._judge, self._row_read)
        for table_state in sorted(waiting, key=lambda s: (-order(s.schema, s.name), s.schema, s.name)):
            self._check_stop()
            self._load_table(load, table_state)
        self._plan.target.release(everything=True)
        if waiting:
            progress.note("FullLoadFinishDate")

    def _load_table(self, load: TableLoad, table_state: TableState) -> None:
        key = (table_state.schema, table_state.name)
        table = self._tables.get(key)
        table_state.state = state.RELOADING if table_state.reloaded else state.LOADING
        try:
            if table is None:
                table_state.state = "Table does not exist"
                return
            layout = self._layout(key, table.columns, table.keys)
            if not table.keys and any(self._types.get(c.type_id, c.modifier).array for c in table.columns):
                raise DataError("a table with an array column needs a primary key")
            load.run(table, layout, table_state, lambda: self._plan.source.log_end() or 0)
            self._plan.target.release(everything=True)
            table_state.state = state.COMPLETED
        except DataError as error:
            self._suspend(table_state, str(error))
        except psycopg.OperationalError:
            table_state.state = state.BEFORE
            raise
        except psycopg.Error as error:
            self._suspend(table_state, _words(error))

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        progress, plan = self._progress, self._plan
        target_end = (
            plan.source.log_end() if plan.settings["FullLoadSettings", "StopTaskCachedChangesApplied"] else None
        )
        with closing(plan.source.stream(progress.checkpoint.position)) as stream:
            capture = Capture(
                progress,
                plan.target,
                lambda relation: self._layout_of(connection, relation),
                lambda relation, row: self._look_up(connection, relation, row),
                self._judge,
                plan.unverified,
                plan.speed,
            )
            self._capture, self._stream = capture, stream
            self.phase = "running"
            try:
                while not self._stop.is_set():
                    if self._interrupt.is_set():
                        raise Interrupted
                    self._step(stream, capture)
                    if target_end is not None and stream.position >= target_end:
                        capture.settle()
                        raise Stopped("STOPPED_AFTER_CACHED_EVENTS")
                self.phase = "stopping"
                capture.settle()
                stream.confirm(progress.checkpoint.position)
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
        self._measure()

    def _layout_of(self, connection: psycopg.Connection[Any], relation: Relation) -> Layout | None:
        """The layout of a table as the stream describes it; a table that cannot be written is suspended."""
        key = (relation.schema, relation.name)
        table_state = self._progress.tables.get(key)
        if table_state is None or table_state.suspended:
            return None
        if any(not self._types.knows(column.type_id) for column in relation.columns):
            self._types.load(connection)
        keys = tuple(column.name for column in relation.columns if column.key)
        if relation.identity != "d":
            known = next((t for t in catalog.tables(connection) if (t.schema, t.name) == key), None)
            keys = known.keys if known else ()
        if table_state.columns and table_state.columns != relation.columns:
            table_state.ddls += 1
        table_state.columns = relation.columns
        try:
            return self._layout(key, relation.columns, keys)
        except DataError as error:
            self._suspend(table_state, str(error))
            return None

    def _layout(self, key: tuple[str, str], columns: Iterable[SourceColumn], keys: tuple[str, ...]) -> Layout:
        return Layout(*key, tuple(columns), keys, self._types, self._plan.mappings, self._options)

    def _look_up(self, connection: psycopg.Connection[Any], relation: Relation, row: Row) -> Row:
        """The row with values that the log does not carry as the table has them now; NULL where the row is gone."""
        missing = [i for i, value in enumerate(row) if value is UNCHANGED]
        keys = [i for i, column in enumerate(relation.columns) if column.key]
        names = psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{}::text").format(psycopg.sql.Identifier(relation.columns[i].name)) for i in missing
        )
        where = psycopg.sql.SQL(" AND ").join(
            psycopg.sql.SQL("{}::text = {}").format(
                psycopg.sql.Identifier(relation.columns[i].name), psycopg.sql.Literal(row[i])
            )
            for i in keys
        )
        table = psycopg.sql.Identifier(relation.schema, relation.name)
        query = psycopg.sql.SQL("SELECT {} FROM {} WHERE {}").format(names, table, where)
        found = connection.execute(query).fetchone() or [None] * len(missing)
        filled = dict(zip(missing, found, strict=True))
        return tuple(filled.get(i, value) for i, value in enumerate(row))

    def _judge(self, table_state: TableState, built: Built) -> None:
        """What the settings say of values that were cut, and of rows that cannot be written."""
        where = f"{table_state.schema}.{table_state.name}"
        if built.cut:
            if self._plan.source.settings["FailTasksOnLobTruncation"]:
                raise Fatal(f"Last Error {where}: {built.cut} values are longer than LobMaxSize")
            self._plan.log(f"W: {where}: {built.cut} values were cut")
        if not built.wrong:
            return
        words = f"{where}: {built.wrong[0][1]} ({len(built.wrong)} values in all)"
        match self._plan.settings["ErrorBehavior", "DataErrorPolicy"]:
            case "STOP_TASK":
                raise Fatal(f"Last Error {words}")
            case "SUSPEND_TABLE":
                self._suspend(table_state, words)
            case _:
                table_state.error_rows += len({row for row, _ in built.wrong})
                self._plan.log(f"E: {words}: the rows are left out")

    def _suspend(self, table_state: TableState, words: str) -> None:
        with self._progress.lock:
            table_state.state = state.ERROR
        self._plan.log(f"E: table {table_state.schema}.{table_state.name} is suspended: {words}")
        if self._plan.settings["ErrorBehavior", "TableErrorPolicy"] == "STOP_TASK":
            raise Fatal(f"Last Error table {table_state.schema}.{table_state.name}: {words}")

    def _row_read(self, schema: str, table: str, rows: int) -> None:
        self._plan.faults.loading(schema, table, rows)
        if rows % 1000 == 0:
            self._check_stop()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped("NORMAL")

    def _measure(self) -> None:
        """Metrics once a minute, on the clock of the service's timers."""
        now = time.monotonic()
        if now - self._measured < 60 / self._plan.speed:
            return
        self._measured = now
        capture = self._capture
        oldest = capture.oldest if capture else None
        waiting = time.time() - oldest.timestamp() if oldest else 0.0
        self._plan.measure(
            {
                "CDCLatencySource": (now - self._reached) * self._plan.speed if self.phase == "recovering" else 0.0,
                "CDCLatencyTarget": max(0.0, waiting) * self._plan.speed,
                "CDCIncomingChanges": float(capture.pending) if capture else 0.0,
            }
        )


def _options(plan: Plan) -> Options:
    return Options(
        unverified=plan.unverified,
        lob_limit=plan.settings["TargetMetadata", "LobMaxSize"] * 1024,
        trim=plan.source.settings["TrimSpaceInChar"],
        milliseconds=plan.target.settings["ParquetTimestampInMillisecond"],
    )


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
