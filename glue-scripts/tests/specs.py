"""Declarations of datasets as the manifest has them: what a test does not say is the default, or the domain `sales`."""

from __future__ import annotations

from typing import Any


def column(name: str, kind: str = "string", required: bool = False, protect: Any = "none", rules: Any = ()) -> dict:
    return {
        "name": name, "type": kind, "doc": "", "required": required,
        "class": "internal" if protect == "none" else "personal", "protect": protect, "rules": list(rules),
    }  # fmt: skip


def dataset(name: str, columns: list[dict], keys: list[str], sequence: str | None = None, **more: Any) -> dict:
    base = {
        "id": f"sales.{name}", "domain": "sales", "name": name, "owner": "sales-data", "doc": "Test's data.",
        "load": "upsert" if sequence else "append", "keys": keys, "sequence": sequence,
        "format": {"kind": "csv", "header": True, "delimiter": ",", "null_value": "", "route_by": None},
        "columns": columns,
        "unique_key": False, "rules": [], "gate": {"max_quarantined_share": None, "min_rows": None},
        "cleaned_database": "test_sales_cleaned", "quarantine_database": "test_sales_quarantine",
        "freshness_seconds": None,
    }  # fmt: skip
    return base | more


def parquet(kind: str = "parquet") -> dict:
    return {"kind": kind, "header": None, "delimiter": None, "null_value": None, "route_by": None}


def upkeep(**own: int) -> dict:
    """The member of a dataset that says how its tables are kept; what is not said is the default."""
    usual = {"snapshot_seconds": 604800, "unreferenced_seconds": 604800, "file_bytes": 128 << 20, "small_files": 10}
    return {"maintenance": usual | own}


def replicated(name: str, columns: list[dict], keys: list[str], **more: Any) -> dict:
    """A CDC dataset as DMS delivers it, in generations 1 to 4."""
    return dataset(name, columns, keys, load="cdc", format=parquet("dms_parquet"), **more)
