"""Counts of a classified batch, the conservation law and the gate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from lakejobs.declared import Gate
from lakejobs.errors import BatchFailed
from lakejobs.refine.compare import NEW_KEY, OUTCOME, STORED_KEY, WRITE
from lakejobs.refine.conform import REASONS
from lakejobs.tables.places import Places, by_file, places_of

OUTCOMES = (
    "inserted", "updated", "deleted", "unchanged", "superseded", "stale", "duplicate", "quarantined", "blocked",
    "erased",
)  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """How many rows were read, what became of them, and why the refused ones were.

    `new_keys` and `stored_keys` are rows the table has to take; `absent` those it holds and a whole load does not, of
    `stored` in all where a gate asks. `kept` are such rows that stay, because of `unkeyed` records no key can be told.
    `places` are those of the stored rows that are replaced or go.
    """

    counts: dict[str, int]
    reasons: dict[str, int]
    new_keys: int = 0
    stored_keys: int = 0
    absent: int = 0
    stored: int = 0
    kept: int = 0
    unkeyed: int = 0
    places: Places = field(default_factory=dict)

    @property
    def effective(self) -> int:
        """Rows of the table that change."""
        return self.new_keys + self.stored_keys + self.absent

    @property
    def remark(self) -> str:
        """What the counts do not tell; empty if they tell all."""
        if not self.kept:
            return ""
        return (
            f"{self.kept} stored rows are not in the snapshot and were kept: which rows {self.unkeyed} of its records"
            " stand for cannot be told"
        )


def tally(classified: DataFrame | None, read: int, erased: int = 0) -> Tally:
    """Counts a classified batch in one pass; `erased` are records that are not classified. Raises BatchFailed unless
    every row read has exactly one outcome."""
    counts, reasons, writes = Counter(), Counter(), Counter()
    groups = [] if classified is None else places_of(classified, OUTCOME, REASONS, WRITE)
    for group in groups:
        writes[group[WRITE]] += group["rows"]
        if group[OUTCOME] is None:
            continue
        counts[group[OUTCOME]] += group["rows"]
        if group[OUTCOME] == "quarantined":
            reasons.update(dict.fromkeys(group[REASONS], group["rows"]))
    counts["erased"] += erased
    if counts.total() != read:
        found = ", ".join(f"{name} {n}" for name, n in sorted((+counts).items())) or "nothing"
        raise BatchFailed(
            "error", f"the survey counted {read} records and the outcomes sum to {counts.total()} ({found})"
        )
    found = {"read": read, **{name: counts[name] for name in OUTCOMES}}
    return Tally(found, dict(sorted(reasons.items())), writes[NEW_KEY], writes[STORED_KEY], places=by_file(groups))


def blocked(counts: dict[str, int]) -> dict[str, int]:
    """The counts of a blocked batch: every row read counts as blocked."""
    return {"read": counts["read"], **dict.fromkeys(OUTCOMES, 0), "blocked": counts["read"]}


def gate_reason(gate: Gate, tallied: Tally) -> str | None:
    """Why the gate blocks the batch, with the figures; None if it passes."""
    read, quarantined = tallied.counts["read"], tallied.counts["quarantined"]
    found = []
    if gate.min_rows is not None and read < gate.min_rows:
        found.append(f"{read} rows read, at least {gate.min_rows} are needed")
    if gate.max_quarantined_share is not None and read and quarantined / read > gate.max_quarantined_share:
        found.append(
            f"{quarantined} of {read} rows quarantined ({quarantined / read:.4f}),"
            f" at most a share of {gate.max_quarantined_share} is accepted"
        )
    absent, stored, share = tallied.absent, tallied.stored, gate.max_deleted_share
    if share is not None and absent and absent / stored > share:
        found.append(
            f"{absent} of {stored} stored rows are not in the snapshot ({absent / stored:.4f}),"
            f" at most a share of {share} may be deleted"
        )
    return "; ".join(found) or None
