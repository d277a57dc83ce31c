"""Plants faults into clean drafts; each planted record carries what must become of it."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rehearsal.data.declared import Column, Dataset
from rehearsal.data.encode import Record, csv_fields
from rehearsal.data.parcels import Draft, Parcel
from rehearsal.data.tpch import SEQUENCE_STEP, DataError

Values = tuple[Any, ...]


@dataclass
class Field:
    """The drafts faults are planted in, in order of delivery, and which rows already serve a fault."""

    drafts: list[Draft]
    deliveries: list[str]
    rng: random.Random
    taken: set[tuple[str, Values]]

    def of(self, fault: dict[str, Any]) -> list[Draft]:
        """The whole files of the fault's dataset in its delivery."""
        found = [
            d
            for d in self.drafts
            if d.delivery == fault["delivery"] and d.dataset.id == fault["dataset"] and d.cut is None
        ]
        if not found:
            raise DataError(f"fault {fault['kind']}: {fault['dataset']} has no file in delivery {fault['delivery']!r}")
        return found

    def clean(self, drafts: list[Draft], count: int, fit: Callable[[Values], bool]) -> Iterator[tuple[Draft, Record]]:
        """`count` clean records that serve no other fault, chosen at random, each with its draft."""
        pool = [
            (d, r)
            for d in drafts
            for r in d.records
            if r.fate == "clean" and (d.dataset.id, d.dataset.key(r.values)) not in self.taken and fit(r.values)
        ]
        if len(pool) < count:
            raise DataError(f"faults need {count} more rows of {drafts[0].dataset.id}, {len(pool)} are left")
        for draft, record in self.rng.sample(pool, count):
            self.taken.add((draft.dataset.id, draft.dataset.key(record.values)))
            yield draft, record

    def insert(self, draft: Draft, record: Record) -> None:
        draft.records.insert(self.rng.randint(0, len(draft.records)), record)

    def before(self, fault: dict[str, Any]) -> list[Draft]:
        """Whole files of the fault's dataset in earlier deliveries."""
        earlier = self.deliveries[: self.deliveries.index(fault["delivery"])]
        found = [d for d in self.drafts if d.delivery in earlier and d.dataset.id == fault["dataset"] and d.cut is None]
        if not found:
            raise DataError(f"fault {fault['kind']} of {fault['dataset']} needs an earlier delivery with its rows")
        return found


def plant(field: Field, faults: list[dict[str, Any]]) -> list[Parcel]:
    """Plant the faults in order; the parcels of those that are no files of a dataset."""
    strays = []
    for fault in faults:
        kind = fault["kind"]
        if kind in ("unroutable", "ignored"):
            body = b"id,amount\n1,10.00\n" if kind == "unroutable" else b""
            strays += [Parcel(fault["delivery"], key, body, kind) for key in fault["keys"]]
        else:
            PLANTERS[kind](field, fault)
    return strays


def _malformed(field: Field, fault: dict[str, Any]) -> None:
    _csv_only(field, fault)
    if len(field.of(fault)[0].dataset.columns) < 3:
        raise DataError(f"fault {fault['kind']}: {fault['dataset']} has fewer than three columns")
    for draft, record in field.clean(field.of(fault), fault["count"], lambda _: True):
        fields = csv_fields(record, draft.dataset)
        broken = draft.dataset.delimiter.join(
            {
                "too_few_fields": [fields[0], "half a row"],
                "too_many_fields": [*fields, "one more"],
                "unclosed_quote": [*fields[:-1], '"open'],
            }[fault["kind"]]
        )
        for _ in range(fault.get("repeat", 1)):
            planted = Record(line=broken, fate="quarantined", reasons=("malformed",), fault=fault["kind"])
            field.insert(draft, planted)


def _bad_value(field: Field, fault: dict[str, Any]) -> None:
    dataset = field.of(fault)[0].dataset
    wrong = {dataset.columns[dataset.position(c)]: kind for c, kind in fault["columns"].items()}
    if "type" in wrong.values():
        _csv_only(field, fault)
    for draft, record in field.clean(field.of(fault), fault["count"], lambda _: True):
        values = list(record.values)
        for column, kind in wrong.items():
            at = dataset.position(column.name)
            values[at] = _wrong(column, kind, values[at])
        reasons = tuple(sorted(f"{kind}:{column.name}" for column, kind in wrong.items()))
        field.insert(draft, Record(tuple(values), fate="quarantined", reasons=reasons, fault="bad_value"))


def _wrong(column: Column, kind: str, value: Any) -> Any:
    """A value of the column that breaks exactly the rule of this kind."""
    if kind == "type":
        return "1995-13-45" if column.type in ("date", "timestamp") else "12,5 (sic)"
    if kind == "required":
        return None
    rule = next((r for r in column.rules if r.kind == kind), None)
    if rule is None:
        raise DataError(f"fault bad_value: column {column.name} declares no {kind} rule")
    if kind == "set":
        return "?"
    if kind == "pattern":
        return next(v for v in (f"~{value}~", "~", "") if not re.search(rule.regex, v))
    bound, step = (rule.max, 1) if rule.max is not None else (rule.min, -1)
    if column.type == "date":
        return dt.date.fromisoformat(bound) + dt.timedelta(days=step)
    moved = Decimal(bound) + step
    return moved if column.type.startswith("decimal") else int(moved)


def _duplicate(field: Field, fault: dict[str, Any]) -> None:
    files = field.of(fault)
    across = fault["kind"] == "duplicate_across_files"
    if across and len(files) < 2:
        raise DataError(f"fault {fault['kind']}: {fault['dataset']} has one file in {fault['delivery']!r}, two needed")
    for draft, record in field.clean(files, fault["count"], lambda _: True):
        target = next(d for d in files if d.key != draft.key) if across else draft
        field.insert(target, replace(record, fate="duplicate", fault=fault["kind"]))


def _superseded(field: Field, fault: dict[str, Any]) -> None:
    dataset = _upsert_only(field, fault)
    at = dataset.position(dataset.sequence)
    for draft, record in field.clean(field.of(fault), fault["count"], lambda v: _lowered(v, dataset) is not None):
        values = list(_lowered(record.values, dataset))
        values[at] -= SEQUENCE_STEP // 2
        field.insert(draft, Record(tuple(values), fate="superseded", fault="superseded"))


def _conflicting_key(field: Field, fault: dict[str, Any]) -> None:
    files = field.of(fault)
    dataset = files[0].dataset
    if dataset.whole:
        raise DataError(f"fault {fault['kind']}: {dataset.id} is a snapshot, of which both rows would be set aside")
    sources = files if dataset.load == "upsert" else field.before(fault)
    if dataset.unique_key:
        fate, reasons = "quarantined", ("unique_key",)
    else:
        fate, reasons = ("superseded" if dataset.load == "upsert" else "stale"), ()
    for draft, record in field.clean(sources, fault["count"], lambda v: _lowered(v, dataset) is not None):
        target = draft if dataset.load == "upsert" else files[0]
        values = _lowered(record.values, dataset)
        field.insert(target, Record(values, fate=fate, reasons=reasons, fault="conflicting_key"))


def _lowered(values: Values, dataset: Dataset) -> Values | None:
    """The row with its first free number one unit lower, so that it sorts before the row; None if there is none."""
    fixed = {*dataset.keys, dataset.sequence}
    for i, column in enumerate(dataset.columns):
        if column.name in fixed or not column.numeric or column.protect != "none" or values[i] is None:
            continue
        lower = values[i] - 1
        if column.accepts(lower):
            return (*values[:i], lower, *values[i + 1 :])
    return None


def _late(field: Field, fault: dict[str, Any]) -> None:
    """A file of its own with first versions of rows that have changed since."""
    earlier = field.before(fault)
    if earlier[0].dataset.whole:
        _late_snapshot(field, fault, earlier[0])
        return
    dataset = _upsert_of(earlier[0].dataset, fault)
    newest: dict[Values, str] = {}
    for draft in earlier:
        newest.update({dataset.key(r.values): draft.delivery for r in draft.records if r.fate == "clean"})
    first = [d for d in earlier if d.delivery == earlier[0].delivery]
    old = field.clean(first, fault["count"], lambda v: newest[dataset.key(v)] != first[0].delivery)
    records = [replace(r, fate="stale", fault="late") for _, r in old]
    _append_file(field, fault, replace(first[0], records=records), "late")


def _late_snapshot(field: Field, fault: dict[str, Any], first: Draft) -> None:
    """The first snapshot once more, under its stamp: all of it is old."""
    if fault["count"] > len(first.records):
        raise DataError(f"fault late: {first.key} has {len(first.records)} records, {fault['count']} are asked for")
    fates = {"clean": "stale"}
    records = [replace(r, fate=fates.get(r.fate, r.fate), fault="late") for r in first.records[: fault["count"]]]
    folder, _, name = first.key.rpartition("/")
    draft = replace(first, records=records, delivery=fault["delivery"], key=f"{folder}/late-{name}")
    field.drafts.append(draft)


def _truncated(field: Field, fault: dict[str, Any]) -> None:
    """A copy of one of the dataset's files, cut after three fifths of its bytes."""
    same = [d for d in field.drafts if d.dataset.id == fault["dataset"] and d.cut is None]
    if not same:
        raise DataError(f"fault truncated: no file of {fault['dataset']} is delivered")
    if same[0].dataset.kind == "csv" and not same[0].compress:
        raise DataError(f"fault truncated: {fault['dataset']} is plain CSV, which cannot be told from a short file")
    _append_file(field, fault, replace(same[0], records=list(same[0].records), cut=0.6), "truncated")


def _append_file(field: Field, fault: dict[str, Any], draft: Draft, name: str) -> None:
    suffix = draft.key[draft.key.index(".", draft.key.rindex("/")) :]
    key = f"{draft.dataset.prefix}{fault['delivery']}/{draft.dataset.name}-{name}{suffix}"
    field.drafts.append(replace(draft, delivery=fault["delivery"], key=key))


def _overwritten(field: Field, fault: dict[str, Any]) -> None:
    files = field.of(fault)
    if len(files) < 2:
        raise DataError(f"fault overwritten_key: {fault['dataset']} has one file in {fault['delivery']!r}, two needed")
    files[-1].key = files[-2].key


def _csv_only(field: Field, fault: dict[str, Any]) -> None:
    if field.of(fault)[0].dataset.kind != "csv":
        raise DataError(f"fault {fault['kind']}: {fault['dataset']} is Parquet; only CSV text can break this way")


def _upsert_only(field: Field, fault: dict[str, Any]) -> Dataset:
    return _upsert_of(field.of(fault)[0].dataset, fault)


def _upsert_of(dataset: Dataset, fault: dict[str, Any]) -> Dataset:
    if dataset.load != "upsert":
        raise DataError(
            f"fault {fault['kind']}: {dataset.id} is an append; only an upsert or a snapshot has older rows"
        )
    return dataset


PLANTERS: dict[str, Callable[[Field, dict[str, Any]], None]] = {
    "too_few_fields": _malformed,
    "too_many_fields": _malformed,
    "unclosed_quote": _malformed,
    "bad_value": _bad_value,
    "duplicate_in_file": _duplicate,
    "duplicate_across_files": _duplicate,
    "superseded": _superseded,
    "conflicting_key": _conflicting_key,
    "late": _late,
    "truncated": _truncated,
    "overwritten_key": _overwritten,
}
