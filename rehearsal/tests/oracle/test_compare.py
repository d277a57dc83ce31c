"""Each comparison can fail: one altered value, row, order or type is found."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from rehearsal.oracle.compare import differences, ordered, same, table_differences, typed

ROWS = [
    ("A", 1, Decimal("10.50"), 0.25, dt.date(1995, 1, 1), None),
    ("B", 2, Decimal("11.50"), 0.50, dt.date(1995, 1, 2), "x"),
    ("B", 2, Decimal("11.50"), 0.50, dt.date(1995, 1, 2), "x"),
]


def altered(row: int, column: int, value: object) -> list[tuple[object, ...]]:
    rows = [list(r) for r in ROWS]
    rows[row][column] = value
    return [tuple(r) for r in rows]


@pytest.mark.parametrize("in_order", [True, False])
def test_equal_results_agree(in_order: bool) -> None:
    assert differences(ROWS, ROWS, in_order) == []


def test_order_counts_only_where_the_query_orders() -> None:
    turned = list(reversed(ROWS))
    assert differences(turned, ROWS, in_order=False) == []
    assert differences(turned, ROWS, in_order=True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, "a"),
        (1, 3),
        (2, Decimal("10.5000000000000000000000000001")),
        (3, 0.25 * (1 + 3e-9)),
        (3, None),
        (4, dt.date(1995, 1, 3)),
        (5, ""),
    ],
)
@pytest.mark.parametrize("in_order", [True, False])
def test_one_altered_value_is_found(column: int, value: object, in_order: bool) -> None:
    assert differences(altered(0, column, value), ROWS, in_order)


@pytest.mark.parametrize("in_order", [True, False])
def test_missing_and_extra_rows_are_found(in_order: bool) -> None:
    assert differences(ROWS[:-1], ROWS, in_order) == ["2 rows, the oracle has 3"]
    assert differences([*ROWS, ROWS[0]], ROWS, in_order)
    assert differences([(*r, 1) for r in ROWS], ROWS, in_order)


def test_an_empty_oracle_proves_nothing() -> None:
    assert "proves nothing" in differences([], [], in_order=False)[0]
    assert "proves nothing" in differences([(None,)], [(None,)], in_order=False)[0]


@pytest.mark.parametrize(
    ("lake", "oracle", "want"),
    [
        (1.0, Decimal(1), True),
        (1.0 + 1e-10, Decimal(1), True),
        (1.0 + 1e-8, Decimal(1), False),
        (1, Decimal("1.0"), True),
        (Decimal("0.1"), Decimal("0.10"), True),
        (Decimal("0.1"), 0.1, False),
        (0.0, Decimal("1e-12"), False),
        ("1", 1, False),
        (True, 1, False),
        (dt.date(1995, 1, 1), "1995-01-01", False),
        (None, None, True),
        (None, 0, False),
    ],
)
def test_values(lake: object, oracle: object, want: bool) -> None:
    assert same(lake, oracle) is want


@pytest.mark.parametrize(
    ("value", "kind", "want"),
    [
        ("1", "bigint", 1),
        ("1.50", "decimal(15,2)", Decimal("1.50")),
        ("1.5E0", "double", 1.5),
        ("1995-01-01", "date", dt.date(1995, 1, 1)),
        ("true", "boolean", True),
        ("a", "varchar", "a"),
        (None, "bigint", None),
    ],
)
def test_athena_text_is_typed(value: str | None, kind: str, want: object) -> None:
    assert typed(value, kind) == want


@pytest.mark.parametrize(("value", "kind"), [("x", "bigint"), ("1,5", "decimal"), ("yes", "boolean"), ("1995", "date")])
def test_text_that_is_not_of_its_type_is_refused(value: str, kind: str) -> None:
    with pytest.raises(ValueError, match=kind):
        typed(value, kind)


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("select a from t order by a", True),
        ("select a from (select a from t order by a) s", False),
        ("with s as (select 1) select * from s order by 1 limit 3", True),
        ("select row_number() over (order by a) from t", False),
    ],
)
def test_ordered(sql: str, want: bool) -> None:
    assert ordered(sql) is want


def test_tables_are_compared_as_multisets() -> None:
    assert table_differences(Counter(ROWS), Counter(ROWS)) == []
    assert table_differences(Counter(ROWS), Counter(ROWS[:2])) == ["1 rows not in the oracle: " + str(ROWS[1])]
    assert table_differences(Counter(ROWS[:1]), Counter(ROWS))[0].startswith("2 rows missing")
