"""Random stories of one source table: what is loaded and what changes, in the order in which the source does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from histories.growth import WIDE_VALUES, values_of
from histories.records import Declared

IDS = range(1, 7)


def _column(name: str, kind: str, required: bool = False, *rules: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": "", "required": required, "class": "internal", "protect": "none",
            "rules": list(rules)}  # fmt: skip


CONTENT = (
    _column("name", "string", False, {"kind": "pattern", "regex": "^[^!]*$"}),
    _column("kind", "string", True, {"kind": "set", "values": ["A", "B", "C"]}),
    _column("qty", "int"),
    _column("amount", "decimal(10,2)", False, {"kind": "range", "min": "0", "max": None}),
    _column("day", "date"),
    _column("seen", "timestamp"),
    _column("ok", "boolean"),
    _column("ratio", "double"),
)
# What later declarations add, in the middle, and then make wider.
EXTRA = _column("extra", "string", False, {"kind": "pattern", "regex": "^[^!]*$"})
WIDER = {"qty": "bigint", "amount": "decimal(14,2)"}


def declared(names: Sequence[str], step: int) -> list[Declared]:
    """The columns of these names as the declaration has them after so many steps, from 0 to 2."""
    columns = [c for c in CONTENT if c["name"] in names]
    if step > 0:
        columns.insert(1, EXTRA)
    if step > 1:
        columns = [c | {"type": WIDER.get(c["name"], c["type"])} for c in columns]
    return columns


_GOOD: dict[str, tuple[str | None, ...]] = {
    "name": (None, "", "a", "b", "ä", 'z, "q"', "\U0001f600", "\uff5e", "A"),
    "kind": ("A", "B", "C"),
    "qty": (None, "0", "1", "-2", "2147483647"),
    "amount": (None, "0.00", "1.50", "12345678.99"),
    "day": (None, "0001-01-01", "2024-02-29", "9999-12-31"),
    "seen": (None, "1999-12-31 23:59:59", "2024-02-29 12:00:00.5", "2024-02-29 12:00:00.000001"),
    "ok": (None, "true", "false"),
    "ratio": (None, "0.0", "-1.5", "2.25"),
    "extra": (None, "x", "y"),
}
_BAD: dict[str, tuple[str | None, ...]] = {
    "name": ("!", "a!b"),
    "kind": (None, "Z", ""),
    "qty": ("x", "1.5", "2147483648", ""),
    "amount": ("-1.00", "1.005", "100000000.00", "1e3"),
    "day": ("2023-02-29", "2024-1-1"),
    "seen": ("2024-02-29 24:00:00", "2024-02-30 00:00:00"),
    "ok": ("yes", "1"),
    "ratio": ("NaN", "1e999"),
    "extra": ("!",),
}


@dataclass(frozen=True)
class Change:
    """One record of the source. `n` is its sequence, or text in its place, None in a load; `at` its transaction's time.

    `id` and `before` are texts; `before` is the old key, None where it is left out since it did not change.
    """

    op: str | None
    n: int | str | None
    id: str | None
    values: dict[str, str | None] = field(default_factory=dict)
    before: str | None = None
    at: int = 0

    @property
    def moves(self) -> bool:
        """Whether the key is another one than before."""
        return self.before is not None and self.before != self.id

    def __repr__(self) -> str:
        more = f", before={self.before!r}" * (self.before is not None) + f", at={self.at}" * (self.at != 0)
        return f"Change({self.op!r}, {self.n!r}, {self.id!r}, {self.values!r}{more})"


@dataclass(frozen=True)
class Generation:
    """What one replication sends: the rows of its load, and the changes after it."""

    number: int
    load: tuple[Change, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Story:
    """The generations of a source, and the rows it has in the end, by id."""

    generations: tuple[Generation, ...]
    rows: dict[int, dict[str, str | None]]
    clean: bool


def story(
    r: Random,
    generations: int,
    names: Sequence[str],
    changes: int = 8,
    empty: bool = False,
    gains: Mapping[str, tuple[int, int]] | None = None,
) -> Story:
    """A random story of a table with these columns beside the key.

    A clean one has no invalid records and repeats no sequence, so that a lake must end with its rows.
    The source is `empty` at first where its first generation is not loaded. `gains` is what comes later, and when.
    """
    source = _Source(r, list(names), r.random() < 0.3, dict(gains or {}))
    if empty:
        source.rows.clear()
    told = []
    for number in range(1, generations + 1):
        source.restart(number)
        load = tuple(source.loaded())
        told.append(Generation(number, load, tuple(source.changes(r.randint(0, 2 * changes)))))
    return Story(tuple(told), source.rows, source.clean)


class _Source:
    def __init__(self, r: Random, names: list[str], clean: bool, gains: dict[str, tuple[int, int]]) -> None:
        self.r, self.names, self.clean, self.gains = r, names, clean, gains
        self.wide: set[str] = set()
        self.rows: dict[int, dict[str, str | None]] = {i: self._values() for i in IDS if r.random() < 0.4}
        self.n, self.at = 0, 0

    def _values(self) -> dict[str, str | None]:
        return {name: self._value(name) for name in self.names}

    def _value(self, name: str) -> str | None:
        return self.r.choice(values_of(_GOOD, name, name in self.wide))

    def restart(self, generation: int) -> None:
        """A new replication starts its sequence anew; what happened in between nobody saw."""
        self.generation, self.n = generation, 0
        self._grow()
        if generation == 1:
            return
        for i in IDS:
            if i in self.rows and self.r.random() < 0.3:
                del self.rows[i]
            elif self.r.random() < 0.2:
                self.rows[i] = self._values()

    def _grow(self) -> None:
        for name in [name for name, at in self.gains.items() if (self.generation, self.n) >= at]:
            del self.gains[name]
            if name in WIDE_VALUES:
                self.wide.add(name)
            else:
                self.names.append(name)

    def loaded(self) -> list[Change]:
        return [self._dirty(Change("I", None, str(i), dict(values))) for i, values in self.rows.items()]

    def changes(self, count: int) -> list[Change]:
        made: list[Change] = []
        while len(made) < count:
            self.at += 1
            self._grow()
            for _ in range(self.r.choice((1, 1, 1, 2, 3))):
                made += self._transaction()
        return made

    def _transaction(self) -> list[Change]:
        """One motif: a change, or the few that are known to go wrong together."""
        i = self.r.choice(IDS)
        if i not in self.rows:
            return [self._insert(i)]
        motif = self.r.random()
        if motif < 0.35:
            return [self._update(i, self._values())]
        if motif < 0.45:
            return [self._update(i, dict(self.rows[i]))]
        if motif < 0.55:
            return [self._delete(i)]
        if motif < 0.65:
            return [self._delete(i), self._insert(i), *([self._delete(i)] if self.r.random() < 0.5 else [])]
        if motif < 0.75 and not self.clean:
            return self._tie(i)
        free = [k for k in IDS if k not in self.rows]
        if motif < 0.95 and free:
            return self._moves(i, free)
        name = self.r.choice(self.names)
        return [self._update(i, self.rows[i] | {name: self._value(name)})]

    def _moves(self, i: int, free: list[int]) -> list[Change]:
        """A row takes a free key; perhaps another takes the key it left, or it goes back."""
        made = [self._move(i, self.r.choice(free))]
        if self.r.random() < 0.4:
            others = [k for k in self.rows if k != i]
            if others:
                made.append(self._move(self.r.choice(others), i))
        return made

    def _tie(self, i: int) -> list[Change]:
        """Records that share a sequence: the order is decided by content.

        They differ in content: which of two that are alike counts as the first is nowhere said.
        """
        first, values = self._update(i, self._values()), self._values()
        while values == first.values:
            values = self._values()
        motif, other = self.r.random(), str(self.r.choice(IDS))
        if motif < 0.3:
            return [first, self._dirty(Change("D", self.n, str(i), {}, at=self.at))]
        return [first, self._dirty(Change("U", self.n, str(i), values, other if motif < 0.6 else None, self.at))]

    def _insert(self, i: int) -> Change:
        return self._write("I", i, self._values())

    def _update(self, i: int, values: dict[str, str | None]) -> Change:
        return self._write("U", i, values, str(i) if self.r.random() < 0.3 else None)

    def _move(self, i: int, to: int) -> Change:
        values = self.rows.pop(i)
        return self._write("U", to, values, str(i))

    def _write(self, op: str, i: int, values: dict[str, str | None], before: str | None = None) -> Change:
        self.n += 1
        self.rows[i] = values
        return self._dirty(Change(op, self.n, str(i), dict(values), before, self.at))

    def _delete(self, i: int) -> Change:
        self.n += 1
        del self.rows[i]
        return self._dirty(Change("D", self.n, str(i), {}, at=self.at))

    def _dirty(self, change: Change) -> Change:
        """Now and then a record that must be refused."""
        if self.clean or self.r.random() > 0.07:
            return change
        op, n, id, values, before = change.op, change.n, change.id, dict(change.values), change.before
        flaw = self.r.choice(("op", "sequence", "id", "value", "value", "value", "before"))
        if flaw == "op":
            op = self.r.choice(("X", None, "d"))
        elif flaw == "sequence":
            # In a load whatever stands there is ignored.
            n = self.r.choice((None, "7", "x", 3))
        elif flaw == "id":
            id = self.r.choice((None, "x"))
        elif flaw == "before" and op == "U":
            before = "?"
        else:
            name = self.r.choice([name for name in self.names if name in _BAD])
            values[name] = self.r.choice(_BAD[name])
        return Change(op, n, id, values, before, change.at)
