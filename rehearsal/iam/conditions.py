"""Condition operators.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from rehearsal.iam import patterns
from rehearsal.iam.problems import Unevaluable
from rehearsal.iam.variables import Context, literal

# (value in the policy, value in the request, context) → equal; None when a variable has no value
Compare = Callable[[str, str, Context], bool | None]


@dataclass(frozen=True)
class Operator:
    """One operator. check: what a value in a policy must be, and a test of it; variables: whether it takes them."""

    compare: Compare
    negated: bool = False
    variables: bool = True
    check: Callable[[str], object] | None = None
    expects: str = ""


@dataclass(frozen=True)
class Condition:
    """One key of one operator: `quantifier` is "", ForAllValues or ForAnyValue."""

    name: str
    operator: str
    quantifier: str
    if_exists: bool
    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.key} {', '.join(self.values)}"


def holds(condition: Condition, context: Context) -> bool:
    """Whether a condition is true for a request. Raises Unevaluable for values that do not fit the operator."""
    given = context.get(condition.key)
    if condition.operator == "Null":
        return (given is None or given == ()) == (condition.values[0].lower() == "true")
    operator = OPERATORS[condition.operator]
    if condition.quantifier:
        return _quantified(condition, operator, given, context)
    if given is None:
        return condition.if_exists or operator.negated
    if isinstance(given, tuple):
        if len(given) != 1:
            raise Unevaluable(
                f"{condition.key} has {len(given)} values in the request and {condition.name} has no set operator: "
                "use ForAllValues: or ForAnyValue:"
            )
        given = given[0]
    return _matches(operator, condition, given, context)


def _quantified(condition: Condition, operator: Operator, given: object, context: Context) -> bool:
    values = () if given is None else given if isinstance(given, tuple) else (given,)
    values = tuple(value for value in values if value != "")
    if given is None and condition.if_exists:
        return True
    found = (_matches(operator, condition, str(value), context) for value in values)
    return all(found) if condition.quantifier == "ForAllValues" else any(found)


def _matches(operator: Operator, condition: Condition, given: str, context: Context) -> bool:
    """Several values in a policy are an OR, under a negated operator a NOR. A variable without value equals nothing."""
    equal = any(operator.compare(wanted, given, context) for wanted in condition.values)
    return equal != operator.negated


def _equals(wanted: str, given: str, context: Context) -> bool | None:
    text = literal(wanted, context)
    return None if text is None else text == given


def _equals_ignoring_case(wanted: str, given: str, context: Context) -> bool | None:
    text = literal(wanted, context)
    return None if text is None else text.lower() == given.lower()


def _like(wanted: str, given: str, context: Context) -> bool | None:
    return patterns.like(wanted, given, context)


def _arn(wanted: str, given: str, context: Context) -> bool | None:
    return patterns.arn_like(wanted, given, context)


def number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error


def moment(text: str) -> datetime.datetime:
    """An ISO 8601 date or time, or epoch seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.datetime.fromtimestamp(float(text), datetime.UTC)
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is no base 64") from error


def _typed(parse: Callable[[str], object], test: Callable[..., bool]) -> Compare:
    def compare(wanted: str, given: str, _context: Context) -> bool:
        try:
            value = parse(given)
        except ValueError as error:
            raise Unevaluable(f"the request's value {given!r} does not fit the operator: {error}") from error
        return test(value, parse(wanted))

    return compare


def _in_network(wanted: str, given: str, _context: Context) -> bool:
    try:
        address = ipaddress.ip_address(given)
    except ValueError as error:
        raise Unevaluable(f"the request's value {given!r} is no IP address") from error
    return address in network(wanted)


def _bool(wanted: str, given: str, context: Context) -> bool | None:
    text = literal(wanted, context)
    return None if text is None else text.lower() == given.lower()


def _family(prefix: str, parse: Callable[[str], object], expects: str) -> dict[str, Operator]:
    tests: dict[str, tuple[Callable[..., bool], bool]] = {
        "Equals": (lambda a, b: a == b, False),
        "NotEquals": (lambda a, b: a == b, True),
        "LessThan": (lambda a, b: a < b, False),
        "LessThanEquals": (lambda a, b: a <= b, False),
        "GreaterThan": (lambda a, b: a > b, False),
        "GreaterThanEquals": (lambda a, b: a >= b, False),
    }
    return {
        prefix + name: Operator(_typed(parse, test), negated, False, parse, expects)
        for name, (test, negated) in tests.items()
    }


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(_equals),
    "StringNotEquals": Operator(_equals, negated=True),
    "StringEqualsIgnoreCase": Operator(_equals_ignoring_case),
    "StringNotEqualsIgnoreCase": Operator(_equals_ignoring_case, negated=True),
    "StringLike": Operator(_like),
    "StringNotLike": Operator(_like, negated=True),
    "ArnEquals": Operator(_arn),
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, negated=True),
    "ArnNotLike": Operator(_arn, negated=True),
    **_family("Numeric", number, "a number"),
    **_family("Date", moment, "a time in ISO 8601 or epoch seconds"),
    "Bool": Operator(_bool),
    "BinaryEquals": Operator(_typed(_binary, lambda a, b: a == b), False, False, _binary, "base 64"),
    "IpAddress": Operator(_in_network, False, False, network, "an IP address or CIDR range"),
    "NotIpAddress": Operator(_in_network, True, False, network, "an IP address or CIDR range"),
    "Null": Operator(lambda *_: False, False, False, boolean, "true or false"),
}
