"""Compares two results of one question: exact, but for doubles, which may differ by 1e-9 of their size."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlglot

TOLERANCE = 1e-9
Row = Sequence[Any]


def ordered(sql: str) -> bool:
    """Whether the outermost query fixes the order of its rows."""
    parsed = sqlglot.parse_one(sql, read="postgres")
    return parsed.args.get("order") is not None


def typed(value: str | None, kind: str) -> Any:
    """A value of an Athena result (text) by its column's type; ValueError when it is not of that type."""
    if value is None:
        return None
    kind = kind.lower()
    try:
        if kind in ("tinyint", "smallint", "integer", "int", "bigint"):
            return int(value)
        if kind.startswith("decimal"):
            return Decimal(value)
        if kind in ("double", "float", "real"):
            return float(value)
        if kind == "date":
            return dt.date.fromisoformat(value)
        if kind == "timestamp":
            return dt.datetime.fromisoformat(value)
        if kind == "boolean":
            return {"true": True, "false": False}[value]
    except (ValueError, KeyError, InvalidOperation) as error:
        raise ValueError(f"{value!r} is no {kind}") from error
    return value


def same(lake: Any, oracle: Any) -> bool:
    """Whether two values agree: a double within the tolerance, everything else exactly and of a comparable type."""
    if lake is None or oracle is None:
        return lake is None and oracle is None
    if isinstance(lake, bool) or isinstance(oracle, bool):
        return lake is oracle
    if isinstance(lake, float) and isinstance(oracle, (int, float, Decimal)):
        return lake == float(oracle) or math.isclose(lake, float(oracle), rel_tol=TOLERANCE, abs_tol=0.0)
    if isinstance(lake, (int, Decimal)) and isinstance(oracle, (int, Decimal)):
        return lake == oracle
    return type(lake) is type(oracle) and lake == oracle


def differences(lake: Sequence[Row], oracle: Sequence[Row], in_order: bool, limit: int = 3) -> list[str]:
    """What differs between two results, in words, at most `limit` findings; empty when they agree.

    Without `in_order` the rows are compared as multisets. An empty oracle result is a finding: agreeing on nothing
    proves nothing.
    """
    if not oracle or all(v is None for row in oracle for v in row):
        return ["the oracle's answer is empty, so the comparison proves nothing: choose other parameters"]
    found = []
    if len(lake) != len(oracle):
        found.append(f"{len(lake)} rows, the oracle has {len(oracle)}")
    left, right = list(lake), list(oracle)
    if not in_order:
        left, right = sorted(left, key=_rank), sorted(right, key=_rank)
    for i, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if len(ours) != len(theirs):
            return [*found, f"row {i + 1} has {len(ours)} columns, the oracle's has {len(theirs)}"]
        wrong = [c for c, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not same(a, b)]
        if wrong:
            found.append(f"row {i + 1}, column {wrong[0] + 1}: {ours[wrong[0]]!r}, the oracle has {theirs[wrong[0]]!r}")
        if len(found) >= limit:
            break
    return found[:limit]


def _rank(row: Row) -> tuple[Any, ...]:
    """Sorts rows alike on both sides: by what is not a number, then by the numbers, NULL first."""
    words = tuple((v is not None, str(v)) for v in row if not _number(v))
    numbers = tuple(float(v) for v in row if _number(v))
    return words, numbers


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def table_differences(lake: Counter[Row], oracle: Counter[Row], limit: int = 3) -> list[str]:
    """Rows that one of two tables has more often than the other, at most `limit` findings; empty when equal."""
    found = []
    for what, extra in (("not in the oracle", lake - oracle), ("missing", oracle - lake)):
        total = sum(extra.values())
        if total:
            examples = "; ".join(str(row)[:200] for row in list(extra)[:limit])
            found.append(f"{total} rows {what}: {examples}")
    return found
