"""Vaults: tables of what tokens stand for.

A token is in its vault before any table has it. The vault is a set by token: an append is published only onto the very
state that was searched for its tokens, so that neither a batch that runs again nor two runs at once write one twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.clock import Clock, utc_now
from lakejobs.declared import Dataset
from lakejobs.errors import BatchFailed
from lakejobs.events import log
from lakejobs.held import held
from lakejobs.iceberg import CATALOG, Table
from lakejobs.manifest import Vault
from lakejobs.refine.compare import WRITE
from lakejobs.refine.protect import PLAIN
from lakejobs.refine.record import ERASED
from lakejobs.tables.iceberg import IcebergStore
from lakejobs.tables.interface import Change, ColumnSpec, Fence, Layout, Moved

TABLE = "tokens"
TOKEN, VALUE, FIRST_BATCH = "token", "value", "first_batch"
_COLUMNS = (
    ColumnSpec(TOKEN, "string", "What tables have in place of the value."),
    ColumnSpec(VALUE, "string", "The value's text."),
    ColumnSpec(FIRST_BATCH, "string", "The batch that brought the value first."),
    ColumnSpec("first_seen", "timestamp", "When that batch was applied, in UTC."),
)
# Runs at once are few, and of those that meet one has written when another is refused.
_TRIES = 20
_LONGEST_PAUSE = 2.0
# Tokens that fit every executor's memory with ease, and rows that one file takes without being large.
_FEW, _ONE_FILE = 500_000, 1_000_000


def vault_table(vault: Vault) -> str:
    return f"{CATALOG}.{vault.database}.{TABLE}"


def vault_location(bucket: str, vault: Vault) -> str:
    return f"s3://{bucket}/{vault.folder}{TABLE}"


def vault_store(spark: SparkSession, glue: object, bucket: str, vault: Vault) -> IcebergStore:
    """The place of the vault's table."""
    return IcebergStore(spark, glue, vault_layout(vault, vault_location(bucket, vault)))


def vault_layout(vault: Vault, location: str) -> Layout:
    doc = f"What the tokens of the vault {vault.name} stand for."
    return Layout(vault_table(vault), location, doc, (TOKEN,), _COLUMNS)


@dataclass(frozen=True)
class Vaults:
    """The vaults of one dataset, as one run writes them. `turn` is shared by what a run does at once."""

    spark: SparkSession
    glue: object
    bucket: str
    vaults: tuple[Vault, ...]
    turn: threading.Lock
    now: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep

    def keep(self, classified: DataFrame, dataset: Dataset, batch: str, fence: Fence) -> None:
        """Keeps what the tokens of the rows that write stand for. Raises BatchFailed (conflict) if a vault never holds
        still, and what `fence` raises, which is called right before each write."""
        for vault in self.vaults:
            columns = dataset.tokenised[vault.name]
            with held(_values(classified, columns)) as values, self.turn:
                self._keep(vault, values, batch, fence)

    def _keep(self, vault: Vault, values: DataFrame, batch: str, fence: Fence) -> None:
        store = vault_store(self.spark, self.glue, self.bucket, vault)
        for tried in range(_TRIES):
            try:
                added = self._append(store, values, batch, fence)
            except Moved as moved:
                log("the vault has changed", vault=vault.name, batch=batch, reason=str(moved))
                self.sleep(random.uniform(0, min(0.1 * 2**tried, _LONGEST_PAUSE)))
                continue
            log("values kept", vault=vault.name, batch=batch, added=added)
            return
        raise BatchFailed("conflict", f"the vault {vault.name} kept changing under {_TRIES} tries")

    def _append(self, store: IcebergStore, values: DataFrame, batch: str, fence: Fence) -> int:
        """How many values were not there. Raises Moved if another has written meanwhile."""
        count = values.count()  # of all, so that the joins know how small they are
        if not count:
            return 0
        table = store.load() or store.bring_up_to_date(None, Change(), fence)
        main = table.main
        new = values
        if main is not None:
            known = _known(table, main, values)
            new = values.join(F.broadcast(known) if count <= _FEW else known, on=TOKEN, how="left_anti")
        with held(new) as rows:
            added = rows.count()
            if added:
                seen = F.lit(self.now().isoformat()).cast("timestamp")
                rows = rows.withColumns({FIRST_BATCH: F.lit(batch), "first_seen": seen})
                staged = table.stage_frame(rows.coalesce(1) if added <= _ONE_FILE else rows, batch, {})
                fence()
                table.publish(staged, main)
        return added


def _values(classified: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Each token that is written, once, with its value's text; not of what somebody erased leaves of a row."""
    pairs = [F.struct(F.col(c).alias(TOKEN), F.col(f"{PLAIN}.{c}").alias(VALUE)) for c in columns]
    written = classified.where(F.col(WRITE).isNotNull())
    if ERASED in classified.columns:
        written = written.where(~F.col(ERASED))
    return written.select(F.inline(F.array(*pairs))).where(F.col(TOKEN).isNotNull()).dropDuplicates([TOKEN])


def _known(table: Table, main: str, values: DataFrame) -> DataFrame:
    """Those tokens of the values that the vault has; of the vault only the tokens are read."""
    return table.read(main).select(TOKEN).join(values.select(TOKEN), on=TOKEN, how="left_semi")
