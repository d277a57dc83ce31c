"""What has to be in place before a stack is made: plans of all stacks, assets, and Lambdas built for this machine."""

from __future__ import annotations

from rehearsal.deploy import handlers
from rehearsal.deploy.assembly import Assembly, Stack
from rehearsal.deploy.plan import Plan, Step, plan
from rehearsal.deploy.problems import Problem, TemplateRefused, shorten
from rehearsal.deploy.resource import Account
from rehearsal.deploy.types.functions import IMPORT_PATH, host_architecture
from rehearsal.deploy.upload import bootstrap_bucket, upload

FUNCTION = "AWS::Lambda::Function"


def plans(cloud: Account, assembly: Assembly) -> list[Plan]:
    """The plan of every stack. Raises TemplateRefused with all problems of all stacks."""
    made, problems, exports = [], [], {}
    for stack in assembly.stacks:
        one, found = plan(cloud, stack, exports)
        made.append(one)
        problems += found + _architecture_problems(stack, one) + _module_problems(stack, one, assembly)
        exports |= one.exports
    if problems:
        raise TemplateRefused(problems)
    return made


def upload_code(cloud: Account, assembly: Assembly, made: list[Plan]) -> dict[str, dict[str, str]]:
    """Upload assets and host builds; stack → logical id of a function → object key of its host build."""
    for asset in {asset for stack in assembly.stacks for asset in stack.assets}:
        upload(cloud, asset)
    sources = {
        (one.stack.name, step.logical_id): path
        for one in made
        for step in _functions(one)
        if (path := _import_path(step)) is not None
    }
    keys: dict[str, dict[str, str]] = {}
    if sources and assembly.app is not None:
        archives = handlers.build(set(sources.values()), assembly.app, cloud.workdir / "host-handlers")
        for archive in archives.values():
            cloud.client("s3").put_object(Bucket=bootstrap_bucket(cloud), Key=handlers.key(archive), Body=archive)
        for (stack, logical_id), path in sources.items():
            keys.setdefault(stack, {})[logical_id] = handlers.key(archives[path])
    return keys


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
