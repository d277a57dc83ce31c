"""Views as Athena keeps them in the Glue catalog."""

from __future__ import annotations

import base64
import json

import pytest

from rehearsal.cloud import Cloud
from rehearsal.tests.athena.conftest import Query

pytestmark = pytest.mark.cloud


def make_view(cloud: Cloud, name: str, sql: str, columns: dict[str, str], presto: str = "true") -> None:
    definition = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": "db",
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
    }
    text = base64.b64encode(json.dumps(definition).encode()).decode()
    table = {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": presto, "comment": "Presto View"},
        "ViewOriginalText": f"/* Presto View: {text} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": [{"Name": c, "Type": k} for c, k in columns.items()], "SerdeInfo": {}},
    }
    cloud.client("glue").create_table(DatabaseName="db", TableInput=table)


@pytest.fixture(scope="module", autouse=True)
def views(cloud: Cloud) -> None:
    make_view(cloud, "few", 'SELECT "k", "s", "ts" FROM "db"."t" WHERE NOT "b"', {"k": "bigint", "s": "varchar"})
    make_view(cloud, "fewer", "SELECT k AS n FROM few", {"n": "bigint"})
    make_view(cloud, "endless", "SELECT n FROM endless", {"n": "bigint"})
    make_view(cloud, "hive", "SELECT 1", {"n": "int"}, presto="false")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT k, s FROM few", [["2", "b"]]),
        ("SELECT few.s FROM db.few", [["b"]]),
        ('SELECT x.s FROM "awsdatacatalog"."db"."few" AS x', [["b"]]),
        ("SELECT count(*) FROM few a JOIN few b ON a.k = b.k", [["1"]]),
        ("SELECT k FROM t WHERE k NOT IN (SELECT k FROM few) ORDER BY k", [["1"], ["3"]]),
        ("SELECT n FROM fewer", [["2"]]),
        ("WITH few AS (SELECT 9 AS k) SELECT k FROM few", [["9"]]),
        ("WITH a AS (SELECT * FROM few) SELECT k FROM a", [["2"]]),
    ],
)
def test_views_are_read(query: Query, sql: str, rows: list[list[str]]) -> None:
    got = query(sql)
    assert (got.state, got.rows) == ("SUCCEEDED", rows), got.reason


def test_a_view_scans_what_its_table_has(query: Query) -> None:
    scanned = [
        query(sql).execution["Statistics"]["DataScannedInBytes"] for sql in ("SELECT s FROM few", "SELECT s FROM t")
    ]
    assert scanned[0] == scanned[1] > 0


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT p FROM few", "p"),
        ("SELECT n FROM endless", "views refer to views more than 10 times over"),
        ("SELECT n FROM hive", "views that are not made as Athena makes them"),
        ('SELECT * FROM "few$files"', "metadata tables"),
    ],
)
def test_views_that_cannot_be_read(query: Query, sql: str, reason: str) -> None:
    got = query(sql)
    assert got.state == "FAILED"
    assert reason in got.reason
