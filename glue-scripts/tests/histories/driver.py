"""Plays a plan against the job and tells where the job and the model disagree."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from lake import Lake
from lakejobs import session
from lakejobs.refine import staging
from specs import replicated

from histories.model import Row, Shape
from histories.outcomes import Outcome, Table
from histories.pipeline import Pipeline
from histories.plan import DATASET, NAME, SPAN, Plan, batches
from histories.reader import Reader
from histories.records import Landed, parse
from histories.tokens import Tokens
from histories.wire import Wire

# Bytes per partition and file of what is taken for large: a few of each for a batch of a few hundred records.
_LARGE = 4 << 10


@dataclass
class Verdict:
    """What came of a plan: disagreements in words, the histories they touch, and the faults that struck."""

    problems: list[str] = field(default_factory=list)
    histories: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    batches: int = 0
    blocked: int = 0
    reads: int = 0
    effects: int = 0

    def add(self, text: str, number: int | None = None) -> None:
        self.problems.append(text)
        if number is not None:
            self.histories.add(number)


def play(plan: Plan, lake: Lake, to_the_end: bool = True) -> Verdict:
    """Lands the plan's files, runs its batches as the pipeline would, and compares after each run and at the end.

    Not `to_the_end` it stops at the first slot with a disagreement.
    """
    wire = Wire()
    with wire.watched(), taken_for_large() if plan.large else nullcontext():
        return _Play(plan, lake, wire, to_the_end).run()


@contextmanager
def taken_for_large() -> Iterator[None]:
    """The job's limits between small and large are so low that every table is above them."""
    limits = {(session, "_BYTES_PER_PARTITION"): _LARGE, (session, "_BYTES_PER_FILE"): _LARGE,
              (staging, "_SMALL_TABLE"): 0}  # fmt: skip
    before = {place: getattr(*place) for place in limits}
    try:
        for place, value in limits.items():
            setattr(*place, value)
        yield
    finally:
        for place, value in before.items():
            setattr(*place, value)


class _Play:
    def __init__(self, plan: Plan, lake: Lake, wire: Wire, to_the_end: bool) -> None:
        self.plan, self.lake, self.to_the_end = plan, lake, to_the_end
        self.wire, self.pipeline = wire, Pipeline(lake, DATASET, wire, self._look_tokens_up)
        self.table, self.verdict = Table(), Verdict()
        self.tokens = Tokens(lake, plan.shape().keys) if plan.tokenised else None
        self.step = -1
        self.reader: Reader | None = None
        self.items: dict[int, dict] = {}
        self.landed: dict[int, list[Landed]] = {}

    def run(self) -> Verdict:
        """Plays the plan; beside a plan with a gate somebody reads the table all the time."""
        if self.plan.share is None:
            return self._play()
        self._declare(0)
        self.reader = Reader(self.lake, self.lake.cleaned(DATASET), self.wire)
        with self.reader.reading():
            self._play()
        for batch in self.reader.too_early():
            self.verdict.add(f"a reader saw rows of batch {batch}, which was blocked")
        self.verdict.problems += [f"a read failed: {error}" for error in self.reader.errors]
        self.verdict.reads = len(self.reader.saw)
        return self.verdict

    def _play(self) -> Verdict:
        made = batches(self.plan)
        waiting: list[int] = []
        for i, slot in enumerate(self.plan.timeline):
            if self.verdict.problems and not self.to_the_end:
                return self.verdict
            if slot.declared != self.step:
                self._declare(slot.declared)
            if i in made:
                objects = [self.lake.land(file.key, file.body) for file in made[i]]
                self.landed[i] = [one for file in made[i] for one in file.landed]
                self.items[i] = self.lake.freeze(DATASET, objects, load=slot.load)
                waiting.append(i)
            if waiting and not slot.runs_on:
                self._drain(waiting, slot.fault)
                waiting = []
            for earlier in slot.replay:
                self._replay(earlier, slot.fault)
        self._compare_rows("in the end")
        self._compare_quarantine()
        for number, text in untrue(self.plan, self.table):
            self.verdict.add(text, number)
        self.verdict.faults, self.verdict.effects = self.pipeline.struck, self.pipeline.effects
        return self.verdict

    def _declare(self, step: int) -> None:
        self.step, shape = step, self.plan.shape(step)
        more = {"table_format": self.plan.table_format, "gate": self.plan.gate(step)}
        more |= {"drift": "evolve"} if self.plan.evolves else {}
        columns = self.tokens.declared(shape.columns) if self.tokens else list(shape.columns)
        self.lake.declare(replicated(NAME, columns, list(shape.keys), **more))

    def _drain(self, slots: list[int], fault: tuple | None) -> None:
        self._run([self.items[i] for i in slots], fault)
        for i in slots:
            wanted = self._applied(i, self.plan.timeline[i].declared)
            self._compare_outcome(f"batch {i}", self.lake.batch(self.items[i]), wanted)
        if fault:
            self._compare_rows(f"after batch {slots[-1]}")

    def _run(self, items: list[dict], fault: tuple | None) -> None:
        """Runs batches to their outcomes. What a reader may see of them it may see from the start of the run."""
        for item in items:
            if self.reader:
                self.reader.may_see(item["batch"], from_now=True)
        self.pipeline.drain(items, fault)
        self.verdict.batches += len(items)
        for item in items:
            if self.reader and self.lake.batch(item)["state"] == "blocked":
                self.reader.may_see(item["batch"], from_now=False)

    def _applied(self, i: int, step: int) -> Outcome:
        batch = self.items[i]["batch"]
        load, gate = self.plan.timeline[i].load, self.plan.gate(step)
        return self.table.apply(batch, self.landed[i], self.plan.shape(step), load, gate)

    def _replay(self, i: int, fault: tuple | None) -> None:
        if i not in self.items:
            return
        before = self.lake.batch(self.items[i])
        struck = len(self.pipeline.struck)
        self._run([self.pipeline.reopen(self.items[i])], fault)
        wanted, record = self._applied(i, self.step), self.lake.batch(self.items[i])
        if before["state"] == "blocked":
            self._compare_outcome(f"replay of batch {i}", record, wanted)
            return
        for name in ("state", "counts", "snapshot", "absent"):
            if record.get(name) != before.get(name):
                self.verdict.add(f"batch {i}: a replay made {name} {record.get(name)} of {before.get(name)}")
        if len(self.pipeline.struck) == struck:
            self._compare_outcome(f"replay of batch {i}", record["rerun"] | {"reasons": None}, wanted)

    def _compare_outcome(self, what: str, record: dict[str, Any], wanted: Outcome) -> None:
        self.verdict.blocked += record["state"] == "blocked"
        counts = Counter({k: int(v) for k, v in (record.get("counts") or {}).items()})
        if counts["read"] != sum(n for name, n in counts.items() if name != "read"):
            self.verdict.add(f"{what}: the outcomes do not sum to what was read: {dict(+counts)}")
        found = {"state": record["state"], "counts": dict(+counts), "absent": int(record.get("absent") or 0)}
        right = {"state": wanted.state, "counts": dict(+wanted.counts), "absent": wanted.absent}
        if record.get("reasons") is not None:
            found["reasons"] = {k: int(v) for k, v in record["reasons"].items()}
            right["reasons"] = dict(wanted.reasons)
        if found != right:
            self.verdict.add(f"{what}: the job says {found}, the model {right}; {record.get('reason', '')}")

    def _look_tokens_up(self, when: str) -> None:
        """Right after a run died or was overtaken: what it left in the table is turned back."""
        frame = self.lake.now(self.lake.cleaned(DATASET))
        if self.tokens and frame is not None:
            self.verdict.problems += [f"{when}: {problem}" for problem in self.tokens.lacking(frame)]

    def _compare_rows(self, when: str) -> None:
        found, names = self._rows(), self._shape().content
        wanted = {key: _with_columns(row, names) for key, row in self.table.rows.items()}
        for key in sorted(found.keys() | wanted.keys()):
            ours, theirs = found.get(key), wanted.get(key)
            same = ours == theirs and (ours is None or ours.batch == theirs.batch)
            if not same:
                self.verdict.add(f"{when}, key {key}: the table has {ours}, the model {theirs}", self.plan.number(key))

    def _shape(self) -> Shape:
        """The table as it should stand. Until something is to be written, it is as the declaration before had it."""
        return Shape(self.table.columns, self.plan.shape().keys)

    def _rows(self) -> dict[tuple, Row]:
        """The table's rows, values by the types they should have."""
        frame = self.lake.now(self.lake.cleaned(DATASET))
        if frame is None:
            return {}
        shape = self._shape()
        types = {c["name"]: c["type"] for c in shape.columns}
        if self.tokens:
            self.verdict.problems += self.tokens.lacking(frame)
            frame = self.tokens.turned_back(frame, types)
        stored = dict(frame.dtypes)
        if types != {n: t for n, t in stored.items() if not n.startswith("_")}:
            self.verdict.add(f"the columns are {stored}, should be {types}")
        shown = [_shown(n, t, n in stored) for n, t in types.items()]
        rows: dict[tuple, Row] = {}
        for r in frame.selectExpr(*shown, "_batch_id", "_generation", "_sequence", "_is_deleted").collect():
            values = {n: parse(r[n], t) if t == "timestamp" else r[n] for n, t in types.items()}
            key = tuple(values[k] for k in shape.keys)
            content = {n: values[n] for n in shape.content}
            if r["_is_deleted"] and any(v is not None for v in content.values()):
                self.verdict.add(f"key {key}: a tombstone has content {content}", self.plan.number(key))
            if key in rows:
                self.verdict.add(f"key {key} is in the table twice", self.plan.number(key))
            gone = None if r["_is_deleted"] else content
            rows[key] = Row(r["_generation"], r["_sequence"], gone, r["_batch_id"])
        return rows

    def _compare_quarantine(self) -> None:
        frame = self.lake.now(self.lake.quarantine(DATASET))
        found: Counter[tuple] = Counter()
        if frame is not None:
            for r in frame.collect():
                found[r["batch_id"], r["object_key"], r["record_sha256"], r["occurrence"], tuple(r["reasons"])] += 1
        wanted: Counter[tuple] = Counter()
        seen: Counter[tuple] = Counter()
        for batch, refused in self.table.quarantine.items():
            for one in refused:
                digest = hashlib.sha256(one.line).hexdigest()
                seen[batch, one.landed.place, digest] += 1
                nth = seen[batch, one.landed.place, digest]
                wanted[batch, one.landed.place, digest, nth, tuple(one.reasons)] += 1
        for row, n in (found - wanted).items():
            self.verdict.add(f"the quarantine has {n} of {row} that the model does not have")
        for row, n in (wanted - found).items():
            self.verdict.add(f"the quarantine lacks {n} of {row}")


def _shown(name: str, kind: str, stored: bool) -> str:
    """A column as SQL reads it: times as text, which has no zone, and NULL for what the table does not have yet."""
    if not stored:
        return f"CAST(NULL AS {kind}) AS `{name}`"
    return f"CAST(`{name}` AS string) AS `{name}`" if kind == "timestamp" else f"`{name}`"


def _with_columns(row: Row, names: Sequence[str]) -> Row:
    """The row with NULL in columns that are younger than it."""
    return row if row.content is None else replace(row, content={n: row.content.get(n) for n in names})


def untrue(plan: Plan, table: Table) -> Iterator[tuple[int, str]]:
    """The model is held to something too: of a clean history it must have what the source has in the end.

    A source knows the columns of the first declaration, and those it gains of its own.
    """
    types = {c["name"]: c["type"] for c in (table.columns if plan.evolves else plan.shape().columns)}
    names = [name for name in types if name not in plan.shape().keys]
    live: dict[int, dict[int, Any]] = {h: {} for h in plan.histories}
    for key, row in table.rows.items():
        if row.content is not None and (number := plan.number(key)) in live:
            live[number][key[-1] % SPAN] = {n: row.content.get(n) for n in names}
    for number, history in plan.histories.items():
        if history.truth is None:
            continue
        wanted = {i: {n: parse(row.get(n), types[n]) for n in names} for i, row in history.truth.items()}
        if live[number] != wanted:
            yield number, f"history {number}: the model has {live[number]}, the source {wanted}"
