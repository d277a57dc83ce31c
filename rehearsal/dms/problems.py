"""What the model refuses, in the user's words, and how JSON settings are read without ignoring anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(ValueError):
    """Settings that DMS refuses, or that the model does not have: every problem, one a line."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class Excluded(Refused):
    """Settings of which each is taken, but not together."""


@dataclass
class Problems:
    """Collects problems with their paths."""

    found: list[str] = field(default_factory=list)

    def add(self, path: str, value: Any, message: str) -> None:
        self.found.append(f"{path}: {json.dumps(value, default=str)}: {message}")

    def settle(self) -> None:
        """Raise Refused if there are any."""
        if self.found:
            raise Refused(self.found)


@dataclass(frozen=True)
class Entry:
    """One setting: its default, which values are modelled (any, if None), and in words what is allowed."""

    default: Any
    allowed: Callable[[Any], bool] | None = None
    words: str = ""


Tree = Mapping[str, "Entry | Tree"]


def one_of(default: Any, *others: Any) -> Entry:
    """A setting of which only these values are modelled."""
    values = (default, *others)
    return Entry(default, lambda value: any(value == v and type(value) is type(v) for v in values), _names(values))


def number(default: int, low: int, high: int) -> Entry:
    def within(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Entry(default, within, f"a whole number from {low} to {high}")


def text(default: str | None = None) -> Entry:
    return Entry(default, lambda value: isinstance(value, str), "a text")


def without_effect(default: Any) -> Entry:
    """A setting that changes nothing one can see from outside: any value is taken."""
    return Entry(default)


def read(tree: Tree, given: Any, path: str, problems: Problems) -> dict[str, Any]:
    """Every setting of the tree, given or default. What the tree lacks or does not allow becomes a problem."""
    if not isinstance(given, dict):
        problems.add(path, given, "an object is expected")
        given = {}
    for key, value in given.items():
        if key not in tree:
            problems.add(f"{path}.{key}", value, f"this setting is not modelled; modelled here: {', '.join(tree)}")
    found = {}
    for key, node in tree.items():
        if isinstance(node, Entry):
            value = given.get(key, node.default)
            if key in given and node.allowed is not None and not node.allowed(value):
                problems.add(f"{path}.{key}", value, f"modelled: {node.words}")
                value = node.default
            found[key] = value
        else:
            found[key] = read(node, given.get(key) or {}, f"{path}.{key}", problems)
    return found


def parse(document: str, path: str, problems: Problems) -> Any:
    """A JSON document; a problem and an empty object when it is none."""
    try:
        return json.loads(document)
    except ValueError as error:
        problems.add(path, document[:80], f"this is no JSON: {error}")
        return {}


def _names(values: tuple[Any, ...]) -> str:
    return ", ".join(json.dumps(value) for value in values)
