"""The reference model batch by batch: what each record counts as, and the table after it; no code of the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from histories.growth import followed
from histories.model import Judged, Row, Shape, judged
from histories.records import Declared, Key, Landed

_WRITES = ("inserted", "updated", "deleted", "unchanged")


@dataclass(frozen=True)
class Outcome:
    """How a batch ends, by the contract's table."""

    state: str
    counts: Counter
    absent: int = 0
    reasons: Counter = field(default_factory=Counter)
    refused: tuple[Judged, ...] = ()


@dataclass
class Table:
    """The table batch by batch. `quarantine` holds each batch's refused records as its last run left them.

    `columns` are those the table has: of the last declaration under which something was written.
    """

    rows: dict[Key, Row] = field(default_factory=dict)
    loaded: int = 0
    columns: Sequence[Declared] = ()
    quarantine: dict[str, tuple[Judged, ...]] = field(default_factory=dict)

    def apply(
        self, batch: str, landed: Iterable[Landed], shape: Shape, load: int | None = None, gate: Declared | None = None
    ) -> Outcome:
        """Takes a batch to its outcome. The gate is the manifest's; a blocked batch changes nothing."""
        landed = list(landed)
        if shape.evolves:
            shape = replace(shape, columns=followed(shape.columns, self.columns, landed))
        found = [judged(record, shape, batch) for record in landed]
        found.sort(key=lambda one: (one.landed.place, one.line))
        refused = tuple(one for one in found if one.reasons)
        reasons = Counter(reason for one in refused for reason in one.reasons)
        if _blocks(gate, len(found), len(refused)):
            return Outcome("blocked", Counter(read=len(found), blocked=len(found)), reasons=reasons)
        counts, after = self._classified([one for one in found if not one.reasons], shape)
        absent = self._absent(found, load)
        completes = load is not None and load > self.loaded
        effective = len(after) + len(absent)
        self.quarantine[batch] = refused
        self.rows |= after | {key: Row(load or 0, "", None, batch) for key in absent}
        if completes:
            self.loaded = load or 0
        if effective or completes:
            self.columns = shape.columns
        counts += Counter(read=len(found), quarantined=len(refused))
        return Outcome("applied" if effective else "empty", counts, len(absent), reasons, refused)

    def _classified(self, accepted: list[Judged], shape: Shape) -> tuple[Counter, dict[Key, Row]]:
        last: dict[Key, tuple] = {}
        for key, row in (write for one in accepted for write in one.writes):
            last[key] = max(last.get(key, ()), shape.place(row))
        counts, after, seen = Counter(), {}, set()
        for one in accepted:
            outcomes = []
            for key, row in one.writes:
                alike = (key, shape.place(row))
                outcome = "duplicate" if alike in seen else self._outcome(key, row, last[key], shape)
                seen.add(alike)
                outcomes.append(outcome)
                if outcome in _WRITES:
                    after[key] = row
            moves = len(outcomes) == 2 and any(o in _WRITES for o in outcomes)
            counts["updated" if moves else outcomes[-1]] += 1
        return counts, after

    def _outcome(self, key: Key, row: Row, last: tuple, shape: Shape) -> str:
        place, stored = shape.place(row), self.rows.get(key)
        if stored is not None and shape.place(stored) == place:
            return "duplicate"
        if place < last:
            return "superseded"
        if row.generation < self.loaded or (stored is not None and shape.place(stored) > place):
            return "stale"
        there = stored is not None and stored.content is not None
        if row.content is None:
            return "deleted" if stored is None or there else "unchanged"
        if not there:
            return "inserted"
        return "unchanged" if shape.place(stored)[2] == place[2] else "updated"

    def _absent(self, found: Sequence[Judged], load: int | None) -> list[Key]:
        if load is None:
            return []
        there = {one.key for one in found}
        older = [k for k, row in self.rows.items() if row.content is not None and row.generation < load]
        return [key for key in older if key not in there]


def _blocks(gate: Declared | None, read: int, refused: int) -> bool:
    if gate is None:
        return False
    few = gate["min_rows"] is not None and read < gate["min_rows"]
    share = gate["max_quarantined_share"]
    return few or (share is not None and read > 0 and refused / read > share)
