"""The maintenance of one dataset's tables, or of one model's, under the lease of whoever writes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession

from lakejobs.aws import Clients
from lakejobs.declared import Dataset, Upkeep
from lakejobs.errors import LeaseLost, describe
from lakejobs.events import log
from lakejobs.iceberg import Table
from lakejobs.ledger import Ledger
from lakejobs.maintain.results import DONE, FAILED, Result
from lakejobs.maintain.tombstones import purge
from lakejobs.manifest import Model, Vault
from lakejobs.publish.models import model_table
from lakejobs.refine.quarantine import quarantine_name
from lakejobs.refine.target import layout
from lakejobs.refine.vault import vault_layout, vault_table
from lakejobs.session import size_shuffles
from lakejobs.tables.iceberg_compaction import compact
from lakejobs.tables.iceberg_expiry import expire
from lakejobs.tables.interface import Fence, Figures, Limits, Moved, Removed, Store
from lakejobs.tables.stores import open_store

_TRIES = 3


@dataclass(frozen=True)
class Keeper:
    """What the maintenance of every table shares. `tag` names this run of the job, `force` compacts what it can."""

    spark: SparkSession
    clients: Clients
    ledger: Ledger
    cleaned_bucket: str
    tag: str
    force: bool
    now: datetime

    def dataset(self, dataset: Dataset, fence: Fence) -> list[Result]:
        """Maintains the cleaned and the quarantine table. Raises LeaseLost."""
        store = open_store(self.spark, self.clients, dataset.table_format, layout(dataset, self.cleaned_bucket))
        limits, quarantine = self.limits(dataset.upkeep), quarantine_name(dataset)
        return [
            *self._table(dataset.id, store.layout.name, lambda: self._cleaned(dataset, store, limits, fence)),
            *self._table(dataset.id, quarantine, lambda: self._kept(quarantine, limits, fence)),
        ]

    def model(self, model: Model, fence: Fence) -> list[Result]:
        """Maintains a curated table, which every publication writes anew. Raises LeaseLost."""
        name, limits = model_table(model), self.limits(Upkeep())
        return self._table(model.id, name, lambda: self._kept(name, limits, fence))

    def vault(self, vault: Vault, fence: Fence) -> list[Result]:
        """Maintains the vault's table. Batches append to it meanwhile: the later one tries again. Raises LeaseLost."""
        name, limits = vault_table(vault), self.limits(Upkeep())
        return self._table(vault.owner, name, lambda: self._tokens(vault, limits, fence))

    def limits(self, upkeep: Upkeep) -> Limits:
        now = int(self.now.timestamp() * 1000)
        return Limits(
            replaced_before=now - upkeep.snapshot_seconds * 1000,
            unreferenced_before=now - upkeep.unreferenced_seconds * 1000,
            replaced_seconds=upkeep.snapshot_seconds,
            unreferenced_seconds=upkeep.unreferenced_seconds,
            needed=self.ledger.needed,
        )

    def _table(self, owner: str, name: str, work: Callable[[], Result | None]) -> list[Result]:
        """The result of the work; of a table that does not exist none. A table that fails holds up no other."""
        _, database, table = name.split(".")
        started = time.monotonic()
        for tries_left in reversed(range(_TRIES)):
            try:
                found = work()
                break
            except LeaseLost:
                raise
            except Moved as moved:
                log("table changed while it was maintained", table=name, reason=str(moved))
                if tries_left:
                    continue
                found = Result(owner, database, table, FAILED, describe(moved))
            except Exception as error:
                log("maintenance failed", table=name, error=describe(error))
                found = Result(owner, database, table, FAILED, describe(error))
                break
        if found is None:
            return []
        done = {**vars(found), "owner": owner, "database": database, "table": table}
        return [Result(**done | {"seconds": time.monotonic() - started})]

    def _cleaned(self, dataset: Dataset, store: Store, limits: Limits, fence: Fence) -> Result | None:
        table = store.load()
        if table is None or table.main is None:
            return None
        size_shuffles(self.spark, table.size)
        before = table.figures
        tombstones = purge(store, dataset, self.tag, fence)
        store.compact(fence, 2 if self.force else dataset.upkeep.small_files)
        removed = store.expire(limits, fence)
        now = store.load()
        return _done(before, now.figures if now else before, removed, tombstones)

    def _tokens(self, vault: Vault, limits: Limits, fence: Fence) -> Result | None:
        table = Table.load(self.spark, vault_table(vault))
        if table is None or table.main is None:
            return None
        size_shuffles(self.spark, table.size)
        before, declared = table.figures, vault_layout(vault, table.loaded.location())
        compact(table, declared, fence, 2 if self.force else declared.small_files)
        table.refresh()
        removed = expire(table, limits, fence)
        return _done(before, table.figures, removed, 0)

    def _kept(self, name: str, limits: Limits, fence: Fence) -> Result | None:
        """Of tables with files as large as can be: quarantine has one for each batch, a model's are written anew."""
        table = Table.load(self.spark, name)
        if table is None or table.main is None:
            return None
        before = table.figures
        return _done(before, before, expire(table, limits, fence), 0)


def _done(before: Figures, after: Figures, removed: Removed, tombstones: int) -> Result:
    return Result("", "", "", DONE, "", before, after, removed, tombstones)
