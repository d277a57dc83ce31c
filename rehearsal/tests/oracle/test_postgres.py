"""The oracle settles changes by their sequence, with SQL of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from rehearsal.data.tpch import Batch
from rehearsal.oracle.postgres import Oracle
from rehearsal.tests.data.declarations import datasets

ORDERS = datasets()["sales.orders"]
NATION = datasets()["geo.nation"]


def order(key: int, price: str, sequence: int) -> tuple[Any, ...]:
    return (key, 7, "O", Decimal(price), dt.date(1995, 5, 1), "1-URGENT", 'with "quotes",\tand tabs', sequence)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as oracle:
        oracle.load(
            [
                Batch("initial", ORDERS, [order(1, "10.00", 10), order(2, "20.00", 20)]),
                Batch("initial", NATION, [(0, "ALGERIA", 0, None)]),
                Batch("increment-1", ORDERS, [order(2, "21.00", 120), order(3, "30.00", 130)]),
                Batch("late", ORDERS, [order(2, "19.00", 15)]),
            ]
        )
        yield oracle


def test_the_highest_sequence_wins_whatever_the_arrival(oracle: Oracle) -> None:
    rows = oracle.rows("select o_orderkey, o_totalprice from orders order by 1")
    assert rows == [(1, Decimal("10.00")), (2, Decimal("21.00")), (3, Decimal("30.00"))]


def test_tables_keep_types_text_and_null(oracle: Oracle) -> None:
    assert oracle.table(ORDERS, ["o_orderdate", "o_comment"])[0] == (dt.date(1995, 5, 1), 'with "quotes",\tand tabs')
    assert oracle.rows("select * from nation") == [(0, "ALGERIA", 0, None)]


def test_text_is_sorted_by_bytes(oracle: Oracle) -> None:
    assert oracle.rows("select * from (values ('a'), ('B'), ('_')) as v (x) order by x") == [("B",), ("_",), ("a",)]


def test_there_may_be_nothing_to_load() -> None:
    with Oracle() as oracle:
        oracle.load([])  # as where only files of the user's own have landed
        assert oracle.rows("select 1") == [(1,)]
