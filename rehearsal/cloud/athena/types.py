"""Trino's types and the types of its arithmetic (https://trino.io/docs/current/functions/decimal.html)."""

from __future__ import annotations

import re

from sqlglot import exp

from rehearsal.cloud.athena.failure import QueryFailed

Type = exp.DataType
Kind = exp.DType

MAX_PRECISION = 38
INTEGERS = {Kind.TINYINT: 3, Kind.SMALLINT: 5, Kind.INT: 10, Kind.BIGINT: 19}
"""Integer types and the precision of the decimal that holds them."""
FLOATS = {Kind.FLOAT, Kind.DOUBLE}
TEXTS = {Kind.VARCHAR, Kind.CHAR, Kind.TEXT}
TIMES = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}

BOOLEAN, BIGINT, INTEGER = Type.build("boolean"), Type.build("bigint"), Type.build("int")
DOUBLE, DATE, VARCHAR = Type.build("double"), Type.build("date"), Type.build("varchar")
TIMESTAMP, TIMESTAMPTZ, INTERVAL = Type.build("timestamp"), Type.build("timestamptz"), Type.build("interval")
NULL = Type.build("null")

_NAMES = {
    Kind.INT: "integer",
    Kind.FLOAT: "float",
    Kind.TEXT: "varchar",
    Kind.TIMESTAMPTZ: "timestamp with time zone",
    Kind.NULL: "unknown",
}


def decimal(precision: int, scale: int) -> Type:
    if scale > MAX_PRECISION:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"DECIMAL scale {scale} exceeds {MAX_PRECISION}")
    return Type.build(f"decimal({min(precision, MAX_PRECISION)}, {scale})")


def array(item: Type) -> Type:
    return Type(this=Kind.ARRAY, expressions=[item.copy()], nested=True)


def parameters(kind: Type) -> tuple[int, int]:
    """(precision, scale) of a decimal, or of the decimal that holds an integer."""
    if kind.this in INTEGERS:
        return INTEGERS[kind.this], 0
    found = [int(part.name) for part in kind.expressions]
    return (found[0], found[1] if len(found) > 1 else 0) if found else (MAX_PRECISION, 0)


def is_decimal(kind: Type) -> bool:
    return kind.this == Kind.DECIMAL


def is_integer(kind: Type) -> bool:
    return kind.this in INTEGERS


def is_exact(kind: Type) -> bool:
    return is_decimal(kind) or is_integer(kind)


def is_number(kind: Type) -> bool:
    return is_exact(kind) or kind.this in FLOATS


def is_text(kind: Type) -> bool:
    return kind.this in TEXTS


def is_null(kind: Type) -> bool:
    return kind.this == Kind.NULL


def item(kind: Type) -> Type:
    """The type of an array's items."""
    return kind.expressions[0]


def name(kind: Type) -> str:
    """The type as Athena's result metadata names it, without parameters."""
    return _NAMES.get(kind.this, kind.this.value.lower())


def text(kind: Type) -> str:
    """The type with its parameters, for messages."""
    if is_decimal(kind):
        return "decimal({}, {})".format(*parameters(kind))
    return f"array({text(item(kind))})" if kind.this == Kind.ARRAY else name(kind)


def arithmetic(operator: type[exp.Expression], left: Type, right: Type) -> Type:
    """The type of `left operator right` for numbers."""
    if is_null(left) or is_null(right):
        return right if is_null(left) else left
    if left.this in FLOATS or right.this in FLOATS:
        return DOUBLE
    if is_integer(left) and is_integer(right):
        return left if INTEGERS[left.this] >= INTEGERS[right.this] else right
    (p1, s1), (p2, s2) = parameters(left), parameters(right)
    scale = max(s1, s2)
    if operator is exp.Mul:
        return decimal(p1 + p2, s1 + s2)
    if operator is exp.Div:
        return decimal(p1 + s2 + max(0, s2 - s1), scale)
    if operator is exp.Mod:
        return decimal(min(p1 - s1, p2 - s2) + scale, scale)
    return decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)


def common(left: Type, right: Type) -> Type | None:
    """The type to which both are coerced, or None: Trino coerces no text to numbers or dates."""
    if is_null(left):
        return right
    if is_null(right) or left == right:
        return left
    if is_number(left) and is_number(right):
        if left.this in FLOATS or right.this in FLOATS:
            return DOUBLE
        if is_integer(left) and is_integer(right):
            return left if INTEGERS[left.this] >= INTEGERS[right.this] else right
        (p1, s1), (p2, s2) = parameters(left), parameters(right)
        return decimal(max(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2))
    if is_text(left) and is_text(right):
        return VARCHAR
    if left.this in TIMES and right.this in TIMES:
        return TIMESTAMPTZ if Kind.TIMESTAMPTZ in (left.this, right.this) else TIMESTAMP
    if left.this == right.this and left.this != Kind.ARRAY:
        return left
    return None


_HIVE = re.compile(r"^(?:varchar|char)\(\d+\)$")


def from_hive(declared: str) -> Type:
    """A column type of the Glue catalog. Raises QueryFailed for struct, map, union and binary."""
    plain = declared.strip().lower()
    if _HIVE.match(plain) or plain == "string":
        return VARCHAR
    if plain.startswith("array<") and plain.endswith(">"):
        return array(from_hive(plain[6:-1]))
    names = {"int": "int", "integer": "int", "float": "float", "timestamp": "timestamp"}
    if plain in names or plain in ("boolean", "tinyint", "smallint", "bigint", "double", "date"):
        return Type.build(names.get(plain, plain))
    if match := re.match(r"^decimal(?:\((\d+)\s*,\s*(\d+)\))?$", plain):
        return decimal(int(match[1] or 10), int(match[2] or 0))
    raise QueryFailed("NOT_SUPPORTED", f"the rehearsal does not read columns of type {declared}")
