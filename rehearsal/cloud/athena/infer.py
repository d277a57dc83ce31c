"""Gives every expression of a query its Trino type. What has no rule here is refused, so nothing is run by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from rehearsal.cloud.athena import rules, types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.rules import Rule
from rehearsal.cloud.athena.types import Kind, Type

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


STRUCTURAL: dict[type[exp.Expression], Rule] = {
    exp.Alias: lambda node: node.this.type or Type.build("unknown"),
    exp.Boolean: rules.always(types.BOOLEAN),
    exp.Exists: rules.always(types.BOOLEAN),
    exp.Subquery: lambda node: node.unnest().selects[0].type if node.unnest().selects else Type.build("unknown"),
}
RULES: dict[type[exp.Expression], Rule] = {
    exp.Column: lambda node: node.type or Type.build("unknown"),
    exp.Literal: rules.literal,
    exp.Null: rules.always(types.NULL),
    exp.Interval: rules.interval,
    exp.Paren: rules.same,
    exp.Neg: rules.same,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), rules.numeric),
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ), rules.compare
    ),
    **dict.fromkeys((exp.And, exp.Or, exp.Not), rules.booleans),
    exp.Is: rules.always(types.BOOLEAN),
    exp.Between: rules.between,
    exp.In: rules.contained,
    exp.Like: rules.like,
    exp.Escape: rules.texts,
    exp.Case: rules.case,
    exp.If: rules.if_else,
    exp.Coalesce: lambda node: rules.common_of(node, [node.this, *node.expressions]),
    exp.Nullif: rules.nullif,
    exp.Cast: rules.cast,
    exp.TryCast: rules.cast,
    exp.Sum: rules.total,
    exp.Avg: rules.average,
    exp.Count: rules.always(types.BIGINT),
    exp.CountIf: rules.count_if,
    **dict.fromkeys((exp.Min, exp.Max, exp.AnyValue, exp.ArgMax, exp.ArgMin), rules.argument_type),
    exp.Filter: rules.same,
    exp.Window: rules.same,
    **dict.fromkeys((exp.RowNumber, exp.Rank, exp.DenseRank), rules.always(types.BIGINT)),
    **dict.fromkeys((exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue), rules.same),
    exp.Abs: rules.same,
    exp.Round: rules.rounded,
    **dict.fromkeys((exp.Ceil, exp.Floor), rules.whole),
    exp.Pow: rules.always(types.DOUBLE),
    **dict.fromkeys((exp.Lower, exp.Upper, exp.Concat, exp.DPipe, exp.Replace), rules.texts),
    exp.Length: rules.position,
    exp.StrPosition: rules.position,
    exp.StartsWith: rules.like,
    exp.Substring: rules.substring,
    exp.Extract: rules.extract,
    **dict.fromkeys((exp.Year, exp.Quarter, exp.Month, exp.Day), rules.date_part),
    exp.TsOrDsToDate: rules.always(types.DATE),
    exp.Date: rules.date,
    **dict.fromkeys((exp.DateTrunc, exp.TimestampTrunc, exp.DateAdd), rules.moment),
    exp.DateDiff: rules.date_diff,
    exp.CurrentDate: rules.always(types.DATE),
    exp.ArrayContains: rules.contains,
    exp.ArraySize: rules.always(types.BIGINT),
    exp.ArrayToString: rules.always(types.VARCHAR),
    exp.Unnest: rules.unnest,
}
