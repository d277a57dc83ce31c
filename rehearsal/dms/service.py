"""DMS for the stand-in: serverless replications of PostgreSQL to S3, run for real."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rehearsal.cloud.calls import Names
from rehearsal.cloud.logs import Logs
from rehearsal.cloud.repairs import Repairs
from rehearsal.dms import errors
from rehearsal.dms.database import Database
from rehearsal.dms.faults import Faults
from rehearsal.dms.plan import Plan
from rehearsal.dms.registry import Registry, Replication
from rehearsal.dms.resources import Configs, Endpoints, Groups
from rehearsal.dms.source import Source, drop_slot
from rehearsal.dms.state import Progress
from rehearsal.dms.target import ClientOf, Delay, Target
from rehearsal.dms.task import Task
from rehearsal.dms.telemetry import Telemetry
from rehearsal.dms.unverified import Unverified

if TYPE_CHECKING:
    from rehearsal.cloud.cloud import Cloud

Parameters = dict[str, Any]
STARTS = ("start-replication", "resume-processing", "reload-target")


class Dms:
    """The part of the Cloud that replicates. `faults` plans what happens in full loads; `answer` gives it an API."""

    name = "dms"

    def __init__(
        self, cloud: Cloud, databases: list[Database], unverified: Unverified, answer: Callable[[Dms, Repairs], None]
    ):
        self._cloud, self._databases, self._unverified, self._answer = cloud, databases, unverified, answer
        self._repairs = Repairs()
        self.faults = Faults()
        self.registry = Registry(Names(cloud.account, cloud.region))
        self.endpoints = Endpoints(self.registry)
        self.groups = Groups(self.registry, lambda: cloud.client("ec2"))
        self.configs = Configs(self.registry, self._new_progress, self._removed)
        self._telemetry: dict[str, Telemetry] = {}
        self._over = False

    def start(self) -> None:
        self._logs = Logs(self._cloud.account, self._cloud.region)
        self._answer(self, self._repairs)
        for database in self._databases:
            database.on_return.append(self._source_is_back)

    def busy(self) -> list[str]:
        found = []
        for replication in list(self.registry.replications.values()):
            words = replication.task.busy() if replication.task else ""
            if words:
                found.append(f"replication {replication.identifier}: {words}")
        return found

    def stop(self) -> None:
        """End every run where it is: nothing more is written, and nobody is told."""
        self._over = True
        tasks = [r.task for r in self.registry.replications.values() if r.task]
        for task in tasks:
            task.control.abandon()
        for task in tasks:
            task.join(10)
        for database in self._databases:
            database.on_return.clear()
        self._repairs.undo()

    def find(self, arn: str) -> Replication:
        """A replication by the ARN of its configuration. Raises ResourceNotFoundFault."""
        if arn not in self.registry.replications:
            raise errors.NotFound(f"replication configuration {arn} is not there")
        return self.registry.replications[arn]

    def start_replication(self, given: Parameters) -> Replication:
        """Begin a run: a first one, one that resumes, or one that reloads."""
        replication, how = self.find(given["ReplicationConfigArn"]), given["StartReplicationType"]
        progress = replication.progress
        if how not in STARTS:
            raise errors.InvalidValue(f"StartReplicationType: {how}: allowed: {', '.join(STARTS)}")
        extra = set(given) - {"ReplicationConfigArn", "StartReplicationType"}
        if extra:
            raise errors.InvalidValue(f"not modelled at a start: {', '.join(sorted(extra))}")
        if replication.at_work:
            raise errors.InvalidState(f"{replication.arn} is {progress.status}: it cannot be started")
        if how == "start-replication" and progress.runs:
            raise errors.InvalidCombination(
                "Start Type : START_REPLICATION, valid only for replications running for the first time"
            )
        if how != "start-replication" and not progress.runs:
            raise errors.InvalidCombination(f"Start Type : {how}, valid only for replications that have run before")
        if how == "resume-processing" and replication.given["ReplicationType"] == "full-load":
            raise errors.InvalidCombination("Start Type : resume-processing is not applicable to a full load")
        if how == "reload-target":
            progress.begun = False
        progress.begin(how)
        progress.status = "initializing"
        replication.task = Task(self._plan(replication), progress, self._broken)
        replication.task.start()
        return replication

    def stop_replication(self, given: Parameters) -> Replication:
        replication = self.find(given["ReplicationConfigArn"])
        status = replication.progress.status
        if replication.task is None or not replication.at_work or status == "stopping":
            raise errors.InvalidState(f"{replication.arn} is {status}: it cannot be stopped")
        replication.progress.become("stopping")
        replication.task.control.stop()
        return replication

    def tags_of(self, given: Parameters) -> list[dict[str, str]]:
        arns = given.get("ResourceArnList") or [given["ResourceArn"]]
        return [
            {"Key": key, "Value": value, "ResourceArn": arn}
            for arn in arns
            for key, value in sorted(self.registry.tags.get(self._known(arn), {}).items())
        ]

    def tag(self, given: Parameters) -> dict[str, Any]:
        self.registry.tag(self._known(given["ResourceArn"]), given["Tags"])
        return {}

    def untag(self, given: Parameters) -> dict[str, Any]:
        self.registry.untag(self._known(given["ResourceArn"]), given["TagKeys"])
        return {}

    def interrupt(self, arn: str) -> None:
        """Restart the engine under a running replication: the last batch is delivered again."""
        self._task(arn).control.interrupt()

    def delay_files(self, arn: str, seconds: float, seed: int = 0, held: float = 0.0) -> None:
        """From now on each change file is put up to `seconds` late, and a share `held` (0 to 1) of them not before
        `let_go`, drawn from `seed`, so that files arrive out of order; 0 ends it, and delayed files are put then."""
        self._target(arn).delay(Delay(seconds, seed, held) if seconds or held else None)

    def let_go(self, arn: str) -> None:
        """Put the files that are held."""
        self._target(arn).let_go()

    def under_way(self, arn: str) -> str:
        """What is committed at the source and not delivered, in words, held files aside; empty if there is nothing."""
        return self._task(arn).busy()

    def drop_slot(self, arn: str) -> None:
        """Drop the replication's slot at the source, as an operator of the database may."""
        slot = self.find(arn).progress.slot
        for database in self._databases:
            with database.admin() as admin:
                drop_slot(admin, slot)

    def _target(self, arn: str) -> Target:
        target = self.find(arn).target
        if target is None:
            raise RuntimeError(f"{arn} has not been started")
        return target

    def _task(self, arn: str) -> Task:
        task = self.find(arn).task
        if task is None:
            raise RuntimeError(f"{arn} has not been started")
        return task

    def _plan(self, replication: Replication) -> Plan:
        given = replication.given
        source = self.registry.endpoints[given["SourceEndpointArn"]]
        target = self.registry.endpoints[given["TargetEndpointArn"]]
        slot = f"dms_{replication.resource_id}".lower().replace("-", "_")[:60]
        client = self._client_of(replication.arn)
        if replication.target is None:
            replication.target = Target(target.settings, client)
        telemetry = self._telemetry[replication.arn]
        return Plan(
            replication.identifier,
            given["ReplicationType"],
            Source(source.settings, source.given.get("DatabaseName", ""), client, self._up, slot),
            replication.target,
            replication.mappings,
            replication.settings,
            self._unverified,
            self.faults,
            self._cloud.speed,
            telemetry.line,
            telemetry.measure,
        )

    def _client_of(self, arn: str) -> ClientOf:
        """Clients of DMS for a replication, under the roles of its endpoints. Secrets are read by the principal of
        the region: https://docs.aws.amazon.com/dms/latest/userguide/security_iam_secretsmanager.html
        """

        def client(service: str, role: str) -> Any:
            place = f"{self._cloud.region}." if service == "secretsmanager" else ""
            return self._cloud.service_client(f"dms.{place}amazonaws.com", service, role, arn)

        return client

    def _up(self) -> list[Database]:
        return self._databases

    def _new_progress(self, arn: str, logging: dict[str, Any]) -> Progress:
        account, region = self._cloud.account, self._cloud.region
        telemetry = Telemetry(account, region, arn, self._emit, self._log, logging["EnableLogging"])
        self._telemetry[arn] = telemetry
        return Progress(telemetry.announce)

    def _removed(self, replication: Replication) -> None:
        """Deleting a configuration gives the source back its slot and publications."""
        if replication.progress.runs:
            self._plan(replication).source.clean_up()

    def _emit(self, source: str, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        if not self._over:
            self._cloud.emit(source, kind, detail, resources)

    def _log(self, group: str, stream: str, line: str) -> None:
        if not self._over:
            self._logs.write(group, stream, [line])

    def _broken(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error)[-8:])

        def fail() -> None:
            raise RuntimeError(text)

        self._cloud.spawn("dms", fail)

    def _source_is_back(self) -> None:
        for replication in list(self.registry.replications.values()):
            if replication.task is not None:
                replication.task.control.wake()

    def _known(self, arn: str) -> str:
        if not self.registry.knows(arn):
            raise errors.NotFound(f"{arn} is not there")
        return arn
