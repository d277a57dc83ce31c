"""Applies a surveyed batch: reads and judges it once, then classifies and commits until main holds still."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.errors import REASON_LIMIT, BatchFailed
from lakejobs.held import held, hold
from lakejobs.ledger import Outcome
from lakejobs.refine import keyless, staging, target
from lakejobs.refine.changes import DELETED, HALF, NEW, OLD, conform_changes
from lakejobs.refine.classify import classify
from lakejobs.refine.classify_changes import classify_changes
from lakejobs.refine.classify_snapshot import classify_snapshot
from lakejobs.refine.compare import OUTCOME, Batch
from lakejobs.refine.conform import REASONS, conform
from lakejobs.refine.correct import Laid, lay, unread
from lakejobs.refine.corrections import CORRECTIONS_PROPERTY, Corrections, Verdicts
from lakejobs.refine.current_view import keep_current_view
from lakejobs.refine.delivery import SNAPSHOT_PROPERTY
from lakejobs.refine.erased import Erasures, keeps_place
from lakejobs.refine.outcome import Tally, blocked, gate_reason, tally
from lakejobs.refine.protect import HashKeys, versions
from lakejobs.refine.quality import measure
from lakejobs.refine.quality.conditions import check_conditions
from lakejobs.refine.quality.judge import WARNED_PROPERTY, Quality, failing, verdict
from lakejobs.refine.quality.measure import Measures
from lakejobs.refine.quality.profile import profile
from lakejobs.refine.quality.references import judge_references
from lakejobs.refine.quality.whole_table import judge_table, merged, needs_table
from lakejobs.refine.quarantine import quarantine_rows, write_quarantine
from lakejobs.refine.reading import reading, verify
from lakejobs.refine.record import CORRECTION, ERASED
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import Source
from lakejobs.refine.span import SPAN, predicate
from lakejobs.refine.vault import Vaults
from lakejobs.rules import BLOCK
from lakejobs.session import size_files
from lakejobs.tables.interface import (
    ABSENT_PROPERTY,
    BATCH_PROPERTY,
    COUNTS_PROPERTY,
    REASONS_PROPERTY,
    Fence,
    Moved,
    Store,
    StoredTable,
)
from lakejobs.tables.places import by_file, joined, places_of

_COMMIT_TRIES = 5


@dataclass(frozen=True)
class Conformed:
    """A batch's rows, judged and held; `frame` is None if it has none.

    `keys` is the range of accepted keys, where it helps.
    """

    frame: DataFrame | None
    keys: staging.KeyRange | None
    batch: Batch
    measures: Measures = Measures()
    unkeyed: int = 0
    """Records whose key cannot be told."""
    spans: str | None = None
    """The spans of the accepted rows, as SQL; None unless the dataset has a window."""
    laid: Laid | None = None
    erased: int = 0
    """Records about somebody who was erased after they had landed; of these no row is written."""
    held: DataFrame | None = None
    """What `frame` is a part of, if it is."""

    def drop(self) -> None:
        """Lets go of the rows."""
        for frame in (self.frame, self.held):
            if frame is not None:
                frame.unpersist()


@dataclass(frozen=True)
class Application:
    """One batch on its way into the tables. `fence` raises if this run may no longer write.

    `load` is the generation whose whole load the batch is, None for any other batch; `delivery` the order of the
    snapshot that the batch is, None for any other.
    """

    spark: SparkSession
    s3: Any
    glue: Any
    dataset: Dataset
    batch: str
    load: int | None
    delivery: str | None
    source: Source
    keys: HashKeys
    store: Store
    quarantine_location: str
    fence: Fence
    quality: Quality
    corrections: Corrections | None = None
    vaults: Vaults | None = None
    """None unless the dataset is tokenised."""
    erasures: Erasures | None = None
    """None where nobody whom the dataset's rows are about was ever erased."""
    keep_verdicts: Callable[[Verdicts], None] = lambda found: None
    """Keeps what became of the corrections."""

    def run(self) -> Outcome:
        """Raises Overwritten or Damaged if the batch must be read anew, BatchFailed (conflict) if main never holds
        still."""
        conformed = self.conform()
        try:
            for _ in range(_COMMIT_TRIES):
                try:
                    return self.attempt(conformed)
                except Moved as moved:
                    reason = str(moved)
            raise BatchFailed("conflict", f"the table kept changing under {_COMMIT_TRIES} tries: {reason}")
        finally:
            conformed.drop()

    def conform(self) -> Conformed:
        """Reads the batch, and makes sure that what was read is what was listed."""
        return reading(self.spark, self.s3, self.source, self._read)

    def _read(self) -> Conformed:
        """Reads, judges and holds the batch."""
        rows = read_rows(self.spark, self.dataset, self.source.readable)
        if rows is None:
            return Conformed(None, None, Batch(distinct=True))
        check_conditions(self.spark, self.dataset)
        laid = None
        if self.corrections is not None:
            laid = lay(rows, self.corrections, self.dataset, self.source.readable, self._judged)
        rows = laid.rows if laid else rows
        frame = self._judged(self.erasures.mark(rows, self.dataset) if self.erasures else rows)
        kept = hold(keyless.with_record_id(frame, self.dataset, self.source.readable))
        try:
            if self.erasures is None:
                return replace(self._measured(kept, self._stays), laid=laid)
            return replace(self._without_erased(kept, laid), held=kept)
        except BaseException:
            kept.unpersist()
            raise

    def _without_erased(self, kept: DataFrame, laid: Laid | None) -> Conformed:
        """Without records about somebody erased; only what they do to the order of their row's changes is left."""
        records = F.col(ERASED) & (F.col(HALF) != OLD) if self.dataset.is_cdc else F.col(ERASED)
        count = kept.where(records).count()
        if laid is not None:
            numbers = kept.where(records & F.col(CORRECTION).isNotNull()).select(CORRECTION).collect()
            laid = replace(laid, erased=tuple(row[CORRECTION] for row in numbers))
        gone = F.col(ERASED) & (F.size(REASONS) > 0) if keeps_place(self.dataset) else F.col(ERASED)
        return replace(self._measured(kept.where(~gone), self._stays), laid=laid, erased=count)

    def _measured(self, frame: DataFrame, stays: Column) -> Conformed:
        accepted = F.size(REASONS) == 0
        bounds = staging.key_range_bounds(self.dataset, accepted)
        keys = F.when(accepted, F.struct(*self.dataset.row_key))
        moves = F.count(F.when(F.col(HALF) == NEW, True)) if self.dataset.is_cdc else F.lit(0)
        unkeyed = F.count(F.when(reduce(Column.__or__, [F.col(k).isNull() for k in self.dataset.row_key]), True))
        figures = [F.count(keys).alias("_rows"), moves.alias("_moves"), unkeyed.alias("_unkeyed"), *bounds]
        figures.append(F.count(F.when(~accepted, True)).alias("_refused"))
        # Changes of a database mostly share keys, so that counting these would cost more than it could save.
        counted = not self.dataset.is_cdc or self.load is not None
        figures += [F.count_distinct(keys).alias("_keys")] if counted else []
        figures += measure.figures(self.quality.checks, accepted & stays)
        found = frame.agg(*figures).first()
        key_range = staging.key_range(self.dataset, found["_low"], found["_high"]) if bounds else None
        distinct = counted and found["_rows"] == found["_keys"]
        batch = Batch(distinct, bool(found["_refused"]), bool(found["_moves"]))
        statistics = profile(frame.where(accepted & stays), self.dataset) if self.dataset.profile else ()
        measures = measure.measured(self.quality.checks, found, statistics)
        return Conformed(frame, key_range, batch, measures, found["_unkeyed"], self._spans(frame.where(accepted)))

    def _spans(self, accepted: DataFrame) -> str | None:
        if self.dataset.window is None:
            return None
        spans = [row[0] for row in accepted.select(SPAN).distinct().collect()]
        return predicate(self.dataset, spans) if spans else None

    @property
    def _stays(self) -> Column:
        """Whether a record writes a row."""
        return ~F.col(DELETED) if self.dataset.is_cdc else F.lit(True)

    def _judged(self, rows: DataFrame) -> DataFrame:
        """The records by their values, with the reasons to refuse them."""
        judge = conform_changes if self.dataset.is_cdc else conform
        frame = judge(rows, self.dataset, self.keys)
        return judge_references(frame, self.quality.checks, self.quality.values, self._stays, REASONS)

    def _verify(self) -> None:
        verify(self.s3, self.source)

    def attempt(self, conformed: Conformed) -> Outcome:
        """Classifies against main as it is now, and commits. Raises Moved if main changes meanwhile."""
        self.fence()
        table = self.store.load()
        classified = self._classified(conformed, table)
        classified = None if classified is None else staging.needed(classified, self.dataset)
        absent = self._absent(conformed, table)
        with held(classified) as classified, held(absent) as absent:
            found = tally(classified, self.source.records, conformed.erased)
            if absent is not None:
                found = self._with_absent(found, places_of(absent), conformed, table)
            measures = self._measures(conformed, classified, absent if found.absent else None, table)
            return self._settle(classified, absent, found, table, measures, conformed.laid)

    def _classified(self, conformed: Conformed, table: StoredTable | None) -> DataFrame | None:
        if conformed.frame is None:
            return None
        stored = None
        if table is not None and table.main is not None:
            ids = keyless.predicate(self.dataset, self.source.readable)
            part = staging.Part(conformed.keys, conformed.spans, ids)
            stored = staging.stored_rows(table, table.main, conformed.frame, self.dataset, part)
        if self.dataset.is_cdc:
            loaded = target.loaded_generation(table)
            changes = classify_changes(conformed.frame, stored, self.dataset, conformed.batch, loaded)
            if self.erasures is None:
                return changes
            return changes.withColumn(OUTCOME, F.when(~F.col(ERASED), F.col(OUTCOME)))  # they are counted already
        if self.delivery is not None:
            return classify_snapshot(conformed.frame, stored, self.dataset, conformed.batch, self._stale(table))
        return classify(conformed.frame, stored, self.dataset, conformed.batch)

    def _absent(self, conformed: Conformed, table: StoredTable | None) -> DataFrame | None:
        if table is None or table.main is None:
            return None
        if self.delivery is not None and not self._stale(table):
            return staging.missing_rows(table, table.main, self.dataset, conformed.frame)
        if self.load is None:
            return None
        return staging.absent_rows(table, table.main, self.dataset, self.load, conformed.frame)

    def _with_absent(self, found: Tally, groups: list[Row], conformed: Conformed, table: StoredTable) -> Tally:
        """With the rows that are absent. Any of them may be a record of the snapshot whose key cannot be told."""
        absent = sum(group["rows"] for group in groups)
        if absent and self.delivery is not None and conformed.unkeyed:
            return replace(found, kept=absent, unkeyed=conformed.unkeyed)
        stored = table.read(table.main).count() if absent and self.delivery is not None else 0
        return replace(found, absent=absent, stored=stored, places=joined(found.places, by_file(groups)))

    def _stale(self, table: StoredTable | None) -> bool:
        """Whether the table holds a later snapshot than this one."""
        return table is not None and self.delivery < table.properties.get(SNAPSHOT_PROPERTY, "")

    def _guard(self, table: StoredTable | None) -> dict[str, str | None]:
        """The mark that tells what is stale, as the batch was classified against it."""
        name = target.LOADED_PROPERTY if self.delivery is None else SNAPSHOT_PROPERTY
        return {name: table.properties.get(name) if table else None}

    def _marks(self, table: StoredTable | None) -> dict[str, str]:
        """The table properties that the batch advances."""
        if self.delivery is not None:
            held = table.properties.get(SNAPSHOT_PROPERTY, "") if table else ""
            return {SNAPSHOT_PROPERTY: self.delivery} if self.delivery > held else {}
        if self.load is not None and self.load > target.loaded_generation(table):
            return {target.LOADED_PROPERTY: str(self.load)}
        return {}

    def _measures(
        self, conformed: Conformed, classified: DataFrame | None, absent: DataFrame | None, table: StoredTable | None
    ) -> Measures:
        """With what the rules on the table see of it, as it would be."""
        found = self.quality.checks
        if conformed.frame is None or not needs_table(found):
            return conformed.measures
        stored = staging.all_rows(table, table.main, self.dataset) if table is not None and table.main else None
        deleted = DELETED if self.dataset.is_cdc else None
        rows = conformed.frame.where(F.size(REASONS) == 0)
        batch = (rows.where(~F.col(DELETED)) if deleted else rows).select(*[c.name for c in self.dataset.stored])
        after = merged(self.dataset, stored, classified, absent, deleted)
        return judge_table(found, conformed.measures, batch, after)

    def _settle(
        self,
        classified: DataFrame | None,
        absent: DataFrame | None,
        found: Tally,
        table: StoredTable | None,
        measures: Measures,
        laid: Laid | None,
    ) -> Outcome:
        results = self.quality.judge(measures, found)
        self.fence()
        self.quality.record(results, measures)
        rules = verdict(results)
        refusals = [gate_reason(self.dataset.gate, found), *(r.reason for r in failing(results, BLOCK))]
        if self.corrections is not None:
            verdicts = laid.verdicts(classified) if laid else unread(self.corrections)
            self.keep_verdicts(verdicts.blocked() if any(refusals) else verdicts)
        if any(refusals):
            refusal = "; ".join(reason for reason in refusals if reason)[:REASON_LIMIT]
            outcome = self.source.outcome("blocked", replace(found, absent=0), code="gate", reason=refusal, **rules)
            return replace(outcome, counts=blocked(found.counts))
        self._quarantine(classified, found)
        marks = self._marks(table)
        if not found.effective and not marks:
            return self.source.outcome("empty", found, **rules)
        guard = self._guard(table)
        change = target.plan_schema(table, self.dataset, versions(self.keys))
        before, table = table, self.store.bring_up_to_date(table, change, self.fence)
        main = table.main
        if before is not None and main != before.main:
            # A format may write its files anew for its columns, and the places of stored rows are those of before.
            raise Moved(f"{table.name}: was brought to its declaration, from {before.main} to {main}")
        if self.dataset.is_cdc:
            keep_current_view(self.glue, self.dataset, self.fence)
        if not found.effective:
            self.fence()
            table.publish(None, main, marks, guard)
            return self.source.outcome("empty", found, **rules)
        properties = {
            BATCH_PROPERTY: self.batch,
            COUNTS_PROPERTY: json.dumps(found.counts, separators=(",", ":")),
            REASONS_PROPERTY: json.dumps(found.reasons, separators=(",", ":")),
            ABSENT_PROPERTY: str(found.absent),
            WARNED_PROPERTY: str(rules["rules_warned"]),
        }
        if self.corrections is not None:
            properties[CORRECTIONS_PROPERTY] = self.corrections.files
        rows = staging.Staging(table, self.dataset, self.batch, size_files(self.source.volume))
        staged = rows.stage(classified, absent, found, properties)
        self._verify()
        if self.vaults is not None and classified is not None:
            self.vaults.keep(classified, self.dataset, self.batch, self.fence)
        self.fence()
        table.publish(staged, main, marks, guard)
        changed = found.effective
        return self.source.outcome("applied", found, snapshot=staged.version, rows_changed=changed, **rules)

    def _quarantine(self, classified: DataFrame | None, found: Tally) -> None:
        rows = None
        if classified is not None and found.counts["quarantined"]:
            rows = quarantine_rows(classified, self.source.readable, self.batch)
        write_quarantine(self.spark, self.dataset, self.quarantine_location, rows, self.batch, self.fence)
