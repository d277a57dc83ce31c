"""A deployed app in the stand-in: made from an assembly, updated to another one, and taken away again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehearsal.deploy import inventory
from rehearsal.deploy.assembly import Assembly
from rehearsal.deploy.making import FAILURES, Record, Resource, StackMaker, read_back, update_problems
from rehearsal.deploy.plan import NotExecuted, Plan
from rehearsal.deploy.prepare import FUNCTION, plans, upload_code
from rehearsal.deploy.problems import DeployFailed, LeftBehind, Problem, TemplateRefused
from rehearsal.deploy.resource import Account
from rehearsal.deploy.types.functions import HOST_BUILD
from rehearsal.deploy.types.s3 import empty
from rehearsal.deploy.upload import bootstrap_bucket, ensure_bucket


@dataclass(frozen=True)
class Destroyed:
    """What destroy removed. retained: what the stack's DeletionPolicy would have kept. by_products: what running
    work made outside the template (log groups, tables of jobs)."""

    deleted: tuple[str, ...]
    retained: tuple[str, ...]
    by_products: tuple[str, ...]


@dataclass(frozen=True)
class Updated:
    """What an update did, as labels `<stack>/<logical id> (<type>) <physical id>`. retained: resources that left the
    template and that their DeletionPolicy keeps. left: those that could not be removed, with the reason."""

    made: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    retained: tuple[str, ...]
    left: tuple[str, ...] = ()


@dataclass
class Deployment:
    """What was made of an assembly.

    `resources` and `outputs` are keyed by logical id and output name; with several stacks by `<stack>/<name>`.
    """

    cloud: Account
    stacks: tuple[str, ...]
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    not_executed: list[NotExecuted] = field(default_factory=list)
    _before: dict[str, set[str]] = field(default_factory=dict)
    _records: dict[str, dict[str, Record]] = field(default_factory=dict)
    _orphans: list[Record] = field(default_factory=list)
    _kinds: set[str] = field(default_factory=set)
    _bootstrapped: bool = False

    @property
    def stack_name(self) -> str:
        """The one stack's name. Raises ValueError where the app has several."""
        if len(self.stacks) != 1:
            raise ValueError(f"the app has {len(self.stacks)} stacks: {', '.join(self.stacks)}")
        return self.stacks[0]

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of one CloudFormation type, in the order in which they were made."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    def key(self, stack: str, name: str) -> str:
        return name if len(self.stacks) == 1 else f"{stack}/{name}"

    def update(self, assembly: Assembly) -> Updated:
        """Bring the stacks to another assembly of the same app, as a stack update does: make what is new, change what
        differs, then remove what is gone. What is gone but retained, or refuses to go, stays until destroy.

        Raises TemplateRefused before anything is done, also for a change that is not handled; DeployFailed when a
        service refuses a call: nothing is rolled back.
        """
        wanted = plans(self.cloud, assembly)
        problems = [found for one in wanted for found in update_problems(one, self._records.get(one.stack.name, {}))]
        if (names := tuple(stack.name for stack in assembly.stacks)) != self.stacks:
            message = f"an update keeps the stacks as they are; deployed: {', '.join(self.stacks)}"
            problems.append(Problem("stacks", "", ", ".join(names), message))
        if problems:
            raise TemplateRefused(problems)
        before = dict(self._records)
        self._make(assembly, wanted)
        return self._settle(before)

    def _settle(self, before: dict[str, dict[str, Record]]) -> Updated:
        """Remove what has left the templates, the newest first. As in an account, the update is complete by then."""
        made, changed, removed, retained, left = [], [], [], [], []
        for stack, records in self._records.items():
            for name, record in records.items():
                old = before[stack].get(name)
                if old is None:
                    made.append(record.label)
                elif old.properties != record.properties:
                    changed.append(record.label)
            gone = [record for name, record in before[stack].items() if name not in records]
            for record in reversed(gone):
                if record.step.retained:
                    retained.append(record.label)
                else:
                    try:
                        record.remove()
                    except FAILURES as error:
                        left.append(f"{record.label}: {error}")
                    else:
                        removed.append(record.label)
                        continue
                self._orphans.insert(0, record)
        return Updated(tuple(made), tuple(changed), tuple(removed), tuple(retained), tuple(left))

    def _make(self, assembly: Assembly, wanted: list[Plan]) -> None:
        self._kinds |= {listed for one in wanted for step in one.steps for listed in step.kind.listed}
        noted = [item for one in wanted for item in one.not_executed]
        exports: dict[str, Any] = {}
        resources: dict[str, Resource] = {}
        self.outputs = {}
        try:
            code = upload_code(self.cloud, assembly, wanted)
            for one in wanted:
                self._make_stack(one, code.get(one.stack.name, {}), exports, resources)
            read_back(record for records in self._records.values() for record in records.values())
        except DeployFailed as error:
            error.deployment = self
            raise
        finally:
            self.resources = resources
        if any(code.values()):
            noted.append(NotExecuted(f"{FUNCTION} Code", HOST_BUILD))
        self.not_executed = list(dict.fromkeys(noted))

    def _make_stack(
        self, one: Plan, code: dict[str, str], exports: dict[str, Any], resources: dict[str, Resource]
    ) -> None:
        stack = one.stack.name
        maker = StackMaker(self.cloud, one, code, exports)
        before = self._records.get(stack, {})
        try:
            maker.make(before)
        except DeployFailed:
            self._records[stack] = before | maker.records
            raise
        finally:
            resources |= {self.key(stack, name): record.resource for name, record in maker.records.items()}
        self._records[stack] = maker.records
        self.outputs |= {self.key(stack, name): value for name, value in maker.outputs().items()}

    def destroy(self) -> Destroyed:
        """Delete everything in reverse order, retained resources too, then list what is left.

        Raises LeftBehind if anything that came with or after the deployment still exists, or cannot be deleted.
        """
        deleted, retained, failed = [], [], []
        made = [*(record for records in self._records.values() for record in records.values()), *self._orphans]
        for record in reversed(made):
            try:
                record.remove()
                (retained if record.step.retained else deleted).append(record.label)
            except FAILURES as error:
                failed.append(f"{record.label}: {error}")
        self._records.clear()
        self._orphans.clear()
        if self._bootstrapped:
            bucket = bootstrap_bucket(self.cloud)
            empty(self.cloud.client("s3"), bucket)
            self.cloud.client("s3").delete_bucket(Bucket=bucket)
            self._bootstrapped = False
        by_products = self._remove_logs()
        left = inventory.added(self._before, inventory.take(self.cloud, self._kinds))
        if left or failed:
            raise LeftBehind([*failed, *inventory.describe(left)])
        return Destroyed(tuple(deleted), tuple(retained), tuple(by_products))

    def _remove_logs(self) -> list[str]:
        """Lambda and Glue make their log groups themselves when the template has none."""
        found = inventory.added(self._before, inventory.take(self.cloud, ["log group"]))
        groups = [name for kind, name in found if kind == "log group" and name.startswith(("/aws/", "/aws-glue/"))]
        for name in groups:
            self.cloud.client("logs").delete_log_group(logGroupName=name)
        return [f"log group {name}" for name in groups]


def deploy(cloud: Account, assembly: Assembly) -> Deployment:
    """Make every stack of the assembly, in order, and read each resource back.

    Raises TemplateRefused, with all problems of all stacks and before anything is made, for whatever is not handled;
    DeployFailed, which carries the Deployment so far, when a service refuses a call or reports something else.
    """
    wanted = plans(cloud, assembly)
    deployment = Deployment(cloud, tuple(stack.name for stack in assembly.stacks))
    kinds = {listed for one in wanted for step in one.steps for listed in step.kind.listed}
    deployment._before = inventory.take(cloud, kinds)
    deployment._bootstrapped = ensure_bucket(cloud)
    deployment._make(assembly, wanted)
    return deployment


__all__ = ["Deployment", "Destroyed", "NotExecuted", "Resource", "Updated", "deploy"]
