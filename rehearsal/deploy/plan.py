"""Reads a template before anything is made: what will be made, in which order, and everything that is not handled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rehearsal.deploy import properties
from rehearsal.deploy.assembly import Stack
from rehearsal.deploy.intrinsics import FUNCTIONS, NO_VALUE, Lookup, Reference, Resolver, Unresolvable, references
from rehearsal.deploy.problems import Problem, shorten
from rehearsal.deploy.properties import PENDING
from rehearsal.deploy.resource import Account, ResourceType, partition
from rehearsal.deploy.types import HANDLED

SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
}
RESOURCE_KEYS = {
    "Condition",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdateReplacePolicy",
}
BOOTSTRAP_RULE, BOOTSTRAP_PARAMETER = "CheckBootstrapVersion", "BootstrapVersion"
BOOTSTRAP_VERSION = "30"
POLICIES = ("Delete", "Retain", "RetainExceptOnCreate")


@dataclass(frozen=True)
class NotExecuted:
    """Something of the template that was accepted but that the stand-in does not act on. type: the resource type,
    followed by the property path where only a property is meant."""

    type: str
    reason: str


@dataclass(frozen=True)
class Step:
    """One resource to make. `retained`: its DeletionPolicy keeps it when the stack goes."""

    logical_id: str
    kind: ResourceType
    body: dict[str, Any]
    retained: bool


@dataclass(frozen=True)
class Plan:
    """What a stack comes to. `steps` are in dependency order. `exports`: names that later stacks may import."""

    stack: Stack
    steps: tuple[Step, ...]
    names: dict[str, Any]
    not_executed: tuple[NotExecuted, ...]
    exports: dict[str, Any]


def pseudo_parameters(cloud: Account, stack: str) -> dict[str, Any]:
    part = partition(cloud.region)
    return {
        "AWS::AccountId": cloud.account,
        "AWS::NoValue": NO_VALUE,
        "AWS::NotificationARNs": [],
        "AWS::Partition": part,
        "AWS::Region": cloud.region,
        "AWS::StackId": f"arn:{part}:cloudformation:{cloud.region}:{cloud.account}:stack/{stack}/rehearsal",
        "AWS::StackName": stack,
        "AWS::URLSuffix": "amazonaws.com.cn" if part == "aws-cn" else "amazonaws.com",
    }


def plan(cloud: Account, stack: Stack, exports: dict[str, Any]) -> tuple[Plan, list[Problem]]:
    """The plan of a stack, and all its problems; the plan is only of use when there are none."""
    return _Planner(cloud, stack, exports).plan()


class _Planner:
    def __init__(self, cloud: Account, stack: Stack, exports: dict[str, Any]):
        self.cloud, self.stack, self.template = cloud, stack, stack.template
        self.problems: list[Problem] = []
        self.names = pseudo_parameters(cloud, stack.name) | self._parameters()
        self.resolver = Resolver(
            self.names,
            lambda logical, attribute: f"{PENDING}{logical}.{attribute or 'Ref'}{PENDING}",
            self.template.get("Conditions", {}),
            self.template.get("Mappings", {}),
            exports,
        )

    def plan(self) -> tuple[Plan, list[Problem]]:
        self._check_sections()
        resources = self.template.get("Resources", {})
        present = {key: body for key, body in resources.items() if self._present(key, body)}
        steps = {key: step for key, body in present.items() if (step := self._step(key, body)) is not None}
        needs = {key: self._needs(key, body, resources, present) for key, body in present.items()}
        order = self._ordered(needs)
        noted: list[NotExecuted] = []
        for key, step in steps.items():
            noted += self._check_resource(key, step)
        exports = self._outputs(resources, present)
        unique = tuple(dict.fromkeys(sorted(noted, key=lambda item: (item.type, item.reason))))
        made = tuple(steps[key] for key in order if key in steps)
        return Plan(self.stack, made, self.names, unique, exports), self.problems

    def _where(self, key: str) -> str:
        kind = self.template.get("Resources", {}).get(key, {}).get("Type", "?")
        return f"{self.stack.name}/{key} ({kind})"

    def _add(self, where: str, path: str, value: Any, message: str) -> None:
        self.problems.append(Problem(where, path, "" if value is None else shorten(value), message))

    def _parameters(self) -> dict[str, Any]:
        values = {}
        for name, spec in self.template.get("Parameters", {}).items():
            if name == BOOTSTRAP_PARAMETER:
                values[name] = BOOTSTRAP_VERSION
            elif spec.get("Type") in ("String", "Number") and "Default" in spec:
                values[name] = spec["Default"]
            else:
                message = "handled: parameters of type String or Number with a default"
                self._add(f"{self.stack.name}/Parameters", name, spec, message)
        return values

    def _check_sections(self) -> None:
        for key in self.template:
            if key not in SECTIONS:
                message = f"this section is not handled; handled: {', '.join(sorted(SECTIONS))}"
                self._add(f"{self.stack.name}/{key}", "", self.template[key], message)
        for key in self.template.get("Rules", {}):
            if key != BOOTSTRAP_RULE:
                self._add(f"{self.stack.name}/Rules", key, None, f"handled: {BOOTSTRAP_RULE}, which the stand-in meets")
        if not self.template.get("Resources"):
            self._add(f"{self.stack.name}/Resources", "", None, "the template has no resource")

    def _present(self, key: str, body: dict[str, Any]) -> bool:
        if "Condition" not in body:
            return True
        try:
            return self.resolver.holds(body["Condition"])
        except Unresolvable as error:
            self._add(self._where(key), "Condition", body["Condition"], str(error))
            return True

    def _step(self, key: str, body: dict[str, Any]) -> Step | None:
        for name in body.keys() - RESOURCE_KEYS:
            message = f"this part of a resource is not handled; handled: {', '.join(sorted(RESOURCE_KEYS))}"
            self._add(self._where(key), name, body[name], message)
        for name in ("DeletionPolicy", "UpdateReplacePolicy"):
            if body.get(name, "Delete") not in (*POLICIES, "Snapshot") or body.get(name) == "Snapshot":
                self._add(self._where(key), name, body[name], f"handled: {', '.join(POLICIES)}")
        kind = HANDLED.get(body.get("Type", ""))
        if kind is None:
            custom = body.get("Type", "").startswith(("Custom::", "AWS::CloudFormation::CustomResource"))
            why = "custom resources are not run" if custom else "this resource type is not handled"
            self._add(self._where(key), "Type", body.get("Type"), f"{why}; handled: {', '.join(sorted(HANDLED))}")
            return None
        return Step(key, kind, body, str(body.get("DeletionPolicy", "Delete")).startswith("Retain"))

    def _needs(self, key: str, body: dict[str, Any], resources: Any, present: dict[str, Any]) -> set[str]:
        """The resources that `key` needs first; reports references to what does not exist."""
        needs = set()
        where = self._where(key)
        for reference in self._references(where, body.get("Properties", {})):
            self._check_reference(where, reference, resources, present)
            if reference.kind in ("ref", "attribute") and reference.name in present:
                needs.add(reference.name)
        depends = body.get("DependsOn", [])
        for name in [depends] if isinstance(depends, str) else depends:
            if name not in resources:
                self._add(where, "DependsOn", name, "no such resource")
            elif name in present:
                needs.add(name)
        return needs

    def _references(self, where: str, value: Any) -> Iterator[Reference]:
        try:
            yield from references(value)
        except (Unresolvable, TypeError, IndexError, KeyError, ValueError) as error:
            self._add(where, "", value, f"malformed intrinsic: {error}")

    def _check_reference(self, where: str, found: Reference, resources: Any, present: dict[str, Any]) -> None:
        path, name = found.path, found.name
        if found.kind == "function":
            self._add(where, path, name, f"this intrinsic is not handled; handled: {', '.join(FUNCTIONS)}")
        elif found.kind == "condition" and name not in self.template.get("Conditions", {}):
            self._add(where, path, name, "no such condition")
        elif found.kind == "mapping" and name and name not in self.template.get("Mappings", {}):
            self._add(where, path, name, "no such mapping")
        elif found.kind in ("ref", "attribute"):
            if name in self.names:
                return
            if name not in resources:
                self._add(where, path, name, "dangling reference: no such resource or parameter")
            elif name not in present:
                self._add(where, path, name, "dangling reference: the condition of that resource is false")
            elif found.attribute is not None:
                self._check_attribute(where, path, name, found.attribute)

    def _check_attribute(self, where: str, path: str, name: str, attribute: str) -> None:
        kind = HANDLED.get(self.template["Resources"][name].get("Type", ""))
        if kind is not None and attribute not in kind.attributes:
            known = ", ".join(kind.attributes) or "none"
            self._add(where, path, f"{name}.{attribute}", f"{kind.name} has no such attribute here; handled: {known}")

    def _ordered(self, needs: dict[str, set[str]]) -> list[str]:
        """Keys, each after what it needs. Reports a cycle with its members in order."""
        order: dict[str, None] = {}
        trail: list[str] = []

        def visit(key: str) -> None:
            if key in order:
                return
            if key in trail:
                cycle = " → ".join([*trail[trail.index(key) :], key])
                self._add(self._where(key), "", None, f"circular dependency: {cycle}")
                return
            trail.append(key)
            for need in sorted(needs[key]):
                visit(need)
            trail.pop()
            order[key] = None

        for key in needs:
            visit(key)
        return list(order)

    def _check_resource(self, key: str, step: Step) -> Iterable[NotExecuted]:
        try:
            props = self.resolver.value(step.body.get("Properties", {}))
        except (Unresolvable, TypeError, IndexError, KeyError, ValueError) as error:
            if not any(problem.where == self._where(key) for problem in self.problems):
                self._add(self._where(key), "", None, f"cannot be worked out: {error}")
            return []
        findings = list(properties.check(step.kind.properties, props))
        if not findings:
            findings += step.kind.check(self.cloud, props)
        for finding in findings:
            self._add(self._where(key), finding.path, finding.value, finding.message)
        name = step.kind.name
        noted = [NotExecuted(name, step.kind.note)] if step.kind.note else []
        parts = properties.not_executed(step.kind.properties, props)
        return noted + [NotExecuted(f"{name} {path}", reason) for path, reason in parts]

    def _outputs(self, resources: Any, present: dict[str, Any]) -> dict[str, Any]:
        exports = {}
        for name, output in self.template.get("Outputs", {}).items():
            where = f"{self.stack.name}/Outputs/{name}"
            if "Condition" in output and not self._present(name, output):
                continue
            before = len(self.problems)
            for reference in self._references(where, output):
                self._check_reference(where, reference, resources, present)
            if "Export" in output and len(self.problems) == before:
                try:
                    exports[self.resolver.value(output["Export"]["Name"])] = PENDING
                except Unresolvable as error:
                    self._add(where, "Export", output["Export"], str(error))
        return exports


def resolver(made: Plan, lookup: Lookup, exports: dict[str, Any]) -> Resolver:
    """The resolver with which the stack is really made."""
    template = made.stack.template
    conditions, mappings = template.get("Conditions", {}), template.get("Mappings", {})
    return Resolver(made.names, lookup, conditions, mappings, exports)
