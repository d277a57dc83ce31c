"""The operational database of a trading company: TPC-H tables in PostgreSQL, and transactions that change them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from rehearsal.data import tpch
from rehearsal.data.tpch import CHANGES, HELD_BACK, DataError, Row

KEYS = {
    "region": ("r_regionkey",), "nation": ("n_nationkey",), "part": ("p_partkey",), "supplier": ("s_suppkey",),
    "partsupp": ("ps_partkey", "ps_suppkey"), "customer": ("c_custkey",), "orders": ("o_orderkey",),
    "lineitem": ("l_orderkey", "l_linenumber"),
}  # fmt: skip
NEW_KEYS = 10_000_000
"""Where the keys of renumbered customers begin: above every key of the generator."""


@dataclass
class Operations:
    """Loads tables into a database and changes them. The same seed makes the same transactions on the same tables."""

    connect: Callable[[], psycopg.Connection[Any]]
    tables: tuple[str, ...]
    _late: list[tuple[Row, list[Row]]] = field(default_factory=list)
    _renumbered: dict[int, int] = field(default_factory=dict)

    def load(self, scale: float, folder: Path) -> int:
        """Make and fill the tables; the number of rows. Every fiftieth order is held back, with its lines."""
        generated = tpch.generate(scale, folder)
        rows = 0
        with self.connect() as connection:
            for name in self.tables:
                table = generated[name]
                connection.execute(_definition(name, table))
                rows += _copy(connection, name, self._kept(name, generated))
        return rows

    def change(self, transactions: int, seed: int) -> Counter[str]:
        """Commit random transactions, and roll some back; how many of each kind."""
        rng, done = random.Random(f"{seed}/operations"), Counter[str]()
        kinds = [kind for kind in _KINDS if _KINDS[kind] <= set(self.tables)]
        with self.connect() as connection:
            for _ in range(transactions):
                kind = rng.choice(kinds)
                if kind == "place" and not self._late:
                    kind = "amend"
                with connection.transaction():
                    done[kind] += 1
                    getattr(self, f"_{kind}")(connection, rng)
        return done

    def _kept(self, name: str, generated: dict[str, pa.Table]) -> list[Row]:
        rows = [tuple(row.values()) for row in generated[name].to_pylist()]
        if name not in ("orders", "lineitem") or not {"orders", "lineitem"} <= set(self.tables):
            return rows
        if not self._late:
            lines: dict[Any, list[Row]] = {}
            for row in generated["lineitem"].to_pylist():
                lines.setdefault(row["l_orderkey"], []).append(tuple(row.values()))
            orders = [tuple(row.values()) for row in generated["orders"].to_pylist()][HELD_BACK - 1 :: HELD_BACK]
            self._late = [(order, lines.get(order[0], [])) for order in orders]
        held = {order[0] for order, _ in self._late}
        return [row for row in rows if row[0] not in held]

    def _place(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """A new order with its lines."""
        order, lines = self._late.pop(rng.randrange(len(self._late)))
        customer = order[1]
        while customer in self._renumbered:
            customer = self._renumbered[customer]
        order = (order[0], customer, *order[2:])
        _insert(connection, "orders", [order])
        _insert(connection, "lineitem", lines)

    def _amend(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """Changes of a row's content, one in eight of them to what it is already."""
        name = rng.choice([n for n in ("customer", "orders", "partsupp", "supplier") if n in self.tables])
        key, row = _pick(connection, name, rng)
        changes = CHANGES[name][1]
        values = [row[column] if rng.random() < 1 / 8 else change(row[column], rng) for column, change in changes]
        _update(connection, name, key, dict(zip([c for c, _ in changes], values, strict=True)))

    def _cancel(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """An order goes, with its lines."""
        key, _ = _pick(connection, "orders", rng)
        connection.execute("DELETE FROM lineitem WHERE l_orderkey = %s", list(key.values()))
        connection.execute("DELETE FROM orders WHERE o_orderkey = %s", list(key.values()))

    def _reinstate(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """A customer is deleted, made again, and changed, in one transaction."""
        key, row = _pick(connection, "customer", rng)
        connection.execute("DELETE FROM customer WHERE c_custkey = %s", list(key.values()))
        _insert(connection, "customer", [tuple(row.values())], list(row))
        _update(connection, "customer", key, {"c_acctbal": CHANGES["customer"][1][0][1](row["c_acctbal"], rng)})

    def _renumber(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """A customer gets another key, and so do its orders."""
        key, _ = _pick(connection, "customer", rng)
        new = NEW_KEYS + len(self._renumbered) + 1
        self._renumbered[key["c_custkey"]] = new
        connection.execute("UPDATE customer SET c_custkey = %s WHERE c_custkey = %s", [new, key["c_custkey"]])
        connection.execute("UPDATE orders SET o_custkey = %s WHERE o_custkey = %s", [new, key["c_custkey"]])

    def _abandon(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        """An order is taken back before it is committed: nobody may ever see it."""
        key, _ = _pick(connection, "orders", rng)
        connection.execute("UPDATE orders SET o_totalprice = -1 WHERE o_orderkey = %s", list(key.values()))
        raise psycopg.Rollback


_KINDS = {
    "place": {"orders", "lineitem"}, "amend": {"customer", "orders"}, "cancel": {"orders", "lineitem"},
    "reinstate": {"customer"}, "renumber": {"customer", "orders"}, "abandon": {"orders"},
}  # fmt: skip


def _definition(name: str, table: pa.Table) -> str:
    columns = [f'"{f.name}" {_type(f.type)} NOT NULL' for f in table.schema]
    return f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(KEYS[name])}))"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    known = [(pa.types.is_int64, "bigint"), (pa.types.is_int32, "integer"), (pa.types.is_date, "date")]
    text = [(pa.types.is_string, "text"), (pa.types.is_large_string, "text"), (pa.types.is_string_view, "text")]
    for fits, name in known + text:
        if fits(kind):
            return name
    raise DataError(f"the generator has a column of type {kind}, which no table is made of")


def _copy(connection: psycopg.Connection[Any], name: str, rows: Iterable[Row]) -> int:
    count = 0
    with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def _insert(connection: psycopg.Connection[Any], name: str, rows: list[Row], columns: list[str] | None = None) -> None:
    """Columns left out are those that the table has gained since: they take their defaults."""
    for row in rows:
        names = columns or _columns(connection, name)[: len(row)]
        listed = sql.SQL(", ").join(map(sql.Identifier, names))
        values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
        connection.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(name), listed, values), row)


def _columns(connection: psycopg.Connection[Any], name: str) -> list[str]:
    found = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(name)))
    return [column.name for column in found.description or ()]


def _pick(connection: psycopg.Connection[Any], name: str, rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """The key and the columns of a row, drawn by its place in the order of keys."""
    keys = sql.SQL(", ").join(map(sql.Identifier, KEYS[name]))
    count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()[0]
    query = sql.SQL("SELECT * FROM {} ORDER BY {} LIMIT 1 OFFSET %s").format(sql.Identifier(name), keys)
    found = connection.execute(query, [rng.randrange(count)])
    row = dict(zip([c.name for c in found.description or ()], found.fetchone(), strict=True))
    return {key: row[key] for key in KEYS[name]}, row


def _update(connection: psycopg.Connection[Any], name: str, key: dict[str, Any], values: dict[str, Any]) -> None:
    assignment = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in values)
    condition = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in key)
    statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(sql.Identifier(name), assignment, condition)
    connection.execute(statement, [*values.values(), *key.values()])
