"""Web events: reproducible, with faults that are what they say."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from rehearsal.data.declared import Column, Dataset
from rehearsal.data.events import FAULTS, make
from rehearsal.data.tpch import DataError

TYPES = {"c_custkey": "bigint", "amount": "decimal(15,2)", "occurred_at": "timestamp"}


def dataset(kind: str = "json", *without: str) -> Dataset:
    names = ("event_id", "event_type", "c_custkey", "url", "amount", "occurred_at")
    columns = tuple(Column(n, TYPES.get(n, "string"), False, "none", ()) for n in names if n not in without)
    return Dataset(
        "web.events", "events", "web", "append", ("event_id",), None, kind, False, ",", "", columns, False, None,
        "cleaned", "quarantine", "clicks/web/events/",
    )  # fmt: skip


def test_events_and_faults() -> None:
    faults = dict.fromkeys(FAULTS, 2) | {"duplicate": 5}
    made = make(dataset(), 200, 7, faults)
    assert [e.line for e in made] == [e.line for e in make(dataset(), 200, 7, faults)]
    assert [e.line for e in made] != [e.line for e in make(dataset(), 200, 8, faults)]
    assert Counter(e.fate for e in made) == {"clean": 200, "quarantined": 2 * len(FAULTS), "duplicate": 5}
    assert Counter(r for e in made for r in e.reasons) == {
        "malformed": 6, "required:event_id": 2, "type:amount": 2, "type:occurred_at": 2, "set:event_type": 2,
        "range:amount": 2,
    }  # fmt: skip
    for event in made:
        assert b"\n" not in event.line
        if event.row is not None:
            shown = json.loads(event.line, parse_float=Decimal)
            assert event.row[0] == shown["event_id"]
            amount = shown.get("amount")
            assert event.row[4] == (None if amount is None else Decimal(amount))


def test_a_duplicate_comes_after_its_event() -> None:
    made = make(dataset(), 50, 1, {"duplicate": 50})
    for at, event in enumerate(made):
        if event.fate == "duplicate":
            assert any(e.line == event.line and e.fate == "clean" for e in made[:at])


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(DataError, match="not there: amount, url|not there: url, amount"):
        make(dataset("json", "url", "amount"), 1, 1, {})
    with pytest.raises(DataError, match="must be JSON"):
        make(dataset("csv"), 1, 1, {})
    with pytest.raises(DataError, match="no fault nonsense; there are cut_off"):
        make(dataset(), 1, 1, {"nonsense": 1})
