"""Lays corrections over the rows of text that a batch was read as."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.declared import Dataset
from lakejobs.refine.compare import OUTCOME
from lakejobs.refine.conform import REASONS
from lakejobs.refine.corrections import Corrections, Verdicts
from lakejobs.refine.record import (
    CHANGE_SEQUENCE,
    COPY,
    CORRECTION,
    LINE,
    MALFORMED,
    OBJECT,
    OPERATION,
    ROW,
    Readable,
    before,
    raw_line,
    text_column,
)
from lakejobs.session import literal_table

_SHA, _SET = "_sha256", "_set"


@dataclass(frozen=True)
class Laid:
    """Rows under their corrections. What of these is not laid is in `found`."""

    rows: DataFrame
    corrections: Corrections
    found: Verdicts = field(default_factory=Verdicts)
    erased: tuple[int, ...] = ()
    """Those of which the record is about somebody who was erased."""

    def verdicts(self, classified: DataFrame | None) -> Verdicts:
        """With what became of the records that were corrected."""
        if classified is None:
            return self.found
        ours = classified.where(F.col(CORRECTION).isNotNull() & F.col(OUTCOME).isNotNull())
        found = ours.select(CORRECTION, OUTCOME, REASONS).collect()
        outcomes = {row[CORRECTION]: (row[OUTCOME], row[REASONS]) for row in found}
        outcomes |= dict.fromkeys(self.erased, ("erased", ()))
        return Verdicts(self.found.original, self.found.refusals, outcomes)


def lay(
    rows: DataFrame,
    corrections: Corrections,
    dataset: Dataset,
    objects: Sequence[Readable],
    judge: Callable[[DataFrame], DataFrame],
) -> Laid:
    """Lays the corrections that count over the rows; `judge` tells why records are refused.

    Copies of a corrected line are numbered, so that each keeps its occurrence whatever becomes of the others.
    """
    spark, places = rows.sparkSession, {(o.object.key, o.object.version): o.position for o in objects}
    counting = [(i, corrections.items[i]) for i in corrections.counting().values()]
    wanted = [
        (places[item.record[:2]], item.record[2], item.record[3], i)
        for i, item in counting
        if item.record[:2] in places
    ]
    if not wanted:
        none = {COPY: F.lit(None).cast("int"), CORRECTION: F.lit(None).cast("int")}
        return Laid(rows.withColumns(none), corrections, unread(corrections))
    named = rows.withColumn(_SHA, F.sha2(raw_line(dataset), 256))
    at = {"_at": "int", "_wanted": "string"}
    targets = F.broadcast(literal_table(spark, at, sorted({target[:2] for target in wanted})))
    same = (F.col(OBJECT) == F.col("_at")) & (F.col(_SHA) == F.col("_wanted"))
    # Rows of a table without a key go by their place in the file, so copies are counted by it.
    copies = Window.partitionBy(OBJECT, _SHA).orderBy(ROW if ROW in rows.columns else OBJECT)
    hit = named.join(targets, on=same, how="left_semi")
    hit = hit.withColumns({LINE: raw_line(dataset), COPY: F.row_number().over(copies)})
    which = F.broadcast(literal_table(spark, {**at, "_nth": "int", CORRECTION: "int"}, wanted))
    hit = hit.join(which, on=same & (F.col(COPY) == F.col("_nth")), how="left").drop("_at", "_wanted", "_nth")
    judged = judge(hit.where(F.col(CORRECTION).isNotNull())).select(CORRECTION, REASONS).collect()
    original = {row[CORRECTION]: tuple(row[REASONS]) for row in judged}
    refusals = {i: reason for i, _ in counting if (reason := _refusal(corrections, i, dataset, places, original))}
    laid = {i: corrections.items[i].values for i in original if i not in refusals}
    rest = named.join(targets, on=same, how="left_anti")
    rest = rest.withColumns({COPY: F.lit(None).cast("int"), CORRECTION: F.lit(None).cast("int")})
    whole = rest.unionByName(_patched(hit, dataset, laid)).drop(_SHA)
    return Laid(whole, corrections, Verdicts(original, refusals))


_UNREAD = "the object that holds the record cannot be read"


def unread(corrections: Corrections) -> Verdicts:
    """Of a batch of which nothing can be read."""
    return Verdicts(refusals=dict.fromkeys(corrections.counting().values(), _UNREAD))


def _refusal(
    corrections: Corrections, i: int, dataset: Dataset, places: dict, original: dict[int, tuple[str, ...]]
) -> str | None:
    """Why a correction cannot be right, in the words of the runbook; None if it can."""
    item = corrections.items[i]
    reasons = original.get(i)
    if item.record[:2] not in places:
        return _UNREAD
    if reasons is None:
        return "the object holds no record of this SHA-256 and occurrence"
    if corrections.accepted().get(item.record) == item.origin:
        return None
    if not reasons:
        return "the record's own values are valid, so there is nothing to correct: land a record of its own instead"
    misrouted = [r for r in reasons if r.startswith("route:")]
    if misrouted:
        return f"{misrouted[0]}: the record is another dataset's"
    if "undeclared" in reasons:
        return "undeclared: the record has members that no column declares: declare them, then replay its batch"
    if dataset.is_cdc:
        unplaced = [r for r in reasons if r in _unplaced(dataset)]
        if unplaced:
            return f"{unplaced[0]}: the record's place among the changes cannot be told: load the table anew"
    missing = [c.name for c in dataset.columns if c.name not in item.values]
    if "malformed" in reasons and missing:
        return f"malformed: its values cannot be told, so set has to give every column; {', '.join(missing)} is missing"
    of_sequence = {"malformed", f"type:{dataset.sequence}", f"required:{dataset.sequence}"}
    if dataset.sequence in item.values and not of_sequence.intersection(reasons):
        return f"set.{dataset.sequence}: the record's place in the order is known, and stays: land a later one instead"
    return None


def _unplaced(dataset: Dataset) -> set[str]:
    """Reasons for which the place of a change, or what it does to which key, is unknown."""
    found = {"malformed", "layout", f"type:{OPERATION}", f"type:{CHANGE_SEQUENCE}", f"required:{CHANGE_SEQUENCE}"}
    return found | {f"type:{before(k)}" for k in dataset.keys}


def _patched(hit: DataFrame, dataset: Dataset, laid: dict[int, dict[str, str | None]]) -> DataFrame:
    """The rows with the values laid over them; others lose their number."""
    if not laid:
        return hit.withColumn(CORRECTION, F.lit(None).cast("int"))
    sets = [(i, json.dumps(values)) for i, values in laid.items()]
    table = F.broadcast(literal_table(hit.sparkSession, {"_laid": "int", _SET: "string"}, sets))
    joined = hit.join(table, on=F.col(CORRECTION) == F.col("_laid"), how="left")
    given = F.from_json(_SET, "map<string,string>")
    touched = {name for values in laid.values() for name in values}
    changed = {CORRECTION: F.col("_laid"), MALFORMED: F.col(MALFORMED) & F.col("_laid").isNull()}
    for name in sorted(touched):
        text = F.col(text_column(name))
        changed[text_column(name)] = F.when(F.map_contains_key(given, name), given[name]).otherwise(text)
    return joined.withColumns(changed).drop("_laid", _SET)
