"""Gives every expression of a query its Trino type. What has no rule here is refused, so nothing is run by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.types import Kind, Type

Rule = Callable[[Any], Type]

STRUCTURE = (
    exp.Alias,
    exp.Boolean,
    exp.CTE,
    exp.DataType,
    exp.DataTypeParam,
    exp.Distinct,
    exp.Except,
    exp.Exists,
    exp.From,
    exp.Group,
    exp.Having,
    exp.Identifier,
    exp.Intersect,
    exp.Join,
    exp.Limit,
    exp.Offset,
    exp.Order,
    exp.Ordered,
    exp.Select,
    exp.Star,
    exp.Subquery,
    exp.Table,
    exp.TableAlias,
    exp.Tuple,
    exp.Union,
    exp.Values,
    exp.Var,
    exp.Where,
    exp.WindowSpec,
    exp.With,
)
"""Nodes that need no type of their own."""

PARTS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
DATE_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY"}
TIME_UNITS = {"HOUR", "MINUTE", "SECOND", "MILLISECOND"}


def infer(query: exp.Expression, schema: MappingSchema) -> exp.Expression:
    """The query with the type of each expression. Raises QueryFailed for what is not handled or does not type."""
    for node in query.walk():
        if not isinstance(node, STRUCTURE) and type(node) not in RULES:
            raise not_handled(f"{type(node).__name__} in: {node.sql('athena')[:120]}")
    metadata = {kind: {"annotator": _annotator(rule)} for kind, rule in RULES.items()}
    metadata |= {kind: {"annotator": _annotator(rule)} for kind, rule in STRUCTURAL.items()}
    typed = annotate_types(query, schema=schema, expression_metadata=metadata)
    for node in reversed(list(typed.walk(bfs=False))):
        if type(node) in RULES and (node.type is None or node.is_type(Kind.UNKNOWN)):
            # sqlglot has no type for NULL in this dialect and forgets it at the end.
            if not isinstance(node, exp.Column) and types.is_null(kind := RULES[type(node)](node)):
                node.type = kind
                continue
            raise QueryFailed("TYPE_MISMATCH", f"no type can be found for {node.sql('athena')[:120]}")
    return typed


def _annotator(rule: Rule) -> Callable[[Any, Any], Any]:
    return lambda annotator, node: annotator._set_type(node, rule(node))


def mismatch(node: exp.Expression, reason: str) -> QueryFailed:
    return QueryFailed("TYPE_MISMATCH", f"{reason} in: {node.sql('athena')[:120]}")


def known(node: exp.Expression | None) -> Type:
    """The type already found for an operand."""
    if node is None or node.type is None or node.is_type(Kind.UNKNOWN):
        shown = node.sql("athena")[:120] if node is not None else "nothing"
        raise QueryFailed("TYPE_MISMATCH", f"no type can be found for {shown}")
    return node.type


def _literal(node: exp.Literal) -> Type:
    if node.is_string:
        return types.VARCHAR
    text = node.name
    if "e" in text.lower():
        return types.DOUBLE
    if "." in text:
        whole, fraction = text.split(".")
        return types.decimal(max(1, len(whole) + len(fraction)), len(fraction))
    return types.INTEGER if int(text) <= 2_147_483_647 else types.BIGINT


def _numeric(node: exp.Binary) -> Type:
    left, right = known(node.left), known(node.right)
    shift = _shifted(node, left, right)
    if shift is not None:
        return shift
    if not all(types.is_number(kind) or types.is_null(kind) for kind in (left, right)):
        raise mismatch(node, f"cannot apply the operator to {types.text(left)} and {types.text(right)}")
    return types.arithmetic(type(node), left, right)


def _shifted(node: exp.Binary, left: Type, right: Type) -> Type | None:
    """A date or timestamp plus or minus an interval."""
    if right.this != Kind.INTERVAL and left.this != Kind.INTERVAL:
        return None
    moment, interval = (left, node.right) if right.this == Kind.INTERVAL else (right, node.left)
    if (
        not isinstance(node, exp.Add | exp.Sub)
        or moment.this not in types.TIMES
        or not isinstance(interval, exp.Interval)
    ):
        raise not_handled(f"this arithmetic on intervals: {node.sql('athena')[:120]}")
    if moment.this == Kind.DATE and _unit(interval) not in DATE_UNITS:
        raise mismatch(node, "a date takes intervals of days and longer")
    return moment


def _unit(node: exp.Expression) -> str:
    unit = node.args.get("unit")
    return unit.name.upper() if unit is not None else "DAY"


def _interval(node: exp.Interval) -> Type:
    if _unit(node) not in DATE_UNITS | TIME_UNITS:
        raise not_handled(f"intervals of {_unit(node)}")
    return types.INTERVAL


def _compare(node: exp.Binary) -> Type:
    _comparable(node, known(node.left), known(node.right))
    return types.BOOLEAN


def _comparable(node: exp.Expression, left: Type, right: Type) -> None:
    if types.common(left, right) is None:
        raise mismatch(node, f"cannot compare {types.text(left)} and {types.text(right)}")


def _between(node: exp.Between) -> Type:
    for bound in (node.args["low"], node.args["high"]):
        _comparable(node, known(node.this), known(bound))
    return types.BOOLEAN


def _in(node: exp.In) -> Type:
    options = list(node.expressions)
    if (query := node.args.get("query")) is not None:
        options.append(query.unnest().selects[0])
    for option in options:
        _comparable(node, known(node.this), known(option))
    return types.BOOLEAN


def _booleans(node: exp.Expression) -> Type:
    for operand in node.iter_expressions():
        if known(operand).this not in (Kind.BOOLEAN, Kind.NULL):
            raise mismatch(node, f"a boolean is expected, not {types.text(known(operand))}")
    return types.BOOLEAN


def _texts(node: exp.Expression) -> Type:
    for operand in node.iter_expressions():
        kind = known(operand)
        if not (types.is_text(kind) or types.is_null(kind) or isinstance(operand, exp.Escape)):
            raise mismatch(node, f"text is expected, not {types.text(kind)}")
    return types.VARCHAR


def _like(node: exp.Expression) -> Type:
    _texts(node)
    return types.BOOLEAN


def _common(node: exp.Expression, operands: list[exp.Expression]) -> Type:
    found = types.NULL
    for operand in operands:
        joined = types.common(found, known(operand))
        if joined is None:
            raise mismatch(node, f"{types.text(found)} and {types.text(known(operand))} have no common type")
        found = joined
    return found


def _case(node: exp.Case) -> Type:
    branches = [branch.args["true"] for branch in node.args["ifs"]]
    if node.this is not None:
        for branch in node.args["ifs"]:
            _comparable(node, known(node.this), known(branch.this))
    return _common(node, branches + ([node.args["default"]] if node.args.get("default") else []))


def _if(node: exp.If) -> Type:
    return _common(node, [part for part in (node.args.get("true"), node.args.get("false")) if part is not None])


def _cast(node: exp.Cast) -> Type:
    source, target = known(node.this), node.to
    if types.is_decimal(target):
        target = types.decimal(*types.parameters(target)) if target.expressions else types.decimal(38, 0)
    target = types.VARCHAR if types.is_text(target) else target
    if types.is_text(target) and (source.this in types.FLOATS or source.this in types.TIMES - {Kind.DATE}):
        raise not_handled(f"casts of {types.text(source)} to varchar: the text of Trino differs")
    handled = types.is_number(target) or types.is_text(target) or target.this in types.TIMES | {Kind.BOOLEAN}
    if not handled:
        raise not_handled(f"casts to {types.text(target)}")
    numeric = types.is_number(source) and target.this in types.TIMES
    if numeric or (source.this in types.TIMES and types.is_number(target)):
        raise mismatch(node, f"cannot cast {types.text(source)} to {types.text(target)}")
    return target


def _sum(node: exp.Sum) -> Type:
    kind = known(_argument(node))
    if not types.is_number(kind):
        raise mismatch(node, f"sum takes numbers, not {types.text(kind)}")
    if types.is_decimal(kind):
        return types.decimal(types.MAX_PRECISION, types.parameters(kind)[1])
    return types.BIGINT if types.is_integer(kind) else kind


def _average(node: exp.Avg) -> Type:
    kind = known(_argument(node))
    if not types.is_number(kind):
        raise mismatch(node, f"avg takes numbers, not {types.text(kind)}")
    return kind if types.is_decimal(kind) else types.DOUBLE


def _argument(node: exp.Expression) -> exp.Expression:
    """What an aggregate works on, without DISTINCT."""
    inner = node.this
    return inner.expressions[0] if isinstance(inner, exp.Distinct) else inner


def _round(node: exp.Round) -> Type:
    kind = known(node.this)
    if not types.is_decimal(kind):
        return kind
    precision, scale = types.parameters(kind)
    if node.args.get("decimals") is None:
        return types.decimal(precision - scale + min(1, scale), 0)
    return types.decimal(precision + 1, scale)


def _whole(node: exp.Expression) -> Type:
    kind = known(node.this)
    if not types.is_decimal(kind):
        return kind
    precision, scale = types.parameters(kind)
    return types.decimal(max(1, precision - scale + min(1, scale)), 0)


def _extract(node: exp.Extract) -> Type:
    if node.name.upper() not in PARTS:
        raise not_handled(f"extract({node.name} …); handled: {', '.join(sorted(PARTS)).lower()}")
    if known(node.expression).this not in types.TIMES:
        raise mismatch(node, f"extract takes dates and timestamps, not {types.text(known(node.expression))}")
    return types.BIGINT


def _date_part(node: exp.Expression) -> Type:
    inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if known(inner).this not in types.TIMES:
        raise mismatch(node, f"a date is expected, not {types.text(known(inner))}")
    return types.BIGINT


def _date(node: exp.Date) -> Type:
    kind = known(node.this)
    if node.expressions or not (types.is_text(kind) or kind.this in types.TIMES):
        raise mismatch(node, f"date takes text, a date or a timestamp, not {types.text(kind)}")
    return types.DATE


def _moment(node: exp.Expression) -> Type:
    kind = known(node.this)
    if kind.this not in types.TIMES:
        raise mismatch(node, f"a date or timestamp is expected, not {types.text(kind)}")
    if kind.this == Kind.DATE and _unit(node) not in DATE_UNITS:
        raise mismatch(node, "a date takes units of days and longer")
    return kind


def _date_diff(node: exp.DateDiff) -> Type:
    if _unit(node) not in ("DAY", "HOUR", "MINUTE", "SECOND"):
        raise not_handled(f"date_diff in units of {_unit(node)}; handled: day, hour, minute, second")
    _moment(exp.DateTrunc(this=node.this, unit=node.args.get("unit")))
    _comparable(node, known(node.this), known(node.expression))
    return types.BIGINT


def _substring(node: exp.Substring) -> Type:
    start = node.args.get("start")
    if not (isinstance(start, exp.Literal) and not start.is_string and int(start.name) >= 1):
        raise not_handled(f"substr with a start that is not a positive number: {node.sql('athena')[:120]}")
    if not types.is_text(known(node.this)):
        raise mismatch(node, f"substr takes text, not {types.text(known(node.this))}")
    return types.VARCHAR


def _contains(node: exp.ArrayContains) -> Type:
    kind = known(node.this)
    if kind.this != Kind.ARRAY:
        raise mismatch(node, f"contains takes an array, not {types.text(kind)}")
    _comparable(node, types.item(kind), known(node.expression))
    return types.BOOLEAN


def _unnest(node: exp.Unnest) -> Type:
    if len(node.expressions) != 1 or node.args.get("offset"):
        raise not_handled("unnest of several arrays or with ordinality")
    kind = known(node.expressions[0])
    if kind.this != Kind.ARRAY:
        raise mismatch(node, f"unnest takes an array, not {types.text(kind)}")
    return types.item(kind)


def _same(node: exp.Expression) -> Type:
    return known(node.this)


def _argument_type(node: exp.Expression) -> Type:
    return known(_argument(node))


def always(kind: Type) -> Rule:
    return lambda _node: kind


STRUCTURAL: dict[type[exp.Expression], Rule] = {
    exp.Alias: lambda node: node.this.type or Type.build("unknown"),
    exp.Boolean: always(types.BOOLEAN),
    exp.Exists: always(types.BOOLEAN),
    exp.Subquery: lambda node: node.unnest().selects[0].type if node.unnest().selects else Type.build("unknown"),
}
RULES: dict[type[exp.Expression], Rule] = {
    exp.Column: lambda node: node.type or Type.build("unknown"),
    exp.Literal: _literal,
    exp.Null: always(types.NULL),
    exp.Interval: _interval,
    exp.Paren: _same,
    exp.Neg: _same,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), _numeric),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ), _compare),
    **dict.fromkeys((exp.And, exp.Or, exp.Not), _booleans),
    exp.Is: always(types.BOOLEAN),
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like,
    exp.Escape: _texts,
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: lambda node: _common(node, [node.this, *node.expressions]),
    exp.Nullif: lambda node: (_comparable(node, known(node.this), known(node.expression)), known(node.this))[1],
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Count: always(types.BIGINT),
    exp.CountIf: lambda node: (_booleans(node), types.BIGINT)[1],
    **dict.fromkeys((exp.Min, exp.Max, exp.AnyValue, exp.ArgMax, exp.ArgMin), _argument_type),
    exp.Filter: _same,
    exp.Window: _same,
    **dict.fromkeys((exp.RowNumber, exp.Rank, exp.DenseRank), always(types.BIGINT)),
    **dict.fromkeys((exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue), _same),
    exp.Abs: _same,
    exp.Round: _round,
    **dict.fromkeys((exp.Ceil, exp.Floor), _whole),
    exp.Pow: always(types.DOUBLE),
    **dict.fromkeys((exp.Lower, exp.Upper, exp.Concat, exp.DPipe, exp.Replace), _texts),
    exp.Length: lambda node: (_texts(node), types.BIGINT)[1],
    exp.StrPosition: lambda node: (_texts(node), types.BIGINT)[1],
    exp.StartsWith: _like,
    exp.Substring: _substring,
    exp.Extract: _extract,
    **dict.fromkeys((exp.Year, exp.Quarter, exp.Month, exp.Day), _date_part),
    exp.TsOrDsToDate: always(types.DATE),
    exp.Date: _date,
    **dict.fromkeys((exp.DateTrunc, exp.TimestampTrunc, exp.DateAdd), _moment),
    exp.DateDiff: _date_diff,
    exp.CurrentDate: always(types.DATE),
    exp.ArrayContains: _contains,
    exp.ArraySize: always(types.BIGINT),
    exp.ArrayToString: always(types.VARCHAR),
    exp.Unnest: _unnest,
}
