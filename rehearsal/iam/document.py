"""Policy documents: read once, checked whole, every problem reported.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rehearsal.iam.conditions import OPERATORS, Condition
from rehearsal.iam.principals import entry_problem
from rehearsal.iam.problems import InvalidPolicy, Problem, shown
from rehearsal.iam.variables import variable_problem

Kind = Literal["identity", "boundary", "resource", "key", "trust"]
KINDS: tuple[Kind, ...] = ("identity", "boundary", "resource", "key", "trust")
VERSION, OLD_VERSION = "2012-10-17", "2008-10-17"
_MEMBERS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
ARN_FORM = "an ARN of six parts: arn:<partition>:<service>:<region>:<account>:<resource>"
_KEY = re.compile(r"[A-Za-z0-9.\-]+:\S(.*\S)?")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")


@dataclass(frozen=True)
class Statement:
    """One statement. number counts from 1; principals are (kind, text), None where the element is absent."""

    number: int
    sid: str
    allow: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...] | None
    not_principals: tuple[tuple[str, str], ...] | None
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return f"statement {self.number}" + (f" ({self.sid})" if self.sid else "")


@dataclass(frozen=True)
class Policy:
    """A checked policy. name: what errors and decisions call it."""

    name: str
    kind: Kind
    statements: tuple[Statement, ...]


def parse(document: str | dict[str, Any], kind: Kind, name: str) -> Policy:
    """Read a policy. Raises InvalidPolicy with every problem found."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise InvalidPolicy([Problem(name, "", f"is no JSON: {error}")]) from error
    if not isinstance(document, dict):
        raise InvalidPolicy([Problem(name, shown(document), "must be an object with Version and Statement")])
    reader = _Reader(kind, name)
    statements = reader.statements(document)
    if reader.problems:
        raise InvalidPolicy(reader.problems)
    return Policy(name, kind, tuple(statements))


class _Reader:
    def __init__(self, kind: Kind, name: str):
        self.kind, self.name, self.problems = kind, name, list[Problem]()
        self._old = False

    def add(self, path: str, value: Any, message: str) -> None:
        self.problems.append(Problem(f"{self.name} {path}", shown(value), message))

    def statements(self, document: dict[str, Any]) -> list[Statement]:
        for member in document.keys() - {"Version", "Id", "Statement"}:
            self.add(member, document[member], "is no member of a policy; allowed: Version, Id, Statement")
        version = document.get("Version", OLD_VERSION)
        if version not in (VERSION, OLD_VERSION):
            self.add("Version", version, f"must be {VERSION} or {OLD_VERSION}")
        self._old = version == OLD_VERSION
        given = document.get("Statement")
        if not isinstance(given, dict | list) or not given:
            self.add("Statement", given, "must be a statement or a list of them")
            return []
        listed = given if isinstance(given, list) else [given]
        found = []
        for number, entry in enumerate(listed, 1):
            if isinstance(entry, dict):
                found.append(self._statement(number, entry))
            else:
                self.add(f"Statement[{number}]", entry, "must be an object")
        return found

    def _statement(self, number: int, entry: dict[str, Any]) -> Statement:
        at = f"Statement[{number}]"
        for member in entry.keys() - set(_MEMBERS):
            self.add(f"{at}.{member}", entry[member], f"is no member of a statement; allowed: {', '.join(_MEMBERS)}")
        effect = entry.get("Effect")
        if effect not in ("Allow", "Deny"):
            self.add(f"{at}.Effect", effect, "must be Allow or Deny")
        self._check_pairs(at, entry, effect)
        return Statement(
            number=number,
            sid=str(entry.get("Sid", "")),
            allow=effect == "Allow",
            actions=tuple(self._actions(f"{at}.Action", entry.get("Action", []))),
            not_actions=tuple(self._actions(f"{at}.NotAction", entry.get("NotAction", []))),
            resources=tuple(self._resources(f"{at}.Resource", entry.get("Resource", []))),
            not_resources=tuple(self._resources(f"{at}.NotResource", entry.get("NotResource", []))),
            principals=self._principals(f"{at}.Principal", entry.get("Principal")),
            not_principals=self._principals(f"{at}.NotPrincipal", entry.get("NotPrincipal")),
            conditions=tuple(self._conditions(f"{at}.Condition", entry.get("Condition", {}))),
        )

    def _check_pairs(self, at: str, entry: dict[str, Any], effect: Any) -> None:
        needs = ["Action"] + ([] if self.kind == "trust" else ["Resource"])
        needs += [] if self.kind in ("identity", "boundary") else ["Principal"]
        for name in ("Action", "Resource", "Principal"):
            given = [member for member in (name, f"Not{name}") if member in entry]
            if name in needs and (len(given) != 1 or not entry[given[0]]):
                self.add(at, given, f"must have exactly one of {name} and Not{name}, not empty")
            if name not in needs and given:
                article = "a trust policy" if self.kind == "trust" else f"an {self.kind} policy"
                self.add(f"{at}.{given[0]}", entry[given[0]], f"has no place in {article}")
        if "NotPrincipal" in entry and (self.kind == "trust" or effect == "Allow"):
            self.add(f"{at}.NotPrincipal", entry["NotPrincipal"], "is evaluated in a Deny of a resource policy only")

    def _texts(self, at: str, value: Any) -> Iterator[str]:
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, str) or not entry:
                self.add(at, entry, "must be a text or a list of texts")
                continue
            if problem := self._variables(entry):
                self.add(at, entry, problem)
            yield entry

    def _variables(self, text: str) -> str | None:
        if "${" in text and self._old:
            return f"variables need Version {VERSION}"
        return variable_problem(text)

    def _actions(self, at: str, value: Any) -> Iterator[str]:
        for text in self._texts(at, value):
            if not _ACTION.fullmatch(text):
                self.add(at, text, "must be * or <service>:<action>")
            yield text

    def _resources(self, at: str, value: Any) -> Iterator[str]:
        for text in self._texts(at, value):
            parts = text.split(":")
            if text != "*" and (parts[0] != "arn" or len(parts) < 6 and not text.endswith("*")):
                self.add(at, text, f"must be * or {ARN_FORM}")
            elif text != "*" and len(parts) > 2 and ("*" in parts[2] or "?" in parts[2]):
                self.add(at, text, "no wildcard may stand in the service's part of an ARN")
            yield text

    def _principals(self, at: str, value: Any) -> tuple[tuple[str, str], ...] | None:
        if value is None:
            return None
        if value == "*":
            return (("AWS", "*"),)
        if not isinstance(value, dict) or not value:
            self.add(at, value, 'must be "*" or an object of AWS, Service and Federated')
            return ()
        found = []
        for kind, entries in value.items():
            for text in entries if isinstance(entries, list) else [entries]:
                if problem := entry_problem(kind, str(text)):
                    self.add(f"{at}.{kind}", text, problem)
                found.append((kind, str(text)))
        return tuple(found)

    def _conditions(self, at: str, value: Any) -> Iterator[Condition]:
        if not isinstance(value, dict):
            self.add(at, value, "must be an object: operator → key → value")
            return
        for name, keys in value.items():
            match = _OPERATOR.fullmatch(name)
            if match is None or match[2] not in OPERATORS or (match[2] == "Null" and (match[1] or match[3])):
                known = f"{', '.join(OPERATORS)}, …IfExists, ForAllValues:…, ForAnyValue:…"
                self.add(f"{at}.{name}", name, f"is no operator the engine evaluates; those are {known}")
                continue
            if not isinstance(keys, dict):
                self.add(f"{at}.{name}", keys, "must be an object: key → value")
                continue
            for key, values in keys.items():
                yield self._condition(f"{at}.{name}.{key}", name, match, key, values)

    def _condition(self, at: str, name: str, match: re.Match[str], key: str, values: Any) -> Condition:
        operator = OPERATORS[match[2]]
        if not _KEY.fullmatch(key):
            self.add(at, key, "is no condition key: <prefix>:<name>")
        texts = []
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str | bool | int | float):
                self.add(at, value, "must be a text, a number or a boolean, or a list of them")
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if problem := self._value_problem(operator, text):
                self.add(at, text, problem)
            texts.append(text)
        if not texts:
            self.add(at, values, "must have at least one value")
        if match[2] == "Null" and len(texts) > 1:
            self.add(at, values, "must be one value: true or false")
        return Condition(name, match[2], match[1] or "", bool(match[3]), key, tuple(texts) or ("",))

    def _value_problem(self, operator: Any, text: str) -> str | None:
        if operator.variables:
            return self._variables(text)
        try:
            operator.check(text)
        except ValueError:
            return f"must be {operator.expects}"
        return None
