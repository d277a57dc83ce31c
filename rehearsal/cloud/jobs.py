"""Glue jobs: real scripts on real Spark.

Stock moto advances a run from STARTING to SUCCEEDED as it is looked at, and runs nothing. It removes no connections.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.glue.models import FakeJob, FakeJobRun, GlueBackend, glue_backends
from moto.glue.responses import GlueResponse

from rehearsal.cloud.calls import Names
from rehearsal.cloud.enforcement import Enforcement
from rehearsal.cloud.faults import Caller, Faults
from rehearsal.cloud.identities import Credentials, Identities
from rehearsal.cloud.logs import Logs
from rehearsal.cloud.needs import Need
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.work import Work
from rehearsal.spark.launch import JobRun, Outcome, Runner, SharedWorker
from rehearsal.spark.settings import parse_conf

ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")
DEFAULT_TIMEOUT_MINUTES = 480  # from Glue 5.0 on; https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html
GLUE_VERSION = "5.1"
LOG_GROUPS = "/aws-glue/jobs"

# Arguments Glue itself reads; the script does not see them.
CONSUMED = ("--conf", "--extra-jars", "--extra-py-files", "--datalake-formats", "--user-jars-first")
# Arguments that would change how a run behaves in a way the rehearsal does not model.
REFUSED = ("--extra-files", "--additional-python-modules", "--python-modules-installer-option")

# (source, detail type, detail)
Emit = Callable[[str, str, dict[str, Any]], None]


class Jobs:
    """The jobs of one account and region. `make_client(service, credentials)` reads scripts under a run's role."""

    def __init__(
        self,
        account: str,
        region: str,
        *,
        workdir: Path,
        endpoint: Callable[[], str],
        runner: Runner,
        make_client: Callable[[str, Credentials], Any],
        emit: Emit,
        identities: Identities,
        faults: Faults,
        enforcement: Enforcement,
        logs: Logs,
        work: Work,
        repairs: Repairs,
    ):
        self._backend: GlueBackend = glue_backends[account][region]
        self._account, self._region, self._workdir, self._endpoint = account, region, workdir, endpoint
        self._runner, self._make_client, self._emit = runner, make_client, emit
        self._identities, self._faults, self._logs, self._work = identities, faults, logs, work
        self._enforcement = enforcement
        self._names = Names(account, region)
        self._lock = threading.Lock()
        self._sessions: dict[str, str] = {}
        self._repair(repairs)

    def runs(self) -> list[FakeJobRun]:
        return [run for job in list(self._backend.jobs.values()) for run in list(job.job_runs)]

    def busy(self) -> list[str]:
        return [f"job {run.job_name} ({run.status.lower()})" for run in self.runs() if run.status in ACTIVE]

    def warm_up(self, name: str) -> None:
        """Start the shared Spark worker, if there is one, with the settings of this job; blocks."""
        arguments = self._backend.get_job(name).default_arguments
        if isinstance(self._runner, SharedWorker):
            self._runner.warm_up(parse_conf(arguments.get("--conf", "")), self._endpoint(), self._region)

    def kill(self, caller: Caller, process: bool) -> None:
        """A caller was killed: with `process`, so is the process of its run."""
        with self._lock:
            run = self._sessions.get(caller.session)
        if run and process:
            self._runner.kill(run)

    def stop(self) -> None:
        self._runner.stop()

    def _repair(self, repairs: Repairs) -> None:
        jobs = self

        def start_job_run(job: FakeJob, *args: Any, **kwargs: Any) -> str:
            name = stock_start(job, *args, **kwargs)
            run = next(found for found in job.job_runs if found.job_run_id == name)
            run.state, run.log_groups = "STARTING", jobs._log_groups(job, run)
            jobs._work.thread(f"job {job.name}", jobs._run, job, run)
            return name

        def as_dict(run: FakeJobRun) -> dict[str, Any]:
            found = stock_dict(run)
            began = getattr(run, "began", None)
            found["ExecutionTime"] = int(getattr(run, "seconds", time.monotonic() - began if began else 0))
            found["GlueVersion"] = GLUE_VERSION
            found["LogGroupName"] = getattr(run, "log_groups", LOG_GROUPS)
            found["LastModifiedOn"] = getattr(run, "changed_on", run.started_on)
            if run.status in ACTIVE:
                del found["CompletedOn"]
            if getattr(run, "error", ""):
                found["ErrorMessage"] = run.error
            return found

        def create_job(backend: GlueBackend, *args: Any, **kwargs: Any) -> Any:
            made = stock_create(backend, *args, **kwargs)
            job = next(reversed(backend.jobs.values()))
            if problems := unsupported(job):
                del backend.jobs[job.name]
                raise NotImplementedError(f"job {job.name}: " + "; ".join(problems))
            return made

        def batch_stop_job_run(response: GlueResponse) -> ActionResult:
            parameters = response.parameters
            stopped = [jobs._stop_run(parameters["JobName"], run) for run in parameters["JobRunIds"]]
            return ActionResult({"SuccessfulSubmissions": [s for s in stopped if s], "Errors": []})

        def delete_connection(response: GlueResponse) -> ActionResult:
            jobs._backend.connections.pop(response.parameters["ConnectionName"])
            return ActionResult({})

        repairs.replace(GlueResponse, "delete_connection", delete_connection)
        repairs.replace(FakeJobRun, "status", property(lambda run: getattr(run, "state", "STARTING"), lambda *_: None))
        stock_start = repairs.replace(FakeJob, "start_job_run", start_job_run)
        stock_dict = repairs.replace(FakeJobRun, "as_dict", as_dict)
        stock_create = repairs.replace(GlueBackend, "create_job", create_job)
        repairs.replace(GlueResponse, "batch_stop_job_run", batch_stop_job_run)

    def _stop_run(self, job: str, run_id: str) -> dict[str, str] | None:
        for run in self._backend.get_job(job).job_runs:
            if run.job_run_id == run_id and run.status in ACTIVE:
                run.state = "STOPPING"
                self._runner.kill(run_id, "STOPPED", "the run was stopped")
                return {"JobName": job, "JobRunId": run_id}
        return None

    def _run(self, job: FakeJob, run: FakeJobRun) -> None:
        role = job.role if job.role.startswith("arn:") else f"arn:aws:iam::{self._account}:role/{job.role}"
        keys = self._identities.session("job", job.name, role)
        with self._lock:
            self._sessions[keys.access_key] = run.job_run_id
        run.began = time.monotonic()
        folder = self._workdir / "jobs" / job.name / run.job_run_id[3:19]
        caller = Caller("job", job.name, keys.access_key, role)
        try:
            self._join_networks(job, caller)
            prepared = self._prepare(job, run, keys, folder)
        except Exception as error:  # a script or file that cannot be read is the job's failure, as on Glue
            self._finish(job, run, Outcome("FAILED", f"LAUNCH ERROR | {type(error).__name__}: {error}"))
            return
        run.state = "RUNNING"
        try:
            outcome = self._runner.run(prepared)
        except Exception:
            self._finish(job, run, Outcome("FAILED", "LAUNCH ERROR | the rehearsal could not run the job"))
            raise
        finally:
            self._write_logs(folder, job, run, caller)
        if (call := self._faults.dead(keys.access_key)) and outcome.state == "SUCCEEDED":
            outcome = Outcome("FAILED", f"killed at {call}")
        self._finish(job, run, outcome)

    def _join_networks(self, job: FakeJob, caller: Caller) -> None:
        """Glue puts interfaces of the workers into the subnet of a connection, with the permissions of the job.

        https://docs.aws.amazon.com/glue/latest/dg/create-service-policy.html
        """
        for name in (job.connections or {}).get("Connections", []):
            found = self._backend.connections[name]
            if denial := self._enforcement.check(caller, network_needs(self._names, found.connection_input)):
                raise PermissionError(str(denial))

    def _prepare(self, job: FakeJob, run: FakeJobRun, keys: Credentials, folder: Path) -> JobRun:
        folder.mkdir(parents=True, exist_ok=True)
        arguments: dict[str, str] = run.arguments or {}
        s3 = self._make_client("s3", keys)
        script = _download(s3, job.command["ScriptLocation"], folder)
        jars = [str(_download(s3, uri, folder / "jars")) for uri in _listed(arguments, "--extra-jars")]
        files = _listed(arguments, "--extra-py-files")
        paths = [str(_download(s3, uri, folder / "py-files" / str(n))) for n, uri in enumerate(files)]
        paths = [path if path.endswith((".zip", ".whl", ".egg")) else str(Path(path).parent) for path in paths]
        passed = {name: value for name, value in arguments.items() if name not in CONSUMED}
        passed |= {"--JOB_NAME": job.name, "--JOB_RUN_ID": run.job_run_id}
        variables = {
            **keys.environment(),
            "AWS_ENDPOINT_URL": self._endpoint(),
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
        }
        return JobRun(
            id=run.job_run_id,
            script=script,
            arguments=tuple(text for name, value in passed.items() for text in (name, str(value))),
            paths=(str(folder), *paths),
            conf=parse_conf(arguments.get("--conf", "")),
            environment=variables,
            endpoint=self._endpoint(),
            region=self._region,
            folder=folder,
            timeout=60.0 * float(run.timeout or DEFAULT_TIMEOUT_MINUTES),
            jars=tuple(jars),
        )

    def _finish(self, job: FakeJob, run: FakeJobRun, outcome: Outcome) -> None:
        run.seconds = time.monotonic() - run.began
        run.error = outcome.error
        run.completed_on = run.changed_on = utcnow()
        run.state = outcome.state
        detail = {
            "jobName": job.name,
            "severity": "INFO" if outcome.state == "SUCCEEDED" else "ERROR",
            "state": outcome.state,
            "jobRunId": run.job_run_id,
            "message": outcome.error or "Job run succeeded",
        }
        self._emit("aws.glue", "Glue Job State Change", detail)

    def _log_groups(self, job: FakeJob, run: FakeJobRun) -> str:
        """What the names of a run's two log groups begin with; a template that makes the groups has to name them so.

        https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
        """
        prefix = (run.arguments or {}).get("--custom-logGroup-prefix") or LOG_GROUPS
        name = run.security_configuration or job.security_configuration
        if not self._encrypts_logs(name):
            return prefix
        return f"{prefix}/{name}-role/{job.role.rsplit('/', 1)[-1]}"

    def _encrypts_logs(self, security_configuration: str | None) -> bool:
        if not security_configuration:
            return False
        configuration = self._backend.get_security_configuration(security_configuration).configuration
        encryption = configuration.get("CloudWatchEncryption") or {}
        return encryption.get("CloudWatchEncryptionMode", "DISABLED") != "DISABLED"

    def _write_logs(self, folder: Path, job: FakeJob, run: FakeJobRun, caller: Caller) -> None:
        encrypts = self._encrypts_logs(run.security_configuration or job.security_configuration)
        for name, stream in (("stdout", "output"), ("stderr", "error")):
            path = folder / name
            if path.exists():
                lines, group = path.read_text("utf-8", "replace").splitlines(), f"{run.log_groups}/{stream}"
                if lines and self._enforcement.may_log(caller, group, run.job_run_id, encrypts):
                    self._logs.write(group, run.job_run_id, lines)


def unsupported(job: FakeJob) -> list[str]:
    """What a job asks for that the rehearsal does not run."""
    found = []
    if job.command.get("Name") != "glueetl":
        found.append(f"Command.Name {job.command.get('Name')!r}: only glueetl is run")
    if job.glue_version != GLUE_VERSION:
        found.append(f"GlueVersion {job.glue_version!r}: the local Spark is that of {GLUE_VERSION}")
    if job.max_retries:
        found.append(f"MaxRetries {job.max_retries}: only 0 is modelled; retry in the state machine")
    arguments = {**(job.default_arguments or {}), **(job.non_overridable_arguments or {})}
    found += [f"argument {name}: not modelled" for name in REFUSED if arguments.get(name)]
    if arguments.get("--job-bookmark-option", "job-bookmark-disable") != "job-bookmark-disable":
        found.append("job bookmarks are not modelled")
    return found


def network_needs(names: Names, connection: dict[str, Any]) -> list[Need]:
    """What a job needs of its role for a connection."""
    where = connection["PhysicalConnectionRequirements"]
    subnet, made = names.arn("ec2", f"subnet/{where['SubnetId']}"), names.arn("ec2", "network-interface/eni-0")
    groups = [names.arn("ec2", f"security-group/{group}") for group in where["SecurityGroupIdList"]]
    looks = ("NetworkInterfaces", "RouteTables", "SecurityGroups", "Subnets", "VpcAttribute", "VpcEndpoints")
    tag = (("aws:TagKeys", ("aws-glue-service-resource",)),)
    return [
        Need("glue:GetConnection", names.arn("glue", "catalog")),
        Need("glue:GetConnection", names.arn("glue", f"connection/{connection['Name']}")),
        *(Need("ec2:CreateNetworkInterface", resource) for resource in (subnet, made, *groups)),
        Need("ec2:DeleteNetworkInterface", made, (("ec2:Subnet", subnet),)),
        *(Need(f"ec2:{what}Tags", made, tag) for what in ("Create", "Delete")),
        *(Need(f"ec2:Describe{what}", "*") for what in looks),
    ]


def _listed(arguments: dict[str, str], name: str) -> list[str]:
    return [part.strip() for part in arguments.get(name, "").split(",") if part.strip()]


def _download(s3: Any, uri: str, folder: Path) -> Path:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key.rsplit("/", 1)[-1]
    path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return path
