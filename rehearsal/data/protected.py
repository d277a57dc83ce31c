"""What a cleaned table has to hold of a value, in plain Python: it shares no code with the jobs."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rehearsal.data.declared import Column
from rehearsal.data.encode import text

_LOWEST = {"int": -(2**31), "bigint": -(2**63)}


def stored(value: Any, column: Column, secrets: Mapping[str, bytes]) -> Any:
    """The value as the table stores it; `secrets` by the names of their keys: the lake's own has the empty one, that of
    a vault `vault <name>`.

    Raises ValueError if the column is hashed or tokenised under a key that has none.
    """
    if value is None or column.protect not in ("hash", "tokenise"):
        return kept(value, column)
    form, tokenised = dict(column.form), column.protect == "tokenise"
    name = f"vault {form['vault']}" if tokenised else form.get("key", "")
    if name not in secrets:
        verb = "tokenised" if tokenised else "hashed"
        raise ValueError(f"column {column.name} is {verb}, but the stack has no secret of key {name!r}")
    digits = hmac.new(secrets[name], str(text(value, column)).encode(), hashlib.sha256).hexdigest()
    return f"tok_{digits[:32]}" if tokenised else digits


def kept(value: Any, column: Column) -> Any:
    """The part of a value that is stored; of a hashed or tokenised one all, since that tells it from every
    other."""
    by = dict(column.form)
    if value is None or column.protect == "null":
        return None
    if column.protect == "mask":
        return _masked(value, by["first"], by["last"], by["rest"])
    if column.protect == "prefix":
        return value[: by["length"]]
    if column.protect == "bucket":
        return _bucket(value, column, Fraction(by["width"]))
    if column.protect == "truncate":
        return _truncated(value, by["unit"])
    return value


def _masked(value: str, first: int, last: int, rest: str) -> str:
    if len(value) <= first + last:
        return rest * len(value)
    return value[:first] + rest * (len(value) - first - last) + value[len(value) - last :]


def _bucket(value: Any, column: Column, width: Fraction) -> Any:
    bound = Fraction(value) // width * width
    if column.type in _LOWEST:
        return max(int(bound), _LOWEST[column.type])
    if column.type == "double":
        return float(bound)
    precision = int(column.type.removeprefix("decimal(").split(",")[0])
    units = max(int(bound * 10**column.scale), 1 - 10**precision)
    # Made of text, since arithmetic on a Decimal rounds to 28 digits.
    return Decimal(f"{units}E-{column.scale}")


def _truncated(value: Any, unit: str) -> Any:
    month = {"month": value.month, "quarter": (value.month - 1) // 3 * 3 + 1, "year": 1}
    first = dt.date(value.year, month.get(unit, value.month), value.day if unit == "day" else 1)
    return dt.datetime.combine(first, dt.time()) if isinstance(value, dt.datetime) else first
