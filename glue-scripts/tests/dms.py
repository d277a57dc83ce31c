"""Files as DMS writes them: Parquet with change columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Change = tuple[str, int | None, dict[str, Any], dict[str, Any]]


def seq(n: int | None) -> str | None:
    """A sequence in DMS's form of 35 digits; None for what a load holds."""
    return None if n is None else f"{n:035d}"


def change(op: str, n: int | None = None, before: dict[str, Any] | None = None, **values: Any) -> Change:
    """One change; `before` is the key as it was, for updates."""
    return op, n, before or {}, values


def file(changes: Sequence[Change], types: dict[str, pa.DataType], keys: Sequence[str] = ("id",)) -> bytes:
    """A file of the changes with these columns. Values that are left out are NULL."""
    columns: dict[str, pa.Array] = {
        "Op": pa.array([op for op, *_ in changes], pa.string()),
        "AR_H_CHANGE_SEQ": pa.array([seq(n) for _, n, *_ in changes], pa.string()),
    }
    for key in keys:
        if any(before for _, _, before, _ in changes):
            columns[f"BI_{key}"] = pa.array([before.get(key) for _, _, before, _ in changes], types[key])
    for name, kind in types.items():
        columns[name] = pa.array([values.get(name) for *_, values in changes], kind)
    return parquet_bytes(pa.table(columns))


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, version="1.0")
    return sink.getvalue()
