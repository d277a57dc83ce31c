"""The datasets of a lake as its manifest declares them: what a sender needs to write files for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One quality rule of a column: `range` (bounds as text, None where open), `set` or `pattern`."""

    kind: str
    min: str | None = None
    max: str | None = None
    values: tuple[str, ...] = ()
    regex: str | None = None


@dataclass(frozen=True)
class Column:
    """One declared column."""

    name: str
    type: str
    required: bool
    protect: str
    rules: tuple[Rule, ...]
    form: tuple[tuple[str, Any], ...] = ()
    """The parameters of a protection that has some."""

    @property
    def scale(self) -> int:
        """Digits after the point of a decimal type."""
        return int(self.type[:-1].split(",")[1])

    @property
    def numeric(self) -> bool:
        return self.type in ("int", "bigint", "double") or self.type.startswith("decimal")

    def accepts(self, value: Any) -> bool:
        """Whether a value other than NULL satisfies the range and set rules of a numeric column."""
        for rule in self.rules:
            if rule.min is not None and value < Decimal(rule.min):
                return False
            if rule.max is not None and value > Decimal(rule.max):
                return False
            if rule.kind == "set" and value not in [Decimal(v) for v in rule.values]:
                return False
        return True


@dataclass(frozen=True)
class Dataset:
    """One declared dataset and the prefix of the raw bucket its files land under (ends in `/`)."""

    id: str
    name: str
    domain: str
    load: str
    keys: tuple[str, ...]
    sequence: str | None
    kind: str
    header: bool
    delimiter: str
    null_value: str
    columns: tuple[Column, ...]
    unique_key: bool
    max_quarantined_share: float | None
    cleaned_database: str
    quarantine_database: str
    prefix: str
    stamp: str | None = None
    """Of a snapshot that has one: the regular expression that finds the stamp in a key below the prefix."""

    @property
    def whole(self) -> bool:
        """Whether each delivery is the whole table."""
        return self.load == "snapshot"

    def position(self, column: str) -> int:
        """Index of a column in a row; ValueError when it is not declared."""
        for i, c in enumerate(self.columns):
            if c.name == column:
                return i
        names = ", ".join(c.name for c in self.columns)
        raise ValueError(f"{self.id} declares no column {column!r}; it declares {names}")

    def key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[self.position(k)] for k in self.keys)


def read_manifest(text: str) -> dict[str, Dataset]:
    """The datasets of a manifest by id. A dataset with several landing prefixes gets the first."""
    manifest = json.loads(text)
    prefixes: dict[str, str] = {}
    for landing in manifest["landing"]:
        prefixes.setdefault(landing["dataset"], landing["prefix"])
    return {d["id"]: _dataset(d, prefixes[d["id"]]) for d in manifest["datasets"]}


def _dataset(entry: dict[str, Any], prefix: str) -> Dataset:
    form = entry["format"]
    return Dataset(
        id=entry["id"],
        name=entry["name"],
        domain=entry["domain"],
        load=entry["load"],
        keys=tuple(entry["keys"]),
        sequence=entry["sequence"],
        kind=form["kind"],
        header=bool(form["header"]),
        delimiter=form["delimiter"] or ",",
        null_value=form["null_value"] or "",
        columns=tuple(
            Column(c["name"], c["type"], c["required"], kind, tuple(_rule(r) for r in _quarantining(c)), form)
            for c in entry["columns"]
            for kind, form in [_protection(c["protect"])]
        ),
        unique_key=entry["unique_key"],
        max_quarantined_share=entry["gate"]["max_quarantined_share"],
        cleaned_database=entry["cleaned_database"],
        quarantine_database=entry["quarantine_database"],
        prefix=prefix,
        stamp=entry.get("delivery", {}).get("stamp"),
    )


def _protection(stated: str | dict[str, Any]) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """The kind of a protection and its parameters."""
    if isinstance(stated, str):
        return stated, ()
    return stated["kind"], tuple((name, value) for name, value in stated.items() if name != "kind")


def _quarantining(column: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules of a column that set rows aside; what others judge is a batch."""
    return [rule for rule in column["rules"] if rule.get("policy", "quarantine") == "quarantine"]


def _rule(rule: dict[str, Any]) -> Rule:
    return Rule(rule["kind"], rule.get("min"), rule.get("max"), tuple(rule.get("values", ())), rule.get("regex"))
