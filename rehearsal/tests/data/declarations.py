"""A manifest over the TPC-H tables, written down compactly, and a small `generate` step for it."""

from __future__ import annotations

import json
from typing import Any

from rehearsal.data.declared import Dataset, read_manifest

SEQUENCE = "change_seq bigint!"
TABLES = {
    "geo.region": ("append", "csv", ["r_regionkey bigint!", "r_name string", "r_comment string"]),
    "geo.nation": (
        "append",
        "csv",
        ["n_nationkey bigint!", "n_name string", "n_regionkey bigint!", "n_comment string"],
    ),
    "supply.part": (
        "append",
        "parquet",
        [
            "p_partkey bigint!",
            "p_name string!",
            "p_brand string /^Brand#[1-5][1-5]$/",
            "p_size int 1..50",
            "p_retailprice decimal(15,2) 0..",
        ],
    ),
    "supply.supplier": ("snapshot", "csv", ["s_suppkey bigint!", "s_name string!", "s_acctbal decimal(15,2)"]),
    "supply.partsupp": (
        "upsert",
        "parquet",
        [
            "ps_partkey bigint!",
            "ps_suppkey bigint!",
            "ps_availqty int 0..9999",
            "ps_supplycost decimal(15,2)",
            SEQUENCE,
        ],
    ),
    "sales.customer": (
        "upsert",
        "csv",
        [
            "c_custkey bigint!",
            "c_name string!",
            "c_phone string hash",
            "c_acctbal decimal(15,2) -1000..10000",
            "c_mktsegment string {AUTOMOBILE,BUILDING,FURNITURE,HOUSEHOLD,MACHINERY}",
            "c_comment string drop",
            SEQUENCE,
        ],
    ),
    "sales.orders": (
        "upsert unique",
        "csv",
        [
            "o_orderkey bigint!",
            "o_custkey bigint!",
            "o_orderstatus string {F,O,P}",
            "o_totalprice decimal(15,2) 0..",
            "o_orderdate date!",
            "o_orderpriority string /^[1-5]-[A-Z ]+$/",
            "o_comment string",
            SEQUENCE,
        ],
    ),
    "sales.lineitem": (
        "append unique",
        "parquet",
        [
            "l_orderkey bigint!",
            "l_linenumber int!",
            "l_quantity decimal(15,2) 1..50",
            "l_returnflag string {A,N,R}",
            "l_shipdate date!",
            "l_comment string",
        ],
    ),
}
STAMP = "(?:^|[^0-9])(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?:[^0-9]|$)"
KEYS = {"supply.partsupp": ["ps_partkey", "ps_suppkey"], "sales.lineitem": ["l_orderkey", "l_linenumber"]}


def manifest() -> dict[str, Any]:
    """The manifest as the lake would render it, as far as the sender reads it."""
    return {
        "datasets": [_dataset(name, *table) for name, table in TABLES.items()],
        "landing": [{"prefix": f"files/{n.replace('.', '/')}/", "dataset": n, "source": "Files"} for n in TABLES],
    }


def datasets() -> dict[str, Dataset]:
    return read_manifest(json.dumps(manifest()))


def generate_step(faults: list[dict[str, Any]]) -> dict[str, Any]:
    """A small `generate` step: 1/1000 of TPC-H, two increments."""
    return {
        "tool": "tpch",
        "scale": 0.001,
        "seed": 7,
        "increments": 2,
        "tables": {n.split(".")[1]: n for n in TABLES},
        "gzip": ["sales.customer"],
        "files": {"sales.orders": 2, "sales.lineitem": 2},
        "files_per_increment": 2,
        "faults": faults,
    }


def _dataset(name: str, load: str, kind: str, columns: list[str]) -> dict[str, Any]:
    domain, table = name.split(".")
    csv = kind == "csv"
    return {
        "id": name,
        "domain": domain,
        "name": table,
        "load": load.split()[0],
        "keys": KEYS.get(name, [columns[0].split()[0]]),
        "sequence": "change_seq" if SEQUENCE in columns else None,
        "format": {
            "kind": kind,
            "header": True if csv else None,
            "delimiter": "," if csv else None,
            "null_value": "" if csv else None,
        },
        "columns": [_column(c) for c in columns],
        "unique_key": "unique" in load,
        "gate": {"max_quarantined_share": 0.5, "min_rows": None},
        "cleaned_database": f"t_{domain}_cleaned",
        "quarantine_database": f"t_{domain}_quarantine",
        **({"delivery": {"stamp": STAMP}} if load == "snapshot" else {}),
    }


def _column(text: str) -> dict[str, Any]:
    """`name type`, `!` after the type for required, then a protection, `min..max`, `{set}` or `/pattern/`."""
    name, kind, *rest = text.split(" ", 2)
    more = rest[0] if rest else ""
    rules: list[dict[str, Any]] = []
    if ".." in more:
        low, high = more.split("..")
        rules = [{"kind": "range", "min": low or None, "max": high or None}]
    elif more.startswith("{"):
        rules = [{"kind": "set", "values": more[1:-1].split(",")}]
    elif more.startswith("/"):
        rules = [{"kind": "pattern", "regex": more[1:-1]}]
    return {
        "name": name,
        "type": kind.rstrip("!"),
        "required": kind.endswith("!"),
        "protect": more if more in ("hash", "drop") else "none",
        "rules": rules,
    }
