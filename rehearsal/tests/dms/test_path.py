"""The whole path, as an example: tables, a replication, changes, and the Parquet files compared with the source."""

from __future__ import annotations

import random
import threading
from typing import Any

import psycopg
import pytest

from rehearsal.tests.dms.conftest import Model, Replicating

pytestmark = pytest.mark.cloud

Rows = dict[int, tuple[Any, ...]]


def replayed(replicating: Replicating, table: str, key: str, columns: tuple[str, ...]) -> Rows:
    """The table as its files tell: the load, then each change once, by its sequence."""
    rows = {row[key]: tuple(row[name] for name in columns) for row in replicating.loaded(table)}
    changes = {row["AR_H_CHANGE_SEQ"]: row for row in replicating.changed(table)}
    for sequence in sorted(changes):
        row = changes[sequence]
        before = row[f"BI_{key}"]
        rows.pop(row[key] if before is None else before, None)
        if row["Op"] != "D":
            rows[row[key]] = tuple(row[name] for name in columns)
    return rows


def stored(model: Model, table: str, columns: tuple[str, ...]) -> Rows:
    query = f"SELECT {', '.join(columns)} FROM {table}"
    return {row[0]: tuple(row) for row in model.sql.execute(query).fetchall()}


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
    assert [row["Op"] for row in replicating.changed("orders")] == ["I", "U", "U", "D", "U"]
    columns = ("o_orderkey", "o_status", "o_totalprice")
    assert replayed(replicating, "orders", "o_orderkey", columns) == stored(model, "orders", columns)


def test_random_histories_with_trouble_on_the_way_give_the_source(model: Model) -> None:
    """Several writers while the table is loaded, the engine is restarted, files come late, and the run is stopped."""
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    model.execute("CREATE TABLE history (id int PRIMARY KEY, v int)")
    model.execute("INSERT INTO history SELECT n, 0 FROM generate_series(1, 200) AS n")
    replicating = model.replication("history")
    done = threading.Event()
    writers = [threading.Thread(target=_write, args=(model, seed + number, done)) for number in range(3)]
    for writer in writers:
        writer.start()
    replicating.start()
    trouble = random.Random(seed)
    for _ in range(4):
        done.wait(trouble.uniform(0.1, 0.3))
        if replicating.described()["Status"] == "running":
            model.dms.interrupt(replicating.arn)
            model.dms.delay_files(replicating.arn, 0.3, seed)
    done.set()
    for writer in writers:
        writer.join()
    replicating.stop()
    model.execute("UPDATE history SET v = -1 WHERE id % 2 = 0")
    replicating.start("resume-processing")
    replicating.settle()
    assert len(replicating.changed("history")) > 100
    assert replayed(replicating, "history", "id", ("id", "v")) == stored(model, "history", ("id", "v"))


def _write(model: Model, seed: int, done: threading.Event) -> None:
    chance = random.Random(seed)
    with model.database.connect() as connection:
        while not done.wait(0.001):
            try:
                with connection.transaction():
                    for _ in range(chance.randint(1, 4)):
                        connection.execute(_statement(chance))
            except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                pass  # what another writer did first stands


def _statement(chance: random.Random) -> str:
    key, other = chance.randint(1, 300), chance.randint(1, 300)
    return chance.choice(
        [
            f"INSERT INTO history VALUES ({key}, {other}) ON CONFLICT DO NOTHING",
            f"UPDATE history SET v = v + 1 WHERE id = {key}",
            f"UPDATE history SET id = {other}, v = v + 1 WHERE id = {key}",
            f"DELETE FROM history WHERE id = {key}",
        ]
    )
