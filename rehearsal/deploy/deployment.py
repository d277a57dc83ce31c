"""Makes the stacks of an assembly in the stand-in, reads them back, and takes them away again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.deploy import handlers, inventory, properties
from rehearsal.deploy.assembly import Assembly, Stack
from rehearsal.deploy.plan import NotExecuted, Plan, Step, plan, resolver
from rehearsal.deploy.problems import DeployFailed, LeftBehind, Problem, TemplateRefused, shorten
from rehearsal.deploy.resource import Account, Made, Maker
from rehearsal.deploy.shapes import NoSuchMember
from rehearsal.deploy.types.functions import HOST_BUILD, IMPORT_PATH, host_architecture
from rehearsal.deploy.types.s3 import empty
from rehearsal.deploy.upload import bootstrap_bucket, ensure_bucket, upload

FUNCTION = "AWS::Lambda::Function"
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
class Destroyed:
    """What destroy removed. retained: what the stack's DeletionPolicy would have kept. by_products: what running
    work made outside the template (log groups, tables of jobs)."""

    deleted: tuple[str, ...]
    retained: tuple[str, ...]
    by_products: tuple[str, ...]


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
    _made: list[tuple[Step, Maker, Made, dict[str, Any]]] = field(default_factory=list)
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

    def destroy(self) -> Destroyed:
        """Delete everything in reverse order, retained resources too, then list what is left.

        Raises LeftBehind if anything that came with or after the deployment still exists, or cannot be deleted.
        """
        deleted, retained, failed = [], [], []
        for step, maker, made, props in reversed(self._made):
            label = f"{maker.stack}/{step.logical_id} ({step.kind.name}) {made.physical_id}"
            try:
                step.kind.remove(maker, made, props)
                (retained if step.retained else deleted).append(label)
            except FAILURES as error:
                failed.append(f"{label}: {error}")
        self._made.clear()
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
    plans = _plans(cloud, assembly)
    kinds = {listed for made in plans for step in made.steps for listed in step.kind.listed}
    deployment = Deployment(cloud, tuple(stack.name for stack in assembly.stacks), _kinds=kinds)
    deployment._before = inventory.take(cloud, kinds)
    noted = [item for made in plans for item in made.not_executed]
    try:
        code = _upload(cloud, assembly, plans, deployment)
        exports: dict[str, Any] = {}
        for made in plans:
            _make_stack(deployment, made, code.get(made.stack.name, {}), exports)
        _read_back(deployment)
    except DeployFailed as error:
        error.deployment = deployment
        raise
    if any(code.values()):
        noted.append(NotExecuted(f"{FUNCTION} Code", HOST_BUILD))
    deployment.not_executed = list(dict.fromkeys(noted))
    return deployment


def _plans(cloud: Account, assembly: Assembly) -> list[Plan]:
    plans, problems, exports = [], [], {}
    for stack in assembly.stacks:
        made, found = plan(cloud, stack, exports)
        plans.append(made)
        problems += found + _architecture_problems(stack, made) + _module_problems(stack, made, assembly)
        exports |= made.exports
    if problems:
        raise TemplateRefused(problems)
    return plans


def _functions(made: Plan) -> list[Step]:
    return [step for step in made.steps if step.kind.name == FUNCTION]


def _import_path(step: Step) -> str | None:
    return step.body.get("Metadata", {}).get(IMPORT_PATH)


def _architecture_problems(stack: Stack, made: Plan) -> list[Problem]:
    """A function without its source runs as it is, so it must be built for this machine."""
    host, problems = host_architecture(), []
    for step in _functions(made):
        architectures = step.body.get("Properties", {}).get("Architectures", ["x86_64"])
        if _import_path(step) is None and architectures != [host]:
            where = f"{stack.name}/{step.logical_id} ({FUNCTION})"
            message = f"the code cannot run here; handled: {host}, or Metadata {IMPORT_PATH} with the Go import path"
            problems.append(Problem(where, "Architectures", shorten(architectures), message))
    return problems


def _module_problems(stack: Stack, made: Plan, assembly: Assembly) -> list[Problem]:
    if assembly.app is not None:
        return []
    return [
        Problem(
            f"{stack.name}/{step.logical_id} ({FUNCTION})",
            f"Metadata.{IMPORT_PATH}",
            str(_import_path(step)),
            "the folder of the app is unknown, so its source cannot be built; give it when reading the assembly",
        )
        for step in _functions(made)
        if _import_path(step) is not None
    ]


def _upload(cloud: Account, assembly: Assembly, plans: list[Plan], deployment: Deployment) -> dict[str, dict[str, str]]:
    """Upload assets and host builds; stack → logical id of a function → object key of its host build."""
    deployment._bootstrapped = ensure_bucket(cloud)
    sources = {
        (made.stack.name, step.logical_id): path
        for made in plans
        for step in _functions(made)
        if (path := _import_path(step)) is not None
    }
    for asset in {asset for stack in assembly.stacks for asset in stack.assets}:
        upload(cloud, asset)
    keys: dict[str, dict[str, str]] = {}
    if sources and assembly.app is not None:
        archives = handlers.build(set(sources.values()), assembly.app, cloud.workdir / "host-handlers")
        for archive in archives.values():
            cloud.client("s3").put_object(Bucket=bootstrap_bucket(cloud), Key=handlers.key(archive), Body=archive)
        for (stack, logical_id), path in sources.items():
            keys.setdefault(stack, {})[logical_id] = handlers.key(archives[path])
    return keys


def _make_stack(deployment: Deployment, made: Plan, code: dict[str, str], exports: dict[str, Any]) -> None:
    stack, found = made.stack, {}

    def lookup(logical_id: str, attribute: str | None) -> Any:
        return found[logical_id].physical_id if attribute is None else found[logical_id].attributes[attribute]

    values = resolver(made, lookup, exports)
    for step in made.steps:
        where = f"{stack.name}/{step.logical_id} ({step.kind.name})"
        maker = Maker(deployment.cloud, stack.name, step.logical_id, step.body.get("Metadata", {}), code)
        props = values.value(step.body.get("Properties", {}))
        problems = [
            Problem(where, finding.path, shorten(finding.value), finding.message)
            for finding in properties.check(step.kind.properties, props)
        ]
        if problems:
            raise DeployFailed("\n".join(str(problem) for problem in problems))
        props = properties.sent(step.kind.properties, props)
        try:
            result = step.kind.make(maker, props)
        except FAILURES as error:
            raise DeployFailed(f"{where}: {type(error).__name__}: {error}") from error
        found[step.logical_id] = result
        deployment._made.append((step, maker, result, props))
        deployment.resources[deployment.key(stack.name, step.logical_id)] = Resource(
            stack.name,
            step.logical_id,
            step.kind.name,
            result.physical_id,
            result.attributes,
            props,
            step.retained,
        )
    for name, output in stack.template.get("Outputs", {}).items():
        if "Condition" in output and not values.holds(output["Condition"]):
            continue
        value = values.value(output["Value"])
        deployment.outputs[deployment.key(stack.name, name)] = value
        if "Export" in output:
            exports[values.value(output["Export"]["Name"])] = value


def _read_back(deployment: Deployment) -> None:
    """Every applied property, as the service now reports it, must be what the template asked for."""
    problems = []
    for step, maker, made, props in deployment._made:
        where = f"{maker.stack}/{step.logical_id} ({step.kind.name})"
        try:
            reported = step.kind.read(maker, made, props)
        except FAILURES as error:
            problems.append(Problem(where, "", "", f"cannot be read back: {type(error).__name__}: {error}"))
            continue
        for finding in properties.differences(step.kind.properties, props, reported):
            problems.append(Problem(where, finding.path, shorten(finding.value), finding.message))
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DeployFailed(f"{len(problems)} properties are not as the template asks:\n{lines}")


__all__ = ["Deployment", "Destroyed", "NotExecuted", "Resource", "deploy"]
