"""A small replicated table, and short words for its changes."""

from __future__ import annotations

import pyarrow as pa
from dms import Change, change, file
from lake import Lake
from specs import column, replicated

AT_LEAST_ZERO = [{"kind": "range", "min": "0", "max": None}]
PARTS = replicated(
    "parts",
    [column("id", "bigint", required=True), column("name"), column("price", "decimal(10,2)", rules=AT_LEAST_ZERO)],
    ["id"],
)
TYPES = {"id": pa.int64(), "name": pa.string(), "price": pa.decimal128(28, 6)}
ID = "sales.parts"


def part(*changes: Change) -> bytes:
    return file(changes, TYPES)


def insert(n: int | None, id: int, name: str | None, price: int | None = 1) -> Change:
    return change("I", n, id=id, name=name, price=price)


def update(n: int, id: int, name: str | None, price: int | None = 1, old: int | None = None) -> Change:
    return change("U", n, {"id": id if old is None else old}, id=id, name=name, price=price)


def delete(n: int, id: int) -> Change:
    return change("D", n, id=id)


def state(lake: Lake, dataset_id: str = ID) -> dict[int, tuple]:
    """Per key: generation, sequence as a number, and the name, or - for a tombstone."""
    rows = lake.rows(lake.cleaned(dataset_id), "id", "_generation", "_sequence", "_is_deleted", "name")
    return {k: (g, int(s or 0), "-" if gone else name) for k, g, s, gone, name in rows}
