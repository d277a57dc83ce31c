"""Change data capture: committed transactions into batches, batches into files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rehearsal.dms.layout import Built, Change, Layout, Operation
from rehearsal.dms.load import Judge
from rehearsal.dms.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Relation,
    Row,
    Update,
)
from rehearsal.dms.state import Checkpoint, Progress, TableState
from rehearsal.dms.target import Target
from rehearsal.dms.transactions import lines
from rehearsal.dms.unverified import Unverified

LayoutOf = Callable[[Relation], Layout | None]
"""The layout of a table as the stream describes it; None for one that is not replicated, or cannot be."""

LookUp = Callable[[Relation, Row], Row]
"""The row as the source has it now, with UNCHANGED values filled in."""


@dataclass
class _Batch:
    """Rows of one table with one layout, which become one file."""

    state: TableState
    layout: Layout
    changes: list[Change] = field(default_factory=list)
    size: int = 0


class Capture:
    """Turns the messages of one stream into change files."""

    def __init__(
        self,
        progress: Progress,
        target: Target,
        layout_of: LayoutOf,
        look_up: LookUp,
        judge: Judge,
        unverified: Unverified,
        speed: float,
    ):
        self._progress, self._target, self._judge = progress, target, judge
        self._layout_of, self._look_up, self._unverified = layout_of, look_up, unverified
        self._interval = target.settings["CdcMaxBatchInterval"] / speed
        self._most = target.settings["CdcMinFileSize"] * 1024
        only_inserts = target.settings["CdcInsertsOnly"]
        self._operations = "I" if only_inserts else "IUD"
        self._with_op = not only_inserts or target.settings["IncludeOpForFullLoad"]
        self._relations: dict[int, tuple[Relation, Layout | None]] = {}
        self._open: list[tuple[TableState, Layout, Change]] = []
        self._batches: list[_Batch] = []
        self._since = 0.0
        self._begin: Begin | None = None
        self._flushed: Checkpoint | None = None
        self._read = progress.checkpoint
        self.oldest: datetime | None = None
        self.rows_read = self.rows_written = 0

    @property
    def pending(self) -> int:
        """Rows in no file yet, and files that are still to be put without anybody's doing."""
        return sum(len(batch.changes) for batch in self._batches) + self._target.under_way

    def take(self, position: int, message: Message) -> None:
        """One message of the stream. TRUNCATE is passed over: DMS does not capture it from PostgreSQL."""
        match message:
            case Begin():
                self._begin = message
            case Relation():
                self._describe(message)
            case Insert(relation, new):
                self._row(relation, "I", new, None, position)
            case Update(relation, new, old):
                self._update(relation, new, old, position)
            case Delete(relation, old):
                self._row(relation, "D", old, None, position)
            case Commit():
                self._commit(message)

    def due(self) -> bool:
        """Whether the batch has reached its interval or size. Transactions are not divided."""
        if not self._batches:
            return False
        return time.monotonic() - self._since >= self._interval or any(b.size >= self._most for b in self._batches)

    def flush(self) -> None:
        """Write the files of the batch. The checkpoint that this makes safe is taken one flush later."""
        batches = self._batches
        ordered: list[tuple[str, str]] = []
        for batch in batches:
            built = batch.layout.changed(batch.changes, self._with_op)
            self._judge(batch.state, built)
            if built.table.num_rows and not batch.state.suspended:
                if self._target.settings["PreserveTransactions"]:
                    ordered += self._lines(batch, built)
                else:
                    key = self._target.change_key(batch.state.schema, batch.state.name)
                    self._target.write(key, built.table)
                self._count(batch)
        if ordered:
            self._target.write(self._target.transaction_key(), "".join(line for _, line in sorted(ordered)).encode())
        if batches:
            if self._flushed is not None and not self._target.waiting:
                self._progress.checkpoint = self._flushed
            self._flushed = self._read
            self._batches, self.oldest = [], None  # only now: what is being written is pending

    def _lines(self, batch: _Batch, built: Built) -> list[tuple[str, str]]:
        """The rows of a batch for a transaction file, each with its sequence, which rises over all tables."""
        left_out = {row for row, _ in built.wrong}
        sequences = [change.sequence for row, change in enumerate(batch.changes) if row not in left_out]
        place = batch.state.schema, batch.state.name
        null = self._target.settings["CsvNullValue"]
        return list(zip(sequences, lines(built.table, batch.layout.fields(), place, null), strict=True))

    def settle(self) -> None:
        """Write everything and take the checkpoint, as a stop does."""
        self.flush()
        self._target.release(everything=True)
        self._progress.checkpoint = self._read

    def _describe(self, relation: Relation) -> None:
        known = self._relations.get(relation.id)
        if known is None or known[0] != relation:
            self._relations[relation.id] = (relation, self._layout_of(relation))

    def _commit(self, commit: Commit) -> None:
        for state, layout, change in self._open:
            batch = self._batch(state, layout)
            batch.changes.append(change)
            batch.size += sum(len(value) for value in change.row if isinstance(value, str))
            self.oldest = self.oldest or change.commit_time
        self._open, self._begin = [], None
        self._read = Checkpoint(commit.next, self._progress.sequence.mark)

    def _update(self, relation: int, new: Row, old: Row | None, position: int) -> None:
        described = self._relations[relation][0]
        if old is not None and self._unverified.key_change == "ignored":
            keys = [index for index, column in enumerate(described.columns) if column.key]
            if described.identity != "f" and any(old[index] != new[index] for index in keys):
                return
        if any(value is UNCHANGED for value in new) and self._unverified.unchanged_large_value == "looked_up":
            new = self._look_up(described, new)
        self._row(relation, "U", new, old, position)

    def _row(self, relation: int, operation: Operation, row: Row, old: Row | None, position: int) -> None:
        described, layout = self._relations[relation]
        self.rows_read += 1
        assert self._begin is not None, "a row outside a transaction"
        begin = self._begin
        state = self._progress.tables.get((described.schema, described.name))
        if layout is None or state is None or state.suspended or operation not in self._operations:
            return
        if state.is_loaded(begin.end, begin.xid):
            return
        sequence = self._progress.sequence.next(begin.commit_time)
        self._open.append((state, layout, Change(operation, row, old, sequence, position, begin.commit_time)))

    def _batch(self, state: TableState, layout: Layout) -> _Batch:
        for batch in reversed(self._batches):
            if batch.state is state:
                if batch.layout is layout:
                    return batch
                break
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(_Batch(state, layout))
        return self._batches[-1]

    def _count(self, batch: _Batch) -> None:
        made: list[Any] = [change.operation for change in batch.changes]
        with self._progress.lock:
            batch.state.inserts += made.count("I")
            batch.state.updates += made.count("U")
            batch.state.deletes += made.count("D")
            batch.state.updated = datetime.now(UTC)
        self.rows_written += len(made)
