"""The erasure from one vault: the values that no row has any more, under the leases of every dataset that writes there.

docs/decisions/0038-erasure-reaches-vaults.md has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakejobs.borrowed import vault_lease
from lakejobs.declared import Dataset, Upkeep
from lakejobs.erase.left import VAULT
from lakejobs.erase.one_dataset import Eraser, NotErased
from lakejobs.erase.results import ERASED, NEVER, UNSEARCHED, VERIFIED, Result
from lakejobs.erase.tries import until_still
from lakejobs.held import held
from lakejobs.iceberg import Table
from lakejobs.manifest import Vault
from lakejobs.refine.changes import DELETED
from lakejobs.refine.target import own_columns
from lakejobs.refine.vault import FIRST_BATCH, TOKEN, vault_store
from lakejobs.session import literal_table, size_shuffles
from lakejobs.tables.iceberg import IcebergStore
from lakejobs.tables.interface import Fence, Figures
from lakejobs.tables.places import Replaced, by_file, places_of


@dataclass(frozen=True)
class _State:
    """Of a vault before anything goes."""

    version: str
    figures: Figures


@dataclass(frozen=True)
class Unused:
    """Values whose token no row has: those to remove, and how many stay, for whose sake (see `_kept`)."""

    rows: DataFrame
    kept: int
    strangers: tuple[str, ...]


@dataclass(frozen=True)
class VaultEraser:
    """One vault. `users` are the datasets that have its tokens."""

    eraser: Eraser
    vault: Vault
    users: tuple[Dataset, ...]

    @classmethod
    def of(cls, eraser: Eraser, vault: Vault) -> VaultEraser:
        return cls(eraser, vault, tuple(d for d in eraser.manifest.datasets if vault.name in d.tokenised))

    def erase(self) -> list[Result]:
        """Removes values, looks again, and reckons what is left. Raises Busy, LeaseLost, NotErased, or what services
        raise."""
        with self._leased() as fence:
            if self._table() is None:
                return []
            before, removed = until_still(self._place, lambda: self._remove(fence))
            until_still(self._place, lambda: self._store.purge(fence))
            if self.eraser.request.expire_history:
                self._store.expire(self.eraser.limits(Upkeep()), fence)
            return self._results(before, removed)

    @contextmanager
    def _leased(self) -> Iterator[Fence]:
        """Whoever adds to the vault holds the lease of a dataset, and whoever maintains it that of the vault.

        Taken in order, so that two erasures never wait for each other; a run of the pipeline waits for none.
        """
        with ExitStack() as stack:
            names = [*sorted(d.id for d in self.users), vault_lease(self.vault.name)]
            fences = [stack.enter_context(self.eraser.borrower.leased(name))[1] for name in names]

            def fence() -> None:
                for one in fences:
                    one()

            yield fence

    def _remove(self, fence: Fence) -> tuple[_State, int]:
        """What was there before, and how many values have gone. Raises Moved."""
        table = self._table()
        size_shuffles(self.eraser.spark, table.size)
        before = _State(table.main, table.figures)
        with self._unused(table) as unused:
            groups = places_of(unused.rows)
            if groups:
                over = Replaced((unused.rows,), (TOKEN,), by_file(groups))
                staged = table.write(None, over, self.eraser.borrower.name, {})
                fence()
                table.publish(staged, before.version)
        return before, sum(group["rows"] for group in groups)

    @contextmanager
    def _unused(self, table: Table) -> Iterator[Unused]:
        """With their places."""
        unused = table.read(table.main, placed=True).join(self._used(), on=TOKEN, how="left_anti")
        with held(unused) as rows:
            by = {row[FIRST_BATCH]: row["count"] for row in rows.groupBy(FIRST_BATCH).count().collect()}
            kept = self._kept(by)
            known = rows
            if kept:
                theirs = literal_table(self.eraser.spark, {FIRST_BATCH: "string"}, [(b,) for b in sorted(kept)])
                known = rows.join(F.broadcast(theirs), on=FIRST_BATCH, how="left_anti")
            yield Unused(known, sum(by[batch] for batch in kept), tuple(sorted(set(kept.values()))))

    def _kept(self, batches: Iterable[str]) -> dict[str, str]:
        """Those of the batches whose values may be in tables that nobody looks into, with what brought them: a dataset
        that is declared no more, or a batch that the ledger does not know, after it was restored."""
        users = {d.id for d in self.users}
        kept = {}
        for batch in sorted(batches):
            dataset = self.eraser.ledger.dataset_of(batch)
            if dataset is None:
                kept[batch] = f"batch {batch}, which the ledger does not know"
            elif dataset not in users:
                kept[batch] = f"{dataset}, which is declared no more"
        return kept

    def _used(self) -> DataFrame:
        """Every token that a row has. Of what was deleted a CDC table keeps the key, which is no row."""
        parts = [self.eraser.spark.createDataFrame([], f"{TOKEN} string")]
        for dataset in self.users:
            table = self.eraser.store(dataset).load()
            if table is None or table.main is None:
                continue
            rows = table.read(table.main)
            if DELETED in table.columns():
                rows = rows.where(~F.col(DELETED))
            # A column that is declared no more may hold tokens still.
            known = {c.name for c in dataset.columns} | set(own_columns(dataset))
            undeclared = {name for name, kind in table.columns().items() if kind == "string" and name not in known}
            names = sorted({*dataset.tokenised[self.vault.name], *undeclared} & set(table.columns()))
            if not names:
                continue
            tokens = F.array(*[F.col(name) for name in names])
            parts.append(rows.select(F.explode(tokens).alias(TOKEN)).where(F.col(TOKEN).isNotNull()))
        return reduce(DataFrame.unionByName, parts).distinct()

    def _results(self, before: _State, removed: int) -> list[Result]:
        """The vault and the tables are read anew. Raises NotErased."""
        table, owner, eraser = self._table(), self.vault.owner, self.eraser
        with self._unused(table) as unused:
            left = unused.rows.count()
            if left:
                raise NotErased(f"{self._place}: {left} values are there after they were erased")
            found = [
                Result(owner, VAULT, self._place, ERASED, "", removed, 0, before.version, table.main,
                       before.figures.files, table.figures.files, detail="values that no row has any more"),
                Result(owner, VAULT, self._place, VERIFIED, version_after=table.main),
            ]  # fmt: skip
            if unused.kept:
                why = f"were brought by {'; '.join(unused.strangers)}"
                found.append(Result(owner, VAULT, self._place, UNSEARCHED, "", unused.kept, until=NEVER, detail=why))
        at_once = eraser.request.expire_history and not table.has_past
        return [*found, eraser.remainder.vault_history(self.vault, self._place, at_once)]

    @property
    def _store(self) -> IcebergStore:
        eraser = self.eraser
        return vault_store(eraser.spark, eraser.clients.glue, eraser.arguments.vault_bucket, self.vault)

    @property
    def _place(self) -> str:
        return self._store.layout.name.split(".", 1)[1]

    def _table(self) -> Table | None:
        """None while it holds nothing."""
        table = self._store.load()
        return None if table is None or table.main is None else table
