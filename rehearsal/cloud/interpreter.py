"""Repairs of moto's interpreter of the Amazon States Language.

Stock moto crashes on every `glue:startJobRun.sync`, does not convert parameters (an object as `Message`, blobs), lets
States.ALL catch States.Runtime and States.DataLimitExceeded, names errors of aws-sdk tasks after nothing, and names
errors that an operation of Glue does not declare after their code.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import StateCredentials
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_glue import (
    StateTaskServiceGlue,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task import StateTask
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for

from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.work import Work

POLL_SECONDS = 0.2

# Service names in the errors of aws-sdk tasks, after the Java SDK's client classes.
SDK_NAMES = {"dynamodb": "DynamoDb", "s3": "S3", "sfn": "Sfn", "sqs": "Sqs", "sns": "Sns", "kms": "Kms"}

# https://repost.aws/knowledge-center/glue-throttling-rate-exceeded
GLUE_UNDECLARED = "AWSGlueException"

# Errors that no Catch or Retry on States.ALL sees.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
UNCATCHABLE = (
    StatesErrorName(typ=StatesErrorNameType.StatesRuntime),
    StatesErrorName(typ=StatesErrorNameType.StatesStatesDataLimitExceeded),
)

# (service, ARN of the execution, ARN of the role) → boto3 client
ExecutionClient = Callable[[str, str, str], Any]


class ExecutionCredentials(StateCredentials):
    """Credentials of a task that know the execution they belong to."""

    def __init__(self, role_arn: str, execution_arn: str):
        super().__init__(role_arn=role_arn)
        self.execution_arn = execution_arn


def repair_interpreter(client: ExecutionClient, speed: float, work: Work, repairs: Repairs) -> None:
    """`client(service, execution ARN, role ARN)` makes the calls of tasks."""
    _repair_credentials(client, repairs)
    _repair_timers(speed, work, repairs)
    _repair_errors(repairs)
    _repair_shapes(repairs)
    _repair_sync(client, work, repairs)


def _repair_credentials(client: ExecutionClient, repairs: Repairs) -> None:
    def eval_state_credentials(task: StateTask, env: Any) -> StateCredentials:
        role = stock_eval(task, env).role_arn
        return ExecutionCredentials(role, env.states.context_object.context_object_data["Execution"]["Id"])

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        return client(service, state_credentials.execution_arn, state_credentials.role_arn)

    stock_eval = repairs.replace(StateTask, "_eval_state_credentials", eval_state_credentials)
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.") and getattr(module, "boto_client_for", None) is boto_client_for:
            repairs.replace(module, "boto_client_for", client_for)


def _repair_timers(speed: float, work: Work, repairs: Repairs) -> None:
    def wait_interval(function: WaitFunction, env: Any, wait_seconds: float) -> None:
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=wait_seconds / speed)
        while env.is_running() and (left := (deadline - datetime.datetime.now()).total_seconds()) > 0:
            env.program_state_event.wait(left)

    def sleep(seconds: float) -> None:
        work.stopping.wait(seconds / speed)

    repairs.replace(WaitFunction, "_wait_interval", wait_interval)
    repairs.replace(retrier_decl, "time", SimpleNamespace(sleep=sleep))


def _repair_errors(repairs: Repairs) -> None:
    def eval_body(declaration: ErrorEqualsDecl, env: Any) -> None:
        error = env.stack[-1]
        if error in UNCATCHABLE and error not in declaration.error_names:
            env.stack[-1] = False
            return
        stock(declaration, env)

    def sdk_name(service_name: str) -> str:
        return SDK_NAMES.get(service_name.lower(), service_name[:1].upper() + service_name[1:])

    def from_glue_error(task: StateTaskServiceGlue, env: Any, ex: Exception) -> Any:
        """The Java SDK knows the errors an operation declares; any other, throttling too, is its client's own."""
        if isinstance(ex, ClientError):
            declared = {shape.name for shape in _operation(task, None, None).error_shapes}
            given = ex.response["Error"]
            if given["Code"] not in declared | {"CallerKilled"}:  # no error of AWS
                cause = f"{given['Message']} (Service: AWSGlue; Error Code: {given['Code']})"
                renamed = {"Code": GLUE_UNDECLARED, "Message": cause}
                ex = ClientError({**ex.response, "Error": renamed}, ex.operation_name)
        return stock_glue(task, env, ex)

    stock = repairs.replace(ErrorEqualsDecl, "_eval_body", eval_body)
    stock_glue = repairs.replace(StateTaskServiceGlue, "_from_error", from_glue_error)
    repairs.replace(StateTaskServiceAwsSdk, "_normalise_service_error_name", staticmethod(sdk_name))


def _repair_shapes(repairs: Repairs) -> None:
    def normalise_parameters(
        task: StateTaskService,
        parameters: dict[str, Any],
        boto_service_name: Any = None,
        service_action_name: Any = None,
    ) -> None:
        shape = _operation(task, boto_service_name, service_action_name).input_shape
        if shape is not None:
            task._to_boto_request(parameters, shape)

    def normalise_response(
        task: StateTaskService, response: Any, boto_service_name: Any = None, service_action_name: Any = None
    ) -> None:
        if not isinstance(response, dict):
            return
        plain = to_json(response)
        response.clear()
        response.update(plain)
        shape = _operation(task, boto_service_name, service_action_name).output_shape
        if shape is not None:
            task._from_boto_response(response, shape)

    repairs.replace(StateTaskService, "_normalise_parameters", normalise_parameters)
    repairs.replace(StateTaskService, "_normalise_response", normalise_response)


def _repair_sync(client: ExecutionClient, work: Work, repairs: Repairs) -> None:
    def eval_integration_pattern(
        task: StateTaskServiceCallback,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> None:
        arguments = {
            "env": env,
            "resource_runtime_part": resource_runtime_part,
            "normalised_parameters": normalised_parameters,
            "state_credentials": state_credentials,
        }
        condition = task.resource.condition
        if condition not in (ResourceCondition.Sync, ResourceCondition.Sync2):
            stock(task, **arguments)
            return
        submitted = dict(env.stack[-1])
        build = task._build_sync_resolver if condition == ResourceCondition.Sync else task._build_sync2_resolver
        resolve = build(**arguments)
        found = None
        while env.is_running() and found is None and not work.stopping.is_set():
            found = resolve()
            if found is None:
                work.stopping.wait(POLL_SECONDS)
        if found is None and "JobRunId" in submitted and not work.stopping.is_set():
            # The state timed out or the execution was stopped: the service cancels the run it waits for.
            glue = client("glue", state_credentials.execution_arn, state_credentials.role_arn)
            glue.batch_stop_job_run(JobName=submitted["JobName"], JobRunIds=[submitted["JobRunId"]])
        env.stack.append(to_json(found))

    stock = repairs.replace(StateTaskServiceCallback, "_eval_integration_pattern", eval_integration_pattern)


def _operation(task: StateTaskService, service: str | None, action: str | None) -> Any:
    model = get_session().get_service_model(task._get_boto_service_name(service))
    wanted = action or task._get_boto_service_action()
    return model.operation_model(next(name for name in model.operation_names if xform_name(name) == wanted))


def to_json(value: Any) -> Any:
    """A boto3 answer as Step Functions passes it on: times in epoch milliseconds, payload streams as they are."""
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, datetime.datetime):
        return int(value.timestamp() * 1000)
    return value


def check_definition(definition: str) -> None:
    """Refuse what the rehearsal does not run. Raises NotImplementedError naming every such state."""
    document = json.loads(definition)
    found = ["the state machine's QueryLanguage is JSONata"] if document.get("QueryLanguage") == "JSONata" else []
    _check_states(document.get("States") or {}, found)
    if found:
        raise NotImplementedError("; ".join(found))


def _check_states(states: dict[str, Any], found: list[str]) -> None:
    for name, state in states.items():
        if state.get("QueryLanguage") == "JSONata":
            found.append(f"state {name!r} is in JSONata")
        processor = state.get("ItemProcessor") or state.get("Iterator") or {}
        if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
            found.append(f"state {name!r} is a distributed map")
        if str(state.get("Resource", "")).endswith(".waitForTaskToken"):
            found.append(f"state {name!r} waits for a task token")
        _check_states(processor.get("States") or {}, found)
        for branch in state.get("Branches") or []:
            _check_states(branch.get("States") or {}, found)
