"""Wildcards in actions, resources, strings and ARNs."""

from __future__ import annotations

import re
from functools import lru_cache

from rehearsal.iam.variables import Context, pieces, tokens

SEGMENTS = 6
_Part = tuple[bool, str]


def like(pattern: str, value: str, context: Context) -> bool | None:
    """Whether a string matches a pattern with `*` and `?`; None when a variable of the pattern has no value."""
    compiled = _compiled(pattern, context, _plain)
    return None if compiled is None else compiled.fullmatch(value) is not None


def resource_matches(pattern: str, resource: str, context: Context) -> bool | None:
    """Whether a resource matches an entry of Resource.

    A `*` that ends a segment may expand beyond it, another one and `?` stay within theirs.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    if pattern == "*":
        return True
    compiled = _compiled(pattern, context, _resource)
    return None if compiled is None else compiled.fullmatch(resource) is not None


def arn_like(pattern: str, value: str, context: Context) -> bool | None:
    """As the ARN condition operators compare: each of the six components on its own.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    if value.count(":") < SEGMENTS - 1:
        return False
    compiled = _compiled(pattern, context, _arn)
    return None if compiled is None else compiled.fullmatch(value) is not None


@lru_cache(maxsize=20_000)
def action_matches(pattern: str, action: str) -> bool:
    """Actions compare without regard to case; wildcards do not reach over the service's prefix."""
    if pattern == "*":
        return True
    service, _, name = pattern.lower().partition(":")
    own, _, operation = action.lower().partition(":")
    return service == own and re.fullmatch(_plain(((False, name),)), operation, re.DOTALL) is not None


def _compiled(pattern: str, context: Context, form) -> re.Pattern[str] | None:  # type: ignore[no-untyped-def]
    if all(kind == "text" for kind, _ in tokens(pattern)):
        return _constant(pattern, form)
    found = pieces(pattern, context)
    return None if found is None else re.compile(form(tuple(found)), re.DOTALL)


@lru_cache(maxsize=20_000)
def _constant(pattern: str, form) -> re.Pattern[str]:  # type: ignore[no-untyped-def]
    return re.compile(form(((False, pattern),)), re.DOTALL)


def _plain(parts: tuple[_Part, ...]) -> str:
    return "".join(_translate(is_literal, text, ".*", ".") for is_literal, text in parts)


def _translate(is_literal: bool, text: str, many: str, one: str) -> str:
    if is_literal:
        return re.escape(text)
    return "".join(many if c == "*" else one if c == "?" else re.escape(c) for c in text)


def _arn(parts: tuple[_Part, ...]) -> str:
    found, colons = [], 0
    for is_literal, text in parts:
        for c in text:
            wide = colons >= SEGMENTS - 1
            found.append(_translate(is_literal, c, ".*" if wide else "[^:]*", "." if wide else "[^:]"))
            colons += c == ":" and not is_literal
    return "".join(found)


def _resource(parts: tuple[_Part, ...]) -> str:
    found, colons = [], 0
    flat = [(is_literal, c) for is_literal, text in parts for c in text]
    for at, (is_literal, c) in enumerate(flat):
        wide = colons >= SEGMENTS - 1
        ends = at + 1 == len(flat) or flat[at + 1] == (False, ":")
        many = ".*" if wide or ends else "[^:]*"
        found.append(_translate(is_literal, c, many, "." if wide else "[^:]"))
        colons += c == ":" and not is_literal
    return "".join(found)
