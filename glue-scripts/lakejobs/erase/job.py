"""The erase job: one request, on every dataset that is about that kind of subject and their vaults, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from pyspark.sql import SparkSession

from lakejobs.arguments import EraseArguments
from lakejobs.aws import Clients
from lakejobs.borrowed import WAIT_SECONDS, Borrower
from lakejobs.clock import Clock, utc_now
from lakejobs.declared import Dataset
from lakejobs.erase.cleaned import CLEANED
from lakejobs.erase.copies import remove_copies, remove_for_good
from lakejobs.erase.left import ARTIFACTS, CURATED, RAW, VAULT, Remainder
from lakejobs.erase.lifecycle import Rules
from lakejobs.erase.one_dataset import Erased, Eraser
from lakejobs.erase.one_vault import VaultEraser
from lakejobs.erase.quarantined import QUARANTINE
from lakejobs.erase.request import REQUESTS, Request
from lakejobs.erase.results import Report, Result
from lakejobs.errors import JobFailed, describe
from lakejobs.events import log
from lakejobs.ledger import Ledger
from lakejobs.manifest import Manifest
from lakejobs.protections import key_of, told_key
from lakejobs.refine.protect import HashKeys, read_hash_key
from lakejobs.session import open_session

T = TypeVar("T")


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if anything of the request is left undone."""
    arguments = EraseArguments.parse(argv)
    erase(open_session(), arguments, Clients.connect())


def erase(
    spark: SparkSession,
    arguments: EraseArguments,
    clients: Clients,
    now: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Erases from one dataset after the other, then from their vaults, keeps the report and forgets the request.

    An erasure that has a report is done, and is not done again. Raises JobFailed, naming each dataset or vault that is
    left; the request is kept then, so that another try ends what this one began.
    """
    report = Report(clients, arguments.artifacts_bucket, arguments.erasure)
    if report.exists():
        log("erased already", erasure=arguments.erasure)
        remove_for_good(clients.s3, arguments.artifacts_bucket, arguments.request)
        return
    manifest = Manifest.from_json(clients.read(arguments.manifest_uri))
    request, started = _request(clients, arguments, manifest), now()
    datasets = [d for d in manifest.datasets if d.subject and d.subject.name == request.subject]
    eraser = _eraser(spark, arguments, clients, manifest, request, datasets, now, sleep)
    done = _each(eraser, {d.id: lambda d=d: eraser.dataset(d) for d in datasets})
    vaults = [v for v in manifest.vaults if any(v.name in d.tokenised for d in datasets)]
    # Only now do tables tell what no row has any more.
    swept = _each(eraser, {v.owner: lambda v=v: VaultEraser.of(eraser, v).erase() for v in vaults})
    _keep(report, eraser, request, done, [*chain.from_iterable(swept.values())], started, now)
    remove_for_good(clients.s3, arguments.artifacts_bucket, arguments.request)
    log("erased", erasure=arguments.erasure, datasets=len(datasets))


def _each(eraser: Eraser, work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """What each returns; whoever fails holds up no other. Raises JobFailed, naming each that is left."""
    done, left = {}, []
    for owner, one in work.items():
        try:
            done[owner] = one()
        except Exception as error:
            log("not erased", owner=owner, erasure=eraser.arguments.erasure, error=describe(error))
            left.append(describe(error))
    if left:
        remove_copies(eraser.clients.s3, eraser.arguments.artifacts_bucket, eraser.borrower.name)
        raise JobFailed("not erased, and no report is kept until all of it is: " + "; ".join(left))
    return done


def _keep(
    report: Report,
    eraser: Eraser,
    request: Request,
    done: dict[str, Erased],
    swept: Sequence[Result],
    started: datetime,
    now: Clock,
) -> None:
    results = [*(result for erased in done.values() for result in erased.results), *swept]
    contents = {name: erased.content for name, erased in done.items()}
    results += [*eraser.remainder.models(eraser.ledger, contents), *eraser.remainder.told()]
    held = [one for erased in done.values() for one in erased.held]
    report.keep(request.subject, started, now(), results, held)


def _request(clients: Clients, arguments: EraseArguments, manifest: Manifest) -> Request:
    """The request. Raises JobFailed if there is none."""
    key = arguments.request
    if not key.startswith(REQUESTS):
        raise JobFailed(f"request: is {key!r}; the key of an object below {REQUESTS} in the artifacts bucket is needed")
    found = clients.s3.list_objects_v2(Bucket=arguments.artifacts_bucket, Prefix=key).get("Contents", [])
    if key not in [item["Key"] for item in found]:
        raise JobFailed(f"{key}: is not in {arguments.artifacts_bucket}: put the request there, then start anew")
    return Request.parse(clients.read(f"s3://{arguments.artifacts_bucket}/{key}"), manifest)


def _eraser(
    spark: SparkSession,
    arguments: EraseArguments,
    clients: Clients,
    manifest: Manifest,
    request: Request,
    datasets: Sequence[Dataset],
    now: Clock,
    sleep: Callable[[float], None],
) -> Eraser:
    ledger = Ledger(clients.dynamodb, arguments.ledger_table, arguments.lease_seconds, now)
    queue, window, seconds = arguments.wake_queue_url, arguments.window_seconds, arguments.lease_seconds
    tag = f"erase-{arguments.erasure}"
    borrower = Borrower(clients, ledger, tag, seconds, queue, window, now, sleep, WAIT_SECONDS)
    zones = {
        RAW: arguments.raw_bucket,
        CLEANED: arguments.cleaned_bucket,
        QUARANTINE: arguments.quarantine_bucket,
        CURATED: arguments.curated_bucket,
        VAULT: arguments.vault_bucket,
        ARTIFACTS: arguments.artifacts_bucket,
    }
    rules = {zone: Rules.of(clients.s3, bucket) for zone, bucket in zones.items() if bucket != "none"}
    remainder = Remainder(manifest, rules, timedelta(seconds=arguments.maintain_seconds), now)
    key = read_hash_key(clients.secrets, arguments.erasure_secret)
    columns = _column_keys(clients, arguments, datasets)
    return Eraser(spark, clients, arguments, manifest, request, ledger, borrower, remainder, key, columns, now)


def _column_keys(clients: Clients, arguments: EraseArguments, datasets: Sequence[Dataset]) -> HashKeys:
    """Those under which columns that identify a subject are hashed or tokenised. Raises JobFailed if one is lacking."""
    protects = [next(c for c in d.columns if c.name == d.subject.column).protect for d in datasets]
    wanted = {name for protect in protects if (name := key_of(protect)) is not None}
    secrets = arguments.secrets()
    if wanted - set(secrets):
        lacking = ", ".join(told_key(name) for name in sorted(wanted - set(secrets)))
        raise JobFailed(f"the job was started without the secret of {lacking} (hash_secret, hash_keys, token_keys)")
    return {name: read_hash_key(clients.secrets, secrets[name]) for name in sorted(wanted)}
