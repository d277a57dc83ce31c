"""One batch from its frozen list to its outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from lakejobs.arguments import RefineArguments
from lakejobs.aws import Clients
from lakejobs.errors import BatchFailed
from lakejobs.heartbeat import Heartbeat
from lakejobs.iceberg import COUNTS_PROPERTY, Commit, Table
from lakejobs.ledger import BatchRecord, Lease, Ledger, Outcome
from lakejobs.lists import FrozenList
from lakejobs.manifest import Dataset
from lakejobs.refine import target
from lakejobs.refine.apply import REASONS_PROPERTY, Application, Overwritten
from lakejobs.refine.outcome import Tally
from lakejobs.refine.protect import HashKey, read_hash_key
from lakejobs.refine.source import Source, not_in_place, settle, survey_source
from lakejobs.session import size_shuffles

_READ_TRIES = 4
_GZIP_RATIO = 5


class Unread(BatchFailed):
    """No object of the batch can be read."""

    def __init__(self, source: Source) -> None:
        first = source.unreadable[0]
        count = len(source.unreadable)
        super().__init__("unreadable", f"none of {count} objects can be read; {first.object.key} {first.reason}")
        self.source = source


@dataclass(frozen=True)
class Workshop:
    """What every batch of a run shares."""

    spark: SparkSession
    arguments: RefineArguments
    clients: Clients
    ledger: Ledger
    heartbeat: Heartbeat


@dataclass(frozen=True)
class BatchWork:
    """The work on one batch: its dataset by the manifest it pinned, its list, and the lease it is done under."""

    shop: Workshop
    dataset: Dataset
    frozen: FrozenList
    lease: Lease
    record: BatchRecord

    def run(self) -> Outcome:
        """Takes the batch to its outcome. Raises BatchFailed, LeaseLost, or what the services raise."""
        spark, dataset = self.shop.spark, self.dataset
        key = self._hash_key()
        source = survey_source(spark, dataset, self.frozen)
        if source.unreadable and not source.readable:
            raise Unread(source)
        table = Table.load(spark, target.table_name(dataset))
        location = target.table_location(self.shop.arguments.cleaned_bucket, dataset)
        target.plan_schema(table, dataset, location, key.version if key else None)
        size_shuffles(spark, self._volume() + (table.size if table else 0))
        done = self._recovered(table)
        if done is not None:
            return _outcome_of(done, source)
        for _ in range(_READ_TRIES):
            source = settle(self.shop.clients.s3, source, self.shop.arguments.artifacts_bucket, self.frozen.batch)
            try:
                return self._application(source, key).run()
            except Overwritten as moved:
                source = not_in_place(source, moved.positions)
        raise BatchFailed("error", "its objects were overwritten again and again while they were read")

    def _volume(self) -> int:
        """Bytes of the batch's objects, about as large as they are unpacked."""
        return sum(o.size * (_GZIP_RATIO if o.key.endswith(".gz") else 1) for o in self.frozen.objects)

    def _application(self, source: Source, key: HashKey | None) -> Application:
        return Application(
            spark=self.shop.spark,
            s3=self.shop.clients.s3,
            dataset=self.dataset,
            batch=self.frozen.batch,
            source=source,
            key=key,
            cleaned_location=target.table_location(self.shop.arguments.cleaned_bucket, self.dataset),
            quarantine_location=target.table_location(self.shop.arguments.quarantine_bucket, self.dataset),
            fence=self._fence,
        )

    def _fence(self) -> None:
        self.shop.heartbeat.check(self.lease)
        self.shop.ledger.renew(self.lease)

    def _hash_key(self) -> HashKey | None:
        if not self.dataset.hashed:
            return None
        secret = self.shop.arguments.hash_secret
        if secret == "none":
            columns = ", ".join(self.dataset.hashed)
            raise BatchFailed(
                "error", f"{self.dataset.id} hashes {columns}, but the job was started without hash_secret"
            )
        return read_hash_key(self.shop.clients.secrets, secret)

    def _recovered(self, table: Table | None) -> Commit | None:
        """This batch's own commit, left by a run that died before it could tell the ledger."""
        untouched = self.record.attempt == 0 and not self.record.replayed
        if table is None or self.record.force or untouched:
            return None
        return table.published(self.frozen.batch)


def _outcome_of(commit: Commit, source: Source) -> Outcome:
    counts: dict[str, Any] = json.loads(commit.summary[COUNTS_PROPERTY])
    reasons: dict[str, Any] = json.loads(commit.summary[REASONS_PROPERTY])
    return source.outcome("applied", Tally(counts, reasons), snapshot=commit.snapshot)
