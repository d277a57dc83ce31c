"""The maintain job: every table of the lake, each under the lease of whoever writes it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from queue import SimpleQueue

from pyspark.sql import SparkSession

from lakejobs.arguments import MaintainArguments
from lakejobs.aws import Clients
from lakejobs.clock import Clock, stamp, utc_now
from lakejobs.errors import JobFailed, LeaseLost, describe
from lakejobs.events import log
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import PUBLISH, Lease, Ledger
from lakejobs.maintain.request import Request
from lakejobs.maintain.results import FAILED, POSTPONED, Result, put_metrics, write_results
from lakejobs.maintain.upkeep import Keeper
from lakejobs.manifest import Dataset, Manifest, Model
from lakejobs.session import activate, another_session, open_session
from lakejobs.tables.interface import Fence

_AT_ONCE = 8
# A run holds the lease of a dataset for minutes; then there is a gap, in which dispatch looks for what has arrived.
_WAIT_SECONDS = 600
_POLL_SECONDS = 2.0


class Busy(Exception):
    """Somebody else has held the lease all the time."""


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if a table could not be maintained."""
    arguments = MaintainArguments.parse(argv)
    maintain(open_session(), arguments, Clients())


@dataclass(frozen=True)
class Work:
    """One run of the job, under a name of its own, which holds the leases."""

    arguments: MaintainArguments
    clients: Clients
    ledger: Ledger
    keeper: Keeper
    now: Clock
    sleep: Callable[[float], None]
    patience: float = 0.0
    """For how long a lease that others hold is waited for, in seconds."""

    @contextmanager
    def leased(self, name: str) -> Iterator[Fence]:
        """Holds a lease and yields what checks it. Raises Busy. Who waits for the lease is woken once it is free."""
        lease = self._take(name)
        try:
            with Heartbeat(self.ledger, [lease], self.arguments.lease_seconds) as heartbeat:

                def fence() -> None:
                    heartbeat.check(lease)
                    self.ledger.renew(lease)

                yield fence
        finally:
            self.ledger.release(lease)
            if name != PUBLISH:  # publish waits for its lease by itself
                self._wake()

    def _take(self, name: str) -> Lease:
        waited = 0.0
        while True:
            lease = self.ledger.take(name, self.keeper.tag)
            if lease is not None:
                return lease
            if waited >= self.patience:
                raise Busy(f"others held the lease {name} all the time, for {waited:.0f} seconds in the end")
            self.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def _wake(self) -> None:
        """Wakes dispatch, which has passed over the dataset if something arrived meanwhile."""
        window = int(self.now().timestamp()) // self.arguments.window_seconds
        self.clients.sqs.send_message(
            QueueUrl=self.arguments.wake_queue_url,
            MessageBody='{"action":"drain"}',
            MessageGroupId="wake",
            MessageDeduplicationId=str(window),
        )

    def dataset(self, dataset: Dataset) -> list[Result]:
        with self.leased(dataset.id) as fence:
            return self.keeper.dataset(dataset, fence)

    def models(self, models: Sequence[Model]) -> list[Result]:
        with self.leased(PUBLISH) as fence:
            return list(chain.from_iterable(self.keeper.model(model, fence) for model in models))


@dataclass(frozen=True)
class Task:
    """What is done under one lease: a dataset's tables, or all curated ones."""

    owner: str
    do: Callable[[Work], list[Result]]


def maintain(
    spark: SparkSession,
    arguments: MaintainArguments,
    clients: Clients,
    now: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Maintains every table, several at once; whoever fails, or is in use all the time, holds up no other.

    What it did is written down and counted. Raises JobFailed, naming each table that failed.
    """
    manifest = Manifest.from_json(clients.read(arguments.manifest_uri))
    request = Request.parse(arguments.request, manifest)
    started, maintenance = now(), uuid.uuid4().hex
    ledger = Ledger(clients.dynamodb, arguments.ledger_table, arguments.lease_seconds, now)
    tag = f"maintain-{maintenance}"
    keeper = Keeper(spark, clients, ledger, arguments.cleaned_bucket, tag, request.force, started)
    work = Work(arguments, clients, ledger, keeper, now, sleep)
    results, busy = _run(work, _tasks(manifest, request))
    late, busy = _run(replace(work, patience=_WAIT_SECONDS), busy)
    results += late + [Result(task.owner, "", "", POSTPONED, "its lease was held by others") for task in busy]
    results.sort(key=lambda r: (r.owner, r.database))
    write_results(clients, arguments.artifacts_bucket, maintenance, stamp(started), results)
    put_metrics(clients, arguments.lake, results)
    failed = [f"{r.owner} ({r.database or 'no table'}): {r.detail}" for r in results if r.state == FAILED]
    log("maintained", maintenance=maintenance, tables=len(results), failed=len(failed), postponed=len(busy))
    if failed:
        raise JobFailed("not maintained: " + "; ".join(failed))


def _tasks(manifest: Manifest, request: Request) -> list[Task]:
    chosen = [d for d in manifest.datasets if request.dataset in (None, d.id)]
    tasks = [Task(d.id, lambda work, d=d: work.dataset(d)) for d in chosen]
    if manifest.models and request.dataset is None:
        tasks.append(Task(PUBLISH, lambda work: work.models(manifest.models)))
    return tasks


def _run(work: Work, tasks: Sequence[Task]) -> tuple[list[Result], list[Task]]:
    """Does as many tasks at once as the executors have cores. Returns results, and the tasks whose lease is held."""
    if not tasks:
        return [], []
    spark = work.keeper.spark
    workers = max(1, min(len(tasks), spark.sparkContext.defaultParallelism, _AT_ONCE))
    free: SimpleQueue[SparkSession] = SimpleQueue()
    for _ in range(workers):
        free.put(another_session(spark))

    def one(task: Task) -> list[Result] | None:
        own = free.get()
        activate(own)
        try:
            return task.do(replace(work, keeper=replace(work.keeper, spark=own)))
        except Busy as busy:
            log("maintenance waits", owner=task.owner, reason=str(busy))
            return None
        except LeaseLost as lost:
            return [Result(task.owner, "", "", FAILED, describe(lost))]
        finally:
            free.put(own)

    with ThreadPoolExecutor(workers, thread_name_prefix="maintain") as pool:
        done = list(pool.map(one, tasks))
    results = list(chain.from_iterable(found for found in done if found is not None))
    return results, [task for task, found in zip(tasks, done, strict=True) if found is None]
