"""Lambda: invocations of real function processes, without Docker.

Stock moto runs functions in Docker, invokes an asynchronous call inside the request, and reports every error as
handled. Here a function of a `provided.*` runtime runs as a process of this machine: its code must be built for it.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import JsonRESTError

from rehearsal.cloud.enforcement import Denial, Enforcement
from rehearsal.cloud.faults import Caller, Faults
from rehearsal.cloud.identities import Credentials, Identities
from rehearsal.cloud.logs import Logs
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.runtime import Instance, Invocation, RuntimeApi, failure
from rehearsal.cloud.work import Work

RETRIES = 2
RETRY_SECONDS = (60, 120)  # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

# (session of the function's role, queue or topic ARN, text): sends a failed asynchronous event on
SendOn = Callable[[Credentials, str, str], None]


class TooManyRequests(JsonRESTError):
    """The function's reserved concurrency is used up."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class KmsAccessDenied(JsonRESTError):
    """The function's role may not decrypt its environment."""

    code = 502

    def __init__(self, denial: Denial) -> None:
        text = "Lambda was unable to decrypt the environment variables because KMS access was denied. "
        super().__init__("KMSAccessDeniedException", f"{text}Please check the function's KMS key settings. {denial}")


class Functions:
    """The functions of one account and region."""

    def __init__(
        self,
        account: str,
        region: str,
        *,
        workdir: Path,
        endpoint: Callable[[], str],
        speed: float,
        scaled_environment: Iterable[str],
        identities: Identities,
        faults: Faults,
        enforcement: Enforcement,
        logs: Logs,
        send_on: SendOn,
        work: Work,
        repairs: Repairs,
    ):
        self._backend: LambdaBackend = lambda_backends[account][region]
        self._region, self._workdir, self._endpoint = region, workdir, endpoint
        self._speed, self._scaled = speed, tuple(scaled_environment)
        self._identities, self._faults, self._enforcement = identities, faults, enforcement
        self._logs, self._send_on, self._work = logs, send_on, work
        self._runtime = RuntimeApi()
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, ...], list[Instance]] = {}
        self._all: dict[str, Instance] = {}
        self._running: Counter[str] = Counter()
        repairs.replace(LambdaFunction, "invoke", self._invoke_method)
        self._keep_logging(repairs)

    def find(self, arn: str) -> LambdaFunction:
        """The function with this name or ARN. Raises moto's ResourceNotFoundException."""
        return self._backend.get_function(arn, None)

    def busy(self) -> list[str]:
        with self._lock:
            return [f"{count} × invocation of {name}" for name, count in self._running.items() if count]

    def instances(self) -> list[Instance]:
        """Every live process."""
        with self._lock:
            return list(self._all.values())

    def kill(self, caller: Caller, process: bool) -> None:
        """A caller was killed: its instance answers nothing any more."""
        with self._lock:
            instance = self._all.get(caller.session)
        if instance and process:
            instance.kill()

    def stop(self) -> None:
        for instance in self.instances():
            instance.close()
        self._runtime.stop()

    def invoke(self, function: LambdaFunction, body: bytes, wait: bool = True) -> tuple[bytes, bool, str]:
        """Run one invocation: the answer, whether it failed, and its log text.

        With a reserved concurrency that is used up: waits, or raises TooManyRequests when `wait` is false.
        """
        self._enter(function, wait)
        try:
            return self._run(function, body)
        finally:
            with self._lock:
                self._running[function.function_name] -= 1
            self._work.touch()

    def _enter(self, function: LambdaFunction, wait: bool) -> None:
        limit = function.reserved_concurrency
        while not self._work.stopping.is_set():
            with self._lock:
                if limit is None or self._running[function.function_name] < int(limit):
                    self._running[function.function_name] += 1
                    return
            if not wait:
                raise TooManyRequests()
            time.sleep(0.05)

    def _run(self, function: LambdaFunction, body: bytes) -> tuple[bytes, bool, str]:
        key = (function.function_arn, function.code_sha_256, json.dumps(function.environment_vars, sort_keys=True))
        with self._lock:
            idle = self._idle.setdefault(key, [])
            ended = [found for found in idle if found.dead]
            idle[:] = [found for found in idle if not found.dead]
            instance = idle.pop() if idle else None
        for found in ended:
            self._discard(found)
        instance = instance or self._start(function)
        invocation = Invocation(body, function.function_arn, time.time() + int(function.timeout))
        began = time.monotonic()
        answer, failed, text = instance.invoke(invocation, float(function.timeout))
        if self._faults.dead(instance.keys.access_key):
            instance.kill()
            message = f"RequestId: {invocation.id} Error: Runtime exited with error: signal: killed"
            answer, failed = failure("Runtime.ExitError", message), True
        if failed:
            self._count_error(function)
        if instance.dead:
            self._discard(instance)
        else:
            with self._lock:
                self._idle[key].append(instance)
        self._write_log(function, instance, invocation, text, time.monotonic() - began)
        return answer, failed, text

    def _count_error(self, function: LambdaFunction) -> None:
        """The metric Errors of the function. That of an invocation that succeeds, a zero, is left out."""
        datum = {
            "MetricName": "Errors",
            "Value": 1.0,
            "Unit": "Count",
            "Dimensions": [{"Name": "FunctionName", "Value": function.function_name}],
            "Timestamp": None,
        }
        cloudwatch_backends[function.account_id][self._region].put_metric_data("AWS/Lambda", [datum])

    def _start(self, function: LambdaFunction) -> Instance:
        if not (function.run_time or "").startswith("provided"):
            raise NotImplementedError(
                f"function {function.function_name}: runtime {function.run_time!r}; only provided.al2023 is run"
            )
        name = function.function_name
        keys = self._session(function)
        self._decrypt_environment(function, keys)
        code = self._unpack(function)
        scratch = self._workdir / "lambda" / name
        scratch.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(code),
            "_HANDLER": function.handler or "bootstrap",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": log_group(function),
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ENDPOINT_URL": self._endpoint(),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "GOMEMLIMIT": f"{function.memory_size}MiB",
            **keys.environment(),
            **{name: self._scale(name, value) for name, value in function.environment_vars.items()},
        }
        with self._lock:
            number = sum(1 for _ in scratch.glob("*.log")) + 1
            instance = Instance(self._runtime, code, scratch / f"{number:04d}.log", environment, keys)
            self._all[keys.access_key] = instance
        return instance

    def _decrypt_environment(self, function: LambdaFunction, keys: Credentials) -> None:
        """Lambda decrypts the environment under a customer key with the function's role.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
        """
        caller = Caller("lambda", function.function_name, keys.access_key, function.role)
        context = {"aws:lambda:FunctionArn": function.function_arn}
        key = function.kms_key_arn if function.environment_vars else None
        denial = self._enforcement.check(caller, self._enforcement.encryption.use("lambda", key, "Decrypt", context))
        if denial:
            raise KmsAccessDenied(denial)

    def _scale(self, name: str, value: str) -> str:
        return str(max(1, math.ceil(float(value) / self._speed))) if name in self._scaled else value

    def _unpack(self, function: LambdaFunction) -> Path:
        code = self._workdir / "code" / function.code_sha_256.replace("/", "_").rstrip("=")
        with self._lock:
            if not (code / "bootstrap").exists():
                zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(code)
                (code / "bootstrap").chmod(0o755)
        return code

    def _discard(self, instance: Instance) -> None:
        instance.close()
        with self._lock:
            self._all.pop(instance.keys.access_key, None)

    def _write_log(
        self, function: LambdaFunction, instance: Instance, invocation: Invocation, text: str, seconds: float
    ) -> None:
        report = f"REPORT RequestId: {invocation.id}\tDuration: {seconds * 1000:.2f} ms\tMemory Size: "
        lines = [f"START RequestId: {invocation.id} Version: {function.version}", *text.splitlines()]
        lines += [f"END RequestId: {invocation.id}", f"{report}{function.memory_size} MB"]
        group = log_group(function)
        caller = Caller("lambda", function.function_name, instance.keys.access_key, function.role)
        if self._enforcement.may_log(caller, group, instance.stream):
            self._logs.write(group, instance.stream, lines)

    @property
    def _invoke_method(self) -> Callable[..., bytes]:
        def invoke(function: LambdaFunction, body: Any, request_headers: Any, response_headers: Any) -> bytes:
            payload = body.encode() if isinstance(body, str) else (body or b"{}")
            kind = request_headers.get("X-Amz-Invocation-Type") or "RequestResponse"
            if kind == "DryRun":
                return b""
            if kind == "Event":
                where = f"asynchronous invocation of {function.function_name}"
                self._work.spawn(where, self._invoke_later, where, function, payload, 0)
                return b""
            answer, failed, text = self.invoke(function, payload, wait=False)
            if failed:
                response_headers["x-amz-function-error"] = "Unhandled"
            response_headers["x-amz-log-result"] = base64.b64encode(text.encode()[-4096:]).decode()
            return answer

        return invoke

    def _invoke_later(self, where: str, function: LambdaFunction, payload: bytes, retries: int) -> None:
        answer, failed, _text = self.invoke(function, payload)
        if not failed:
            return
        settings = function.event_invoke_config[-1].config if function.event_invoke_config else {}
        if retries < int(settings.get("MaximumRetryAttempts", RETRIES)):
            pause = RETRY_SECONDS[retries] / self._speed
            self._work.later(pause, f"{where} (retry)", self._invoke_later, where, function, payload, retries + 1)
            return
        destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        if destination:
            context = {"functionArn": function.function_arn, "condition": "RetriesExhausted"}
            record = {"version": "1.0", "requestContext": {**context, "approximateInvokeCount": retries + 1}}
            record |= {"requestPayload": json.loads(payload), "responsePayload": json.loads(answer)}
            self._send_on(self._session(function), destination, json.dumps(record))
        if letters := getattr(function, "dead_letter_target", None):
            self._send_on(self._session(function), letters, payload.decode())

    def _session(self, function: LambdaFunction) -> Credentials:
        return self._identities.session("lambda", function.function_name, function.role)

    @staticmethod
    def _keep_logging(repairs: Repairs) -> None:
        """moto drops LoggingConfig and DeadLetterConfig: keep them, and answer with them."""

        def create_function(backend: LambdaBackend, spec: dict[str, Any]) -> LambdaFunction:
            function = stock_create(backend, spec)
            keep(function, spec)
            return function

        def update(function: LambdaFunction, config_updates: dict[str, Any]) -> Any:
            keep(function, config_updates)
            return stock_update(function, config_updates)

        def keep(function: LambdaFunction, spec: dict[str, Any]) -> None:
            if spec.get("LoggingConfig"):
                function.logging_config = spec["LoggingConfig"]
                function.logs_group_name = log_group(function)
            if "DeadLetterConfig" in spec:
                function.dead_letter_target = (spec["DeadLetterConfig"] or {}).get("TargetArn")

        def get_configuration(function: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
            found = stock_get(function, on_create)
            found["LoggingConfig"] = {"LogFormat": "Text", **getattr(function, "logging_config", {})}
            found["LoggingConfig"].setdefault("LogGroup", function.logs_group_name)
            if getattr(function, "dead_letter_target", None):
                found["DeadLetterConfig"] = {"TargetArn": function.dead_letter_target}
            return found

        stock_create = repairs.replace(LambdaBackend, "create_function", create_function)
        stock_update = repairs.replace(LambdaFunction, "update_configuration", update)
        stock_get = repairs.replace(LambdaFunction, "get_configuration", get_configuration)


def log_group(function: LambdaFunction) -> str:
    """Where the function's lines go: its LoggingConfig, else `/aws/lambda/<name>`."""
    return getattr(function, "logging_config", {}).get("LogGroup") or f"/aws/lambda/{function.function_name}"
