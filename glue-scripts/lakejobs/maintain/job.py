"""The maintain job: every table of the lake, each under the lease of whoever writes it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from queue import SimpleQueue

from pyspark.sql import SparkSession

from lakejobs.arguments import MaintainArguments
from lakejobs.aws import Clients
from lakejobs.borrowed import WAIT_SECONDS, Borrower, Busy, vault_lease
from lakejobs.clock import Clock, stamp, utc_now
from lakejobs.declared import Dataset
from lakejobs.errors import JobFailed, LeaseLost, describe
from lakejobs.events import log
from lakejobs.ledger import PUBLISH, Ledger
from lakejobs.maintain.request import Request
from lakejobs.maintain.results import FAILED, POSTPONED, Result, put_metrics, write_results
from lakejobs.maintain.upkeep import Keeper
from lakejobs.manifest import Manifest, Model, Vault
from lakejobs.session import activate, another_session, open_session

_AT_ONCE = 8


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if a table could not be maintained."""
    arguments = MaintainArguments.parse(argv)
    maintain(open_session(), arguments, Clients.connect())


@dataclass(frozen=True)
class Work:
    """One run of the job, under a name of its own, which holds the leases."""

    keeper: Keeper
    borrower: Borrower

    def dataset(self, dataset: Dataset) -> list[Result]:
        with self.borrower.leased(dataset.id) as (_, fence):
            return self.keeper.dataset(dataset, fence)

    def vault(self, vault: Vault) -> list[Result]:
        with self.borrower.leased(vault_lease(vault.name)) as (_, fence):
            return self.keeper.vault(vault, fence)

    def models(self, models: Sequence[Model]) -> list[Result]:
        with self.borrower.leased(PUBLISH) as (_, fence):
            return list(chain.from_iterable(self.keeper.model(model, fence) for model in models))


@dataclass(frozen=True)
class Task:
    """What is done under one lease: a dataset's tables, a vault, or all curated ones."""

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
    queue, window = arguments.wake_queue_url, arguments.window_seconds
    borrower = Borrower(clients, ledger, tag, arguments.lease_seconds, queue, window, now, sleep)
    work = Work(keeper, borrower)
    results, busy = _run(work, _tasks(manifest, request))
    late, busy = _run(replace(work, borrower=replace(borrower, patience=WAIT_SECONDS)), busy)
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
    if request.dataset is None:
        tasks += [Task(v.owner, lambda work, v=v: work.vault(v)) for v in manifest.vaults]
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
