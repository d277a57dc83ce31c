"""The refine job: every batch of one run, each to its own outcome, then the compaction of the tables they changed.

Several datasets are worked on at once, but what a rule of one refers to comes before it; the batches of one are taken
in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from graphlib import TopologicalSorter
from queue import SimpleQueue

from pyspark.sql import SparkSession

from lakejobs.arguments import RefineArguments
from lakejobs.aws import Clients
from lakejobs.clock import Clock, utc_now
from lakejobs.declared import Dataset
from lakejobs.errors import BatchFailed, JobFailed, LeaseLost, describe, is_infrastructure
from lakejobs.events import log
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import OPEN_STATES, Lease, Ledger, Outcome
from lakejobs.lists import FrozenList, Run, RunBatch
from lakejobs.manifest import Manifest
from lakejobs.refine.batch import BatchWork, Unread, Workshop
from lakejobs.refine.outcome import OUTCOMES
from lakejobs.refine.turns import in_turn, waits
from lakejobs.session import activate, another_session, open_session
from lakejobs.shapes import ShapeError

# Each works on a batch of its own, whose rows it keeps in the executors' memory.
_AT_ONCE = 8


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if a batch was left without an outcome."""
    arguments = RefineArguments.parse(argv)
    refine(open_session(), arguments, Clients.connect())


def refine(spark: SparkSession, arguments: RefineArguments, clients: Clients, now: Clock = utc_now) -> None:
    """Takes each dataset's batches in the run's order, several datasets at once; a bad batch fails alone.

    Raises JobFailed, naming each batch that a lost lease or a failing service left without an outcome, and each
    compaction that failed.
    """
    run = Run.from_json(clients.read(arguments.run_uri))
    ledger = Ledger(clients.dynamodb, arguments.ledger_table, arguments.lease_seconds, now)
    leases = {b.dataset: Lease(b.dataset, run.name, b.token) for b in run.batches}
    with Heartbeat(ledger, leases.values(), arguments.lease_seconds) as heartbeat:
        shop = Workshop(spark, arguments, clients, ledger, heartbeat, _current(clients, arguments, run))
        left = _refine_datasets(shop, run, leases)
    if left:
        raise JobFailed("left undone: " + "; ".join(left))


def _refine_datasets(shop: Workshop, run: Run, leases: Mapping[str, Lease]) -> list[str]:
    """Works on as many datasets at once as the executors have cores. Tells what is left undone, and why.

    While one batch is planned and committed the executors have nothing to do, and a small batch is little but that.
    """
    order = waits(leases.keys(), shop.current)
    batches = {name: [b for b in run.batches if b.dataset == name] for name in order}
    workers = min(len(order), shop.spark.sparkContext.defaultParallelism, _AT_ONCE)
    if workers <= 1:
        names = TopologicalSorter(order).static_order()
        return [left for name in names for left in _refine_dataset(shop, run, batches[name], leases[name])]
    free: SimpleQueue[Workshop] = SimpleQueue()
    for _ in range(workers):
        free.put(replace(shop, spark=another_session(shop.spark)))

    def work(name: str) -> list[str]:
        own = free.get()
        activate(own.spark)
        try:
            return _refine_dataset(own, run, batches[name], leases[name])
        finally:
            free.put(own)

    with ThreadPoolExecutor(workers, thread_name_prefix="refine") as pool:
        found = in_turn(pool, order, work)
    return [left for name in order for left in found[name]]


def _refine_dataset(shop: Workshop, run: Run, items: list[RunBatch], lease: Lease) -> list[str]:
    """Takes the batches of one dataset to their outcomes and compacts its table. Tells what is left undone, and why."""
    left: list[str] = []
    changed: Dataset | None = None
    for i, item in enumerate(items):
        try:
            changed = _refine_batch(shop, run, item, lease) or changed
        except LeaseLost as error:
            log("batch left", batch=item.batch, dataset=item.dataset, error=describe(error))
            left.append(f"batch {item.batch} of {item.dataset}: {error}")
            return left + [f"batch {rest.batch} of {rest.dataset}: its lease is lost" for rest in items[i + 1 :]]
        except Exception as error:
            log("batch left", batch=item.batch, dataset=item.dataset, error=describe(error))
            left.append(f"batch {item.batch} of {item.dataset}: {describe(error)}")
    if changed is None:
        return left
    try:
        shop.store(changed).compact(lambda: shop.fence(lease))
    except Exception as error:
        log("compaction left", dataset=changed.id, error=describe(error))
        left.append(f"compaction of {changed.id}: {describe(error)}")
    return left


def _refine_batch(shop: Workshop, run: Run, item: RunBatch, lease: Lease) -> Dataset | None:
    """Returns the dataset if the batch has changed its table."""
    shop.heartbeat.check(lease)
    record = shop.ledger.start(item.batch, lease)
    if record.state not in OPEN_STATES:
        log("batch has an outcome already", batch=item.batch, dataset=item.dataset, state=record.state)
        return None
    log("batch started", batch=item.batch, dataset=item.dataset, run=run.name)
    try:
        manifest = _manifest(shop, item)
        dataset = _about(manifest.dataset(item.dataset), shop.current)
        outcome = BatchWork(shop, manifest, dataset, _frozen(shop, item), lease, record, item.manifest).run()
    except Unread as failed:
        unreadable = failed.source.unreadable
        outcome = Outcome("failed", _no_counts(), 0, unreadable, code=failed.code, reason=failed.reason)
    except BatchFailed as failed:
        outcome = Outcome("failed", _no_counts(), 0, code=failed.code, reason=failed.reason)
    except LeaseLost:
        raise
    except Exception as error:
        if is_infrastructure(error):
            raise
        outcome = Outcome("failed", _no_counts(), 0, code="error", reason=describe(error))
    shop.ledger.finish(item.batch, item.dataset, lease, outcome)
    log("batch finished", batch=item.batch, dataset=item.dataset, state=outcome.state, code=outcome.code,
        reason=outcome.reason, counts=outcome.counts, snapshot=outcome.snapshot)  # fmt: skip
    return dataset if outcome.rows_changed else None


def _about(dataset: Dataset, current: Manifest) -> Dataset:
    """The dataset with the subject that is declared now: a batch of before must not bring back who was erased since."""
    now = next((d.subject for d in current.datasets if d.id == dataset.id), None)
    if now is None or now.column not in [c.name for c in dataset.columns]:
        return dataset
    return replace(dataset, subject=now)


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(("read", *OUTCOMES), 0)


def _manifest(shop: Workshop, item: RunBatch) -> Manifest:
    return _kept_manifest(shop.clients, shop.arguments, item.manifest)


def _current(clients: Clients, arguments: RefineArguments, run: Run) -> Manifest:
    """The manifest as it was when the run began."""
    return _kept_manifest(clients, arguments, run.manifest)


def _kept_manifest(clients: Clients, arguments: RefineArguments, sha256: str) -> Manifest:
    text = clients.read(f"s3://{arguments.artifacts_bucket}/manifests/{sha256}.json")
    return Manifest.from_pinned(text, sha256)


def _frozen(shop: Workshop, item: RunBatch) -> FrozenList:
    frozen = FrozenList.from_json(shop.clients.read(item.list_uri))
    if (frozen.batch, frozen.dataset) != (item.batch, item.dataset):
        raise ShapeError(f"{item.list_uri} lists batch {frozen.batch} of {frozen.dataset}, not {item.batch}")
    return frozen
