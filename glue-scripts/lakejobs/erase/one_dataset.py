"""The erasure from one dataset, under its lease."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from lakejobs.arguments import EraseArguments
from lakejobs.aws import Clients
from lakejobs.borrowed import Borrower
from lakejobs.clock import Clock
from lakejobs.declared import DELTA, Dataset, Upkeep
from lakejobs.erase.cleaned import CLEANED, Cleaned
from lakejobs.erase.copies import Made, remove_copies
from lakejobs.erase.corrected import search_corrections
from lakejobs.erase.landed_versions import versions_of
from lakejobs.erase.left import Remainder
from lakejobs.erase.quarantined import QUARANTINE, Quarantined
from lakejobs.erase.request import Request
from lakejobs.erase.results import VERIFIED, HeldBy, Result
from lakejobs.erase.search import Findings, Search
from lakejobs.erase.subjects import Subjects
from lakejobs.iceberg import Table
from lakejobs.ledger import Ledger
from lakejobs.manifest import Manifest
from lakejobs.refine.protect import HashKey, HashKeys
from lakejobs.refine.quarantine import quarantine_name
from lakejobs.refine.target import layout
from lakejobs.tables.iceberg_expiry import expire
from lakejobs.tables.interface import Fence, Limits, Store
from lakejobs.tables.stores import open_store


class NotErased(Exception):
    """Rows are there after they were erased, or would come back."""


@dataclass
class Erased:
    """What came of one dataset. `content` is the version that made the rows of its cleaned table."""

    results: list[Result] = field(default_factory=list)
    held: list[HeldBy] = field(default_factory=list)
    content: str | None = None


@dataclass(frozen=True)
class Eraser:
    """What the erasure from every dataset shares. `key` is that of erasures, `columns` those of protected columns."""

    spark: SparkSession
    clients: Clients
    arguments: EraseArguments
    manifest: Manifest
    request: Request
    ledger: Ledger
    borrower: Borrower
    remainder: Remainder
    key: HashKey
    columns: HashKeys
    now: Clock

    @property
    def _tag(self) -> str:
        return self.borrower.name

    def dataset(self, dataset: Dataset) -> Erased:
        """Erases, reads the tables anew, and reckons what is left. Raises Busy, LeaseLost, NotErased, or what the
        services raise.

        What has landed is searched before the lease is taken, and only what landed meanwhile while it is held.
        """
        subjects = Subjects.of(dataset, self.request.values, self.key, self.columns)
        s3, raw = self.clients.s3, self.arguments.raw_bucket
        artifacts = self.arguments.artifacts_bucket
        search = Search(self.spark, self.clients, self.manifest, dataset, subjects, artifacts, self._tag)
        findings = Findings()
        search.into(findings, versions_of(s3, raw, self.manifest, dataset))
        others = {found.key_version for found in self.ledger.erased(self.request.subject, dataset.id).values()}
        if others - {self.key.version}:
            raise NotErased(
                f"who was erased before is known by version {min(others - {self.key.version})} of the erasure secret,"
                f" which now has {self.key.version}: make that its current version again"
            )
        with self.borrower.leased(dataset.id) as (lease, fence):
            names, version = subjects.names.values(), self.key.version
            self.ledger.remember_erased(self.request.subject, names, version, self.arguments.erasure, lease)
            search.into(findings, versions_of(s3, raw, self.manifest, dataset))
            corrected, unread = search_corrections(s3, raw, dataset, subjects, findings.records)
            findings.counts.update(corrected)
            findings.unread.extend(unread)
            done = self._tables(dataset, subjects, findings, fence)
        remove_copies(s3, artifacts, self._tag)
        results, held = self.remainder.landed(dataset, findings)
        done.results += [*results, *self.remainder.elsewhere(s3, dataset)]
        done.held += held
        return done

    def store(self, dataset: Dataset) -> Store:
        """The place of a dataset's cleaned table."""
        return open_store(
            self.spark, self.clients, dataset.table_format, layout(dataset, self.arguments.cleaned_bucket)
        )

    def _tables(self, dataset: Dataset, subjects: Subjects, findings: Findings, fence: Fence) -> Erased:
        done = Erased()
        store = self.store(dataset)
        cleaned = Cleaned(self.spark, store, dataset, subjects, self._tag)
        quarantined = Quarantined(self.spark, dataset, subjects, findings, self._tag)
        made = Made(self.clients.s3, self.arguments.artifacts_bucket, {v.object.hash for v in findings.holders})
        made.remove({self.ledger.batch_of(dataset.id, found) for found in made.hashes} - {None})
        done.results += cleaned.erase(fence, made.remove)
        done.results += quarantined.erase(fence, made.remove)
        done.results += made.results(dataset)
        if self.request.expire_history:
            self._expire(dataset, store, fence)
        verified = [*cleaned.verify(), *quarantined.verify()]
        left = [r for r in verified if r.action == VERIFIED and r.row_count]
        if left:
            places = ", ".join(sorted({f"{r.place} ({r.row_count} rows)" for r in left}))
            raise NotErased(f"{dataset.id}: rows are there after they were erased: {places}")
        done.results += verified
        done.results += self._history(dataset, store)
        table = store.load()
        done.content = table.content if table else None
        return done

    def _expire(self, dataset: Dataset, store: Store, fence: Fence) -> None:
        """Removes earlier states of the tables, but those that a batch without an outcome may still need. Delta keeps
        them for as long as maintenance says."""
        limits = self.limits(dataset.upkeep)
        if dataset.table_format != DELTA:
            store.expire(limits, fence)
        table = Table.load(self.spark, quarantine_name(dataset))
        if table is not None and table.main is not None:
            expire(table, limits, fence)

    def limits(self, upkeep: Upkeep) -> Limits:
        """By which all earlier states are old enough to go."""
        now = int(self.now().timestamp() * 1000) + 1
        return Limits(
            replaced_before=now,
            unreferenced_before=now - upkeep.unreferenced_seconds * 1000,
            replaced_seconds=upkeep.snapshot_seconds,
            unreferenced_seconds=upkeep.unreferenced_seconds,
            needed=self.ledger.needed,
        )

    def _history(self, dataset: Dataset, store: Store) -> list[Result]:
        """Of tables that exist: how long their earlier states can still be read, or dug out of the bucket."""
        found, delta, expired = [], dataset.table_format == DELTA, self.request.expire_history
        cleaned, quarantine = store.load(), Table.load(self.spark, quarantine_name(dataset))
        if cleaned is not None:
            at_once = expired and not cleaned.has_past
            place = store.layout.name.split(".", 1)[1]
            found.append(self.remainder.history(dataset, CLEANED, place, at_once, delta))
        if quarantine is not None:
            place = quarantine.name.split(".", 1)[1]
            found.append(self.remainder.history(dataset, QUARANTINE, place, expired and not quarantine.has_past))
        return found
