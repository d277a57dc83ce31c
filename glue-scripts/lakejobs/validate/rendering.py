"""PostgreSQL's values as the texts that a sender of the lake writes for them, made by the server itself.

So no value goes through a type of JDBC or Spark that could not hold it. What replication loses of a value on its way is
told in docs/replication-types.md; here nothing is left out to match it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

# What the texts of a session depend on, and that it changes nothing.
SESSION = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD';"
    " SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1;"
    " SET standard_conforming_strings = on"
)

_WHOLE = {"int2", "int4", "int8"}
_TEXTS = {"text", "varchar"}


def identifier(name: str) -> str:
    """A name as SQL has it, exactly as it is."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def as_text(column: str, kind: str) -> str:
    """The text of a column's value. `kind` is the name of its type in pg_type, of a domain that of its base."""
    named = identifier(column)
    if kind == "timestamptz":
        return f"({named} AT TIME ZONE 'UTC')::text"
    if kind == "money":
        return f"{named}::numeric::text"
    return f"{named}::text"


def splits(kind: str) -> bool:
    """Whether a table can be read in ranges of a column of that type."""
    return kind in _WHOLE or kind == "numeric"


def ranges(column: str, lowest: str | None, highest: str | None, parts: int) -> list[str]:
    """Conditions that each row meets one of, NULL with the first. `lowest` and `highest` are the column's, as texts.

    A table that is empty, or whose key has one value, has one range.
    """
    named = identifier(column)
    if lowest is None or highest is None:
        return ["true"]
    low, high = Decimal(lowest), Decimal(highest)
    if not (low.is_finite() and high.is_finite()):
        return ["true"]
    step = (high - low) / parts
    bounds = list(dict.fromkeys(int(low + step * i) for i in range(1, parts)))
    bounds = [b for b in bounds if low < b <= high]
    if not bounds:
        return ["true"]
    between = [f"{named} >= {a} AND {named} < {b}" for a, b in zip(bounds, bounds[1:], strict=False)]
    return [f"({named} < {bounds[0]} OR {named} IS NULL)", *between, f"{named} >= {bounds[-1]}"]


def among(columns: Sequence[tuple[str, str, str]], keys: Sequence[Sequence[str]]) -> str:
    """The condition that a row has one of these keys, which are texts. `columns` are names, types and declared types
    of the key, such as `findable` knows."""
    sides = [_side(*column) for column in columns]
    left = ", ".join(side for side, _ in sides)
    rows = ", ".join(
        "(" + ", ".join(literal(text) + cast for text, (_, cast) in zip(key, sides, strict=True)) + ")" for key in keys
    )
    return f"({left}) IN ({rows})"


def findable(kind: str, declared: str) -> bool:
    """Whether a value of the declared type stands for one value of the column, so that the server can be asked for it:
    the text 0042 is 42 where the column is declared a number."""
    if declared == "string":
        return kind != "float4"  # see Database._read
    if declared in ("int", "bigint") or declared.startswith("decimal"):
        return kind in _WHOLE or kind == "numeric"
    return declared == "date" and kind == "date"


def _side(name: str, kind: str, declared: str) -> tuple[str, str]:
    """What is compared: the column itself where it can be, so that an index serves."""
    if kind in _WHOLE and declared in ("int", "bigint"):
        return identifier(name), "::bigint"
    if kind in _WHOLE or kind == "numeric":
        return identifier(name), "::numeric"
    if kind == "date":
        return identifier(name), "::date"
    if kind in _TEXTS:
        return identifier(name), "::text"
    return as_text(name, kind), "::text"
