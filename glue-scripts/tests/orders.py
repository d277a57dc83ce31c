"""A dataset of orders, as tests of the refine job declare it, and the header of its files."""

from __future__ import annotations

from specs import column, dataset

ORDERS = dataset(
    "orders",
    [
        column("id", "bigint", required=True),
        column("seq", "bigint", required=True),
        column("name"),
        column("price", "decimal(10,2)", rules=[{"kind": "range", "min": "0", "max": None}]),
    ],
    ["id"],
    "seq",
)
HEADER = "id,seq,name,price\n"
