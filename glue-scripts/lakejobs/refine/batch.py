"""One batch from its frozen list to its outcome."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.arguments import RefineArguments
from lakejobs.aws import Clients
from lakejobs.declared import Dataset
from lakejobs.errors import BatchFailed
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import BatchRecord, Lease, Ledger, Outcome
from lakejobs.lists import FrozenList
from lakejobs.manifest import Manifest
from lakejobs.protections import told_key
from lakejobs.refine import evolve, target
from lakejobs.refine.apply import Application
from lakejobs.refine.changes import DELETED
from lakejobs.refine.corrections import (
    CORRECTIONS_PROPERTY,
    Corrections,
    Verdicts,
    corrections_key,
    files_id,
    read_corrections,
)
from lakejobs.refine.delivery import order_of
from lakejobs.refine.erased import Erasures, landed_at
from lakejobs.refine.outcome import Tally
from lakejobs.refine.protect import HashKeys, read_hash_key, versions
from lakejobs.refine.quality.judge import WARNED_PROPERTY, Quality
from lakejobs.refine.reading import Damaged, Overwritten, reading
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import Source, not_in_place, settle, survey_source, without
from lakejobs.refine.vault import Vaults
from lakejobs.session import size_shuffles
from lakejobs.shapes import ShapeError
from lakejobs.tables.interface import ABSENT_PROPERTY, COUNTS_PROPERTY, REASONS_PROPERTY, Commit, Store, StoredTable
from lakejobs.tables.stores import open_store

_READ_TRIES = 4


class Unread(BatchFailed):
    """Too little of the batch can be read: no object, or not the whole of a load."""

    def __init__(self, source: Source, load: int | None) -> None:
        first, count = source.unreadable[0], len(source.unreadable)
        reason = f"none of {count} objects can be read; {first.object.key} {first.reason}"
        if load is not None:
            of = count + len(source.readable)
            reason = (
                f"{count} of {of} objects of the load of generation {load} cannot be read, and a load is applied whole;"
                f" {first.object.key} {first.reason}. Raise the source's Generation to load anew"
            )
        super().__init__("unreadable", reason)
        self.source = source


@dataclass(frozen=True)
class Workshop:
    """What every batch of a run shares."""

    spark: SparkSession
    arguments: RefineArguments
    clients: Clients
    ledger: Ledger
    heartbeat: Heartbeat
    current: Manifest
    """As it was when the run began; a batch may have pinned an older one."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever writes to vaults."""

    def store(self, dataset: Dataset) -> Store:
        """The place of the dataset's cleaned table."""
        layout = target.layout(dataset, self.arguments.cleaned_bucket)
        return open_store(self.spark, self.clients, dataset.table_format, layout)

    def fence(self, lease: Lease) -> None:
        """Raises LeaseLost if this run may no longer write what the lease guards."""
        self.heartbeat.check(lease)
        self.ledger.renew(lease)


@dataclass(frozen=True)
class BatchWork:
    """The work on one batch: its dataset by the manifest it pinned, its list, and the lease it is done under.

    `pinned` is the manifest's hash.
    """

    shop: Workshop
    manifest: Manifest
    dataset: Dataset
    frozen: FrozenList
    lease: Lease
    record: BatchRecord
    pinned: str

    def run(self) -> Outcome:
        """Takes the batch to its outcome. Raises BatchFailed, LeaseLost, or what the services raise."""
        if not self.dataset.evolves:
            return self._apply(self._survey())
        work = replace(self, dataset=evolve.held(self.dataset, self.shop.store(self.dataset).load()))
        dataset, source = evolve.gained(work.dataset, work._survey())
        return replace(work, dataset=dataset)._apply(source)

    def _survey(self) -> Source:
        return survey_source(self.shop.spark, self.dataset, self.frozen, self.manifest.landing_of)

    def _apply(self, source: Source) -> Outcome:
        spark, dataset = self.shop.spark, self.dataset
        keys = self._keys()
        self._check_readable(source)
        self._check_load(source)
        table = self.shop.store(dataset).load()
        target.plan_schema(table, dataset, versions(keys))
        size_shuffles(spark, source.volume + (table.size if table else 0))
        done = self._recovered(table)
        if done is not None:
            return _outcome_of(done, source)
        corrections = self._corrections()
        for _ in range(_READ_TRIES):
            source = settle(self.shop.clients.s3, source, self.shop.arguments.artifacts_bucket, self.frozen.batch)
            self._check_readable(source)
            try:
                work = self._as_wide_as(source)
                return work.application(self.shop.store(work.dataset), source, keys, corrections).run()
            except Overwritten as moved:
                source = not_in_place(source, moved.positions)
            except Damaged as found:
                source = without(source, found.faults)
                self._check_readable(source)
        raise BatchFailed("error", "its objects were overwritten again and again while they were read")

    def _check_readable(self, source: Source) -> None:
        """A batch goes on without the objects that cannot be read, a load does not."""
        if source.unreadable and (self.frozen.load is not None or not source.readable):
            raise Unread(source, self.frozen.load)

    def _check_load(self, source: Source) -> None:
        """A load is the load of one generation, and nothing else is in its batch."""
        load = self.frozen.load
        if load is None:
            return
        if not self.dataset.is_cdc:
            raise ShapeError(f"batch {self.frozen.batch} is a load, but {self.dataset.id} is no cdc dataset")
        other = [r.object.key for r in source.readable if r.generation != load or not r.loads]
        if other:
            raise ShapeError(f"batch {self.frozen.batch} is the load of generation {load}, but lists {other[0]}")

    def _delivery(self, source: Source) -> str | None:
        """The order of the snapshot that the batch is; None unless the dataset is loaded by snapshots."""
        if self.dataset.delivery is None:
            return None
        if len(self.frozen.objects) != 1:
            raise ShapeError(
                f"batch {self.frozen.batch} lists {len(self.frozen.objects)} objects, but a snapshot of"
                f" {self.dataset.id} is one: the batch was frozen under another declaration"
            )
        (item,) = source.readable
        return order_of(self.shop.clients.s3, item.object, item.stamp or "")

    def _as_wide_as(self, source: Source) -> BatchWork:
        """The work with types that hold the source's values, if the table's may grow. Raises as reading does."""
        if not self.dataset.evolves:
            return self

        def wider() -> Dataset:
            rows = read_rows(self.shop.spark, self.dataset, source.readable)
            return self.dataset if rows is None else evolve.wider(rows, self.dataset)

        return replace(self, dataset=reading(self.shop.spark, self.shop.clients.s3, source, wider))

    def _corrections(self) -> Corrections | None:
        if not self.record.corrections:
            return None
        artifacts = self.shop.arguments.artifacts_bucket
        return read_corrections(self.shop.clients, artifacts, self.frozen.batch, self.record.corrections)

    def application(
        self, store: Store, source: Source, keys: HashKeys, corrections: Corrections | None = None
    ) -> Application:
        """The batch, read from there, on its way into that table."""
        return Application(
            spark=self.shop.spark,
            s3=self.shop.clients.s3,
            glue=self.shop.clients.glue,
            dataset=self.dataset,
            batch=self.frozen.batch,
            load=self.frozen.load,
            delivery=self._delivery(source),
            source=source,
            keys=keys,
            store=store,
            quarantine_location=target.table_location(self.shop.arguments.quarantine_bucket, self.dataset),
            fence=lambda: self.shop.fence(self.lease),
            quality=self._quality(),
            corrections=corrections,
            vaults=self._vaults(),
            erasures=self._erasures(source),
            keep_verdicts=lambda found: self._keep_verdicts(corrections, found),
        )

    def _erasures(self, source: Source) -> Erasures | None:
        """Who was erased of those whom the dataset's rows are about; None for nobody."""
        subject = self.dataset.subject
        if subject is None:
            return None
        erased = self.shop.ledger.erased(subject.name, self.dataset.id)
        if not erased:
            return None
        secret = self.shop.arguments.erasure_secret
        if secret == "none":
            reason = f"{self.dataset.id} has had {subject.name}s erased, but the job was started without erasure_secret"
            raise BatchFailed("error", reason)
        key = read_hash_key(self.shop.clients.secrets, secret)
        others = sorted({found.key_version for found in erased.values()} - {key.version})
        if others:
            reason = f"{subject.name}s that were erased are known by version {', '.join(others)} of the erasure secret,"
            reason += f" which now has {key.version}: make {others[0]} its current version again"
            raise BatchFailed("error", reason)
        at = {name: found.at for name, found in erased.items()}
        return Erasures(key, at, landed_at(self.shop.clients.s3, source.readable))

    def _quality(self) -> Quality:
        ledger, frozen_at = self.shop.ledger, self.record.frozen_at
        return Quality(
            dataset=self.dataset,
            batch=self.frozen.batch,
            manifest=self.pinned,
            frozen_at=frozen_at,
            load=self.frozen.load is not None,
            history=lambda count: ledger.rows_before(self.dataset.id, frozen_at, count),
            values=self._values,
            store=self._keep,
        )

    def _values(self, dataset_id: str, column: str) -> DataFrame | None:
        """The values of a column of another dataset's cleaned table, those of deleted rows left out."""
        other = self.manifest.dataset(dataset_id)
        table = self.shop.store(other).load()
        if table is None or table.main is None:
            return None
        rows = table.read(table.main)
        if column not in rows.columns:
            return None
        if other.is_cdc:
            rows = rows.where(~F.col(DELETED))
        return rows.where(F.col(column).isNotNull()).select(column)

    def _keep(self, key: str, body: bytes) -> None:
        self.shop.clients.s3.put_object(Bucket=self.shop.arguments.artifacts_bucket, Key=key, Body=body)

    def _keep_verdicts(self, corrections: Corrections | None, found: Verdicts) -> None:
        """Keeps what became of corrections, one row each, in place of what an earlier run kept."""
        batch = {"batch": self.frozen.batch, "dataset": self.dataset.id}
        rows = corrections.rows(batch, found, self.record.force) if corrections else []
        if rows:
            lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows]
            self._keep(corrections_key(self.frozen.batch), ("\n".join(lines) + "\n").encode())

    def _vaults(self) -> Vaults | None:
        vaults = tuple(self.manifest.vault(name) for name in self.dataset.tokenised)
        shop = self.shop
        bucket = shop.arguments.vault_bucket
        return Vaults(shop.spark, shop.clients.glue, bucket, vaults, shop.turn) if vaults else None

    def _keys(self) -> HashKeys:
        secrets = self.shop.arguments.secrets()
        lacking = [
            f"{', '.join(columns)} under {told_key(key)}"
            for key, columns in self.dataset.keyed.items()
            if key not in secrets
        ]
        if lacking:
            raise BatchFailed(
                "error",
                f"{self.dataset.id} protects {' and '.join(lacking)}, but the job was started without its secret"
                " (hash_secret, hash_keys, token_keys)",
            )
        return {key: read_hash_key(self.shop.clients.secrets, secrets[key]) for key in self.dataset.keyed}

    def _recovered(self, table: StoredTable | None) -> Commit | None:
        """This batch's own commit, left by a run that died before it could tell the ledger."""
        untouched = self.record.attempt == 0 and not self.record.replayed
        if table is None or self.record.force or untouched:
            return None
        found = table.published(self.frozen.batch)
        if found and found.summary.get(CORRECTIONS_PROPERTY, "") != files_id(self.record.corrections):
            return None
        return found


def _outcome_of(commit: Commit, source: Source) -> Outcome:
    counts: dict[str, Any] = json.loads(commit.summary[COUNTS_PROPERTY])
    reasons: dict[str, Any] = json.loads(commit.summary[REASONS_PROPERTY])
    found = Tally(counts, reasons, absent=int(commit.summary[ABSENT_PROPERTY]))
    warned = int(commit.summary.get(WARNED_PROPERTY, 0))
    return source.outcome("applied", found, snapshot=commit.snapshot, rules_warned=warned)
