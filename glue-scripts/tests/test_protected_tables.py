"""Tables whose columns keep only a part of what lands."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
from dms import change, file
from formats import soak_format
from lake import Lake
from snapshots import DAY
from specs import column, dataset, replicated

CARDS = dataset(
    "cards",
    [
        column("id", "int", required=True),
        column("seq", "bigint", required=True),
        column("card", protect={"kind": "mask", "first": 0, "last": 2, "rest": "*"},
               rules=[{"kind": "pattern", "regex": "^[0-9]{4}$"}]),
        column("born", "date", protect={"kind": "truncate", "unit": "year"}),
        column("age", "int", protect={"kind": "bucket", "width": "10"},
               rules=[{"kind": "range", "min": "1", "max": None}]),
        column("note", "decimal(9,2)", required=True, protect="null"),
    ],
    ["id"],
    "seq",
)  # fmt: skip
HEADER = "id,seq,card,born,age,note\n"


def protect(spec: dict, name: str, by: Any) -> dict:
    """The dataset with another protection of one column."""
    columns = [c | {"protect": by} if c["name"] == name else c for c in spec["columns"]]
    return spec | {"columns": columns}


@soak_format
def test_what_is_protected_is_judged_before_and_compared_after(lake: Lake) -> None:
    lake.declare(CARDS | {"profile": True})
    table = lake.cleaned("sales.cards")
    first = lake.apply("sales.cards", HEADER + "1,1,1234,2024-05-17,34,1.5\n2,1,,,,2\n")
    assert lake.counts(first) == {"read": 2, "inserted": 2}
    columns = ["id", "seq", "card", "born", "age", "note"]
    assert lake.rows(table, *columns) == [(1, 1, "**34", date(2024, 1, 1), 30, None), (2, 1, None, None, None, None)]
    assert dict(lake.frame(table).dtypes)["note"] == "decimal(9,2)"
    # What differs only in what is not stored is the same row.
    second = lake.apply("sales.cards", HEADER + "1,1,9934,2024-01-02,39,7\n1,2,0034,2024-12-31,31,8\n2,2,0001,,,9\n")
    assert lake.counts(second) == {"read": 3, "duplicate": 1, "unchanged": 1, "updated": 1}
    assert [r[:3] for r in lake.rows(table, *columns)] == [(1, 2, "**34"), (2, 2, "**01")]
    # Values are judged as they land: 0 and 0 to 9 are one bucket, and a column that is never stored has a type.
    third = lake.apply("sales.cards", HEADER + "3,1,12345,,,1\n4,1,,,0,1\n5,1,,,,x\n6,1,,,,\n7,1,,,9,1\n")
    assert third["reasons"] == {"pattern:card": 1, "range:age": 1, "type:note": 1, "required:note": 1}
    assert lake.rows(table, "id", "age") == [(1, 30), (2, None), (7, 0)]
    raw = {row["raw"] for row in lake.frame(lake.quarantine("sales.cards")).select("raw").collect()}
    assert raw == {"3,1,12345,,,1", "4,1,,,0,1", "5,1,,,,x", "6,1,,,,"}


def test_a_stored_column_keeps_its_protection(lake: Lake) -> None:
    lake.declare(CARDS)
    lake.apply("sales.cards", HEADER + "1,1,1234,2024-05-17,34,1.5\n")
    before = lake.snapshots(lake.cleaned("sales.cards"))
    mask = '{"kind": "mask", "first": 0, "last": 2, "rest": "*"}'
    for name, by, complaint in [
        ("card", {"kind": "mask", "first": 0, "last": 2, "rest": "•"}, f'from {mask} to {mask[:-3]}•"}}'),
        ("card", "none", f"the protection of card has changed from {mask} to none"),
        ("note", "none", "the protection of note has changed from null to none"),
        ("born", "null", 'the protection of born has changed from {"kind": "truncate", "unit": "year"} to null'),
        ("seq", "null", "the protection of seq has changed from none to null"),
        ("age", "drop", "age is in the table but no longer declared"),
    ]:
        lake.declare(protect(CARDS, name, by))
        refused = lake.apply("sales.cards", HEADER + "9,9,1234,2024-05-17,34,1.5\n")
        assert (refused["state"], refused["code"]) == ("failed", "schema")
        assert complaint in refused["reason"]
    assert lake.snapshots(lake.cleaned("sales.cards")) == before


def test_a_column_that_input_has_added_is_not_protected_later(lake: Lake) -> None:
    grown = dataset("grown", [column("id", required=True)], ["id"], drift="evolve")
    lake.declare(grown)
    lake.apply("sales.grown", "id,mail\n1,a@x\n")
    lake.declare(grown | {"columns": [*grown["columns"], column("mail", protect="null")]})
    refused = lake.apply("sales.grown", "id,mail\n2,b@x\n")
    assert (refused["state"], refused["code"]) == ("failed", "schema")
    assert "the protection of mail has changed from none to null" in refused["reason"]


def test_a_dropped_column_may_come_back_protected(lake: Lake) -> None:
    lake.declare(protect(CARDS, "card", "drop"))
    lake.apply("sales.cards", HEADER + "1,1,1234,2024-05-17,34,1.5\n")
    lake.declare(CARDS)
    record = lake.apply("sales.cards", HEADER + "2,1,5678,,,1\n")
    assert (record["state"], lake.counts(record)) == ("applied", {"read": 1, "inserted": 1})
    assert lake.rows(lake.cleaned("sales.cards"), "id", "card") == [(1, None), (2, "**78")]


def test_changes_of_a_database_are_protected(lake: Lake) -> None:
    by = {"kind": "mask", "first": 1, "last": 0, "rest": "#"}
    lake.declare(replicated("people", [column("id", "int", required=True), column("name", protect=by),
                                       column("pin", "int", protect="null")], ["id"]))  # fmt: skip
    types = {"id": pa.int32(), "name": pa.string(), "pin": pa.int32()}
    people = [(1, "Anna"), (2, "B"), (3, "Cy")]
    rows = [change("I", n, id=n, name=name, pin=n) for n, name in people]
    lake.apply_changes("sales.people", file(rows, types, ["id"]))
    later = [change("U", 4, {"id": 1}, id=4, name="Anno", pin=9), change("D", 5, id=2)]
    later.append(change("U", 6, id=3, name="Cx", pin=8))
    record = lake.apply_changes("sales.people", file(later, types, ["id"]))
    assert lake.counts(record) == {"read": 3, "updated": 1, "deleted": 1, "unchanged": 1}
    assert lake.rows(lake.cleaned("sales.people"), "id", "name", "pin", "_is_deleted") == [
        (1, None, None, True), (2, None, None, True), (3, "C#", None, False), (4, "A###", None, False)
    ]  # fmt: skip


def test_rows_without_a_key_are_told_apart_by_what_is_stored(lake: Lake) -> None:
    columns = [column("who", protect={"kind": "prefix", "length": 1}), column("n", "int", protect="null")]
    gate = {"max_quarantined_share": None, "min_rows": None, "max_deleted_share": 1}
    lake.declare(dataset("visits", columns, [], load="snapshot", delivery={"stamp": DAY}, gate=gate))

    def deliver(day: str, body: str) -> dict:
        item = lake.freeze("sales.visits", [lake.land(f"files/sales/visits/2026-01-{day}.csv", body)])
        lake.refine([item])
        return lake.batch(item)

    deliver("01", "who,n\nanna,1\nalex,2\nbo,3\n")
    assert lake.rows(lake.cleaned("sales.visits"), "who", "n") == [("a", None), ("a", None), ("b", None)]
    record = deliver("02", "who,n\nbob,1\nanton,2\n")
    assert lake.counts(record) == {"read": 2, "unchanged": 2} and record["absent"] == 1
    assert lake.rows(lake.cleaned("sales.visits"), "who") == [("a",), ("b",)]
