"""The table of handled properties: a tree per resource type that says of each property what becomes of it.

`applied`: sent to the service and read back. `stored`: sent and read back, but the stand-in does not act on it.
`recorded`: accepted and listed as not executed, not sent. A property outside the tree refuses the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.deploy.problems import shorten

PENDING = "\x00"
"""Stands in a value that is known only once another resource exists; such a value is checked again then."""


@dataclass(frozen=True)
class Leaf:
    """A property without handled parts of its own.

    sent: whether the service gets it. reason: why it is not executed, empty when it is. allowed: the only values
    handled, any if empty. document: a JSON document, compared as such. write_only: why it cannot be read back.
    noted: (value, reason) of values that are taken but not executed. pattern: what a text must match, and in words.
    """

    sent: bool = True
    reason: str = ""
    allowed: tuple[Any, ...] = ()
    document: bool = False
    write_only: str = ""
    noted: tuple[tuple[Any, str], ...] = ()
    pattern: str = ""
    pattern_hint: str = ""


@dataclass(frozen=True)
class Fields:
    """An object: its handled members, and those without which the service refuses it."""

    members: Mapping[str, Node]
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListOf:
    """A list. `ordered` is false where the service may answer in another order."""

    item: Node
    ordered: bool = True


@dataclass(frozen=True)
class MapOf:
    """An object with keys of the user's choice."""

    item: Node = field(default_factory=Leaf)


Node = Leaf | Fields | ListOf | MapOf


def applied(*allowed: Any) -> Leaf:
    return Leaf(allowed=allowed)


def noted(allowed: tuple[Any, ...], **reasons: str) -> Leaf:
    """An applied property of which some values are not executed: value → reason."""
    return Leaf(allowed=allowed, noted=tuple(reasons.items()))


def document(reason: str = "") -> Leaf:
    return Leaf(document=True, reason=reason)


def stored(reason: str) -> Leaf:
    return Leaf(reason=reason)


def recorded(reason: str) -> Leaf:
    return Leaf(sent=False, reason=reason)


def write_only(why: str) -> Leaf:
    return Leaf(write_only=why)


def fields(required: tuple[str, ...] = (), **members: Node) -> Fields:
    return Fields(members, required)


TAGS = ListOf(fields(Key=applied(), Value=applied()), ordered=False)
STRINGS = ListOf(applied())
STRING_SET = ListOf(applied(), ordered=False)


@dataclass(frozen=True)
class Finding:
    """A path below a resource's properties, what stands there, and what is said about it."""

    path: str
    value: Any
    message: str


def check(node: Node, value: Any, path: str = "") -> Iterator[Finding]:
    """Everything in `value` that the tree does not handle."""
    if isinstance(value, str) and PENDING in value:
        return
    match node:
        case Leaf():
            if node.allowed and not any(same_scalar(value, allowed) for allowed in node.allowed):
                yield Finding(path, value, f"this value is not handled; handled: {_names(node.allowed)}")
            if node.pattern and not re.search(node.pattern, str(value)):
                yield Finding(path, value, f"this value is not handled; handled: {node.pattern_hint}")
        case Fields():
            yield from _check_fields(node, value, path)
        case ListOf():
            if not isinstance(value, list):
                yield Finding(path, value, "a list is expected")
                return
            for index, item in enumerate(value):
                yield from check(node.item, item, f"{path}[{index}]")
        case MapOf():
            if not isinstance(value, dict):
                yield Finding(path, value, "an object is expected")
                return
            for key, item in value.items():
                yield from check(node.item, item, f"{path}.{key}")


def _check_fields(node: Fields, value: Any, path: str) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield Finding(path, value, "an object is expected")
        return
    for key, item in value.items():
        if key in node.members:
            yield from check(node.members[key], item, f"{path}.{key}" if path else key)
        else:
            message = f"this property is not handled; handled here: {_names(sorted(node.members))}"
            yield Finding(f"{path}.{key}" if path else key, item, message)
    for key in node.required:
        if key not in value:
            yield Finding(f"{path}.{key}" if path else key, None, "this property is required")


def not_executed(node: Node, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(property path without list indexes, reason) of each property that is only stored or recorded."""
    if path and (reason := sole_reason(node)):
        yield path, reason
        return
    match node:
        case Leaf(noted=noted):
            yield from ((path, reason) for known, reason in noted if known == value)
        case Fields() if isinstance(value, dict):
            for key, item in value.items():
                if key in node.members:
                    yield from not_executed(node.members[key], item, f"{path}.{key}" if path else key)
        case ListOf() if isinstance(value, list):
            for item in value:
                yield from not_executed(node.item, item, path)
        case MapOf() if isinstance(value, dict):
            for item in value.values():
                yield from not_executed(node.item, item, path)


def sole_reason(node: Node) -> str:
    """The reason why nothing of a property is executed; empty when some of it is, or when reasons differ."""
    match node:
        case Leaf():
            return node.reason
        case ListOf() | MapOf():
            return sole_reason(node.item)
    reasons = {sole_reason(member) for member in node.members.values()}
    return reasons.pop() if len(reasons) == 1 else ""


def is_sent(node: Node) -> bool:
    return not isinstance(node, Leaf) or node.sent


def sent(node: Node, value: Any) -> Any:
    """The part of `value` that goes to the service."""
    match node:
        case Fields() if isinstance(value, dict):
            kept = {k: sent(node.members[k], v) for k, v in value.items() if is_sent(node.members[k])}
            return {k: v for k, v in kept.items() if v != {} or value[k] == {}}
        case ListOf() if isinstance(value, list):
            return [sent(node.item, item) for item in value]
    return value


def differences(node: Node, want: Any, got: Any, path: str = "") -> Iterator[Finding]:
    """Where the service reports something else than what was asked. Only what was asked is compared."""
    match node:
        case Leaf():
            if node.sent and not node.write_only and not same(node, want, got):
                yield Finding(path, want, f"the service reports {shorten(got)}")
        case Fields():
            for key, item in want.items():
                found = got.get(key) if isinstance(got, dict) else None
                yield from differences(node.members[key], item, found, f"{path}.{key}" if path else key)
        case MapOf():
            for key, item in want.items():
                found = got.get(key) if isinstance(got, dict) else None
                yield from differences(node.item, item, found, f"{path}.{key}")
        case ListOf():
            yield from _list_differences(node, want, got, path)


def _list_differences(node: ListOf, want: list[Any], got: Any, path: str) -> Iterator[Finding]:
    if not isinstance(got, list) or len(got) != len(want):
        if want or got:
            yield Finding(path, want, f"the service reports {shorten(got)}")
        return
    if node.ordered:
        for index, (asked, found) in enumerate(zip(want, got, strict=True)):
            yield from differences(node.item, asked, found, f"{path}[{index}]")
        return
    rest = list(got)
    for index, asked in enumerate(want):
        match = next((i for i, found in enumerate(rest) if not any(differences(node.item, asked, found))), None)
        if match is None:
            yield Finding(f"{path}[{index}]", asked, f"the service reports {shorten(got)}")
        else:
            rest.pop(match)


def same(leaf: Leaf, want: Any, got: Any) -> bool:
    """Whether the service's value is the one asked for: numbers and booleans may come back as text."""
    if leaf.document or isinstance(want, dict | list):
        return _parsed(want) == _parsed(got)
    return same_scalar(want, got)


def same_scalar(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    return left == right or _text(left) == _text(right)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _names(values: Any) -> str:
    return ", ".join(str(value) for value in values)
