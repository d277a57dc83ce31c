"""The reference models of append and upsert datasets, by the table in docs/contracts.md; no code of the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from histories.records import INVALID, Declared, Key, parse

_WRITES = ("inserted", "updated", "unchanged")


@dataclass(frozen=True)
class Rule:
    """A dataset's declaration: columns as the manifest has them, keys, the sequence of an upsert, and `unique_key`.

    Without keys a record is told apart by where it stands: its object, and which of alike lines there it is.
    """

    columns: Sequence[Declared]
    keys: Sequence[str]
    sequence: str | None
    unique: bool = False

    @property
    def others(self) -> list[str]:
        """The stored columns beside the key and the sequence."""
        return [c["name"] for c in self.columns if c["name"] not in (*self.keys, self.sequence)]


@dataclass(frozen=True)
class Line:
    """A landed record: its object's key, its raw bytes, and its texts; None if it is malformed."""

    place: str
    raw: bytes
    values: dict[str, str | None] | None


@dataclass(frozen=True)
class Stored:
    """A row: its sequence (None of an append), its other columns, and the batch that last wrote it."""

    sequence: Any
    content: tuple
    batch: str = field(default="", compare=False)

    @property
    def order(self) -> tuple:
        return (self.sequence, tuple(_rank(v) for v in self.content))


def _rank(value: Any) -> tuple:
    return (value is not None, value.encode() if isinstance(value, str) else 0 if value is None else value)


@dataclass
class PlainTable:
    """The table batch by batch, and each batch's quarantine: (object, raw line, reasons)."""

    rule: Rule
    rows: dict[Key, Stored] = field(default_factory=dict)
    quarantine: dict[str, list[tuple[str, bytes, tuple[str, ...]]]] = field(default_factory=dict)

    def apply(self, batch: str, lines: Iterable[Line]) -> tuple[str, Counter]:
        """The batch's state and counts."""
        ordered = sorted(lines, key=lambda line: (line.place, line.raw))
        alike: Counter[tuple[str, bytes]] = Counter()
        counts, refused, accepted = Counter(read=len(ordered)), [], []
        for line in ordered:
            reasons, values = self._judged(line)
            if reasons:
                refused.append((line.place, line.raw, tuple(reasons)))
                continue
            alike[line.place, line.raw] += 1
            standing = (line.place, line.raw, alike[line.place, line.raw])
            key = tuple(values[k] for k in self.rule.keys) or standing
            sequence = values[self.rule.sequence] if self.rule.sequence else None
            accepted.append((line, key, Stored(sequence, tuple(values[n] for n in self.rule.others), batch)))
        outcome = self._upsert if self.rule.sequence else self._append
        before = dict(self.rows)
        for line, name in outcome(accepted):
            counts[name] += 1
            if name == "quarantined":
                refused.append((line.place, line.raw, ("unique_key",)))
        counts["quarantined"] = len(refused)
        self.quarantine[batch] = refused
        changed = any(before.get(k) is not row for k, row in self.rows.items())
        return "applied" if changed else "empty", +counts

    def _judged(self, line: Line) -> tuple[list[str], dict[str, Any]]:
        if line.values is None:
            return ["malformed"], {}
        reasons, values = [], {}
        for column in self.rule.columns:
            name, text = column["name"], line.values.get(column["name"])
            values[name] = parse(text, column["type"])
            if values[name] is INVALID:
                reasons.append(f"type:{name}")
            if column["required"] and text is None:
                reasons.append(f"required:{name}")
            for rule in column["rules"] if text is not None and values[name] is not INVALID else ():
                low, high = parse(rule["min"], column["type"]), parse(rule["max"], column["type"])
                if (low is not None and values[name] < low) or (high is not None and values[name] > high):
                    reasons.append(f"range:{name}")
        return sorted(set(reasons)), values

    def _append(self, accepted: list[tuple[Line, Key, Stored]]) -> Iterable[tuple[Line, str]]:
        """What comes first stays; the rest is the same again, or too late."""
        counted: set[tuple[Key, tuple]] = set()
        stored = dict(self.rows)
        for line, key, row in accepted:
            alike = (key, row.content)
            if alike in counted or (key in stored and stored[key].content == row.content):
                yield line, "duplicate"
                continue
            counted.add(alike)
            if key in self.rows:
                yield line, "quarantined" if self.rule.unique else "stale"
            else:
                self.rows[key] = row
                yield line, "inserted"

    def _upsert(self, accepted: list[tuple[Line, Key, Stored]]) -> Iterable[tuple[Line, str]]:
        """The last in the order of changes stays."""
        stored, seen = dict(self.rows), set()
        last: dict[Key, tuple] = {}
        last_of: dict[tuple[Key, Any], tuple] = {}
        for _, key, row in accepted:
            last[key] = max(last.get(key, row.order), row.order)
            last_of[key, row.sequence] = max(last_of.get((key, row.sequence), row.order), row.order)
        for line, key, row in accepted:
            again = (key, row.order) in seen
            outcome = self._outcome(row, stored.get(key), last[key], last_of[key, row.sequence], again)
            seen.add((key, row.order))
            if outcome in _WRITES:
                self.rows[key] = row
            yield line, outcome

    def _outcome(self, row: Stored, stored: Stored | None, last: tuple, last_of_sequence: tuple, again: bool) -> str:
        if again or (stored is not None and stored.order == row.order):
            return "duplicate"
        if self.rule.unique and row.order < last_of_sequence:
            return "quarantined"
        if row.order < last:
            return "superseded"
        if stored is None:
            return "inserted"
        if stored.order > row.order:
            return "stale"
        return "unchanged" if stored.content == row.content else "updated"
