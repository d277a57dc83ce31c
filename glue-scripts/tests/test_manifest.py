"""The manifest as the constructs write it is the manifest as the jobs read it, field by field."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any, get_args

import jsonschema
import pytest
from conftest import ROOT
from lakejobs.declared import DMS_KINDS
from lakejobs.manifest import Manifest
from lakejobs.protections import PLAIN, Bucket, Mask, NamedHash, Prefix, Protection, Tokenise, Truncate, stated
from lakejobs.rules import (
    Completeness,
    Freshness,
    OneOf,
    Pattern,
    Query,
    Range,
    Reference,
    RowCount,
    Sql,
    Uniqueness,
)  # fmt: skip
from lakejobs.shapes import ShapeError

GOLDEN = ROOT / "constructs/dataset/testdata/manifest.golden.json"
SCHEMA = ROOT / "constructs/dataset/manifest.schema.json"

# Members that stand only where they say something, with what their absence is told by; None if nothing needs them.
OPTIONAL = {
    "delivery": "snapshots need it",
    "max_deleted_share": "snapshots need it",
    "table": "dms_json needs it",
    "drift": None,
    "window": None,
    "profile": None,
    "maintenance": None,
    "vaults": "lacks phones, which yard.people is tokenised for",
    "subject": None,
}

_RULE_FIELDS = {
    Range: lambda r: {"min": r.minimum, "max": r.maximum},
    OneOf: lambda r: {"values": list(r.values)},
    Pattern: lambda r: {"regex": r.regex},
    Completeness: lambda r: {},
    Freshness: lambda r: {"seconds": r.seconds},
    RowCount: lambda r: {"factor": r.factor, "batches": r.batches},
    Reference: lambda r: {"dataset": r.dataset, "column": r.column},
    Uniqueness: lambda r: {},
    Query: lambda r: {"name": r.name, "query": r.query},
    Sql: lambda r: {"name": r.name, "condition": r.condition},
}


def rendered(value: Any) -> Any:
    """What was read, back in the form it was written in."""
    if type(value) in _RULE_FIELDS:
        outcome = {"policy": value.policy} | ({"threshold": value.threshold} if hasattr(value, "threshold") else {})
        return {"kind": value.kind, **_RULE_FIELDS[type(value)](value), **outcome}
    if isinstance(value, Protection):
        return stated(value)
    if dataclasses.is_dataclass(value):
        out = {f.name: rendered(getattr(value, f.name)) for f in dataclasses.fields(value)}
        out = {name: inner for name, inner in out.items() if inner not in (None, False) or name not in OPTIONAL}
        out.pop("evolved", None)  # of columns that no manifest has
        if "classification" in out:
            out["class"] = out.pop("classification")
        return out
    if isinstance(value, tuple):
        return [rendered(v) for v in value]
    return value


def test_golden_manifest_is_valid_and_read_in_full() -> None:
    text = GOLDEN.read_bytes()
    written = json.loads(text)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes())).validate(written)
    assert {"schema_version": 1, **rendered(Manifest.from_json(text))} == written


def test_golden_manifest_shows_every_kind() -> None:
    """A golden file that lacks a variant would prove nothing about it."""
    read = Manifest.from_json(GOLDEN.read_bytes())
    columns = [c for d in read.datasets for c in d.columns]
    rules = [r for c in columns for r in c.rules] + [r for d in read.datasets for r in d.rules]
    assert {type(r) for r in rules} == set(_RULE_FIELDS)
    assert {r.policy for r in rules} == {"quarantine", "block", "warn"}
    assert {getattr(r, "threshold", None) for r in rules} == {None, 0.5, 0.75, 0.8, 0.9, 0.98, 1}
    protections = [c.protect for c in columns]
    assert {p for p in protections if isinstance(p, str)} == set(PLAIN)
    others = [p for p in protections if not isinstance(p, str)]
    assert others == [
        NamedHash("2027"), Tokenise("phones"), Mask(2, 4, "•"), Mask(0, 0, "*"), Prefix(3), Bucket("0.5"), Bucket("10"),
        Truncate("year"), Truncate("quarter"), Truncate("month"), Truncate("day"),
    ]  # fmt: skip
    assert {type(p) for p in others} == {p for p in get_args(Protection) if p is not str}
    assert {d.load for d in read.datasets} == {"append", "upsert", "snapshot", "cdc"}
    assert {d.format.kind for d in read.datasets} == {"csv", "parquet", "json", *DMS_KINDS}
    assert {d.profile for d in read.datasets} == {False, True}
    assert {d.format.route_by for d in read.datasets} == {None, "dataset"}
    assert {d.upkeep.snapshot_seconds for d in read.datasets} == {7 * 86400, 2 * 86400}
    assert {at.generation for at in read.landing} == {None, 1, 2}
    assert read.models


@pytest.mark.parametrize(
    ("protect", "complaint"),
    [
        ("tokenise", r"columns\[0\].protect: is 'tokenise'; allowed: none, hash, drop, null, or an object"),
        (None, r"columns\[0\].protect: is NoneType; an object is needed"),
        ({"kind": "hash"}, r"protect.key: is missing"),
        ({"kind": "drop"}, r"protect.kind: is 'drop'; allowed: hash, tokenise, mask, bucket, truncate, prefix"),
        ({"kind": "tokenise"}, r"protect.vault: is missing"),
        ({"kind": "tokenise", "vault": "mails"}, r"manifest.vaults: lacks mails, which lab.clicks is tokenised for"),
        ({"kind": "mask", "first": 1, "last": 1}, r"protect.rest: is missing"),
        ({"kind": "bucket", "width": 10}, r"protect.width: is 10; str is needed"),
        ({"kind": "truncate", "unit": "week"}, r"protect.unit: is 'week'; allowed: day, month, quarter, year"),
        ({"kind": "prefix", "length": 3, "rest": "*"}, r"protect: unknown fields rest"),
    ],
)
def test_a_protection_that_is_none_is_refused(protect: Any, complaint: str) -> None:
    written = json.loads(GOLDEN.read_bytes())
    written["datasets"][0]["columns"][0]["protect"] = protect
    with pytest.raises(ShapeError, match=complaint):
        Manifest.from_json(json.dumps(written))


def test_the_longest_prefix_claims_a_key() -> None:
    read = Manifest.from_json(GOLDEN.read_bytes())
    found = {key: at and (at.dataset, at.generation) for key in ("files/lab/events/a", "files/lab/a",
             "erp/g2/public/parcels/LOAD00000001.parquet", "else") for at in [read.landing_of(key)]}  # fmt: skip
    assert list(found.values()) == [("lab.events", None), ("lab.kinds", None), ("sales.parcels", 2), None]


def paths(value: Any, at: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [p for key, v in inner for p in paths(v, (*at, key))]
    return found + [at + (key,) for key in value] if isinstance(value, dict) else found


def of_before(written: dict, keep: bool) -> dict:
    """The manifest as one of before would be, without the fields that have come since; or with them as they are read
    where they are absent."""
    then = copy.deepcopy(written)
    absent = {"policy": "quarantine", "threshold": None} if keep else {}
    for d in then["datasets"]:
        for holder, field, value in ((d["format"], "route_by", None), (d, "rules", []), (d, "table_format", "iceberg")):
            del holder[field]
            if keep:
                holder[field] = value
        for c in d["columns"]:
            old = [r for r in c["rules"] if r["kind"] in ("range", "set", "pattern")]
            c["rules"] = [{k: v for k, v in r.items() if k not in ("policy", "threshold")} | absent for r in old]
    return then


def test_manifests_of_before_are_read() -> None:
    """A batch pins the manifest it was frozen with, however old."""
    written = json.loads(GOLDEN.read_bytes())
    before, now = (Manifest.from_json(json.dumps(of_before(written, keep))) for keep in (False, True))
    assert before == now


LATER = ("route_by", "policy", "profile", "table_format")
"""Fields that may be absent in manifests of before; `rules` of a dataset is another, that of a column is not."""


def test_every_missing_field_is_refused() -> None:
    written = json.loads(GOLDEN.read_bytes())
    for *parents, last in paths(written):
        if last in LATER or OPTIONAL.get(last, "") is None or last == "rules" and "columns" not in parents:
            continue
        broken = copy.deepcopy(written)
        place = broken
        for step in parents:
            place = place[step]
        del place[last]
        wanted = OPTIONAL.get(last, "is missing")
        with pytest.raises(ShapeError, match=rf"{last}: {wanted}"):
            Manifest.from_json(json.dumps(broken))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema_version",), 2, "these jobs read 1"),
        (("datasets", 0, "load"), "files", "allowed: append, upsert, snapshot, cdc"),
        (("datasets", 0, "load"), "snapshot", "delivery: snapshots need it"),
        (("datasets", 0, "delivery"), {"stamp": None}, "delivery: snapshots need it, and every other load has none"),
        (("datasets", 3, "delivery", "stamp"), 1, "str is needed"),
        (("datasets", 6, "load"), "append", "is dms_parquet with load append"),
        (("datasets", 0, "format", "route_by"), 1, "str is needed"),
        (("datasets", 1, "format", "route_by"), "d", "is 'd' of csv; only json has one"),
        (("datasets", 0, "table_format"), "orc", "allowed: iceberg, delta, hudi"),
        (("datasets", 3, "maintenance", "file_bytes"), None, "int is needed"),
        (("datasets", 0, "subject"), {"name": "person"}, "subject.column: is missing"),
        (
            ("datasets", 0, "subject"),
            {"name": "p", "column": "nope"},
            "subject.column: is 'nope', which is no stored column",
        ),
        (("landing", 0, "generation"), 1, "others have none"),
        (("landing", 1, "generation"), None, "cdc datasets need one"),
        (("datasets", 0, "gate", "min_rows"), "3", "int is needed"),
        (("datasets", 0, "surprise"), 1, "unknown fields surprise"),
        (("datasets", 0, "columns", 0, "required"), 1, "bool is needed"),
    ],
)
def test_wrong_fields_are_refused(path: tuple, value: Any, message: str) -> None:
    broken = json.loads(GOLDEN.read_bytes())
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ShapeError, match=message):
        Manifest.from_json(json.dumps(broken))


def test_pinned_manifest_must_have_its_hash() -> None:
    with pytest.raises(ShapeError, match="was changed after it was stored"):
        Manifest.from_pinned(GOLDEN.read_bytes(), "0" * 64)
