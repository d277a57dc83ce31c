"""Makes the resources of one stack, or changes them into what another template says, and reads them back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.deploy import properties
from rehearsal.deploy.intrinsics import Resolver
from rehearsal.deploy.plan import Plan, Step, resolver
from rehearsal.deploy.problems import DeployFailed, Problem, shorten
from rehearsal.deploy.resource import Account, Made, Maker
from rehearsal.deploy.shapes import NoSuchMember

FAILURES = (ClientError, BotoCoreError, NoSuchMember, KeyError, ValueError, TypeError, LookupError, RuntimeError)


@dataclass(frozen=True)
class Resource:
    """One resource that was made. properties: as they were sent. retained: its DeletionPolicy keeps it."""

    stack: str
    logical_id: str
    type: str
    physical_id: str
    attributes: dict[str, Any]
    properties: dict[str, Any]
    retained: bool


@dataclass(frozen=True)
class Record:
    """What was done for one step of a plan: enough to change it, to read it back and to take it away."""

    step: Step
    maker: Maker
    made: Made
    properties: dict[str, Any]

    @property
    def resource(self) -> Resource:
        step, made = self.step, self.made
        return Resource(
            self.maker.stack,
            step.logical_id,
            step.kind.name,
            made.physical_id,
            made.attributes,
            self.properties,
            step.retained,
        )

    @property
    def label(self) -> str:
        return f"{self.maker.stack}/{self.step.logical_id} ({self.step.kind.name}) {self.made.physical_id}"

    def remove(self) -> None:
        self.step.kind.remove(self.maker, self.made, self.properties)


class StackMaker:
    """Makes one stack. `records` holds what is made so far, by logical id, also when a step has failed."""

    def __init__(self, cloud: Account, plan: Plan, code: dict[str, str], exports: dict[str, Any]):
        self._cloud, self._plan, self._code = cloud, plan, code
        self._exports = exports
        self.records: dict[str, Record] = {}
        self._values: Resolver = resolver(plan, self._lookup, exports)

    def make(self, before: dict[str, Record] | None = None) -> None:
        """Make each resource, or change the one of the same logical id in `before`. Raises DeployFailed."""
        for step in self._plan.steps:
            self.records[step.logical_id] = self._perform(step, (before or {}).get(step.logical_id))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name; exported ones become importable."""
        found = {}
        for name, output in self._plan.stack.template.get("Outputs", {}).items():
            if "Condition" in output and not self._values.holds(output["Condition"]):
                continue
            found[name] = self._values.value(output["Value"])
            if "Export" in output:
                self._exports[self._values.value(output["Export"]["Name"])] = found[name]
        return found

    def _lookup(self, logical_id: str, attribute: str | None) -> Any:
        made = self.records[logical_id].made
        return made.physical_id if attribute is None else made.attributes[attribute]

    def _perform(self, step: Step, before: Record | None) -> Record:
        stack = self._plan.stack.name
        where = f"{stack}/{step.logical_id} ({step.kind.name})"
        maker = Maker(self._cloud, stack, step.logical_id, step.body.get("Metadata", {}), self._code)
        props = self._properties(step, where)
        try:
            made = step.kind.make(maker, props) if before is None else _changed(step, maker, before, props)
        except FAILURES as error:
            raise DeployFailed(f"{where}: {type(error).__name__}: {error}") from error
        return Record(step, maker, made, props)

    def _properties(self, step: Step, where: str) -> dict[str, Any]:
        props = self._values.value(step.body.get("Properties", {}))
        problems = [
            Problem(where, finding.path, shorten(finding.value), finding.message)
            for finding in properties.check(step.kind.properties, props)
        ]
        if problems:
            raise DeployFailed("\n".join(str(problem) for problem in problems))
        return properties.sent(step.kind.properties, props)


def _changed(step: Step, maker: Maker, before: Record, props: dict[str, Any]) -> Made:
    if props == before.properties:
        return before.made
    if step.kind.change is None:
        names = ", ".join(changed_names(before.properties, props))
        raise ValueError(f"{names} changed; the rehearsal does not change resources of this type")
    return step.kind.change(maker, before.made, before.properties, props)


def changed_names(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of the properties that differ."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def update_problems(plan: Plan, before: dict[str, Record]) -> list[Problem]:
    """What an update of a stack would change that cannot be changed here."""
    problems = []
    for step in plan.steps:
        old = before.get(step.logical_id)
        if old is None:
            continue
        where = f"{plan.stack.name}/{step.logical_id} ({step.kind.name})"
        if old.step.kind.name != step.kind.name:
            problems.append(Problem(where, "Type", old.step.kind.name, "an update cannot change a resource's type"))
            continue
        names = changed_names(old.step.body.get("Properties", {}), step.body.get("Properties", {}))
        if names and step.kind.change is None:
            message = "the rehearsal does not change resources of this type; changed here: " + ", ".join(names)
            problems.append(Problem(where, "", "", message))
    return problems


def read_back(records: Iterable[Record]) -> None:
    """Every applied property, as the service now reports it, must be what the template asked for."""
    problems = []
    for record in records:
        step, props = record.step, record.properties
        where = f"{record.maker.stack}/{step.logical_id} ({step.kind.name})"
        try:
            reported = step.kind.read(record.maker, record.made, props)
        except FAILURES as error:
            problems.append(Problem(where, "", "", f"cannot be read back: {type(error).__name__}: {error}"))
            continue
        for finding in properties.differences(step.kind.properties, props, reported):
            problems.append(Problem(where, finding.path, shorten(finding.value), finding.message))
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DeployFailed(f"{len(problems)} properties are not as the template asks:\n{lines}")
