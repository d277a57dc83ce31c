"""A plan: histories that share one table and one timeline, and the objects in which they land."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from histories.delivery import FILES, Delivery, History, Timeline, deliver, timeline
from histories.growth import GAINED, gains
from histories.model import Shape
from histories.records import INVALID, Declared, Landed, Record, parse
from histories.story import CONTENT, EXTRA, declared, story

NAME = "histories"
DATASET = f"sales.{NAME}"

_KEYS = {"composite": ("h", "id"), "single": ("id",)}
SPAN = 100


def key_columns(kind: str) -> list[Declared]:
    """The key of a shared table: a history's number beside the id, or both in one number."""
    types = {"h": "int", "id": "bigint"}
    return [
        {"name": k, "type": types[k], "doc": "", "required": True, "class": "internal", "protect": "none", "rules": []}
        for k in _KEYS[kind]
    ]


@dataclass(frozen=True)
class Plan:
    """Histories by number, the timeline they share, and the table they share it in.

    `seed` also decides how files are shuffled. `key` is `composite` or `single`, `table_format` as in the manifest;
    `content` names the columns beside the key. `share` is the share of refused records above which the gate blocks a
    batch, until the declaration takes its first step; None for no gate. If the table `evolves`, it follows its input.
    If it is `large`, the job takes it and its batches for such as need many partitions and files. If it is `tokenised`,
    its key columns are tokens.
    """

    seed: int
    timeline: Timeline
    histories: dict[int, History] = field(default_factory=dict)
    key: str = "composite"
    table_format: str = "iceberg"
    content: tuple[str, ...] = tuple(c["name"] for c in CONTENT)
    share: float | None = None
    evolves: bool = False
    large: bool = False
    tokenised: bool = False

    def shape(self, step: int = 0) -> Shape:
        """The declaration after so many steps."""
        return Shape([*key_columns(self.key), *declared(self.content, step)], _KEYS[self.key], self.evolves)

    def gate(self, step: int) -> Declared:
        """The gate after so many steps of the declaration."""
        return {"max_quarantined_share": None if step else self.share, "min_rows": None}

    def number(self, key: tuple) -> int | None:
        """Which history a key belongs to."""
        if self.key == "composite":
            return key[0]
        return None if not isinstance(key[0], int) else key[0] // SPAN


@dataclass(frozen=True)
class File:
    """An object on its way: its key, what the model is told of its records, in their order, and its bytes."""

    key: str
    landed: tuple[Landed, ...]
    body: bytes


def random_plan(
    seed: int, count: int, batches: int, generations: int, faults: float = 0.4, steps: int = 0, **more: Any
) -> Plan:
    """The plan of a seed: the same arguments make the same plan. `more` is of the plan."""
    r = Random(seed)
    return plan_on(r, seed, count, timeline(r, batches, generations, faults, steps), **more)


def plan_on(r: Random, seed: int, count: int, slots: Timeline, changes: int = 8, **more: Any) -> Plan:
    """A plan on this timeline; `changes` is how many a source makes in a generation, on average."""
    steps = max(slot.declared for slot in slots)
    generations = max(slot.load or 1 for slot in slots)
    content = tuple(sorted(r.sample([c["name"] for c in CONTENT], 4)))
    names = content + ((EXTRA["name"],) if steps else ())
    empty = all(slot.load != 1 for slot in slots)
    later = gains(seed, generations, changes) if more.get("evolves") else {}
    later = {name: at for name, at in later.items() if name in (*content, *GAINED)}
    histories = {}
    for h in range(1, count + 1):
        told = story(Random(f"{seed}/{h}"), generations, names, changes, empty, later)
        history = deliver(Random(f"{seed}/{h}/delivery"), told, slots)
        histories[h] = replace(history, truth=None) if steps else history
    return Plan(seed, slots, histories, content=content, **more)


def files(plan: Plan, slot: int) -> list[File]:
    """The files of a batch: of each generation and number one, with the records of all histories, shuffled.

    What has no type but text is in a generation's last file, so that there are few layouts: each costs Spark a plan.
    """
    r = Random(f"{plan.seed}/{slot}")
    parts: dict[tuple[int, int], list[Record]] = {}
    for number, history in plan.histories.items():
        for d in history.deliveries:
            if d.slot == slot:
                record = _record(plan, number, d)
                file = d.file if _typed(record, plan.shape()) else FILES - 1
                parts.setdefault((d.generation, file), []).append(record)
    loaded = plan.timeline[slot].load is not None
    made = []
    for generation, file in sorted(parts):
        records = parts[generation, file]
        r.shuffle(records)
        base = f"LOAD{slot * FILES + file + 1:08X}" if loaded else f"20260101-{slot * FILES + file:09d}"
        key = f"erp/g{generation}/public/{NAME}/{base}.parquet"
        landed = tuple(Landed(key, generation, loaded, record) for record in records)
        made.append(File(key, landed, encode(records, plan.shape(), text=file == FILES - 1)))
    return made


def batches(plan: Plan) -> dict[int, list[File]]:
    """The files of each batch, by slot. A slot in which nothing arrives has none, but for a later generation's load."""
    made = {i: files(plan, i) for i in range(len(plan.timeline))}
    return {i: found for i, found in made.items() if found or (plan.timeline[i].load or 0) > 1}


def _typed(record: Record, shape: Shape) -> bool:
    types = {c["name"]: c["type"] for c in shape.columns}
    texts = [(record.values.get(n), t) for n, t in types.items()] + [(t, types[k]) for k, t in record.before.items()]
    return all(parse(text, kind) is not INVALID for text, kind in texts)


def _record(plan: Plan, number: int, delivery: Delivery) -> Record:
    change = delivery.change
    sequence = f"{change.n:035d}" if isinstance(change.n, int) else change.n
    if plan.key == "composite":
        keys: dict[str, str | None] = {"h": str(number), "id": change.id}
        return Record(change.op, sequence, keys | change.values, {"id": change.before}, change.at)
    keys = {"id": _spread(number, change.id)}
    return Record(change.op, sequence, keys | change.values, {"id": _spread(number, change.before)}, change.at)


def _spread(number: int, text: str | None) -> str | None:
    return str(number * SPAN + int(text)) if text is not None and text.isdigit() else text


_NATIVE = {
    "int": pa.int32(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


def encode(records: Sequence[Record], shape: Shape, text: bool) -> bytes:
    """The records as a Parquet file of DMS, with columns of their own types, or all of text."""
    columns: dict[str, pa.Array] = {
        "Op": pa.array([record.op for record in records], pa.string()),
        "AR_H_CHANGE_SEQ": pa.array([record.sequence for record in records], pa.string()),
    }
    types = {c["name"]: "string" if text else c["type"] for c in shape.columns}
    for key in shape.keys:
        if any(key in record.before for record in records):
            columns[f"BI_{key}"] = _array([record.before.get(key) for record in records], types[key])
    for name, kind in types.items():
        columns[name] = _array([record.values.get(name) for record in records], kind)
    for name in sorted({name for record in records for name in record.values} - types.keys()):
        columns[name] = _array([record.values.get(name) for record in records], GAINED.get(name, "string"), spare=0)
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _array(texts: Iterable[str | None], kind: str, spare: int = 4) -> pa.Array:
    """A column of a file. Decimals have so many digits more than their type."""
    values = [parse(text, kind) for text in texts]
    if kind == "string":
        return pa.array(values, pa.string())
    if kind.startswith("decimal"):
        digits, scale = (int(n) for n in kind[8:-1].split(","))
        exact = Decimal(1).scaleb(-scale)
        return pa.array([v if v is None else v.quantize(exact) for v in values], pa.decimal128(digits + spare, scale))
    return pa.array(values, _NATIVE[kind])


def pasted(plan: Plan) -> str:
    """The plan as Python, ready to be kept as a test."""
    lines = [f"Plan(\n    {plan.seed},\n    (\n"]
    lines += [f"        {slot!r},\n" for slot in plan.timeline]
    lines.append("    ),\n    {\n")
    for number, history in plan.histories.items():
        lines.append(f"        {number}: History(\n            (\n")
        lines += [f"                {d!r},\n" for d in history.deliveries]
        truth = "" if history.truth is None else f"            {history.truth!r},\n"
        lines.append(f"            ),\n{truth}        ),\n")
    more = {"key": plan.key, "table_format": plan.table_format, "content": plan.content, "share": plan.share,
            "evolves": plan.evolves, "large": plan.large, "tokenised": plan.tokenised}  # fmt: skip
    return "".join(lines) + "    },\n" + "".join(f"    {k}={v!r},\n" for k, v in more.items()) + ")"
