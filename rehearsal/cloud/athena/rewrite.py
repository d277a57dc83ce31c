"""Rewrites a typed query so that DuckDB computes what Trino computes, where the two differ.

| expression | Trino | DuckDB alone |
|---|---|---|
| decimal / decimal | decimal, rounded half up | double |
| avg(decimal(p,s)) | decimal(p,s), rounded half up | double |
| integer / integer | truncated | double |
| decimal × decimal, up to 18 digits each | up to 38 digits | overflows beyond 18 |
| sum(bigint) | bigint, or an error | hugeint |
| date ± interval, date_trunc, date_add of a date | date | timestamp |
| date_diff | complete units | boundaries crossed |
| double → integer | half away from zero | half to even |
| round(decimal(p,s), n) | scale s | scale n |
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.types import Kind, Type

MACROS = (
    "CREATE MACRO trino_quotient(n, d) AS CASE WHEN d = 0 THEN error('Division by zero') ELSE "
    "(CASE WHEN (n < 0) <> (d < 0) THEN -1 ELSE 1 END) * ((abs(n) + abs(d) // 2) // abs(d)) END",
)
"""Division of whole numbers, rounded half away from zero."""

SMALL_PRECISION = 18
"""Up to here DuckDB keeps a product in 64 bits."""


def rewrite(query: exp.Expression) -> exp.Expression:
    """Rewrite a typed query in place, innermost expressions first."""
    for node in reversed(list(query.walk(bfs=False))):
        change = _CHANGES.get(type(node))
        if change is None or node.parent is None:
            continue
        kind = node.type
        new = change(node)
        if new is not None and new is not node:
            new.type = kind
            _root(node).replace(new) if isinstance(node, exp.AggFunc) else node.replace(new)
    return query


def cast(value: exp.Expression, kind: Type) -> exp.Expression:
    node = exp.Cast(this=value, to=kind.copy())
    node.type = kind
    return node


def _root(node: exp.Expression) -> exp.Expression:
    """An aggregate with its FILTER and OVER."""
    while isinstance(node.parent, exp.Filter | exp.Window) and node.arg_key == "this":
        node = node.parent
    return node


def _with(node: exp.Expression, aggregate: exp.Expression) -> exp.Expression:
    """A copy of the aggregate's root in which `aggregate` stands in its place."""
    root = _root(node)
    if root is node:
        return aggregate
    depth, at = 0, node
    while at is not root:
        at, depth = at.parent, depth + 1
    copy = root.copy()
    holder = copy
    for _ in range(depth - 1):
        holder = holder.this
    holder.set("this", aggregate)
    return copy


def _sum(node: exp.Sum) -> exp.Expression | None:
    if types.is_integer(node.type):
        return cast(_with(node, node.copy()), types.BIGINT)
    return None


def _average(node: exp.Avg) -> exp.Expression | None:
    if not types.is_decimal(node.type):
        return None
    precision, scale = types.parameters(node.type)
    total = _with(node, exp.Sum(this=node.this.copy()))
    count = _with(node, exp.Count(this=node.this.copy()))
    return _quotient(total, scale, exp.Nullif(this=count, expression=exp.Literal.number(0)), 0, precision, scale)


def _divide(node: exp.Div) -> exp.Expression | None:
    left, right = node.left.type, node.right.type
    if types.is_integer(node.type):
        return cast(exp.IntDiv(this=_grouped(node.left), expression=_grouped(node.right)), node.type)
    if not types.is_decimal(node.type):
        return exp.Div(this=cast(node.left.copy(), types.DOUBLE), expression=cast(node.right.copy(), types.DOUBLE))
    precision, scale = types.parameters(node.type)
    s1, s2 = types.parameters(left)[1], types.parameters(right)[1]
    return _quotient(node.left.copy(), s1, node.right.copy(), s2, precision, scale)


def _quotient(
    left: exp.Expression, s1: int, right: exp.Expression, s2: int, precision: int, scale: int
) -> exp.Expression:
    """left / right as decimal(precision, scale), in whole numbers: left·10^(scale+s2) / right·10^s2."""
    quotient = exp.Anonymous(this="trino_quotient", expressions=[_whole(left, s1, scale + s2), _whole(right, s2, s2)])
    return _scaled(quotient, precision, scale)


def _whole(value: exp.Expression, scale: int, shift: int) -> exp.Expression:
    """value·10^shift as a whole number of 128 bits; `shift` is at least the value's scale."""
    exact = cast(value, types.decimal(types.MAX_PRECISION, scale))
    unscaled = _times(exact, f"1{'0' * scale}") if scale else exact
    whole = exp.Cast(this=unscaled, to=Type.build("hugeint", dialect="duckdb"))
    if shift == scale:
        return whole
    factor = exp.Cast(this=exp.Literal.string(f"1{'0' * (shift - scale)}"), to=Type.build("hugeint", dialect="duckdb"))
    return exp.Paren(this=exp.Mul(this=whole, expression=factor))


def _times(value: exp.Expression, factor: str) -> exp.Expression:
    kind = types.decimal(len(factor), 0)
    return exp.Mul(this=value, expression=exp.Cast(this=exp.Literal.string(factor), to=kind))


def _scaled(whole: exp.Expression, precision: int, scale: int) -> exp.Expression:
    """A whole number divided by 10^scale, as decimal(precision, scale)."""
    digits = exp.Cast(this=whole, to=types.decimal(types.MAX_PRECISION, 0))
    if scale == 0:
        return cast(digits, types.decimal(precision, 0))
    unit = exp.Cast(this=exp.Literal.string(f"0.{'0' * (scale - 1)}1"), to=types.decimal(scale, scale))
    return cast(exp.Paren(this=exp.Mul(this=digits, expression=unit)), types.decimal(precision, scale))


def _grouped(value: exp.Expression) -> exp.Expression:
    return exp.Paren(this=value.copy())


def _exact(node: exp.Binary) -> exp.Expression | None:
    """Sums, differences and products of decimals that may need more digits than DuckDB keeps."""
    left, right = node.left.type, node.right.type
    if types.is_decimal(node.type):
        widest = max(types.parameters(left)[0], types.parameters(right)[0])
        if types.parameters(node.type)[0] > SMALL_PRECISION >= widest:
            wide = types.decimal(SMALL_PRECISION + 1, types.parameters(left)[1])
            return type(node)(this=cast(_grouped(node.left), wide), expression=_grouped(node.right))
        return None
    if node.type.this == Kind.DATE:
        return cast(exp.Paren(this=node.copy()), types.DATE)
    return None


def _same_type(node: exp.Expression) -> exp.Expression | None:
    """Where DuckDB answers with another type (a timestamp for a date, another scale), say which is meant."""
    if node.type.this == Kind.DATE or types.is_decimal(node.type):
        return cast(node.copy(), node.type)
    return None


def _cast(node: exp.Cast) -> exp.Expression | None:
    """DuckDB rounds doubles half to even; Trino half away from zero."""
    if node.this.type is not None and node.this.type.this in types.FLOATS and types.is_integer(node.type):
        return type(node)(this=exp.Round(this=node.this.copy()), to=node.to.copy())
    if types.is_decimal(node.type):
        return type(node)(this=node.this.copy(), to=node.type.copy())
    return None


def _literal(node: exp.Literal) -> exp.Expression | None:
    return cast(exp.Literal.string(node.name), node.type) if types.is_decimal(node.type) else None


def _date_diff(node: exp.DateDiff) -> exp.Expression:
    unit = exp.Literal.string(node.args["unit"].name.lower())
    # The tree holds the later moment first.
    return exp.Anonymous(this="date_sub", expressions=[unit, node.expression.copy(), node.this.copy()])


_CHANGES: dict[type[exp.Expression], Callable[..., exp.Expression | None]] = {
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Div: _divide,
    exp.Add: _exact,
    exp.Sub: _exact,
    exp.Mul: _exact,
    exp.Round: _same_type,
    exp.Ceil: _same_type,
    exp.Floor: _same_type,
    exp.DateTrunc: _same_type,
    exp.TimestampTrunc: _same_type,
    exp.DateAdd: _same_type,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Literal: _literal,
    exp.Date: lambda node: cast(node.this.copy(), types.DATE),
    exp.DateDiff: _date_diff,
}
