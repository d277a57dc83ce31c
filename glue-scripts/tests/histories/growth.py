"""Tables that follow their input (record 0027): what sources gain on the way, and what a batch makes of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from histories.records import INVALID, Declared, Landed, parse

# Columns that nobody declared, with the types that files have them in, and values of them.
GAINED = {"added": "date", "more": "string", "late": "int", "worth": "decimal(6,2)"}
GAINED_VALUES: dict[str, tuple[str | None, ...]] = {
    "added": (None, "2024-02-29"),
    "more": (None, "", "b", "ä"),
    "late": (None, "0", "-7"),
    "worth": (None, "0.00", "-1234.50"),
}
# Values for which declared columns are too narrow.
WIDE_VALUES: dict[str, tuple[str | None, ...]] = {
    "qty": ("2147483648", "-9223372036854775808"),
    "amount": ("100000000.00", "98765432109876.54"),
}
_DIGITS = 38


def gains(seed: int, generations: int, changes: int) -> dict[str, tuple[int, int]]:
    """From which generation and sequence on sources have a column, or wide values of one."""
    r = Random(f"{seed}/gains")
    return {name: (r.randint(1, generations), r.randint(0, changes)) for name in (*GAINED, *WIDE_VALUES)}


def followed(declared: Sequence[Declared], held: Iterable[Declared], landed: Sequence[Landed]) -> list[Declared]:
    """The columns of a batch: the declared ones, those the table has beside them, and those that its records have.

    Types are as wide as the table's and as the values need, those of refused records too.
    """
    known = {c["name"]: c for c in held}
    columns = [dict(c) for c in declared]
    for column in columns:
        if column["name"] in known and _width(known[column["name"]]["type"]) > _width(column["type"]):
            column["type"] = known[column["name"]]["type"]
    names = {name for one in landed for name in one.record.values} | known.keys()
    for name in sorted(names - {c["name"] for c in declared}):
        columns.append(dict(known[name]) if name in known else _gained(name))
    for column in columns:
        column["rules"] = column["rules"] if column["name"] in {c["name"] for c in declared} else []
        column["type"] = _as_wide(column["type"], [one.record.values.get(column["name"]) for one in landed])
    return columns


def _gained(name: str) -> dict[str, Any]:
    return {"name": name, "type": GAINED.get(name, "string"), "doc": "", "required": False, "class": "internal",
            "protect": "none", "rules": []}  # fmt: skip


def _width(kind: str) -> int:
    if kind.startswith("decimal"):
        return int(kind[8:-1].split(",")[0])
    return {"int": 1, "bigint": 2}.get(kind, 0)


def _as_wide(kind: str, texts: Iterable[str | None]) -> str:
    narrow = [text for text in texts if parse(text, kind) is INVALID]
    if kind == "int":
        return "bigint" if any(parse(text, "bigint") is not INVALID for text in narrow) else kind
    if kind.startswith("decimal"):
        scale = kind[8:-1].split(",")[1]
        values = [parse(text, f"decimal({_DIGITS},{scale})") for text in narrow]
        digits = [len(str(abs(int(v)))) + int(scale) for v in values if v is not INVALID]
        return f"decimal({max(digits)},{scale})" if digits else kind
    return kind


def values_of(good: Mapping[str, tuple[str | None, ...]], name: str, wide: bool) -> tuple[str | None, ...]:
    """What a source may have in a column."""
    return (good.get(name) or GAINED_VALUES[name]) + (WIDE_VALUES[name] if wide else ())
