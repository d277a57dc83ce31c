"""CloudFormation's intrinsic functions: what they refer to, whether that exists, and what they come to."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal.deploy.properties import PENDING

Lookup = Callable[[str, str | None], Any]
"""(logical id, attribute or None for Ref) → value."""

FUNCTIONS = (
    "Ref",
    "Condition",
    "Fn::Base64",
    "Fn::FindInMap",
    "Fn::GetAtt",
    "Fn::GetAZs",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
)
CONDITIONS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Condition")
_SUB = re.compile(r"\$\{([^!}][^}]*)\}")


class Unresolvable(Exception):
    """An intrinsic that cannot be worked out; the text says why."""


class NoValue:
    """The value of `AWS::NoValue`: the property that holds it is left out."""


NO_VALUE = NoValue()


@dataclass(frozen=True)
class Reference:
    """A use of something by name. kind: `ref`, `attribute`, `condition`, `mapping`, `function` (not handled)."""

    path: str
    kind: str
    name: str
    attribute: str | None = None


def intrinsic(value: Any) -> tuple[str, Any] | None:
    """(function, argument) when `value` is an intrinsic function."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name.startswith("Fn::") or name == "Ref" or (name == "Condition" and isinstance(argument, str)):
            return name, argument
    return None


def references(value: Any, path: str = "") -> Iterator[Reference]:
    """Every reference in `value`, at every depth, in the branches not taken as well."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, f"{path}[{index}]")
        return
    if not isinstance(value, dict):
        return
    found = intrinsic(value)
    if found is None:
        for key, item in value.items():
            yield from references(item, f"{path}.{key}" if path else key)
        return
    name, argument = found
    match name:
        case "Ref":
            yield Reference(path, "ref", str(argument))
        case "Condition":
            yield Reference(path, "condition", str(argument))
        case "Fn::GetAtt":
            logical, attribute = _attribute(argument)
            yield Reference(path, "attribute", logical, attribute)
        case "Fn::Sub":
            yield from _sub_references(argument, path)
        case "Fn::If":
            yield Reference(path, "condition", str(argument[0]))
            for branch in argument[1:]:
                yield from references(branch, path)
        case "Fn::FindInMap":
            yield Reference(path, "mapping", str(argument[0]) if isinstance(argument[0], str) else "")
            yield from _within(argument, path)
        case _ if name in FUNCTIONS or name in CONDITIONS:
            yield from _within(argument, path)
        case _:
            yield Reference(path, "function", name)


def _within(argument: Any, path: str) -> Iterator[Reference]:
    """References in the arguments of a function, all at the path of the property that holds it."""
    for found in references(argument):
        yield dataclasses.replace(found, path=path)


def _sub_references(argument: Any, path: str) -> Iterator[Reference]:
    text, variables = argument if isinstance(argument, list) else (argument, {})
    yield from _within(list(variables.values()), path)
    for name in _SUB.findall(text):
        if name in variables:
            continue
        if "." in name:
            logical, attribute = name.split(".", 1)
            yield Reference(path, "attribute", logical, attribute)
        else:
            yield Reference(path, "ref", name)


def _attribute(argument: Any) -> tuple[str, str]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise Unresolvable(f"Fn::GetAtt needs a logical id and an attribute, got {argument!r}")
    return parts[0], parts[1]


@dataclass
class Resolver:
    """Works out values of one template.

    names: parameters and pseudo parameters. lookup: resources. exports: what `Fn::ImportValue` finds.
    """

    names: dict[str, Any]
    lookup: Lookup
    conditions: dict[str, Any] = field(default_factory=dict)
    mappings: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        """`value` with every intrinsic replaced and members without a value left out."""
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        found = intrinsic(value)
        if found is not None:
            return self._function(*found)
        members = {key: self.value(item) for key, item in value.items()}
        return {key: item for key, item in members.items() if item is not NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Whether the named condition is true."""
        if condition not in self.conditions:
            raise Unresolvable(f"no condition {condition!r}")
        return self._condition(self.conditions[condition])

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self.names[argument] if argument in self.names else self.lookup(argument, None)
            case "Fn::GetAtt":
                return self.lookup(*_attribute(argument))
            case "Fn::GetAZs":
                return self._zones(self.value(argument))
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::Join":
                return argument[0].join(_scalar(part) for part in self.value(argument[1]))
            case "Fn::Select":
                return self._select(argument)
            case "Fn::Split":
                return _scalar(self.value(argument[1])).split(argument[0])
            case "Fn::If":
                return self.value(argument[1] if self.holds(argument[0]) else argument[2])
            case "Fn::ImportValue":
                return self._import(self.value(argument))
            case "Fn::FindInMap":
                return self._find(self.value(argument))
            case "Fn::Base64":
                return base64.b64encode(_scalar(self.value(argument)).encode()).decode()
        raise Unresolvable(f"{name} is not handled; handled: {', '.join(FUNCTIONS)}")

    def _zones(self, region: str) -> list[str]:
        """The availability zones of this region: three, as most have."""
        if region not in ("", self.names["AWS::Region"]):
            raise Unresolvable(f"Fn::GetAZs: {region!r} is another region than the stack's")
        return [f"{self.names['AWS::Region']}{letter}" for letter in "abc"]

    def _sub(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        values = {key: self.value(item) for key, item in variables.items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name in values:
                return _scalar(values[name])
            return _scalar(self._function("Fn::GetAtt" if "." in name else "Ref", name))

        return _SUB.sub(replace, text).replace("${!", "${")

    def _select(self, argument: Any) -> Any:
        index, items = int(self.value(argument[0])), self.value(argument[1])
        if isinstance(items, list) and any(PENDING in str(item) for item in items):
            return PENDING
        if not isinstance(items, list) or not 0 <= index < len(items):
            raise Unresolvable(f"Fn::Select has no item {index} in {items!r}")
        return items[index]

    def _import(self, name: Any) -> Any:
        if name not in self.exports:
            known = ", ".join(sorted(self.exports)) or "none"
            raise Unresolvable(f"Fn::ImportValue: no earlier stack exports {name!r}; exported: {known}")
        return self.exports[name]

    def _find(self, keys: list[str]) -> Any:
        found: Any = self.mappings
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise Unresolvable(f"Fn::FindInMap: nothing at {'.'.join(map(str, keys))}")
            found = found[key]
        return found

    def _condition(self, expression: Any) -> bool:
        found = intrinsic(expression)
        if found is None:
            raise Unresolvable(f"not a condition: {expression!r}")
        name, argument = found
        match name:
            case "Fn::Equals":
                return self.value(argument[0]) == self.value(argument[1])
            case "Fn::And":
                return all(self._condition(part) for part in argument)
            case "Fn::Or":
                return any(self._condition(part) for part in argument)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Condition":
                return self.holds(argument)
        raise Unresolvable(f"{name} is not handled in conditions; handled: {', '.join(CONDITIONS)}")


def _scalar(value: Any) -> str:
    if isinstance(value, dict | list | NoValue):
        raise Unresolvable(f"text is expected where {value!r} stands")
    return str(value).lower() if isinstance(value, bool) else str(value)
