"""One rehearsal from the app's source to the verdict: synthesise, deploy, run the scenario, judge, destroy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rehearsal.cloud import services
from rehearsal.cloud.cloud import Cloud
from rehearsal.deploy import Assembly, Deployment, LeftBehind, NotExecuted, deploy, synthesise
from rehearsal.dms import Database, Unverified
from rehearsal.oracle.postgres import Oracle
from rehearsal.scenario.checks import Check
from rehearsal.scenario.judge import Verdict, judge
from rehearsal.scenario.lake import Lake
from rehearsal.scenario.live import Live
from rehearsal.scenario.load import Scenario, load
from rehearsal.scenario.resources import PeakMemory, Phases
from rehearsal.scenario.run import Journal, Runner, Stage

WINDOW = "WINDOW_SECONDS"
"""The variable of the lake's functions that is compared with a queue's delay: both are scaled alike."""

WINDOW_HERE = 3.0
"""Seconds a window lasts in a rehearsal. All service-side timers (queue delays, visibility timeouts, retry intervals)
run faster by the same factor; a whole number keeps the functions' window, which is rounded up, equal to the delay."""


USUAL = Unverified()


@dataclass(frozen=True)
class Options:
    """What to rehearse. keep: called before the lake is destroyed, to look around. enforce: whether calls that the
    deployed policies do not allow are refused. unverified: how DMS behaves where no documentation says."""

    app: Path
    scenario: Path
    out: Path
    jobs: Literal["warm", "process"] = "warm"
    keep: Callable[[Cloud, Deployment], None] | None = None
    enforce: bool = True
    unverified: Unverified = USUAL


@dataclass
class Result:
    """Everything a report needs."""

    scenario: Scenario
    assembly: Assembly
    deployment: Deployment
    journal: Journal
    verdict: Verdict
    uses: list[tuple[str, str, str, int]]
    seconds: dict[str, float]
    total_seconds: float
    peak_memory_mb: int

    @property
    def ok(self) -> bool:
        return all(c.ok for c in self.verdict.checks)


def rehearse(options: Options, say: Callable[[str], None]) -> Result:
    """Rehearse an app. Stops and removes everything it started, whatever happens.

    Raises ScenarioError, SynthFailed, TemplateRefused, DeployFailed, NoLake or DataError for what the user can mend.
    """
    scenario, phases = load(options.scenario), Phases()
    options.out.mkdir(parents=True, exist_ok=True)
    workdir = options.out / "work"
    shutil.rmtree(workdir, ignore_errors=True)
    oracle = Oracle()
    with PeakMemory(oracle.processes) as memory:
        say(f"synthesising {options.app}")
        with phases.phase("synthesise"):
            assembly = synthesise(options.app, options.out / "cdk.out")
        with oracle:
            say("starting the stand-in")
            with phases.phase("start"):
                cloud = Cloud(
                    workdir,
                    speed=speed(assembly),
                    jobs=options.jobs,
                    scaled_environment=(WINDOW,),
                    enforce=options.enforce,
                )
                databases = {d.name: Database(d.name) for d in scenario.databases}
                parts = services.install(cloud, *databases.values(), unverified=options.unverified)
                cloud.start()
                _tell_secrets(cloud, scenario, databases)
            live = Live(cloud, parts.dms, databases, workdir, say)
            try:
                result = _on(cloud, live, options, scenario, assembly, oracle, phases, say)
            finally:
                with phases.phase("stop"):
                    cloud.stop()
    result.seconds, result.total_seconds = phases.seconds, phases.total
    result.peak_memory_mb = memory.megabytes
    return result


def speed(assembly: Assembly) -> float:
    """How much faster than in the cloud the timers run."""
    environments = [
        resource["Properties"].get("Environment", {}).get("Variables", {})
        for stack in assembly.stacks
        for resource in stack.template.get("Resources", {}).values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    windows = [float(e[WINDOW]) for e in environments if WINDOW in e]
    return max([1.0, *(w / WINDOW_HERE for w in windows)])


def _tell_secrets(cloud: Cloud, scenario: Scenario, databases: dict[str, Database]) -> None:
    """The secrets of databases that the app finds by name exist before it is deployed."""
    for declared in scenario.databases:
        text = databases[declared.name].secret_string()
        cloud.client("secretsmanager").create_secret(Name=declared.secret, SecretString=text)


def _on(
    cloud: Cloud,
    live: Live,
    options: Options,
    scenario: Scenario,
    assembly: Assembly,
    oracle: Oracle,
    phases: Phases,
    say: Callable[[str], None],
) -> Result:
    with phases.phase("deploy"):
        deployment = deploy(cloud, assembly)
    say(f"deployed {len(deployment.resources)} resources")
    for job in deployment.of_type("AWS::Glue::Job")[:1]:  # Spark starts while the data is generated
        cloud.warm_up(job.physical_id)

    def update(context: dict[str, str]) -> None:
        say("synthesising again with " + ", ".join(f"{name}={value}" for name, value in context.items()))
        done = deployment.update(synthesise(options.app, options.out / "cdk.out", context=context))
        say(f"updated: {len(done.made)} made, {len(done.changed)} changed, {len(done.removed)} removed")
        for label in done.left:
            say(f"  cannot be removed yet: {label}")

    stage = Stage(cloud, live, lambda: Lake(cloud, deployment), update)
    journal = Runner(scenario, stage, oracle, options.out / "work", say).run()
    phases.seconds.update(journal.seconds)
    say("judging")
    with phases.phase("judge"):
        verdict = judge(scenario, journal, live, stage.lake(), oracle, say)
    verdict.checks += [_problems(cloud), roles(cloud)]
    if not options.enforce:
        deployment.not_executed.insert(0, NotExecuted("AWS::IAM::Role", "no policy is enforced: --roles recorded"))
    uses = cloud.uses
    if options.keep is not None:
        options.keep(cloud, deployment)
    live.stop()
    verdict.checks.append(_destroy(deployment, phases, say))
    return Result(scenario, assembly, deployment, journal, verdict, uses, {}, 0.0, 0)


def _problems(cloud: Cloud) -> Check:
    findings = tuple(f"{p.where}: {p.error.strip().splitlines()[-1]}" for p in cloud.problems)
    return Check("stand-in", "the stand-in itself had no internal error", findings)


def roles(cloud: Cloud) -> Check:
    """Whether the roles were enough for what was done."""
    statement = "every call under a role is allowed by the deployed policies, and every use of a key"
    return Check("roles", statement, tuple(str(denial) for denial in cloud.denials))


def _destroy(deployment: Deployment, phases: Phases, say: Callable[[str], None]) -> Check:
    statement = "destroying the stack leaves nothing behind, and encrypted job logs went to its log groups"
    with phases.phase("destroy"):
        try:
            gone = deployment.destroy()
        except LeftBehind as error:
            return Check("destroy", statement, tuple(str(error).splitlines()[:20]))
    say(f"destroyed {len(gone.deleted) + len(gone.retained)} resources ({len(gone.retained)} a stack would retain)")
    # Glue puts "<security configuration>-role/<role>" into names of encrypted groups, and makes missing groups.
    missing = [group for group in gone.by_products if "/aws-glue/" in group and "-role/" in group]
    return Check("destroy", statement, tuple(f"{group}: the template has none of this name" for group in missing))


def suppressions(assembly: Assembly) -> list[dict[str, Any]]:
    """Rule findings that the templates accept, with their reasons and how many resources carry each."""
    found: dict[tuple[str, str], int] = {}
    for stack in assembly.stacks:
        for resource in stack.template.get("Resources", {}).values():
            for rule in resource.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", []):
                pair = (rule["id"], rule["reason"])
                found[pair] = found.get(pair, 0) + 1
    return [{"rule": rule, "reason": reason, "count": n} for (rule, reason), n in sorted(found.items())]
