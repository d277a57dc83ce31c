"""Whole batches through refine, against Iceberg on the Glue catalog."""

from __future__ import annotations

from lake import Lake, column, dataset

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


def test_upsert_over_batches(lake: Lake) -> None:
    lake.declare(ORDERS)
    first = lake.apply("sales.orders", "id,seq,name,price\n1,1,a,1.00\n2,1,b,2.50\n3,1,c,-1\nx,1,d,1\n")
    assert first["state"] == "applied"
    assert lake.counts(first) == {"read": 4, "inserted": 2, "quarantined": 2}
    assert first["reasons"] == {"range:price": 1, "type:id": 1}
    second = lake.apply("sales.orders", "price,name,id,seq\n9,a2,1,2\n2.5,b,2,3\n4,z,4,1\n1.00,a,1,1\n")
    assert lake.counts(second) == {"read": 4, "inserted": 1, "updated": 1, "unchanged": 1, "duplicate": 1}
    rows = lake.rows(lake.cleaned("sales.orders"), "id", "seq", "name")
    assert rows == [(1, 2, "a2"), (2, 3, "b"), (4, 1, "z")]
    assert len(lake.snapshots(lake.cleaned("sales.orders"))) == 2
