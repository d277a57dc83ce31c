"""Rules that look beyond the batch: at another dataset, and at the table as it would be."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from dms import change, file
from lake import Lake
from specs import column, dataset, replicated
from test_quality import results, rule

CUSTOMERS = dataset("customers", [column("id", "bigint", required=True), column("mail")], ["id"])
REFERENCE = {"dataset": "sales.customers", "column": "id"}


def orders(*rules: dict, customer: list[dict] = (), note: list[dict] = (), **more: Any) -> dict:
    columns = [
        column("id", "bigint", required=True), column("customer", "bigint", rules=customer),
        column("note", rules=note), column("seq", "bigint", required=True),
    ]  # fmt: skip
    return dataset("orders", columns, ["id"], "seq", rules=list(rules), **more)


def lines(*rows: str) -> str:
    return "id,customer,note,seq\n" + "".join(f"{row}\n" for row in rows)


def test_references(lake: Lake) -> None:
    lake.declare(CUSTOMERS)
    spec = orders(
        customer=[rule("reference", "quarantine", **REFERENCE), rule("reference", "warn", dataset="sales.customers",
                                                                     column="id", threshold=0.5)],
    )  # fmt: skip
    lake.declare(spec)
    record = lake.apply("sales.orders", lines("1,7,,1", "2,,,1"))
    assert record["reasons"] == {"reference:customer": 1}, "there are no customers yet"
    lake.apply("sales.customers", "id,mail\n7,a\n8,b\n")
    record = lake.apply("sales.orders", lines("1,7,,1", "3,9,,1", "x,9,,1", "4,,,1"))
    assert lake.counts(record) == {"read": 4, "inserted": 2, "quarantined": 2}
    assert record["reasons"] == {"reference:customer": 2, "type:id": 1}
    found = results(lake, record)
    assert (found["reference:customer"]["passed"], found["reference:customer"]["rows_failed"]) == (False, 2)
    assert (found["reference:customer:2"]["passed"], found["reference:customer:2"]["rows_judged"]) == (True, 2)

    lake.declare(orders(customer=[rule("reference", **REFERENCE, threshold=0.5)]))
    assert lake.apply("sales.orders", lines("5,7,,1", "6,9,,1"))["state"] == "applied"
    record = lake.apply("sales.orders", lines("7,8,,1", "8,9,,1", "9,10,,1"))
    assert (record["state"], record["rules_failed"]) == ("blocked", 1)
    assert "rule reference:customer: observed 0.333333, expected 0.5 of the rows: a value of id in" in record["reason"]
    assert (7,) not in lake.rows(lake.cleaned("sales.orders"), "id")


def test_what_is_referred_to_comes_first_in_a_run(lake: Lake) -> None:
    lake.declare(dataset("people", [column("id", "bigint", required=True), column("mail")], ["id"]))
    lake.declare(orders(customer=[rule("reference", "quarantine", dataset="sales.people", column="id")]))
    child = lake.freeze("sales.orders", [lake.land("in/orders.csv", lines("1,7,,1", "2,8,,1"))])
    parent = lake.freeze("sales.people", [lake.land("in/people.csv", "id,mail\n7,a\n")])
    lake.refine([child, parent])
    assert lake.counts(lake.batch(child)) == {"read": 2, "inserted": 1, "quarantined": 1}


def test_references_to_changes(lake: Lake) -> None:
    """A customer who is deleted is no customer; of a change that moves or deletes nothing is asked."""
    customers = replicated("customers", CUSTOMERS["columns"], ["id"])
    customer = column("customer", "bigint", rules=[rule("reference", **REFERENCE)])
    parcels = replicated("parcels", [column("id", "bigint", required=True), customer], ["id"])
    lake.declare(customers)
    lake.declare(parcels)
    types = {"id": pa.int64(), "mail": pa.string()}
    rows = [change("I", 1, id=1), change("I", 2, id=2), change("D", 3, id=2)]
    lake.apply_changes("sales.customers", file(rows, types))
    types = {"id": pa.int64(), "customer": pa.int64()}
    good = [
        change("I", 1, id=1, customer=1),
        change("U", 2, {"id": 1}, id=5, customer=1),
        change("D", 3, id=5, customer=2),
    ]
    record = lake.apply_changes("sales.parcels", file(good, types))
    assert record["state"] == "applied"
    record = lake.apply_changes("sales.parcels", file([change("I", 4, id=6, customer=2)], types))
    assert (record["state"], record["rules_failed"]) == ("blocked", 1)


def test_uniqueness_of_the_table_as_it_would_be(lake: Lake) -> None:
    lake.declare(orders(note=[rule("uniqueness", threshold=1), rule("uniqueness", "warn", threshold=0.7)]))

    def apply(*rows: str) -> tuple[str, float | None, int]:
        record = lake.apply("sales.orders", lines(*rows))
        found = results(lake, record)["uniqueness:note"]
        return record["state"], found["observed"], found["rows_judged"]

    assert apply("1,,a,1", "2,,b,1", "3,,,1", "4,,,1") == ("applied", 1, 2), "NULL is like no other"
    assert apply("5,,a,1") == ("blocked", pytest.approx(1 / 3), 3), "the table has it"
    assert apply("5,,a,2", "1,,c,2") == ("applied", 1, 3), "what is overwritten counts no more"
    assert apply("6,,d,1", "7,,d,1") == ("blocked", pytest.approx(3 / 5), 5)
    assert apply("1,,b,1") == ("empty", 1, 3), "a stale change writes nothing"
    assert apply("x,,a,1") == ("empty", 1, 3), "nor does what is quarantined"


def test_uniqueness_leaves_deleted_rows_out(lake: Lake) -> None:
    spec = replicated(
        "parcels",
        [column("id", "bigint", required=True), column("code", rules=[rule("uniqueness", threshold=1)])],
        ["id"],
    )
    lake.declare(spec)
    types = {"id": pa.int64(), "code": pa.string()}
    load = [change("I", id=1, code="a"), change("I", id=2, code="b"), change("I", id=3, code="c")]
    assert lake.apply_changes("sales.parcels", file(load, types), load=True)["state"] == "applied"
    moved = [change("D", 10, id=1), change("U", 11, {"id": 2}, id=4, code="b"), change("I", 12, id=5, code="a")]
    assert lake.apply_changes("sales.parcels", file(moved, types))["state"] == "applied"
    record = lake.apply_changes("sales.parcels", file([change("I", 13, id=6, code="c")], types))
    assert record["state"] == "blocked"
    again = [change("I", id=7, code="c"), change("I", id=5, code="a"), change("I", id=4, code="b")]
    record = lake.apply_changes("sales.parcels", file(again, types), load=True, generation=2)
    assert (record["state"], record["absent"]) == ("applied", 1), "who had that code is gone with the load"


def test_queries(lake: Lake) -> None:
    text = "SELECT count(*) = 1 OR max(seq) < 100 FROM {{ batch }}"
    whole = "SELECT count(*) - count(DISTINCT customer) FROM {{table}} WHERE customer IS NOT NULL"
    lake.declare(
        orders(rule("query", "block", name="small", query=text), rule("query", "warn", name="one_each", query=whole))
    )
    assert lake.apply("sales.orders", lines("1,1,,500"))["state"] == "applied"
    record = lake.apply("sales.orders", lines("2,1,,5", "x,2,,900"))
    assert (record["state"], record["rules_warned"]) == ("applied", 1)
    found = {name: (r["observed"], r["passed"]) for name, r in results(lake, record).items()}
    assert found == {"query:small": (1, True), "query:one_each": (1, False)}
    record = lake.apply("sales.orders", lines("3,3,,900", "4,4,,1"))
    assert (record["state"], record["rules_failed"], record["rules_warned"]) == ("blocked", 1, 1)
    assert record["reason"].startswith("rule query:small: observed 0, expected true or zero: SELECT count(*) = 1")
    assert lake.rows(lake.cleaned("sales.orders"), "id") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT nosuch FROM {{ batch }}", "nosuch"),
        ("SELECT id FROM {{ batch }}", "answers 2 rows"),
        ("SELECT 1, 2 FROM {{ batch }} LIMIT 1", "one column is needed"),
        ("SELECT id FROM {{ table }} WHERE false", "answers 0 rows"),
    ],
)
def test_a_query_that_is_none_fails_the_batch(lake: Lake, query: str, says: str) -> None:
    lake.declare(orders(rule("query", "block", name="wrong", query=query)))
    record = lake.apply("sales.orders", lines("1,1,,1", "2,1,,1"))
    assert (record["state"], record["code"]) == ("failed", "error")
    assert "query:wrong" in record["reason"] and says in record["reason"]
