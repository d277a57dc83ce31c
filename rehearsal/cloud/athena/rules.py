"""The rules by which expressions get their Trino types, and which operands Trino refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from rehearsal.cloud.athena import types
from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.types import Kind, Type

Rule = Callable[[Any], Type]

PARTS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
DATE_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY"}
TIME_UNITS = {"HOUR", "MINUTE", "SECOND", "MILLISECOND"}


def mismatch(node: exp.Expression, reason: str) -> QueryFailed:
    return QueryFailed("TYPE_MISMATCH", f"{reason} in: {node.sql('athena')[:120]}")


def known(node: exp.Expression | None) -> Type:
    """The type already found for an operand."""
    if node is None or node.type is None or node.is_type(Kind.UNKNOWN):
        shown = node.sql("athena")[:120] if node is not None else "nothing"
        raise QueryFailed("TYPE_MISMATCH", f"no type can be found for {shown}")
    return node.type


def literal(node: exp.Literal) -> Type:
    if node.is_string:
        return types.VARCHAR
    text = node.name
    if "e" in text.lower():
        return types.DOUBLE
    if "." in text:
        whole, fraction = text.split(".")
        return types.decimal(max(1, len(whole) + len(fraction)), len(fraction))
    return types.INTEGER if int(text) <= 2_147_483_647 else types.BIGINT


def numeric(node: exp.Binary) -> Type:
    left, right = known(node.left), known(node.right)
    shift = shifted(node, left, right)
    if shift is not None:
        return shift
    if not all(types.is_number(kind) or types.is_null(kind) for kind in (left, right)):
        raise mismatch(node, f"cannot apply the operator to {types.text(left)} and {types.text(right)}")
    return types.arithmetic(type(node), left, right)


def shifted(node: exp.Binary, left: Type, right: Type) -> Type | None:
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
    if moment.this == Kind.DATE and unit(interval) not in DATE_UNITS:
        raise mismatch(node, "a date takes intervals of days and longer")
    return moment


def unit(node: exp.Expression) -> str:
    unit = node.args.get("unit")
    return unit.name.upper() if unit is not None else "DAY"


def interval(node: exp.Interval) -> Type:
    if unit(node) not in DATE_UNITS | TIME_UNITS:
        raise not_handled(f"intervals of {unit(node)}")
    return types.INTERVAL


def compare(node: exp.Binary) -> Type:
    comparable(node, known(node.left), known(node.right))
    return types.BOOLEAN


def comparable(node: exp.Expression, left: Type, right: Type) -> None:
    if types.common(left, right) is None:
        raise mismatch(node, f"cannot compare {types.text(left)} and {types.text(right)}")


def between(node: exp.Between) -> Type:
    for bound in (node.args["low"], node.args["high"]):
        comparable(node, known(node.this), known(bound))
    return types.BOOLEAN


def contained(node: exp.In) -> Type:
    options = list(node.expressions)
    if (query := node.args.get("query")) is not None:
        options.append(query.unnest().selects[0])
    for option in options:
        comparable(node, known(node.this), known(option))
    return types.BOOLEAN


def booleans(node: exp.Expression) -> Type:
    for operand in node.iter_expressions():
        if known(operand).this not in (Kind.BOOLEAN, Kind.NULL):
            raise mismatch(node, f"a boolean is expected, not {types.text(known(operand))}")
    return types.BOOLEAN


def texts(node: exp.Expression) -> Type:
    for operand in node.iter_expressions():
        kind = known(operand)
        if not (types.is_text(kind) or types.is_null(kind) or isinstance(operand, exp.Escape)):
            raise mismatch(node, f"text is expected, not {types.text(kind)}")
    return types.VARCHAR


def like(node: exp.Expression) -> Type:
    texts(node)
    return types.BOOLEAN


def position(node: exp.Expression) -> Type:
    """A number of characters in texts."""
    texts(node)
    return types.BIGINT


def count_if(node: exp.CountIf) -> Type:
    booleans(node)
    return types.BIGINT


def nullif(node: exp.Nullif) -> Type:
    comparable(node, known(node.this), known(node.expression))
    return known(node.this)


def common_of(node: exp.Expression, operands: list[exp.Expression]) -> Type:
    found = types.NULL
    for operand in operands:
        joined = types.common(found, known(operand))
        if joined is None:
            raise mismatch(node, f"{types.text(found)} and {types.text(known(operand))} have no common type")
        found = joined
    return found


def case(node: exp.Case) -> Type:
    branches = [branch.args["true"] for branch in node.args["ifs"]]
    if node.this is not None:
        for branch in node.args["ifs"]:
            comparable(node, known(node.this), known(branch.this))
    return common_of(node, branches + ([node.args["default"]] if node.args.get("default") else []))


def if_else(node: exp.If) -> Type:
    return common_of(node, [part for part in (node.args.get("true"), node.args.get("false")) if part is not None])


def cast(node: exp.Cast) -> Type:
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


def total(node: exp.Sum) -> Type:
    kind = known(argument(node))
    if not types.is_number(kind):
        raise mismatch(node, f"sum takes numbers, not {types.text(kind)}")
    if types.is_decimal(kind):
        return types.decimal(types.MAX_PRECISION, types.parameters(kind)[1])
    return types.BIGINT if types.is_integer(kind) else kind


def average(node: exp.Avg) -> Type:
    kind = known(argument(node))
    if not types.is_number(kind):
        raise mismatch(node, f"avg takes numbers, not {types.text(kind)}")
    return kind if types.is_decimal(kind) else types.DOUBLE


def argument(node: exp.Expression) -> exp.Expression:
    """What an aggregate works on, without DISTINCT."""
    inner = node.this
    return inner.expressions[0] if isinstance(inner, exp.Distinct) else inner


def rounded(node: exp.Round) -> Type:
    kind = known(node.this)
    if not types.is_decimal(kind):
        return kind
    precision, scale = types.parameters(kind)
    if node.args.get("decimals") is None:
        return types.decimal(precision - scale + min(1, scale), 0)
    return types.decimal(precision + 1, scale)


def whole(node: exp.Expression) -> Type:
    kind = known(node.this)
    if not types.is_decimal(kind):
        return kind
    precision, scale = types.parameters(kind)
    return types.decimal(max(1, precision - scale + min(1, scale)), 0)


def extract(node: exp.Extract) -> Type:
    if node.name.upper() not in PARTS:
        raise not_handled(f"extract({node.name} …); handled: {', '.join(sorted(PARTS)).lower()}")
    if known(node.expression).this not in types.TIMES:
        raise mismatch(node, f"extract takes dates and timestamps, not {types.text(known(node.expression))}")
    return types.BIGINT


def date_part(node: exp.Expression) -> Type:
    inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if known(inner).this not in types.TIMES:
        raise mismatch(node, f"a date is expected, not {types.text(known(inner))}")
    return types.BIGINT


def date(node: exp.Date) -> Type:
    kind = known(node.this)
    if node.expressions or not (types.is_text(kind) or kind.this in types.TIMES):
        raise mismatch(node, f"date takes text, a date or a timestamp, not {types.text(kind)}")
    return types.DATE


def moment(node: exp.Expression) -> Type:
    kind = known(node.this)
    if kind.this not in types.TIMES:
        raise mismatch(node, f"a date or timestamp is expected, not {types.text(kind)}")
    if kind.this == Kind.DATE and unit(node) not in DATE_UNITS:
        raise mismatch(node, "a date takes units of days and longer")
    return kind


def date_diff(node: exp.DateDiff) -> Type:
    if unit(node) not in ("DAY", "HOUR", "MINUTE", "SECOND"):
        raise not_handled(f"date_diff in units of {unit(node)}; handled: day, hour, minute, second")
    moment(exp.DateTrunc(this=node.this, unit=node.args.get("unit")))
    comparable(node, known(node.this), known(node.expression))
    return types.BIGINT


def substring(node: exp.Substring) -> Type:
    start = node.args.get("start")
    if not (isinstance(start, exp.Literal) and not start.is_string and int(start.name) >= 1):
        raise not_handled(f"substr with a start that is not a positive number: {node.sql('athena')[:120]}")
    if not types.is_text(known(node.this)):
        raise mismatch(node, f"substr takes text, not {types.text(known(node.this))}")
    return types.VARCHAR


def contains(node: exp.ArrayContains) -> Type:
    kind = known(node.this)
    if kind.this != Kind.ARRAY:
        raise mismatch(node, f"contains takes an array, not {types.text(kind)}")
    comparable(node, types.item(kind), known(node.expression))
    return types.BOOLEAN


def unnest(node: exp.Unnest) -> Type:
    if len(node.expressions) != 1 or node.args.get("offset"):
        raise not_handled("unnest of several arrays or with ordinality")
    kind = known(node.expressions[0])
    if kind.this != Kind.ARRAY:
        raise mismatch(node, f"unnest takes an array, not {types.text(kind)}")
    return types.item(kind)


def same(node: exp.Expression) -> Type:
    return known(node.this)


def argument_type(node: exp.Expression) -> Type:
    return known(argument(node))


def always(kind: Type) -> Rule:
    return lambda _node: kind
