"""Applies a surveyed batch: reads and judges it once, then classifies and commits until main holds still."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.errors import BatchFailed
from lakejobs.iceberg import BATCH_PROPERTY, COUNTS_PROPERTY, Moved, Table
from lakejobs.ledger import Outcome
from lakejobs.manifest import Dataset
from lakejobs.refine import target
from lakejobs.refine.classify import classify
from lakejobs.refine.conform import REASONS, conform
from lakejobs.refine.outcome import Tally, blocked, gate_reason, tally
from lakejobs.refine.protect import HashKey
from lakejobs.refine.quarantine import quarantine_rows, write_quarantine
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import Source, overwritten

REASONS_PROPERTY = "strata.reasons"

_COMMIT_TRIES = 5


class Overwritten(Exception):
    """Objects at these positions were overwritten while the batch was read in place."""

    def __init__(self, positions: set[int]) -> None:
        super().__init__(f"objects {sorted(positions)} were overwritten")
        self.positions = positions


@dataclass(frozen=True)
class Conformed:
    """A batch's rows, judged and cached; `frame` is None if it has none.

    `keys` is the range of accepted keys, where it helps; `distinct` tells that no two accepted rows share a key.
    """

    frame: DataFrame | None
    keys: target.KeyRange | None
    distinct: bool


@dataclass(frozen=True)
class Application:
    """One batch on its way into the tables. `fence` raises if this run may no longer write."""

    spark: SparkSession
    s3: Any
    dataset: Dataset
    batch: str
    source: Source
    key: HashKey | None
    cleaned_location: str
    quarantine_location: str
    fence: Callable[[], None]

    def run(self) -> Outcome:
        """Raises Overwritten if the batch must be read anew, BatchFailed (conflict) if main never holds still."""
        conformed = self._conform()
        try:
            for _ in range(_COMMIT_TRIES):
                try:
                    return self._attempt(conformed)
                except Moved as moved:
                    reason = str(moved)
            raise BatchFailed("conflict", f"the table kept changing under {_COMMIT_TRIES} tries: {reason}")
        finally:
            if conformed.frame is not None:
                conformed.frame.unpersist()

    def _conform(self) -> Conformed:
        """Reads, judges and caches the batch, and makes sure that what was read is what was listed."""
        rows = read_rows(self.spark, self.dataset, self.source.readable)
        if rows is None:
            return Conformed(None, None, distinct=True)
        frame = conform(rows, self.dataset, self.key).persist(StorageLevel.MEMORY_AND_DISK)
        accepted = F.size(REASONS) == 0
        bounds = target.key_range_bounds(self.dataset, accepted)
        keys = F.when(accepted, F.struct(*self.dataset.keys))
        try:
            found = frame.agg(F.count(keys).alias("_rows"), F.count_distinct(keys).alias("_keys"), *bounds).first()
        except Exception:
            self._verify()
            raise
        self._verify()
        held = target.key_range(self.dataset, found["_low"], found["_high"]) if bounds else None
        return Conformed(frame, held, distinct=found["_rows"] == found["_keys"])

    def _verify(self) -> None:
        positions = overwritten(self.s3, self.source)
        if positions:
            raise Overwritten(positions)

    def _attempt(self, conformed: Conformed) -> Outcome:
        """Classifies against main as it is now, and commits. Raises Moved if main changes meanwhile."""
        self.fence()
        table = Table.load(self.spark, target.table_name(self.dataset))
        if conformed.frame is None:
            return self._settle(None, tally(None, self.source.records), table, None)
        stored = None
        if table is not None and table.main is not None:
            stored = target.stored_rows(table, table.main, conformed.frame, self.dataset, conformed.keys)
        classified = classify(conformed.frame, stored, self.dataset, conformed.distinct)
        classified = classified.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            return self._settle(classified, tally(classified, self.source.records), table, conformed.keys)
        finally:
            classified.unpersist()

    def _settle(
        self, classified: DataFrame | None, found: Tally, table: Table | None, keys: target.KeyRange | None
    ) -> Outcome:
        refusal = gate_reason(self.dataset.gate, found.counts)
        if refusal is not None:
            outcome = self.source.outcome("blocked", found, code="gate", reason=refusal)
            return replace(outcome, counts=blocked(found.counts))
        self._quarantine(classified, found)
        if classified is None or not found.effective:
            return self.source.outcome("empty", found)
        main = table.main if table else None
        table = self._bring_up_to_date(table)
        properties = {
            BATCH_PROPERTY: self.batch,
            COUNTS_PROPERTY: json.dumps(found.counts, separators=(",", ":")),
            REASONS_PROPERTY: json.dumps(found.reasons, separators=(",", ":")),
        }
        staged = target.stage_rows(table, classified, self.dataset, self.batch, keys, found.counts, properties)
        self._verify()
        self.fence()
        table.publish(staged, main)
        return self.source.outcome("applied", found, snapshot=staged, rows_changed=found.effective)

    def _quarantine(self, classified: DataFrame | None, found: Tally) -> None:
        rows = None
        if classified is not None and found.counts["quarantined"]:
            rows = quarantine_rows(classified, self.source.readable, self.batch)
        write_quarantine(self.spark, self.dataset, self.quarantine_location, rows, self.batch, self.fence)

    def _bring_up_to_date(self, table: Table | None) -> Table:
        """Makes the table, or adds what its declaration has gained: steps of their own on main."""
        version = self.key.version if self.key else None
        statements = target.plan_schema(table, self.dataset, self.cleaned_location, version)
        for statement in statements:
            self.fence()
            self.spark.sql(statement)
        current = table if not statements else Table.load(self.spark, target.table_name(self.dataset))
        if current is None:
            raise RuntimeError(f"{target.table_name(self.dataset)}: is gone right after it was made")
        return current
