"""Athena SQL gives Trino's types and values, or fails with a reason; never DuckDB's own answer."""

from __future__ import annotations

import pytest

from rehearsal.tests.athena.conftest import Query

pytestmark = pytest.mark.cloud

VALUES = [
    # Decimal rules of Trino: https://trino.io/docs/current/functions/decimal.html
    ("SELECT q / 3 FROM t WHERE k < 3 ORDER BY k", ["decimal(15,2)"], [["0.33"], ["0.67"]]),
    ("SELECT DECIMAL '1.0' / 3, DECIMAL '2.0' / 3, -DECIMAL '2.0' / 3", ["decimal(2,1)"] * 3, [["0.3", "0.7", "-0.7"]]),
    ("SELECT DECIMAL '0.5' / DECIMAL '0.01', 1 / DECIMAL '0.3'", ["decimal(5,2)", "decimal(12,1)"], [["50.00", "3.3"]]),
    ("SELECT p * (1 - disc) FROM t ORDER BY k", ["decimal(28,4)"], [["9.5475"], ["18.9410"], [None]]),
    ("SELECT 0.1 + 0.2, 1.5 * DECIMAL '2.0'", ["double"] * 2, [["0.30000000000000004", "3.0"]]),
    ("SELECT avg(q), avg(p) FROM t", ["decimal(15,2)"] * 2, [["2.33", "15.10"]]),
    ("SELECT avg(x) FROM (VALUES -DECIMAL '0.05', -DECIMAL '0.06') v(x)", ["decimal(3,2)"], [["-0.06"]]),
    ("SELECT avg(DISTINCT q), avg(q) FILTER (WHERE k > 1) FROM t", ["decimal(15,2)"] * 2, [["2.33", "3.00"]]),
    ("SELECT avg(q) FROM t WHERE k > 9", ["decimal(15,2)"], [[None]]),
    ("SELECT avg(q) OVER (PARTITION BY k > 1) x FROM t ORDER BY k", ["decimal(15,2)"], [["1.00"], ["3.00"], ["3.00"]]),
    ("SELECT sum(p), sum(i), sum(k), sum(f) FROM t", ["decimal(38,2)", "bigint", "bigint", "double"],
     [["30.20", "0", "6", "1.0000000004E10"]]),
    ("SELECT DECIMAL '100.00' * sum(CASE WHEN s LIKE 'a%' THEN p * (1 - disc) ELSE 0 END) / sum(p * (1 - disc)) FROM t",
     ["decimal(38,6)"], [["33.513523"]]),
    ("SELECT CAST(123456789012345678 AS decimal(18,0)) * CAST(123456789012345678 AS decimal(18,0))",
     ["decimal(36,0)"], [["15241578753238836527968299765279684"]]),
    ("SELECT CAST(999999999999999999 AS decimal(18,0)) + CAST(1 AS decimal(18,0))", ["decimal(19,0)"],
     [["1000000000000000000"]]),
    ("SELECT round(p, 1), round(p), ceil(p), floor(p) FROM t WHERE k = 1",
     ["decimal(16,2)", "decimal(14,0)", "decimal(14,0)", "decimal(14,0)"], [["10.10", "10", "11", "10"]]),
    ("SELECT coalesce(p, 0), CASE WHEN k = 1 THEN DECIMAL '1.5' ELSE 2 END FROM t WHERE k = 3",
     ["decimal(15,2)", "decimal(11,1)"], [["0.00", "2.0"]]),
    ("SELECT DECIMAL '0.05' * 2, CAST('0.6' AS decimal), nullif(k, 1), count_if(k > 1) FROM t WHERE k = 1 GROUP BY k",
     ["decimal(13,2)", "decimal(38,0)", "bigint", "bigint"], [["0.10", "1", None, "0"]]),
    # Integers are truncated; doubles are not.
    ("SELECT i / 2, i % 3, i / 2e0 FROM t WHERE k < 3 ORDER BY k", ["integer", "integer", "double"],
     [["3", "1", "3.5"], ["-3", "-1", "-3.5"]]),
    ("SELECT avg(k), count(*), count(s), count(DISTINCT s) FROM t", ["double", "bigint", "bigint", "bigint"],
     [["2.0", "3", "2", "2"]]),
    ("SELECT CAST(2.5e0 AS integer), CAST(-2.5e0 AS bigint), CAST('1.239' AS decimal(5,2)), TRY_CAST('x' AS bigint)",
     ["integer", "bigint", "decimal(5,2)", "bigint"], [["3", "-3", "1.24", None]]),
    # Dates stay dates.
    ("SELECT date '1998-12-01' - interval '90' day, d + interval '1' month, date_add('day', 1, d) FROM t WHERE k = 1",
     ["date"] * 3, [["1998-09-02", "1998-02-28", "1998-02-01"]]),
    ("SELECT date_trunc('month', d), date_diff('day', d, date '1999-01-01') FROM t WHERE k = 2",
     ["date", "bigint"], [["1998-09-01", "121"]]),
    ("SELECT extract(YEAR FROM d) AS y, month(d), count(*) FROM t GROUP BY 1, 2 ORDER BY y, 2",
     ["bigint"] * 3, [["1998", "1", "1"], ["1998", "9", "1"], ["1999", "1", "1"]]),
    ("SELECT count(*) FROM t WHERE d >= date '1998-01-01' AND d < date '1998-01-01' + interval '1' year",
     ["bigint"], [["2"]]),
    # Text, NULL, booleans, timestamps, doubles and arrays as Athena writes them.
    ("SELECT s || 'z', concat(s, 'q'), substr(s, 1, 1), length(s), upper(s) FROM t WHERE k > 1 ORDER BY k",
     ["varchar", "varchar", "varchar", "bigint", "varchar"], [["bz", "bq", "b", "1", "B"], [None] * 5]),
    ("SELECT b, ts, f, rs FROM t ORDER BY k", ["boolean", "timestamp with time zone", "double", "array"],
     [["true", "2024-01-01 01:02:03.456000 UTC", "1.5", "[x, y]"],
      ["false", "2024-01-01 01:02:03.456000 UTC", "2.5", "[]"],
      [None, "2024-01-01 01:02:03.456000 UTC", "1.0E10", None]]),
    ("SELECT contains(rs, 'x'), cardinality(rs) FROM t WHERE k = 1", ["boolean", "bigint"], [["true", "2"]]),
    ("SELECT k, r FROM t CROSS JOIN UNNEST(rs) AS u(r) ORDER BY r", ["bigint", "varchar"], [["1", "x"], ["1", "y"]]),
    # Joins, subqueries, sets, windows; NULLs sort last.
    ("SELECT a.k, b.q FROM t a LEFT JOIN t b ON a.k = b.k + 2 ORDER BY a.k DESC LIMIT 2",
     ["bigint", "decimal(15,2)"], [["3", "1.00"], ["2", None]]),
    ("SELECT k FROM t o WHERE k IN (SELECT k FROM t WHERE q > 1) AND EXISTS (SELECT 1 FROM t n WHERE n.k < o.k - 1)",
     ["bigint"], [["3"]]),
    ("WITH a AS (SELECT s, sum(p) total FROM t GROUP BY s) SELECT * FROM a WHERE total = (SELECT max(total) FROM a)",
     ["varchar", "decimal(38,2)"], [["b", "20.15"]]),
    ("SELECT s FROM t ORDER BY s DESC", ["varchar"], [["b"], ["a"], [None]]),
    ("SELECT k FROM t UNION ALL SELECT i FROM t ORDER BY 1 LIMIT 2", ["bigint"], [["-7"], ["0"]]),
    ("SELECT s, sum(q) q FROM t GROUP BY s HAVING sum(q) > 1.5 ORDER BY q", ["varchar", "decimal(38,2)"],
     [["b", "2.00"], [None, "4.00"]]),
    ("SELECT k, rank() OVER (ORDER BY sum(q) DESC) FROM t GROUP BY k ORDER BY 2 LIMIT 1", ["bigint", "bigint"],
     [["3", "1"]]),
    ("SELECT t.k FROM t WHERE t.k = (SELECT max(t.i) - 4 FROM t)", ["bigint"], [["3"]]),
    ('SELECT "K" FROM "AwsDataCatalog"."DB"."T" WHERE k = 1', ["bigint"], [["1"]]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "types", "rows"), VALUES, ids=[case[0][:60] for case in VALUES])
def test_values(query: Query, sql: str, types: list[str], rows: list[list[str | None]]) -> None:
    got = query(sql)
    assert (got.state, got.reason) == ("SUCCEEDED", "")
    assert got.types == types
    assert got.rows == rows


FAILURES = [
    ("SELECT d FROM t WHERE d >= '1998-01-01'", "TYPE_MISMATCH: cannot compare date and varchar"),
    ("SELECT k FROM t WHERE s = 1", "TYPE_MISMATCH: cannot compare varchar and integer"),
    ("SELECT s || k FROM t", "TYPE_MISMATCH: text is expected, not bigint"),
    ("SELECT sum(s) FROM t", "TYPE_MISMATCH: sum takes numbers, not varchar"),
    ("SELECT coalesce(s, 1) FROM t", "TYPE_MISMATCH: varchar and integer have no common type"),
    ("SELECT d + interval '1' hour FROM t", "TYPE_MISMATCH: a date takes intervals of days and longer"),
    ("SELECT nope FROM t", "COLUMN_NOT_FOUND: Column 'nope'"),
    ("SELECT k AS x FROM t WHERE x = 1", "COLUMN_NOT_FOUND: Column 'x'"),
    ("SELECT lower(s) AS x, count(*) FROM t GROUP BY x", "COLUMN_NOT_FOUND: Column 'x'"),
    ("SELECT 1 FROM nope", "TABLE_NOT_FOUND: Table 'awsdatacatalog.db.nope' does not exist"),
    ("SELECT 1 FROM other.db.t", "CATALOG_NOT_FOUND: Catalog 'other' not found"),
    ("SELECT FROM WHERE", "SYNTAX_ERROR: "),
    ("SELECT 1; SELECT 2", "SYNTAX_ERROR: one statement is expected, not 2"),
    ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
    ("SELECT q / 0 FROM t", "DIVISION_BY_ZERO: Division by zero"),
    ("SELECT CAST(s AS bigint) FROM t", "INVALID_CAST_ARGUMENT: "),
    ("SELECT sum(x) FROM (VALUES 9223372036854775807, 9223372036854775807) v(x)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
    ("SELECT (SELECT k FROM t)", "SUBQUERY_MULTIPLE_ROWS: "),
    ("SELECT approx_distinct(s) FROM t", "NOT_SUPPORTED: the rehearsal does not run ApproxDistinct"),
    ("SELECT greatest(k, 1) FROM t", "NOT_SUPPORTED: the rehearsal does not run Greatest"),
    ("SELECT CAST(f AS varchar) FROM t", "NOT_SUPPORTED: the rehearsal does not run casts of double to varchar"),
    ("SELECT extract(DOW FROM d) FROM t", "NOT_SUPPORTED: the rehearsal does not run extract(DOW"),
    ("SELECT date_diff('month', d, d) FROM t", "NOT_SUPPORTED: the rehearsal does not run date_diff in units of MONTH"),
    ("SELECT lower(s) AS s FROM t GROUP BY s HAVING s = 'a'", "NOT_SUPPORTED: the rehearsal does not run the output"),
    ("SELECT k FROM t FOR VERSION AS OF 1", "NOT_SUPPORTED: the rehearsal does not run time travel"),
    ('SELECT * FROM "t$snapshots"', "NOT_SUPPORTED: the rehearsal does not run metadata tables"),
    ("CREATE TABLE x AS SELECT 1 y", "NOT_SUPPORTED: the rehearsal does not run CREATE statements"),
    ("DELETE FROM t WHERE k = 1", "NOT_SUPPORTED: the rehearsal does not run DELETE statements"),
]


@pytest.mark.parametrize(("sql", "reason"), FAILURES, ids=[case[0][:60] for case in FAILURES])
def test_failures_have_a_reason(query: Query, sql: str, reason: str) -> None:
    got = query(sql)
    assert got.state == "FAILED"
    assert got.reason.startswith(reason)
    assert got.execution["Status"]["AthenaError"]["ErrorCategory"] == 2


def test_no_database(query: Query) -> None:
    assert query("SELECT 1 FROM t", database=None).reason.startswith("MISSING_SCHEMA_NAME")
    assert query("SELECT count(*) FROM db.t", database=None).rows == [["3"]]


def test_execution_parameters_are_literals(query: Query) -> None:
    assert query("SELECT k FROM t WHERE s = ?", ExecutionParameters=["'b'"]).rows == [["2"]]
    assert query("SELECT k FROM t WHERE s = ?").reason.startswith("INVALID_PARAMETER_USAGE")
