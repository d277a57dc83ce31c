"""Parcels: the object versions a scenario lands, and the sender's own account of what they hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from rehearsal.data.declared import Dataset
from rehearsal.data.encode import Record, RecordId, encode, quarantined
from rehearsal.data.protected import kept

Kind = Literal["readable", "unreadable", "unroutable", "ignored", "failed", "split"]


@dataclass
class Draft:
    """A file being made: its records in order. `cut` keeps only that share of the file's bytes (0 to 1)."""

    delivery: str
    dataset: Dataset
    key: str
    records: list[Record]
    compress: bool
    cut: float | None = None


@dataclass(frozen=True)
class Parcel:
    """One object version to put: how many records a reader finds in it, and what must become of them."""

    delivery: str
    key: str
    body: bytes
    kind: Kind
    dataset: str | None = None
    records: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    quarantined: tuple[RecordId, ...] = ()


@dataclass(frozen=True)
class Sent:
    """A parcel as it was put, with the version the store gave it."""

    parcel: Parcel
    version: str


@dataclass
class Account:
    """What the sender sent: every figure comes from the parcels, none from the lake."""

    sent: list[Sent] = field(default_factory=list)
    unjudged: set[str] = field(default_factory=set)
    """Datasets of whose records the sender knows how many there are, not what becomes of each."""

    def rows(self) -> dict[str, int]:
        """Records in readable, routed objects, by dataset."""
        total: Counter[str] = Counter()
        for s in self.sent:
            if s.parcel.kind == "readable" and s.parcel.dataset:
                total[s.parcel.dataset] += s.parcel.records
        return dict(total)

    def fates(self, dataset: str) -> Counter[str]:
        """What must become of the dataset's records: inserted, updated, unchanged, duplicate, superseded, stale, …"""
        total: Counter[str] = Counter()
        for s in self.sent:
            if s.parcel.dataset == dataset and s.parcel.kind == "readable":
                total.update(s.parcel.fates)
        return total

    def objects(self, kind: Kind) -> set[tuple[str, str]]:
        """(key, version) of the objects of a kind."""
        return {(s.parcel.key, s.version) for s in self.sent if s.parcel.kind == kind}

    def quarantined(self) -> dict[tuple[str, str, str, int], tuple[str, ...]]:
        """Reasons by record id (object key, object version, SHA-256 of the raw line, occurrence)."""
        return {
            (s.parcel.key, s.version, r.sha256, r.occurrence): r.reasons
            for s in self.sent
            for r in s.parcel.quarantined
        }


def parcels(drafts: list[Draft]) -> list[Parcel]:
    """Encode drafts, in order of delivery; clean records become inserted, updated or unchanged by their history."""
    stored: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = {}
    made = []
    for draft in drafts:
        body = encode(draft.records, draft.dataset, draft.compress)
        if draft.cut is not None:
            body = body[: int(len(body) * draft.cut)]
            made.append(Parcel(draft.delivery, draft.key, body, "unreadable", draft.dataset.id))
            continue
        made.append(
            Parcel(
                delivery=draft.delivery,
                key=draft.key,
                body=body,
                kind="readable",
                dataset=draft.dataset.id,
                records=len(draft.records),
                fates=_fates(draft, stored.setdefault(draft.dataset.id, {})),
                quarantined=tuple(quarantined(draft.records, draft.dataset)),
            )
        )
    return made


def _fates(draft: Draft, stored: dict[tuple[Any, ...], tuple[Any, ...]]) -> Counter[str]:
    dataset = draft.dataset
    at = dataset.position(dataset.sequence) if dataset.sequence else None
    dropped = {i for i, c in enumerate(dataset.columns) if c.protect == "drop"}
    hidden = dropped if at is None else dropped | {at}
    fates: Counter[str] = Counter()
    if dataset.whole and not all(r.fault == "late" for r in draft.records):
        here = {dataset.key(r.values) for r in draft.records if r.fate == "clean"}
        for key in [key for key in stored if key not in here]:
            del stored[key]
    for record in draft.records:
        if record.fate != "clean":
            fates[record.fate] += 1
            continue
        key = dataset.key(record.values)
        content = tuple(kept(v, dataset.columns[i]) for i, v in enumerate(record.values) if i not in hidden)
        fates["inserted" if key not in stored else "unchanged" if stored[key] == content else "updated"] += 1
        stored[key] = content
    return fates
