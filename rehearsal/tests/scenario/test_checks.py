"""Every check of a rehearsal holds on right figures and fails on each wrong one."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from typing import Any

import pytest

from rehearsal.data.encode import RecordId
from rehearsal.data.parcels import Account, Parcel, Sent
from rehearsal.scenario import checks
from rehearsal.tests.data.declarations import datasets

CUSTOMER = datasets()["sales.customer"]
ID = ("k.csv", "v1", "a" * 64, 1)


def account() -> Account:
    bad = RecordId("a" * 64, 1, ("malformed",))
    good = Parcel("d", "k.csv", b"", "readable", "s.t", 5, Counter(inserted=4, quarantined=1), (bad,))
    return Account(
        [
            Sent(good, "v1"),
            Sent(Parcel("d", "cut.gz", b"", "unreadable", "s.t"), "v2"),
            Sent(Parcel("d", "else.csv", b"", "unroutable"), "v3"),
            Sent(Parcel("d", "_SUCCESS", b"", "ignored"), "v4"),
        ]
    )


COUNTS = {"s.t": {"read": 5, "inserted": 4, "quarantined": 1}}


def test_conservation() -> None:
    sent = account().rows()
    assert checks.conservation(COUNTS, sent).ok
    assert not checks.conservation({"s.t": {"read": 5, "inserted": 4}}, sent).ok
    assert not checks.conservation({"s.t": {"read": 6, "inserted": 5, "quarantined": 1}}, sent).ok
    assert not checks.conservation({}, sent).ok
    assert not checks.conservation(COUNTS | {"s.u": {"read": 1, "inserted": 1}}, sent).ok


def test_outcomes() -> None:
    assert checks.outcomes(COUNTS, account()).ok
    wrong = {"s.t": {"read": 5, "inserted": 3, "duplicate": 1, "quarantined": 1}}
    assert checks.outcomes(wrong, account()).findings == (
        "s.t: 3 inserted, the sender expects 4",
        "s.t: 1 duplicate, the sender expects 0",
    )


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({}, "planted but not quarantined"),
        ({ID: ("malformed",), (*ID[:3], 2): ("malformed",)}, "quarantined but not planted"),
        ({ID: ("malformed", "type:a")}, "reasons malformed, type:a, expected malformed"),
        ({(ID[0], "v9", *ID[2:]): ("malformed",)}, "quarantined but not planted"),
    ],
)
def test_quarantine(found: dict[checks.Id, tuple[str, ...]], word: str) -> None:
    planted = account().quarantined()
    assert checks.quarantine({ID: ("malformed",)}, planted).ok
    assert any(word in f for f in checks.quarantine(found, planted).findings)


def test_quarantined_ids_find_repetitions() -> None:
    row = dict(zip(checks.QUARANTINE, (*ID, ["malformed"]), strict=True))
    assert checks.quarantined_ids([row]) == ({ID: ("malformed",)}, [])
    assert checks.quarantined_ids([row, row])[1]


def test_objects() -> None:
    def record(key: str, version: str, state: str, inbox: str = "sales.orders") -> dict[str, Any]:
        return {"pk": f"inbox#{inbox}", "key": key, "version": version, "state": state}

    right = [
        record("k.csv", "v1", "claimed"),
        record("cut.gz", "v2", "unreadable"),
        record("else.csv", "v3", "unroutable"),
        record("_SUCCESS", "v4", "ignored"),
    ]
    assert checks.objects(checks.object_sets(right), account()).ok
    put_back = [*right[:2], record("else.csv", "v3", "redelivered", "!unroutable"), right[3]]
    assert checks.objects(checks.object_sets(put_back), account()).ok
    for wrong in (
        [*right[:2], record("else.csv", "v3", "redelivered", "!failed"), right[3]],
        right[1:],
        [*right, record("k.csv", "v5", "claimed")],
        [record("k.csv", "v1", "pending"), *right[1:]],
        [record("k.csv", "v1", "unreadable"), *right[1:]],
    ):
        assert not checks.objects(checks.object_sets(wrong), account()).ok


def test_cleaned_tables() -> None:
    secret = b"key"
    clean = (1, "Customer#000000001", "12-345", 10, "BUILDING", "secret words", 7)
    due = checks.expected_rows([clean], CUSTOMER, {"": secret})
    names = [c.name for c in CUSTOMER.columns if c.protect != "drop"]
    digest = hmac.new(secret, b"12-345", hashlib.sha256).hexdigest()
    row = dict(zip(names, (1, "Customer#000000001", digest, 10, "BUILDING", 7), strict=True)) | {"_batch_id": "b"}
    columns = [*names, "_batch_id"]
    assert checks.cleaned(CUSTOMER, columns, [row], due) == []
    assert checks.cleaned(CUSTOMER, columns, [], due)
    assert checks.cleaned(CUSTOMER, columns, [row, row], due)
    assert checks.cleaned(CUSTOMER, columns, [row | {"c_acctbal": 11}], due)
    assert checks.cleaned(CUSTOMER, columns, [row | {"c_phone": "12-345"}], due)
    assert checks.cleaned(CUSTOMER, [*columns, "c_comment"], [row], due)


def test_a_hashed_column_needs_the_secret() -> None:
    with pytest.raises(ValueError, match="c_phone is hashed"):
        checks.expected_rows([(1, "n", "12-345", 10, "B", "c", 7)], CUSTOMER, {"other": b"key"})


def test_snapshots() -> None:
    assert checks.unchanged({"a.b": [1]}, {"a.b": [1]}) == []
    assert checks.unchanged({"a.b": [1]}, {"a.b": [1, 2]}) == ["a.b: 2 snapshots, 1 before"]
    assert checks.unchanged({}, {"a.b": [1]})
    assert checks.unchanged({"a.b": [1]}, {"a.b": [2]})


def test_alarms() -> None:
    states = {"FailedBatches": "ALARM", "FailedRuns": "OK"}
    assert checks.alarms(states, ("FailedBatches",)).ok
    assert not checks.alarms(states, ()).ok
    assert not checks.alarms(states, ("FailedBatches", "FailedRuns")).ok
    assert not checks.alarms(states, ("FailedBatches", "Nothing")).ok


def test_failed_batches() -> None:
    def batch(state: str, code: str | None = None) -> dict[str, Any]:
        return {"pk": "batch#1", "dataset": "s.t", "state": state, "code": code, "reason": "why"}

    due = (("s.t", "unreadable"),)
    assert checks.failed_batches([batch("applied"), batch("failed", "unreadable")], due).ok
    assert not checks.failed_batches([batch("applied")], due).ok
    assert not checks.failed_batches([batch("failed", "unreadable"), batch("failed", "error")], due).ok
    assert not checks.failed_batches([batch("failed", "unreadable")] * 2, due).ok
    assert not checks.failed_batches([batch("running")], ()).ok
    assert checks.failed_batches([batch("applied"), batch("empty")], ()).ok


def test_why() -> None:
    batches = [
        {"pk": "batch#1", "state": "failed"},
        {"pk": "batch#2", "state": "applied", "unreadable": [{"key": "k"}]},
        {"pk": "batch#3", "state": "applied", "unreadable": []},
    ]
    rows = [("1", "gate", None), ("2", None, '[{"key": "k"}]')]
    assert checks.why(rows, batches).ok
    assert not checks.why(rows[:1], batches).ok
    assert not checks.why([*rows, ("3", "because", None)], batches).ok
    assert not checks.why([("1", None, ""), rows[1]], batches).ok
    assert checks.why([], [], "FAILED: no such table").findings == ("FAILED: no such table",)
