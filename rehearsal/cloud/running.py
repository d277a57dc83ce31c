"""What lives while a Cloud runs: the services, wired to one another."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config

from rehearsal.cloud.calls import Names
from rehearsal.cloud.catalog import repair_catalog
from rehearsal.cloud.clients import Clients
from rehearsal.cloud.delivery import Delivery, Undeliverable, send_message
from rehearsal.cloud.enforcement import Denials, Enforcement
from rehearsal.cloud.events import Events
from rehearsal.cloud.faults import Caller, Faults
from rehearsal.cloud.functions import Functions
from rehearsal.cloud.gateway import Gateway, Server, Uses
from rehearsal.cloud.identities import Credentials, Identities
from rehearsal.cloud.items import repair_transactions
from rehearsal.cloud.jobs import Jobs
from rehearsal.cloud.logs import Logs
from rehearsal.cloud.mappings import Mappings
from rehearsal.cloud.queues import Queues
from rehearsal.cloud.repairs import Repairs
from rehearsal.cloud.roles import repair_sessions
from rehearsal.cloud.schedules import Schedules
from rehearsal.cloud.statemachines import StateMachines
from rehearsal.cloud.storage import Storage
from rehearsal.cloud.topics import repair_topics
from rehearsal.cloud.work import Work
from rehearsal.spark.launch import ProcessPerRun, Runner, SharedWorker


@dataclass(frozen=True)
class Setup:
    """How a Cloud is to run, as its constructor says."""

    workdir: Path
    account: str
    region: str
    speed: float
    jobs: str
    scaled_environment: tuple[str, ...]
    enforce: bool
    faults: Faults


class Running:
    """Everything that lives from start to stop."""

    _only_one = threading.Lock()

    def __init__(self, setup: Setup, uses: Uses, denials: Denials):
        if not self._only_one.acquire(blocking=False):
            raise RuntimeError("another Cloud runs in this process: moto's state is shared, so stop it first")
        self.repairs = Repairs()
        try:
            self._build(setup, uses, denials)
        except BaseException:
            self.repairs.undo()
            self._only_one.release()
            raise

    def _build(self, setup: Setup, uses: Uses, denials: Denials) -> None:
        account, region, speed, faults = setup.account, setup.region, setup.speed, setup.faults
        self._configure_moto(account)
        self.work = work = Work()
        repairs = self.repairs
        self.identities = identities = Identities()
        names = Names(account, region)
        self.enforcement = enforcement = Enforcement(names, identities, denials, uses.add, setup.enforce)
        self.clients = clients = Clients(region)
        self.logs = logs = Logs(account, region)
        self.queues = queues = Queues(account, region, speed, repairs)
        repair_catalog(repairs)
        repair_transactions(repairs)
        repair_sessions(identities, repairs)
        repair_topics(enforcement, identities, repairs)

        def service_clients(principal: str) -> Callable[[str, str | None, str], Any]:
            return lambda service, role, source: clients.get(
                service, identities.service(principal, role, source), internal=True
            )

        by_rule = Delivery(speed, service_clients("events.amazonaws.com"), work)
        by_schedule = Delivery(speed, service_clients("scheduler.amazonaws.com"), work)
        self.events = events = Events(account, region, by_rule, repairs)
        self.schedules = Schedules(account, region, speed, events, by_schedule, work)
        self.storage = Storage(account, events.emit, work.problem, repairs)

        def emit(source: str, kind: str, detail: dict[str, Any], resources: list[str] | None = None) -> None:
            events.emit(events.service_event(source, kind, detail, resources))

        def send_on(keys: Credentials, arn: str, text: str) -> None:
            """A function's failed asynchronous event goes on under its role."""
            service = {"sqs": "sqs", "sns": "sns"}.get(arn.split(":")[2])
            if service is None:
                raise Undeliverable(f"destination {arn}: only queues and topics are modelled")
            client = clients.make(service, keys)
            with suppress(ClientError):  # as in the service, it is lost, and the denial recorded
                send_message(client, arn, text) if service == "sqs" else client.publish(TopicArn=arn, Message=text)

        self.functions = functions = Functions(
            account,
            region,
            workdir=setup.workdir,
            endpoint=lambda: clients.endpoint,
            speed=speed,
            scaled_environment=setup.scaled_environment,
            identities=identities,
            faults=faults,
            enforcement=enforcement,
            logs=logs,
            send_on=send_on,
            work=work,
            repairs=repairs,
        )
        self.mappings = Mappings(account, region, speed, queues, functions, enforcement, work, repairs)
        self.machines = StateMachines(account, region, speed, clients.make, emit, identities, work, repairs)
        folder = setup.workdir / "spark"
        self.runner: Runner = SharedWorker(folder) if setup.jobs == "warm" else ProcessPerRun(folder)
        self.jobs = Jobs(
            account,
            region,
            workdir=setup.workdir,
            endpoint=lambda: clients.endpoint,
            runner=self.runner,
            make_client=clients.make,
            emit=emit,
            identities=identities,
            faults=faults,
            enforcement=enforcement,
            logs=logs,
            work=work,
            repairs=repairs,
        )
        gateway = Gateway(names, identities, faults, enforcement, work)
        gateway.on_kill = self._kill
        self.server = Server(gateway)
        clients.endpoint = f"http://127.0.0.1:{self.server.port}"
        self.mappings.start()

    def _configure_moto(self, account: str) -> None:
        settings = {"stepfunctions": {"execute_state_machine": True}, "iam": {"load_aws_managed_policies": True}}
        self._before = {name: dict(default_user_config.get(name, {})) for name in settings}
        for name, values in settings.items():
            default_user_config[name] = {**self._before[name], **values}
        # moto logs every failed task at length; the failure itself is in the execution or in `problems`.
        self._log_level = logging.getLogger("moto").level
        logging.getLogger("moto").setLevel(logging.CRITICAL)
        self._account_before = os.environ.get("MOTO_ACCOUNT_ID")
        os.environ["MOTO_ACCOUNT_ID"] = account

    def busy(self) -> list[str]:
        return [
            *self.work.busy(),
            *self.mappings.busy(),
            *self.functions.busy(),
            *self.machines.busy(),
            *self.jobs.busy(),
        ]

    def processes(self) -> list[int]:
        found = [instance.pid for instance in self.functions.instances()]
        worker = getattr(self.runner, "pid", None)
        return [*found, worker] if worker else found

    def stop(self) -> None:
        """Consumers first, then the endpoint, then what moto remembers."""
        self.work.stopping.set()
        self.jobs.stop()
        self.functions.stop()
        self.machines.stop()
        self.work.stop()
        self.server.stop()
        self.clients.close()
        self.repairs.undo()
        # First, since backends are made anew to be forgotten, and would read all of AWS's policies once more.
        default_user_config.update(self._before)
        BackendDict.reset()
        logging.getLogger("moto").setLevel(self._log_level)
        if self._account_before is None:
            os.environ.pop("MOTO_ACCOUNT_ID", None)
        else:
            os.environ["MOTO_ACCOUNT_ID"] = self._account_before
        self._only_one.release()

    def _kill(self, caller: Caller, process: bool) -> None:
        self.functions.kill(caller, process)
        self.jobs.kill(caller, process)
