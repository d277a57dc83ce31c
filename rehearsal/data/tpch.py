"""TPC-H tables from the pinned generator, and a deterministic history of changes over them."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rehearsal.data.declared import Dataset

Row = tuple[Any, ...]
TABLES = ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem")
SEQUENCE_STEP = 10
LEAVING = 2
LEAVERS_FROM = 900_000_000
SEQUENCE_BASE = 1_000_000_000
HELD_BACK = 50


class DataError(ValueError):
    """A scenario asks for data that cannot be made; the message names the part of the scenario."""


@dataclass(frozen=True)
class Batch:
    """The clean rows of one dataset in one delivery, in the dataset's column order."""

    delivery: str
    dataset: Dataset
    rows: list[Row]


def generate(scale: float, folder: Path) -> dict[str, pa.Table]:
    """Run tpchgen-cli at a scale factor (1 is about 1 GB); the eight tables by name."""
    tool = Path(sys.executable).parent / "tpchgen-cli"
    command = str(tool) if tool.exists() else shutil.which("tpchgen-cli")
    if command is None:
        raise DataError("tpchgen-cli is not installed beside this Python: run `make setup`")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [command, "parquet", "-s", str(scale), "-q", "--overwrite", "-o", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise DataError(f"tpchgen-cli failed at scale {scale}: {done.stderr.strip()}")
    return {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}


def history(tables: dict[str, pa.Table], datasets: dict[str, Dataset], increments: int, seed: int) -> list[Batch]:
    """The clean batches: `initial`, then `increment-1` … in order. `datasets` maps the tables' names to datasets.

    Every fiftieth customer and order (with its lines) is held back and inserted by the increments; the increments also
    change customers, orders, suppliers and part-supplier offers, and touch some rows without changing them. A dataset
    loaded by snapshots gets its whole table in every delivery, at first with rows that nothing refers to; the
    increments leave them out, two at a time. The same arguments give the same rows.
    """
    names = [n for n in TABLES if n in datasets]
    rows = {n: _rows(tables[n], datasets[n]) for n in names}
    late = {n: _held_back(rows[n], increments) for n in ("customer", "orders") if n in rows}
    held = {n: {datasets[n].key(r) for part in late[n] for r in part} for n in late}
    kept = {n: [r for r in rows[n] if datasets[n].key(r) not in held.get(n, ())] for n in names}
    inserts = dict(late)
    if "lineitem" in rows:
        kept["lineitem"], inserts["lineitem"] = _lines(rows["lineitem"], late.get("orders", []), datasets, increments)
    leavers = {n: _leavers(kept[n], datasets[n], increments) for n in names if datasets[n].whole}
    batches = [Batch("initial", datasets[n], _sequenced(kept[n] + leavers.get(n, []), datasets[n], 0)) for n in names]
    current = {n: list(kept[n]) for n in names}
    for i in range(increments):
        rng = random.Random(f"{seed}/{i}")
        for name in (n for n in ("customer", "orders", "lineitem", "supplier", "partsupp") if n in rows):
            changed = _changes(name, current[name], datasets[name], rng) if name in CHANGES else []
            new = inserts.get(name, [[]] * increments)[i]
            current[name].extend(new)
            sent = changed + new
            if name in leavers:
                sent = current[name] + leavers[name][(i + 1) * LEAVING :]
            batches.append(Batch(f"increment-{i + 1}", datasets[name], _sequenced(sent, datasets[name], i + 1)))
    return batches


def _leavers(rows: list[Row], dataset: Dataset, increments: int) -> list[Row]:
    """Copies of the first rows under keys that nothing refers to."""
    at = dataset.position(dataset.keys[0])
    return [(*row[:at], LEAVERS_FROM + i, *row[at + 1 :]) for i, row in enumerate(rows[: LEAVING * increments])]


def _lines(
    rows: list[Row], late_orders: list[list[Row]], datasets: dict[str, Dataset], increments: int
) -> tuple[list[Row], list[list[Row]]]:
    """The order lines that are there from the start, and those that come with the orders of each increment."""
    part_of = {datasets["orders"].key(r): i for i, part in enumerate(late_orders) for r in part}
    order = datasets["lineitem"].position("l_orderkey")
    kept: list[Row] = []
    lines: list[list[Row]] = [[] for _ in range(increments)]
    for row in rows:
        part = part_of.get((row[order],))
        (kept if part is None else lines[part]).append(row)
    return kept, lines


def _rows(table: pa.Table, dataset: Dataset) -> list[Row]:
    """The table's rows in the dataset's column order, with None where the sequence goes."""
    wanted = [c.name for c in dataset.columns if c.name != dataset.sequence]
    missing = [n for n in wanted if n not in table.column_names]
    if missing:
        raise DataError(f"{dataset.id} declares {', '.join(missing)}, which TPC-H does not have")
    columns = [
        [None] * table.num_rows if c.name == dataset.sequence else table.column(c.name).to_pylist()
        for c in dataset.columns
    ]
    return list(zip(*columns, strict=True))


def _held_back(rows: list[Row], increments: int) -> list[list[Row]]:
    held = rows[HELD_BACK - 1 :: HELD_BACK]
    return [held[i::increments] for i in range(increments)]


def _sequenced(rows: list[Row], dataset: Dataset, delivery: int) -> list[Row]:
    """Fill in the sequence: rising with the delivery and the row, in steps that leave room for planted changes."""
    if dataset.sequence is None:
        return rows
    at = dataset.position(dataset.sequence)
    base = delivery * SEQUENCE_BASE + SEQUENCE_STEP
    return [(*row[:at], base + i * SEQUENCE_STEP, *row[at + 1 :]) for i, row in enumerate(rows)]


def _changes(name: str, rows: list[Row], dataset: Dataset, rng: random.Random) -> list[Row]:
    """Changed copies of a sample of rows, one in eight of them without a change; updates `rows` in place."""
    share, columns = CHANGES[name]
    changes = [(dataset.position(column), change) for column, change in columns]
    chosen = sorted(rng.sample(range(len(rows)), max(4, int(len(rows) * share))))
    for n, i in enumerate(chosen):
        if n % 8:
            row = list(rows[i])
            for at, change in changes:
                row[at] = change(row[at], rng)
            rows[i] = tuple(row)
    return [rows[i] for i in chosen]


def _balance(value: Decimal, rng: random.Random) -> Decimal:
    moved = value + Decimal(rng.randint(1, 20_000)) / 100
    return moved if moved <= 9_999 else value - Decimal(rng.randint(1, 20_000)) / 100


def _price(value: Decimal, rng: random.Random) -> Decimal:
    return value + Decimal(rng.randint(1, 50_000)) / 100


def _cost(value: Decimal, rng: random.Random) -> Decimal:
    return value + Decimal(rng.randint(1, 500)) / 100


def _stock(value: int, rng: random.Random) -> int:
    return (value + rng.randint(1, 5_000)) % 10_000


def _next(*values: str) -> Callable[[str, random.Random], str]:
    return lambda value, rng: values[(values.index(value) + 1) % len(values)]


CHANGES: dict[str, tuple[float, list[tuple[str, Callable[[Any, random.Random], Any]]]]] = {
    "customer": (
        0.06,
        [
            ("c_acctbal", _balance),
            ("c_mktsegment", _next("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")),
        ],
    ),
    "orders": (
        0.04,
        [
            ("o_totalprice", _price),
            ("o_orderpriority", _next("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")),
        ],
    ),
    "supplier": (0.30, [("s_acctbal", _balance)]),
    "partsupp": (0.05, [("ps_supplycost", _cost), ("ps_availqty", _stock)]),
}
