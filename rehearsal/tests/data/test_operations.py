"""The operational database: the same seed makes the same history, and every kind of transaction occurs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.data.operations import NEW_KEYS, Operations
from rehearsal.dms import Database

# At small scales the generator's offers of parts repeat their keys.
TABLES = ("region", "nation", "customer", "orders", "lineitem")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database() as made:
        yield made


def state(database: Database) -> dict[str, list[Any]]:
    with database.connect() as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in TABLES}


def history(database: Database, folder: Path, seed: int) -> tuple[Operations, dict[str, list[Any]]]:
    with database.connect() as connection:
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
    made = Operations(database.connect, TABLES)
    made.load(0.002, folder)
    made.change(40, seed)
    return made, state(database)


def test_histories(database: Database, tmp_path: Path) -> None:
    _, first = history(database, tmp_path, 1)
    assert history(database, tmp_path, 2)[1] != first
    made, again = history(database, tmp_path, 1)
    assert again == first
    kinds = made.change(60, 3)
    assert set(kinds) == {"place", "amend", "cancel", "reinstate", "renumber", "abandon"}
    found = state(database)
    assert any(row[0] > NEW_KEYS for row in found["customer"])
    assert all(row[3] >= 0 for row in found["orders"]), "an abandoned change was committed"
    assert {row[0] for row in found["lineitem"]} <= {row[0] for row in found["orders"]}
    assert {row[1] for row in found["orders"]} <= {row[0] for row in found["customer"]}
    assert sum(made.change(400, 4).values()) == 400, "it goes on when no held-back order is left"


def test_new_columns_take_their_defaults(database: Database, tmp_path: Path) -> None:
    made, _ = history(database, tmp_path, 1)
    with database.connect() as connection:
        connection.execute("ALTER TABLE customer ADD COLUMN tier text NOT NULL DEFAULT 'basic'")
        connection.execute("ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'shop'")
    made.change(60, 5)
    assert {row[-1] for row in state(database)["orders"]} == {"shop"}
