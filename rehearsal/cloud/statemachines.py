"""Step Functions: executions, their sessions and their status-change events.

Stock moto names executions `None` when no name is given, sends no events, leaves an execution RUNNING for ever when
its thread dies, and describes the output of one that ends in a string as bare text, not as JSON.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS
from moto.stepfunctions.responses import StepFunctionResponse

from rehearsal.cloud.identities import Credentials, Identities
from rehearsal.cloud.interpreter import check_definition, repair_interpreter
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.work import Work

# (service, credentials) → boto3 client without retries or parameter checks
MakeClient = Callable[[str, Credentials], Any]
# (source, detail type, detail, resources)
Emit = Callable[[str, str, dict[str, Any], list[str]], None]

ENDED_BADLY = {
    ExecutionStatus.FAILED: "ExecutionsFailed",
    ExecutionStatus.TIMED_OUT: "ExecutionsTimedOut",
    ExecutionStatus.ABORTED: "ExecutionsAborted",
}


class StateMachines:
    """The executions of one account and region."""

    def __init__(
        self,
        account: str,
        region: str,
        speed: float,
        make_client: MakeClient,
        emit: Emit,
        identities: Identities,
        work: Work,
        repairs: Repairs,
    ):
        self._backend: StepFunctionsParserBackend = stepfunctions_parser_backends[account][region]
        self._metrics = cloudwatch_backends[account][region]
        self._make_client, self._emit, self._identities, self._work = make_client, emit, identities, work
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], Credentials] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        repair_interpreter(self._client, speed, work, repairs)
        self._repair_executions(repairs)

    def executions(self) -> list[Execution]:
        return [e for machine in list(self._backend.state_machines) for e in list(machine.executions)]

    def busy(self) -> list[str]:
        running = [e for e in self.executions() if e.exec_status == ExecutionStatus.RUNNING]
        return [f"execution {e.state_machine.name}:{e.name}" for e in running]

    def stop(self) -> None:
        """Stop every execution and wait for the interpreter's threads."""
        now = datetime.datetime.now(datetime.UTC)
        for execution in self.executions():
            worker = execution.exec_worker
            if execution.exec_status == ExecutionStatus.RUNNING and worker and worker.env:
                worker.env.set_stop(stop_date=now, cause="the rehearsal ended", error=None)
        deadline = time.monotonic() + 5
        for thread in TMP_THREADS:
            thread.join(max(0.0, deadline - time.monotonic()))
        TMP_THREADS.clear()

    def _client(self, service: str, execution_arn: str, role: str) -> Any:
        with self._lock:
            known = self._clients.get((execution_arn, role, service))
            if known:
                return known
            session = self._sessions.get((execution_arn, role))
            if session is None:
                machine = execution_arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
                session = self._identities.session("execution", execution_arn.split(":", 6)[6], role, machine)
                self._sessions[execution_arn, role] = session
        made = self._make_client(service, session)
        with self._lock:
            return self._clients.setdefault((execution_arn, role, service), made)

    def _repair_executions(self, repairs: Repairs) -> None:
        machines = self

        def create_state_machine(backend: StepFunctionsParserBackend, *args: Any, **kwargs: Any) -> Any:
            check_definition(kwargs["definition"] if "definition" in kwargs else args[1])
            return stock_create(backend, *args, **kwargs)

        def start_execution(
            backend: StepFunctionsParserBackend, state_machine_arn: str, name: Any = None, *args: Any, **kwargs: Any
        ) -> Execution:
            return stock_start_execution(backend, state_machine_arn, name or str(uuid.uuid4()), *args, **kwargs)

        def start(execution: Execution) -> None:
            # before its thread runs, which may end the execution at once
            machines._announce(execution, ExecutionStatus.RUNNING)
            stock_start(execution)

        def execution_logic(worker: ExecutionWorker) -> None:
            try:
                stock_logic(worker)
            except Exception:
                machines._died(worker, traceback.format_exc(limit=-8))

        def terminated(communication: BaseExecutionWorkerCommunication) -> None:
            execution = communication.execution
            with machines._work.hold(f"end of execution {execution.name}"):
                stock_terminated(communication)
                machines._announce(execution, execution.exec_status)
                machines._forget(execution.exec_arn)

        def describe_execution(response: StepFunctionResponse) -> ActionResult:
            execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
            described = execution.to_describe_output() | {"status": execution.status}
            return ActionResult({name: value for name, value in described.items() if value is not None})

        repairs.replace(StepFunctionResponse, "describe_execution", describe_execution)
        stock_create = repairs.replace(StepFunctionsParserBackend, "create_state_machine", create_state_machine)
        stock_start_execution = repairs.replace(StepFunctionsParserBackend, "start_execution", start_execution)
        stock_start = repairs.replace(Execution, "start", start)
        stock_logic = repairs.replace(ExecutionWorker, "_execution_logic", execution_logic)
        stock_terminated = repairs.replace(BaseExecutionWorkerCommunication, "terminated", terminated)

    def _died(self, worker: ExecutionWorker, error: str) -> None:
        communication = worker._execution_communication
        execution = communication.execution
        if not self._work.stopping.is_set():
            self._work.problem(f"execution {execution.name}", error)
        with self._work.hold(f"end of execution {execution.name}"):
            execution.error, execution.cause = "States.Runtime", error.strip().rsplit("\n", 1)[-1]
            execution.stop_date = datetime.datetime.now(datetime.UTC)
            execution.exec_status = ExecutionStatus.FAILED
            self._announce(execution, execution.exec_status)

    def _forget(self, execution_arn: str) -> None:
        with self._lock:
            for clients in (self._clients, self._sessions):
                for key in [key for key in clients if key[0] == execution_arn]:
                    del clients[key]
        TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]

    def _announce(self, execution: Execution, status: ExecutionStatus) -> None:
        # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
        def millis(moment: datetime.datetime | None) -> int | None:
            return int(moment.timestamp() * 1000) if moment else None

        described = execution.to_describe_output()
        detail = {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": str(status.value),
            "startDate": millis(execution.start_date),
            "stopDate": millis(execution.stop_date),
            "input": described["input"],
            "output": described.get("output"),
            "inputDetails": {"included": True},
            "outputDetails": {"included": True} if "output" in described else None,
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": None,
        }
        plain = json.loads(json.dumps(detail, default=str))
        self._emit("aws.states", "Step Functions Execution Status Change", plain, [execution.exec_arn])
        if status in ENDED_BADLY:
            self._count(execution, ENDED_BADLY[status])

    def _count(self, execution: Execution, name: str) -> None:
        """A metric of executions that end without success. The zeros of those that succeed are left out."""
        datum = {
            "MetricName": name,
            "Value": 1.0,
            "Unit": "Count",
            "Dimensions": [{"Name": "StateMachineArn", "Value": execution.state_machine.arn}],
            "Timestamp": None,
        }
        self._metrics.put_metric_data("AWS/States", [datum])
