"""Append and upsert datasets under the same harness: random lines of CSV, played against the job and their models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from lake import Lake
from specs import dataset

from histories.delivery import Timeline, timeline
from histories.driver import Verdict
from histories.pipeline import Pipeline
from histories.plain_model import Line, PlainTable, Rule, Stored
from histories.wire import Wire

NAME = "plain"
DATASET = f"sales.{NAME}"
_SPAN = 100


def _column(name: str, kind: str, required: bool = False, *rules: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": "", "required": required, "class": "internal", "protect": "none",
            "rules": list(rules)}  # fmt: skip


COLUMNS = (
    _column("id", "bigint", True),
    _column("seq", "int", True),
    _column("name", "string"),
    _column("qty", "int", False, {"kind": "range", "min": "0", "max": "9"}),
)
_LINES = ("{id},{seq},{name},{qty}", "{seq},{name},{qty},{id}")


@dataclass(frozen=True)
class PlainPlan:
    """So many histories of an `append` or `upsert` dataset, or of an append without a `key`, on one timeline.

    The lines come of the seed.
    """

    seed: int
    load: str
    histories: int
    timeline: Timeline
    unique: bool
    keyed: bool = True
    table_format: str = "iceberg"

    @property
    def rule(self) -> Rule:
        keys = ("id",) if self.keyed else ()
        return Rule(COLUMNS, keys, "seq" if self.load == "upsert" else None, self.unique)


def random_plain(
    seed: int, load: str, histories: int, batches: int, keyed: bool = True, table_format: str = "iceberg"
) -> PlainPlan:
    r = Random(f"{seed}/{load}")
    slots = tuple(s for s in timeline(r, batches, 1, faults=0.4) if s.load is None)
    slots = tuple(s.__class__(None, s.runs_on and i + 1 < len(slots), s.fault, tuple(k for k in s.replay if k <= i))
                  for i, s in enumerate(slots))  # fmt: skip
    return PlainPlan(seed, load, histories, slots, r.random() < 0.5 and keyed, keyed, table_format)


def files(plan: PlainPlan) -> dict[int, list[tuple[str, list[Line], bytes]]]:
    """The objects of each slot: key, lines and bytes. The second of a slot has its columns in another order."""
    r = Random(plan.seed)
    parts: dict[tuple[int, int], list[Line]] = {}
    slots = range(len(plan.timeline))
    for history in range(1, plan.histories + 1):
        for n in range(r.randint(1, 10)):
            values = {"id": str(history * _SPAN + r.randint(1, 3)), "seq": str(r.choice((n, n, r.randint(0, 9)))),
                      "name": r.choice((None, "a", "b", "ä")), "qty": r.choice((None, "0", "1"))}  # fmt: skip
            for place in _arrivals(r, n, slots):
                parts.setdefault(place, []).append(_line(r, place[1], values))
    made: dict[int, list[tuple[str, list[Line], bytes]]] = {}
    for (slot, file), lines in sorted(parts.items()):
        r.shuffle(lines)
        key = f"in/{slot:05d}-{file}.csv"
        placed = [Line(key, line.raw, line.values) for line in lines]
        header = _LINES[file].replace("{", "").replace("}", "").encode()
        made.setdefault(slot, []).append((key, placed, b"\n".join([header, *[line.raw for line in lines], b""])))
    return made


def _arrivals(r: Random, n: int, slots: range) -> list[tuple[int, int]]:
    """Slot and file of each arrival of a line: mostly about its turn, now and then late, or again."""
    found = [(min(n * len(slots) // 10, slots[-1]) if r.random() < 0.7 else r.choice(slots), r.randrange(2))]
    while r.random() < 0.2:
        found.append((r.choice(slots), r.randrange(2)))
    return found


def _line(r: Random, file: int, values: dict[str, str | None]) -> Line:
    flaw = r.random()
    if flaw < 0.02:
        return Line("", r.choice((b"1,2", b"1,2,3,4,5", b'1,"2,3,4', b"1,\xff,3,4")), None)
    if flaw < 0.08:
        name, text = r.choice((("qty", "10"), ("qty", "-1"), ("qty", "x"), ("seq", None), ("seq", "1.5"), ("id", None)))
        values = values | {name: text}
    text = _LINES[file].format(**{k: "" if v is None else v for k, v in values.items()})
    return Line("", text.encode(), values)


def play_plain(plan: PlainPlan, lake: Lake) -> Verdict:
    """Runs the plan's batches as the pipeline would and compares with the model."""
    more = {"sequence": "seq"} if plan.load == "upsert" else {}
    more |= {"unique_key": plan.unique, "table_format": plan.table_format}
    lake.declare(dataset(NAME, list(COLUMNS), list(plan.rule.keys), **more))
    wire, made, verdict = Wire(), files(plan), Verdict()
    table, pipeline = PlainTable(plan.rule), Pipeline(lake, DATASET, wire)
    items: dict[int, dict] = {}
    waiting: list[int] = []
    with wire.watched():
        for i, slot in enumerate(plan.timeline):
            if i in made:
                items[i] = lake.freeze(DATASET, [lake.land(key, body) for key, _, body in made[i]])
                waiting.append(i)
            if not slot.runs_on and waiting:
                pipeline.drain([items[k] for k in waiting], slot.fault)
                for k in waiting:
                    _compare(f"batch {k}", lake.batch(items[k]), _apply(table, items[k], made[k]), verdict)
                waiting = []
            for k in (k for k in slot.replay if k in items):
                struck = len(pipeline.struck)
                pipeline.drain([pipeline.reopen(items[k])], slot.fault)
                wanted = _apply(table, items[k], made[k])
                if len(pipeline.struck) == struck:
                    _compare(f"replay of batch {k}", lake.batch(items[k])["rerun"], wanted, verdict)
    _compare_tables(plan, lake, table, verdict)
    verdict.faults = pipeline.struck
    return verdict


def _apply(table: PlainTable, item: dict, made: list[tuple[str, list[Line], bytes]]) -> tuple[str, Counter]:
    return table.apply(item["batch"], [line for _, lines, _ in made for line in lines])


def _compare(what: str, record: dict[str, Any], wanted: tuple[str, Counter], verdict: Verdict) -> None:
    verdict.batches += 1
    counts = {k: int(v) for k, v in (record.get("counts") or {}).items() if v}
    if counts.get("read", 0) != sum(n for name, n in counts.items() if name != "read"):
        verdict.add(f"{what}: the outcomes do not sum to what was read: {counts}")
    if (record["state"], counts) != (wanted[0], dict(wanted[1])):
        verdict.add(f"{what}: the job says {record['state']} {counts}, the model {wanted[0]} {dict(wanted[1])}")


def _compare_keyed(plan: PlainPlan, stored: Sequence[Any], table: PlainTable, verdict: Verdict) -> None:
    found: dict[tuple, Stored] = {}
    for row in stored:
        key = (row["id"],)
        if key in found:
            verdict.add(f"key {key} is in the table twice", key[0] // _SPAN)
        sequence = row["seq"] if plan.load == "upsert" else None
        found[key] = Stored(sequence, tuple(row[n] for n in table.rule.others), row["_batch_id"])
    for key in sorted(found.keys() | table.rows.keys()):
        ours, theirs = found.get(key), table.rows.get(key)
        if ours != theirs or (ours and theirs and ours.batch != theirs.batch):
            verdict.add(f"key {key}: the table has {ours}, the model {theirs}", key[0] // _SPAN)


def _compare_bags(_plan: PlainPlan, stored: Sequence[Any], table: PlainTable, verdict: Verdict) -> None:
    """Rows without a key: how many there are of each kind, and that no two have one id."""
    names = table.rule.others
    found = Counter((tuple(row[n] for n in names), row["_batch_id"]) for row in stored)
    wanted = Counter((row.content, row.batch) for row in table.rows.values())
    for row, n in (found - wanted).items():
        verdict.add(f"the table has {n} of {row} that the model does not have", row[0][names.index("id")] // _SPAN)
    for row, n in (wanted - found).items():
        verdict.add(f"the table lacks {n} of {row}", row[0][names.index("id")] // _SPAN)
    twice = len(stored) - len({row["_record_id"] for row in stored})
    if twice:
        verdict.add(f"{twice} rows have the id of another")


def _compare_tables(plan: PlainPlan, lake: Lake, table: PlainTable, verdict: Verdict) -> None:
    stored = lake.now(lake.cleaned(DATASET))
    (_compare_keyed if plan.keyed else _compare_bags)(plan, stored.collect() if stored else [], table, verdict)
    refused: Counter[tuple] = Counter()
    quarantined = lake.now(lake.quarantine(DATASET))
    for row in quarantined.collect() if quarantined else ():
        refused[row["batch_id"], row["object_key"], row["raw"], tuple(row["reasons"])] += 1
    wanted = Counter(
        (batch, place, raw.decode("utf-8", "replace"), reasons)
        for batch, lines in table.quarantine.items()
        for place, raw, reasons in lines
    )
    for row, n in ((refused - wanted) | (wanted - refused)).items():
        verdict.add(f"the quarantine differs in {n} of {row}")
