"""The reference model of a CDC dataset: the ordered history applied to a dict, by docs/contracts.md.

It shares no code with the jobs and knows no batches; those are the matter of `outcomes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from histories.records import INVALID, Declared, Key, Landed, parse


@dataclass(frozen=True)
class Row:
    """A row of the table. `content` is None for a tombstone; `batch` is the batch that last wrote it."""

    generation: int
    sequence: str
    content: dict[str, Any] | None
    batch: str = field(default="", compare=False)


@dataclass(frozen=True)
class Shape:
    """A dataset's declaration: its columns as the manifest has them, which are the key, and if input adds to them."""

    columns: Sequence[Declared]
    keys: Sequence[str]
    evolves: bool = False

    @property
    def content(self) -> list[str]:
        return [c["name"] for c in self.columns if c["name"] not in self.keys]

    def place(self, row: Row) -> tuple:
        """A row's place in the order of changes: generation, sequence, content; a delete is below any content."""
        content = () if row.content is None else tuple(_rank(row.content.get(name)) for name in self.content)
        return row.generation, row.sequence, content


def _rank(value: Any) -> tuple:
    """NULL first; text by its bytes."""
    return (value is not None, value.encode() if isinstance(value, str) else 0 if value is None else value)


@dataclass(frozen=True)
class Judged:
    """What the rules make of a record: why it is refused, or the rows it writes, the old key's first.

    `line` is its raw line, which the declaration has a part in.
    """

    landed: Landed
    line: bytes
    reasons: list[str]
    key: Key
    writes: list[tuple[Key, Row]]


def judged(landed: Landed, shape: Shape, batch: str = "") -> Judged:
    """A record's reasons and effects: rules judge what writes a row, of a delete only order and key."""
    record, deletes = landed.record, landed.record.op == "D"
    sequence = "" if landed.loaded else record.sequence or ""
    reasons = []
    if record.op not in ("I", "U", "D"):
        reasons.append("type:Op")
    if not landed.loaded and not sequence:
        reasons.append("required:AR_H_CHANGE_SEQ")
    if sequence and not re.fullmatch("[0-9]{35}", sequence):
        reasons.append("type:AR_H_CHANGE_SEQ")
    values: dict[str, Any] = {}
    for column in shape.columns:
        name, text = column["name"], record.values.get(column["name"])
        values[name] = parse(text, column["type"])
        if name in shape.keys or not deletes:
            reasons += [f"type:{name}"] if values[name] is INVALID else []
            reasons += [f"required:{name}"] if column["required"] and text is None else []
        if not deletes and values[name] is not INVALID and text is not None:
            reasons += {f"{rule['kind']}:{name}": 1 for rule in column["rules"] if _breaks(values[name], rule, column)}
    key = tuple(values[k] for k in shape.keys)
    old = tuple(_old(record.before.get(k), values[k], shape, k) for k in shape.keys)
    if record.op == "U":
        reasons += [f"type:BI_{k}" for k, value in zip(shape.keys, old, strict=True) if value is INVALID]
    line = record.line(shape.columns, shape.keys)
    if reasons:
        return Judged(landed, line, sorted(set(reasons)), key, [])
    content = None if deletes else {name: values[name] for name in shape.content}
    writes = [(key, Row(landed.generation, sequence, content, batch))]
    if record.op == "U" and old != key:
        writes.insert(0, (old, Row(landed.generation, sequence, None, batch)))
    return Judged(landed, line, [], key, writes)


def _old(text: str | None, value: Any, shape: Shape, name: str) -> Any:
    """A key column before the change; what is left out has not changed."""
    kind = next(c["type"] for c in shape.columns if c["name"] == name)
    return (None if value is INVALID else value) if text is None else parse(text, kind)


def _breaks(value: Any, rule: Declared, column: Declared) -> bool:
    kind = column["type"]
    if rule["kind"] == "range":
        low, high = (parse(rule[end], kind) for end in ("min", "max"))
        return (low is not None and value < low) or (high is not None and value > high)
    if rule["kind"] == "set":
        return value not in [parse(v, kind) for v in rule["values"]]
    return re.search(rule["regex"], value) is None


@dataclass(frozen=True)
class Epoch:
    """What arrived under one declaration up to a load: changes in any order, then the load's records, if any."""

    shape: Shape
    changes: Sequence[Landed]
    load: int | None = None
    records: Sequence[Landed] = ()


def settled(epochs: Iterable[Epoch]) -> dict[Key, Row]:
    """The table in the end: of each key the last in the order of changes, less what a load no longer has."""
    table: dict[Key, Row] = {}
    loaded = 0
    for epoch in epochs:
        records = [judged(r, epoch.shape) for r in epoch.records]
        for one in [*(judged(r, epoch.shape) for r in epoch.changes), *records]:
            for key, row in one.writes:
                later = key not in table or epoch.shape.place(row) > epoch.shape.place(table[key])
                if row.generation >= loaded and later:
                    table[key] = row
        if epoch.load is not None:
            there = {one.key for one in records}
            gone = [k for k, row in table.items() if row.content is not None and row.generation < epoch.load]
            table |= {k: Row(epoch.load, "", None) for k in gone if k not in there}
            loaded = max(loaded, epoch.load)
    return table
