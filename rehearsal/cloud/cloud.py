"""The Cloud: one process that answers the AWS API on 127.0.0.1 and runs what the app deployed there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from rehearsal.cloud.faults import Faults
from rehearsal.cloud.work import Problem

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

    `speed` divides the service-side timers (queue delays, visibility timeouts, retry intervals, Wait states, and
    schedules when they tick). `jobs`: `warm` shares one Spark worker between runs, `process` starts one per run.
    `schedules`: `manual` (schedules fire only through `fire_schedule`) or `tick`. One Cloud at a time per process.
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
    ):
        self.workdir = Path(workdir)
        self.account, self.region, self.speed = account, region, speed
        self.jobs, self.schedules = jobs, schedules
        self.endpoint = ""
        self.faults = Faults()

    def start(self) -> Cloud:
        raise NotImplementedError

    def stop(self) -> None:
        """Stop every process, thread and port of this Cloud and forget its resources. Safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Cloud:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def attach(self, part: Part) -> None:
        """Add a part before `start`: it is started, asked for idleness and stopped with the Cloud."""
        raise NotImplementedError

    def client(self, service: str, role_arn: str | None = None) -> Any:
        """A boto3 client of this Cloud: the administrator, or a session of `role_arn`."""
        raise NotImplementedError

    def spawn(self, where: str, function: Callable[..., None], *args: Any) -> None:
        """Run `function` in the background: the Cloud is busy with `where` meanwhile; an exception is a problem."""
        raise NotImplementedError

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str] | None = None) -> None:
        """Put an AWS service's own event on the default bus (source `aws.…`)."""
        raise NotImplementedError

    def wait_idle(self, timeout: float = 300, on_progress: Callable[[list[str]], None] | None = None) -> None:
        """Return once nothing is under way: no execution, message (visible, delayed or in flight), event,
        invocation, job, or busy part. Messages of dead-letter queues and of queues nobody consumes are not work.

        `on_progress` gets what is busy, about once a second. Raises IdleTimeout, or InternalErrors when the stand-in
        itself failed in the background.
        """
        raise NotImplementedError

    def redeliver_events(self) -> int:
        """Deliver every recorded S3 `Object Created` event to its rule targets again; the number of events."""
        raise NotImplementedError

    def fire_schedule(self, name: str) -> None:
        """Fire the schedule (of EventBridge Scheduler, or the rule with a schedule expression) with this name now."""
        raise NotImplementedError

    @property
    def uses(self) -> list[Use]:
        """(role ARN or service principal, `service:Action`, resource, count) of every call made under a role."""
        raise NotImplementedError

    @property
    def problems(self) -> list[Problem]:
        """Internal errors so far."""
        raise NotImplementedError
