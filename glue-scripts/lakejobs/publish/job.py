"""The publish job: rebuilds the curated tables whose inputs, SQL or declaration have changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pyspark.sql import SparkSession

from lakejobs.arguments import PublishArguments
from lakejobs.aws import Clients
from lakejobs.clock import Clock, utc_now
from lakejobs.errors import JobFailed, LeaseLost, describe
from lakejobs.events import log
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import PUBLISH, Lease, Ledger
from lakejobs.lists import Run
from lakejobs.manifest import Manifest
from lakejobs.publish.build import Builder, Waiting
from lakejobs.session import open_session

_WAIT_SECONDS = 1800
_POLL_SECONDS = 5.0


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if a model could not be published."""
    arguments = PublishArguments.parse(argv)
    publish(open_session(), arguments, Clients.connect())


def publish(
    spark: SparkSession,
    arguments: PublishArguments,
    clients: Clients,
    now: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Brings every model up to date, in dependency order, under the publish lease.

    A model waits while an input has no data yet, and a model after a failed one is left as it is. Raises JobFailed,
    naming each model that failed.
    """
    run = Run.from_json(clients.read(arguments.run_uri))
    ledger = Ledger(clients.dynamodb, arguments.ledger_table, arguments.lease_seconds, now)
    text = clients.read(f"s3://{arguments.artifacts_bucket}/manifests/{run.manifest}.json")
    manifest = Manifest.from_pinned(text, run.manifest)
    lease = _take(ledger, run.name, sleep)
    try:
        with Heartbeat(ledger, [lease], arguments.lease_seconds) as heartbeat:
            failed = _build_all(spark, clients, arguments, manifest, ledger, lease, heartbeat)
    finally:
        ledger.release(lease)
    if failed:
        raise JobFailed("models not published: " + "; ".join(f"{name}: {why}" for name, why in failed.items()))


def _take(ledger: Ledger, run: str, sleep: Callable[[float], None]) -> Lease:
    waited = 0.0
    while True:
        lease = ledger.take_publish(run)
        if lease is not None:
            return lease
        if waited >= _WAIT_SECONDS:
            raise JobFailed(f"another run has held the lease {PUBLISH} for {_WAIT_SECONDS} seconds")
        log("waiting for the publish lease", run=run, waited=waited)
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _build_all(
    spark: SparkSession,
    clients: Clients,
    arguments: PublishArguments,
    manifest: Manifest,
    ledger: Ledger,
    lease: Lease,
    heartbeat: Heartbeat,
) -> dict[str, str]:
    def fence() -> None:
        heartbeat.check(lease)
        ledger.renew(lease)

    builder = Builder(spark, clients, arguments.curated_bucket, manifest, ledger, lease, fence)
    failed: dict[str, str] = {}
    waiting: set[str] = set()
    for model in manifest.models:
        behind = [name for name in model.inputs if name in failed or name in waiting]
        if behind:
            culprit = next((name for name in behind if name in failed), None)
            if culprit is not None:
                failed[model.id] = f"its input {culprit} failed"
            else:
                waiting.add(model.id)
                log("model waiting", model=model.id, inputs=behind)
            continue
        try:
            builder.build(model)
        except Waiting as pause:
            waiting.add(model.id)
            log("model waiting", model=model.id, inputs=pause.inputs)
        except LeaseLost:
            raise
        except Exception as error:
            failed[model.id] = describe(error)
            log("model failed", model=model.id, error=describe(error))
    return failed
