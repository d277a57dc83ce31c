"""The Cloud: one process that answers the AWS API on 127.0.0.1 and runs what the app deployed there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

from rehearsal.cloud.enforcement import Denial, Denials
from rehearsal.cloud.faults import Faults
from rehearsal.cloud.gateway import Uses
from rehearsal.cloud.identities import Credentials
from rehearsal.cloud.running import Running, Setup
from rehearsal.cloud.work import IdleTimeout, InternalErrors, Problem

Use = tuple[str, str, str, int]


class Part(Protocol):
    """A service of the stand-in that does work of its own (the query engine, alarms)."""

    name: str

    def start(self) -> None:
        """Called once the endpoint answers."""

    def busy(self) -> list[str]:
        """What is under way, in words; empty when idle. Called often: must be quick."""

    def stop(self) -> None:
        """End threads and processes; called before the endpoint closes."""


class Cloud:
    """A local stand-in for one AWS account and region.

    `speed` divides the service-side timers: queue delays, visibility timeouts and deduplication, retry intervals,
    Wait states, batching windows, and schedules when they tick. It does not touch the clocks of Lambdas and jobs,
    their timeouts, or TimeoutSeconds. `scaled_environment` names Lambda environment variables in seconds that the app
    compares with such timers: their values are divided too, rounded up, at least 1. `jobs`: `warm` shares one Spark
    worker between runs (one run at a time), `process` starts one per run. `schedules`: `manual` (they fire only
    through `fire_schedule`) or `tick`. `enforce`: whether calls made under roles are refused where the deployed
    policies do not allow them. One Cloud at a time per process.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        account: str = "111122223333",
        region: str = "eu-west-1",
        speed: float = 1.0,
        jobs: Literal["warm", "process"] = "warm",
        schedules: Literal["manual", "tick"] = "manual",
        scaled_environment: Iterable[str] = (),
        enforce: bool = True,
    ):
        if speed < 1:
            raise ValueError(f"speed={speed!r}: must be 1 or more")
        self.workdir = Path(workdir).resolve()
        self.account, self.region, self.speed = account, region, speed
        self.jobs, self.schedules = jobs, schedules
        self.scaled_environment = tuple(scaled_environment)
        self.enforce = enforce
        self.endpoint = ""
        self.faults = Faults()
        self._uses = Uses()
        self._denials = Denials()
        self._parts: list[Part] = []
        self._running: Running | None = None
        self._problems: list[Problem] = []

    def start(self) -> Cloud:
        """Start the endpoint. Raises RuntimeError when another Cloud runs in this process."""
        self.workdir.mkdir(parents=True, exist_ok=True)
        setup = Setup(
            self.workdir,
            self.account,
            self.region,
            self.speed,
            self.jobs,
            self.scaled_environment,
            self.enforce,
            self.faults,
        )
        self._running = Running(setup, self._uses, self._denials)
        self.endpoint = self._running.clients.endpoint
        for part in self._parts:
            part.start()
        if self.schedules == "tick":
            self._running.schedules.start()
        return self

    def stop(self) -> None:
        """Stop every process, thread and port of this Cloud and forget its resources. Safe to call twice."""
        running, self._running = self._running, None
        if running is None:
            return
        for part in reversed(self._parts):
            part.stop()
        running.stop()
        self._problems = running.work.problems

    def __enter__(self) -> Cloud:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def attach(self, part: Part) -> None:
        """Add a part before `start`: it is started, asked for idleness and stopped with the Cloud."""
        if self._running:
            raise RuntimeError("attach: the Cloud has started")
        self._parts.append(part)

    def client(self, service: str, role_arn: str | None = None) -> Any:
        """A boto3 client of this Cloud: the administrator, or a session of `role_arn`."""
        running = self._live()
        if role_arn is None:
            return running.clients.get(service, running.identities.administrator)
        return running.clients.get(service, running.identities.role(role_arn))

    def client_of(self, service: str, access_key: str) -> Any:
        """A boto3 client that acts in the session of a caller the gateway knows."""
        return self._live().clients.get(service, Credentials(access_key, "of-the-session", "of-the-session"))

    def service_client(self, principal: str, service: str, role_arn: str | None = None, source: str = "") -> Any:
        """A client of `service` for an AWS service that acts in this account (`firehose.amazonaws.com`): under
        `role_arn`, or by resource policy. source: the ARN of the resource it acts for (aws:SourceArn)."""
        running = self._live()
        return running.clients.get(service, running.identities.service(principal, role_arn, source), internal=True)

    def spawn(self, where: str, function: Callable[..., None], *args: Any) -> None:
        """Run `function` in the background: the Cloud is busy with `where` meanwhile; an exception is a problem."""
        self._live().work.spawn(where, function, *args)

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str] | None = None) -> None:
        """Put an AWS service's own event on the default bus (source `aws.…`)."""
        events = self._live().events
        events.emit(events.service_event(source, detail_type, detail, resources))

    def wait_idle(self, timeout: float = 300, on_progress: Callable[[list[str]], None] | None = None) -> None:
        """Return once nothing is under way: no execution, message (visible, delayed or in flight), event,
        invocation, job, or busy part. Messages of dead-letter queues and of queues nobody consumes are not work.

        `on_progress` gets what is busy, about once a second. Raises IdleTimeout, or InternalErrors when the stand-in
        itself failed in the background.
        """
        running = self._live()
        deadline = time.monotonic() + timeout
        told = time.monotonic()
        while True:
            generation = running.work.generation
            busy = self.busy()
            if running.work.problems:
                raise InternalErrors(list(running.work.problems))
            if not busy and running.work.generation == generation:
                return
            now = time.monotonic()
            if now >= deadline:
                refused = [f"refused: {denial}" for denial in self.denials]
                raise IdleTimeout(timeout, [*(busy or ["something moved at every look"]), *refused])
            if on_progress and now - told >= 1:
                told = now
                on_progress(busy)
            time.sleep(0.02)

    def busy(self) -> list[str]:
        """What is under way now, in words."""
        running = self._live()
        found = [*running.busy()]
        for part in self._parts:
            found += part.busy()
        return found

    def redeliver_events(self) -> int:
        """Deliver every recorded S3 `Object Created` event to its rule targets again; the number of events."""
        running = self._live()
        events = list(running.storage.events)
        for event in events:
            running.events.emit(event)
        return len(events)

    def fire_schedule(self, name: str) -> None:
        """Fire the schedule (of EventBridge Scheduler, or the rule with a schedule expression) with this name now."""
        self._live().schedules.fire(name)

    def warm_up(self, job: str) -> None:
        """Start the shared Spark worker in the background with the settings of this job, before its first run."""
        running = self._live()
        running.work.thread("start of the Spark worker", running.jobs.warm_up, job)

    def log_lines(self, group: str) -> list[str]:
        """Every line of a log group, by stream and arrival."""
        return self._live().logs.lines(group)

    def processes(self) -> list[int]:
        """Process ids of the Lambda instances and the shared Spark worker that live now."""
        return self._live().processes()

    @property
    def uses(self) -> list[Use]:
        """(role ARN or service principal, `service:Permission`, resource, count) of every permitted use."""
        return self._uses.rows()

    @property
    def denials(self) -> list[Denial]:
        """Every denial so far, each once: which role may not do what on which resource, and why."""
        return self._denials.rows()

    def clear_denials(self) -> None:
        """Forget the denials so far: for who caused them on purpose."""
        self._denials.clear()

    @property
    def problems(self) -> list[Problem]:
        """Internal errors so far."""
        return list(self._running.work.problems if self._running else self._problems)

    def _live(self) -> Running:
        if self._running is None:
            raise RuntimeError("the Cloud is not running: call start, or use it in a with block")
        return self._running
