"""The sender's data and its account, recounted here by other means."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from rehearsal.data.parcels import Account, Parcel, Sent
from rehearsal.data.plan import Plan, make
from rehearsal.data.tpch import DataError
from rehearsal.tests.data.declarations import datasets, generate_step

FAULTS = [
    {"kind": "too_few_fields", "dataset": "sales.customer", "delivery": "initial", "count": 2, "repeat": 2},
    {"kind": "too_many_fields", "dataset": "sales.orders", "delivery": "initial", "count": 3},
    {"kind": "unclosed_quote", "dataset": "geo.nation", "delivery": "initial", "count": 1},
    {
        "kind": "bad_value",
        "dataset": "sales.orders",
        "delivery": "initial",
        "count": 2,
        "columns": {"o_orderdate": "type"},
    },
    {
        "kind": "bad_value",
        "dataset": "sales.orders",
        "delivery": "increment-1",
        "count": 2,
        "columns": {"o_orderstatus": "set", "o_totalprice": "range", "o_orderkey": "required"},
    },
    {
        "kind": "bad_value",
        "dataset": "supply.part",
        "delivery": "initial",
        "count": 2,
        "columns": {"p_brand": "pattern"},
    },
    {"kind": "conflicting_key", "dataset": "sales.orders", "delivery": "initial", "count": 3},
    {"kind": "conflicting_key", "dataset": "sales.lineitem", "delivery": "increment-2", "count": 2},
    {"kind": "conflicting_key", "dataset": "supply.partsupp", "delivery": "increment-1", "count": 1},
    {"kind": "duplicate_in_file", "dataset": "sales.lineitem", "delivery": "initial", "count": 4},
    {"kind": "duplicate_across_files", "dataset": "sales.orders", "delivery": "increment-2", "count": 2},
    {"kind": "superseded", "dataset": "sales.customer", "delivery": "increment-1", "count": 2},
    {"kind": "late", "dataset": "sales.orders", "delivery": "aftermath", "count": 5},
    {"kind": "late", "dataset": "supply.supplier", "delivery": "aftermath", "count": 7},
    {"kind": "duplicate_in_file", "dataset": "supply.supplier", "delivery": "increment-1", "count": 1},
    {"kind": "truncated", "dataset": "sales.customer", "delivery": "aftermath"},
    {"kind": "truncated", "dataset": "sales.lineitem", "delivery": "increment-2"},
    {"kind": "overwritten_key", "dataset": "sales.orders", "delivery": "increment-2"},
    {"kind": "unroutable", "delivery": "initial", "keys": ["elsewhere/a.csv"]},
    {"kind": "ignored", "delivery": "initial", "keys": ["files/sales/orders/"]},
]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return make(generate_step(FAULTS), datasets(), tmp_path_factory.mktemp("tpch"))


def parcels(plan: Plan) -> list[Parcel]:
    return [p for delivery in plan.deliveries.values() for p in delivery]


def account(plan: Plan) -> Account:
    return Account([Sent(p, f"v{i}") for i, p in enumerate(parcels(plan))])


def plain(parcel: Parcel) -> bytes:
    return gzip.decompress(parcel.body) if parcel.key.endswith(".gz") else parcel.body


def raw_lines(parcel: Parcel) -> list[bytes]:
    """Every record of a parcel as the contract names it, read back from the bytes."""
    if parcel.key.endswith(".parquet"):
        return [_json(row) for row in pq.read_table(io.BytesIO(parcel.body)).to_pylist()]
    return plain(parcel).split(b"\n")[1:-1]


def _json(row: dict[str, Any]) -> bytes:
    """All decimals of the fixture have two digits after the point."""
    text = {k: None if v is None else f"{v:.2f}" if isinstance(v, Decimal) else str(v) for k, v in row.items()}
    return json.dumps(text, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_same_spec_gives_the_same_bytes(plan: Plan, tmp_path) -> None:
    again = make(generate_step(FAULTS), datasets(), tmp_path)
    assert [(p.key, hashlib.sha256(p.body).digest()) for p in parcels(plan)] == [
        (p.key, hashlib.sha256(p.body).digest()) for p in parcels(again)
    ]
    other = make(generate_step(FAULTS) | {"seed": 8}, datasets(), tmp_path)
    assert [p.body for p in parcels(plan)] != [p.body for p in parcels(other)]


def test_sent_rows_are_the_records_in_readable_files(plan: Plan) -> None:
    counted: Counter[str] = Counter()
    for parcel in parcels(plan):
        if parcel.kind == "readable":
            counted[str(parcel.dataset)] += len(raw_lines(parcel))
    assert dict(counted) == account(plan).rows()


def test_every_record_has_one_fate(plan: Plan) -> None:
    for parcel in parcels(plan):
        assert sum(parcel.fates.values()) == parcel.records, parcel.key


def test_quarantined_ids_name_lines_of_the_file(plan: Plan) -> None:
    reasons: Counter[str] = Counter()
    for parcel in parcels(plan):
        lines = Counter(hashlib.sha256(line).hexdigest() for line in raw_lines(parcel)) if parcel.quarantined else {}
        for record in parcel.quarantined:
            assert 1 <= record.occurrence <= lines[record.sha256], parcel.key
            reasons.update(record.reasons)
    assert reasons == {
        "malformed": 2 * 2 + 3 + 1,
        "type:o_orderdate": 2,
        "set:o_orderstatus": 2,
        "range:o_totalprice": 2,
        "required:o_orderkey": 2,
        "pattern:p_brand": 2,
        "unique_key": 3 + 2,
    }


def test_repeated_broken_lines_are_numbered(plan: Plan) -> None:
    ids = [r for p in parcels(plan) if p.dataset == "sales.customer" for r in p.quarantined]
    assert sorted(r.occurrence for r in ids) == [1, 1, 2, 2]
    assert len({r.sha256 for r in ids}) == 2


def test_malformed_lines_do_not_parse_to_the_declared_fields(plan: Plan) -> None:
    for parcel in parcels(plan):
        bad = {r.sha256 for r in parcel.quarantined if r.reasons == ("malformed",)}
        header = plain(parcel).split(b"\n")[0].decode().split(",") if bad else []
        for line in raw_lines(parcel) if bad else []:
            if hashlib.sha256(line).hexdigest() in bad:
                text = line.decode()
                broken_quote = text.count('"') % 2 == 1
                assert broken_quote or len(next(csv.reader([text]))) != len(header), text


def test_final_rows_are_those_of_the_clean_history(plan: Plan) -> None:
    """Inserted rows over all parcels = distinct keys of the generator's tables."""
    for dataset in datasets().values():
        keys = {dataset.key(row) for b in plan.clean if b.dataset.id == dataset.id for row in b.rows}
        assert account(plan).fates(dataset.id)["inserted"] == len(keys), dataset.id


def test_row_fates(plan: Plan) -> None:
    sums = {f: sum(account(plan).fates(d)[f] for d in datasets()) for f in ("duplicate", "superseded", "stale")}
    assert sums == {"duplicate": 7, "superseded": 3, "stale": 5 + 7}


def test_a_snapshot_is_the_whole_table_each_time(plan: Plan) -> None:
    sent = [p for p in parcels(plan) if p.dataset == "supply.supplier"]
    assert [p.key.split("/")[-2] for p in sent] == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-01"]
    keys = [{line.split(b",")[0] for line in raw_lines(p)} for p in sent]
    assert [len(k) for k in keys] == [10 + 4, 10 + 2, 10, 7]
    assert keys[0] > keys[1] > keys[2]
    assert sent[1].fates["updated"] == 3 and sent[1].fates["duplicate"] == 1
    assert dict(sent[3].fates) == {"stale": 7}


def test_truncated_files_cannot_be_read(plan: Plan) -> None:
    cut = [p for p in parcels(plan) if p.kind == "unreadable"]
    assert sorted(p.key.rsplit(".", 1)[1] for p in cut) == ["gz", "parquet"]
    for parcel in cut:
        with pytest.raises((EOFError, OSError, ValueError)):
            raw_lines(parcel)


def test_an_overwritten_key_has_two_versions_with_other_rows(plan: Plan) -> None:
    keys = Counter(p.key for p in plan.deliveries["increment-2"])
    (key,) = [k for k, n in keys.items() if n == 2]
    first, second = (p for p in plan.deliveries["increment-2"] if p.key == key)
    shared = set(raw_lines(first)) & set(raw_lines(second))
    assert len(shared) == 2, "the planted duplicates across files, and nothing else"
    assert len(raw_lines(first)) > 10 < len(raw_lines(second))


def test_changes_rise_in_sequence(plan: Plan) -> None:
    for dataset in (d for d in datasets().values() if d.sequence):
        at, last = dataset.position(dataset.sequence), {}
        for batch in (b for b in plan.clean if b.dataset.id == dataset.id):
            for row in batch.rows:
                assert row[at] > last.get(dataset.key(row), 0)
                last[dataset.key(row)] = row[at]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "too_few_fields", "dataset": "supply.part", "delivery": "initial", "count": 1}, "Parquet"),
        ({"kind": "conflicting_key", "dataset": "supply.supplier", "delivery": "initial", "count": 1}, "both rows"),
        ({"kind": "late", "dataset": "supply.supplier", "delivery": "aftermath", "count": 99}, "has 14 records"),
        ({"kind": "superseded", "dataset": "geo.nation", "delivery": "initial", "count": 1}, "append"),
        ({"kind": "late", "dataset": "sales.orders", "delivery": "initial", "count": 1}, "earlier delivery"),
        ({"kind": "duplicate_in_file", "dataset": "geo.region", "delivery": "initial", "count": 9}, "5 are left"),
        ({"kind": "truncated", "dataset": "sales.orders", "delivery": "initial"}, "plain CSV"),
        ({"kind": "overwritten_key", "dataset": "geo.region", "delivery": "initial"}, "one file"),
        ({"kind": "too_few_fields", "dataset": "geo.region", "delivery": "initial", "count": 5, "repeat": 2}, "gate"),
        (
            {"kind": "duplicate_in_file", "dataset": "sales.nobody", "delivery": "initial", "count": 1},
            "declares no such",
        ),
        (
            {
                "kind": "bad_value",
                "dataset": "sales.orders",
                "delivery": "initial",
                "count": 1,
                "columns": {"o_comment": "set"},
            },
            "declares no set rule",
        ),
        (
            {
                "kind": "bad_value",
                "dataset": "sales.orders",
                "delivery": "initial",
                "count": 1,
                "columns": {"o_nothing": "set"},
            },
            "declares no column",
        ),
    ],
)
def test_faults_that_cannot_be_planted_are_refused(fault: dict, message: str, tmp_path) -> None:
    with pytest.raises((DataError, ValueError), match=message):
        make(generate_step([fault]), datasets(), tmp_path)
