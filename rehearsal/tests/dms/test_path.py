"""The whole path, as an example: tables, a replication, changes, and the Parquet files compared with the source."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rehearsal.tests.dms.conftest import Model

pytestmark = pytest.mark.cloud


def test_files_replayed_in_order_give_the_source(model: Model) -> None:
    model.execute(
        "CREATE TABLE orders (o_orderkey bigint PRIMARY KEY, o_status char(1), o_totalprice numeric(15,2))",
        "INSERT INTO orders SELECT n, 'O', n * 1.5 FROM generate_series(1, 50) AS n",
    )
    replicating = model.replication("orders")
    replicating.start()
    replicating.settle()
    assert replicating.described()["Status"] == "running"
    assert replicating.keys("orders") == ["LOAD00000001.parquet"]
    model.execute(
        "INSERT INTO orders VALUES (51, 'O', 3.00)",
        "UPDATE orders SET o_status = 'F' WHERE o_orderkey IN (1, 51)",
        "DELETE FROM orders WHERE o_orderkey = 2",
        "UPDATE orders SET o_orderkey = 100 WHERE o_orderkey = 3",
    )
    replicating.settle()
    state = {row["o_orderkey"]: row for row in replicating.loaded("orders")}
    changes = replicating.changed("orders")
    assert [row["Op"] for row in changes] == ["I", "U", "U", "D", "U"]
    for row in sorted(changes, key=lambda row: row["AR_H_CHANGE_SEQ"]):
        before = row["BI_o_orderkey"]
        state.pop(before if before is not None else row["o_orderkey"], None)
        if row["Op"] != "D":
            state[row["o_orderkey"]] = row
    assert _rows(state.values()) == sorted(model.sql.execute("SELECT * FROM orders").fetchall())


def _rows(rows: Any) -> list[tuple[int, str, Decimal]]:
    return sorted((row["o_orderkey"], row["o_status"], row["o_totalprice"]) for row in rows)
