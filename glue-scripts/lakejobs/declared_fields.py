"""Reads a dataset of the manifest."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lakejobs.declared import (
    DMS_CSV,
    DMS_JSON,
    DMS_KINDS,
    DMS_TRANSACTIONS,
    ICEBERG,
    TABLE_FORMATS,
    Column,
    Dataset,
    Delivery,
    Format,
    Gate,
    Subject,
    Upkeep,
    Window,
)
from lakejobs.protections import protection
from lakejobs.rules import column_rule, dataset_rule
from lakejobs.shapes import Fields, ShapeError


def _column(value: Any, path: str) -> Column:
    f = Fields(value, path)
    column = Column(
        name=f.take("name", str),
        type=f.take("type", str),
        doc=f.take("doc", str),
        required=f.take("required", bool),
        classification=f.choice("class", ("internal", "public", "personal")),
        protect=f.one("protect", protection),
        rules=f.each("rules", column_rule),
    )
    f.done()
    return column


def _format(value: Any, path: str) -> Format:
    f = Fields(value, path)
    result = Format(
        kind=f.choice("kind", ("csv", "parquet", "json", *DMS_KINDS)),
        header=f.optional("header", bool),
        delimiter=f.optional("delimiter", str),
        null_value=f.optional("null_value", str),
        # Manifests of before records were judged by their route do not have it.
        route_by=f.optional("route_by", str) if f.has("route_by") else None,
        table=f.take("table", str) if f.has("table") else None,
    )
    f.done()
    if result.kind in ("csv", DMS_CSV) and (
        result.header is None or result.delimiter is None or result.null_value is None
    ):
        raise ShapeError(f"{path}: {result.kind} needs header, delimiter and null_value")
    if (result.kind == DMS_JSON) != (result.table is not None):
        raise ShapeError(f"{path}.table: {DMS_JSON} needs it, and every other format has none")
    if result.kind == DMS_TRANSACTIONS and not result.null_value:
        raise ShapeError(f"{path}: dms_transactions needs null_value")
    if result.route_by is not None and result.kind != "json":
        raise ShapeError(f"{path}.route_by: is {result.route_by!r} of {result.kind}; only json has one")
    return result


def _gate(value: Any, path: str) -> Gate:
    f = Fields(value, path)
    deleted = "max_deleted_share"
    gate = Gate(
        f.number("max_quarantined_share"),
        f.optional("min_rows", int),
        f.number(deleted) if f.has(deleted) else None,
    )
    f.done()
    return gate


def _delivery(value: Any, path: str) -> Delivery:
    f = Fields(value, path)
    delivery = Delivery(f.optional("stamp", str))
    f.done()
    return delivery


def _window(value: Any, path: str) -> Window:
    f = Fields(value, path)
    window = Window(f.take("column", str), f.take("seconds", int))
    f.done()
    return window


def _upkeep(value: Any, path: str) -> Upkeep:
    f = Fields(value, path)
    upkeep = Upkeep(*(f.take(field.name, int) for field in fields(Upkeep)))
    f.done()
    return upkeep


def _subject(value: Any, path: str) -> Subject:
    f = Fields(value, path)
    subject = Subject(f.take("name", str), f.take("column", str))
    f.done()
    return subject


def dataset_of(value: Any, path: str) -> Dataset:
    """Raises ShapeError with the path of the first field that is not as agreed."""
    f = Fields(value, path)
    dataset = Dataset(
        id=f.take("id", str),
        domain=f.take("domain", str),
        name=f.take("name", str),
        owner=f.take("owner", str),
        doc=f.take("doc", str),
        load=f.choice("load", ("append", "upsert", "snapshot", "cdc")),
        keys=f.texts("keys"),
        sequence=f.optional("sequence", str),
        format=f.one("format", _format),
        columns=f.each("columns", _column),
        unique_key=f.take("unique_key", bool),
        rules=f.each("rules", dataset_rule) if f.has("rules") else (),
        gate=f.one("gate", _gate),
        # Manifests of older batches do not have it.
        table_format=f.choice("table_format", TABLE_FORMATS) if f.has("table_format") else ICEBERG,
        cleaned_database=f.take("cleaned_database", str),
        quarantine_database=f.take("quarantine_database", str),
        freshness_seconds=f.optional("freshness_seconds", int),
        delivery=f.one("delivery", _delivery) if f.has("delivery") else None,
        profile=f.take("profile", bool) if f.has("profile") else False,
        window=f.one("window", _window) if f.has("window") else None,
        drift=f.choice("drift", ("strict", "evolve")) if f.has("drift") else None,
        maintenance=f.one("maintenance", _upkeep) if f.has("maintenance") else None,
        subject=f.one("subject", _subject) if f.has("subject") else None,
    )
    f.done()
    if dataset.subject is not None and not any(c.name == dataset.subject.column for c in dataset.stored):
        name = dataset.subject.column
        raise ShapeError(f"{path}.subject.column: is {name!r}, which is no stored column")
    if (dataset.load == "upsert") != (dataset.sequence is not None):
        raise ShapeError(f"{path}.sequence: upsert needs one, and every other load has none")
    if dataset.is_cdc != (dataset.format.kind in DMS_KINDS):
        kind = dataset.format.kind
        raise ShapeError(f"{path}.format.kind: is {kind} with load {dataset.load}; cdc reads {' or '.join(DMS_KINDS)}")
    if dataset.window is not None and (dataset.load != "append" or dataset.window.seconds < 1):
        raise ShapeError(f"{path}.window: only append has one, of one second at least")
    if not dataset.keys and (dataset.load not in ("append", "snapshot") or dataset.window or dataset.unique_key):
        raise ShapeError(f"{path}.keys: only append and snapshot do without, and then without window and unique_key")
    for name, given in (("delivery", dataset.delivery), ("gate.max_deleted_share", dataset.gate.max_deleted_share)):
        if (given is not None) != (dataset.load == "snapshot"):
            raise ShapeError(f"{path}.{name}: snapshots need it, and every other load has none")
    return dataset
