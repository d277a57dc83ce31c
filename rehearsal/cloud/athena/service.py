"""The Athena API in front of the engine: workgroups, executions and their states, results in S3.

Stock moto answers SUCCEEDED to any text and returns canned rows; here a query runs, may fail, and says why.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
from moto.athena.models import AthenaBackend, Execution, WorkGroup, athena_backends

from rehearsal.cloud.athena import results
from rehearsal.cloud.athena.engine import Question, run
from rehearsal.cloud.athena.failure import QueryFailed, ScanLimit
from rehearsal.cloud.athena.responses import install_responses
from rehearsal.cloud.athena.running import Running
from rehearsal.cloud.athena.states import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, InvalidRequest
from rehearsal.cloud.athena.tables import Catalog, split
from rehearsal.cloud.identities import current_caller
from rehearsal.cloud.repairs import Repairs

if TYPE_CHECKING:
    from rehearsal.cloud import Cloud

WORKERS = 2
USER, SYSTEM = 2, 1
"""Categories of an AthenaError."""


def install(cloud: Cloud) -> Athena:
    """Make the Cloud's Athena run queries. To be called before the Cloud starts."""
    part = Athena(cloud)
    cloud.attach(part)
    return part


class Athena:
    """The part of the Cloud that runs queries, two at a time."""

    name = "athena"

    def __init__(self, cloud: Cloud):
        self._cloud = cloud
        self._repairs = Repairs()
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[str, Running] = {}

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="athena")
        _install_backend(self._repairs, self)
        install_responses(self._repairs, self.find)

    def busy(self) -> list[str]:
        states = self._states()
        return [f"query {key}" for key, state in states if state in (QUEUED, RUNNING)]

    def stop(self) -> None:
        for running in list(self._running.values()):
            self._interrupt(running)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._repairs.undo()
        self._running.clear()

    def _states(self) -> list[tuple[str, str]]:
        backend = athena_backends[self._cloud.account][self._cloud.region]
        return [(key, backend.executions[key].status) for key in list(self._running) if key in backend.executions]

    def find(self, execution: str) -> Running:
        if execution not in self._running:
            raise InvalidRequest(f"QueryExecution {execution} was not found")
        return self._running[execution]

    def submit(self, execution: Execution, running: Running) -> None:
        if self._pool is None:
            raise RuntimeError("the stand-in's Athena is not started")
        self._running[execution.id] = running
        self._pool.submit(self._run, execution, running)

    def cancel(self, execution: Execution) -> None:
        running = self.find(execution.id)
        if execution.status in (QUEUED, RUNNING):
            running.cancelled = True
            self._interrupt(running)

    @staticmethod
    def _interrupt(running: Running) -> None:
        if running.connection is not None:
            running.connection.interrupt()

    def _run(self, execution: Execution, running: Running) -> None:
        """Runs in a worker thread; whatever happens, the execution reaches a final state."""
        state = FAILED
        try:
            state = self._attempt(execution, running)
        except QueryFailed as error:
            running.reason, running.category = str(error), USER
        except ScanLimit as error:
            state, running.reason = CANCELLED, str(error)
        except duckdb.InterruptException:
            state, running.reason = CANCELLED, "Query was cancelled by user"
        except Exception as error:
            running.reason = f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"
            running.category = SYSTEM
        finally:
            running.connection = None
            running.ended = execution.end_time = time.time()
            execution.status = state

    def _attempt(self, execution: Execution, running: Running) -> str:
        if running.cancelled:
            running.reason = "Query was cancelled by user"
            return CANCELLED
        execution.status = RUNNING

        def on_start(connection: duckdb.DuckDBPyConnection) -> None:
            running.connection = connection
            if running.cancelled:
                connection.interrupt()

        glue, s3 = (self._cloud.client_of(service, running.caller) for service in ("glue", "s3"))
        catalog = Catalog(glue, s3)
        answer = run(running.question, catalog, on_start)
        if running.cancelled:
            running.reason = "Query was cancelled by user"
            return CANCELLED
        bucket, key = split(running.location)
        body = results.csv_file(answer.columns, answer.rows)
        s3.put_object(Bucket=bucket, Key=key, Body=body, **running.encryption)
        running.answer = answer
        return SUCCEEDED


def _configuration(group: WorkGroup, client: dict[str, Any] | None) -> dict[str, Any]:
    """The result configuration in force: an enforcing workgroup ignores the client's silently."""
    own = dict(group.configuration.get("ResultConfiguration") or {})
    if not group.configuration.get("EnforceWorkGroupConfiguration") and client and client.get("OutputLocation"):
        own = dict(client)
    if not own.get("OutputLocation"):
        raise InvalidRequest(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    return own


def _encryption(configuration: dict[str, Any]) -> dict[str, Any]:
    """PutObject parameters for the result file."""
    wanted = configuration.get("EncryptionConfiguration") or {}
    match wanted.get("EncryptionOption"):
        case "SSE_KMS":
            return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": wanted["KmsKey"]}
        case "SSE_S3":
            return {"ServerSideEncryption": "AES256"}
        case None:
            return {}
    raise InvalidRequest(f"the rehearsal does not write results with {wanted['EncryptionOption']}")


def _install_backend(repairs: Repairs, athena: Athena) -> None:
    def start_query_execution(
        backend: AthenaBackend,
        query: str,
        context: dict[str, Any] | None,
        config: dict[str, Any] | None,
        workgroup: str | None,
        execution_parameters: list[str] | None,
    ) -> str:
        group = backend.work_groups[workgroup or "primary"]
        configuration = _configuration(group, config)
        limit = group.configuration.get("BytesScannedCutoffPerQuery")
        execution = Execution(query, context, configuration, group, execution_parameters)
        question = Question(query, (context or {}).get("Database"), execution_parameters or [], limit)
        execution.status = QUEUED
        backend.executions[execution.id] = execution
        location = execution.config["OutputLocation"]
        athena.submit(execution, Running(question, location, _encryption(configuration), current_caller()))
        return execution.id

    def get_query_execution(backend: AthenaBackend, exec_id: str) -> Execution:
        athena.find(exec_id)
        return backend.executions[exec_id]

    def stop_query_execution(backend: AthenaBackend, exec_id: str) -> None:
        athena.cancel(backend.executions[exec_id] if exec_id in backend.executions else athena.find(exec_id))

    # Stock moto moves the state by itself at each look.
    repairs.replace(Execution, "status", property(_get_status, _set_status))
    repairs.replace(AthenaBackend, "start_query_execution", start_query_execution)
    repairs.replace(AthenaBackend, "get_query_execution", get_query_execution)
    repairs.replace(AthenaBackend, "stop_query_execution", stop_query_execution)


def _get_status(execution: Execution) -> str:
    return execution.__dict__.get("_state", QUEUED)


def _set_status(execution: Execution, state: str) -> None:
    execution.__dict__["_state"] = state
