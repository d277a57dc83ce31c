"""What the jobs need of a dataset's table, whatever its format.

A write is staged: its files are there and no reader sees them. Publishing is a compare-and-set: the write becomes
the table only if the table is still the version that the write was computed against. So whoever has lost a lease, and
commits late, is refused by the table itself. A version is text that names one state of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame

from lakejobs.tables.places import Replaced

# What a batch's commit carries, so that a run that died after it is completed from the table's history.
BATCH_PROPERTY = "strata.batch-id"
COUNTS_PROPERTY = "strata.counts"
REASONS_PROPERTY = "strata.reasons"
ABSENT_PROPERTY = "strata.absent"

Fence = Callable[[], None]
"""Raises if this run may no longer write."""


class Moved(Exception):
    """The table has changed since the write was computed; nothing was published."""


@dataclass(frozen=True)
class Commit:
    """A version of the table's history and the properties its commit carries."""

    snapshot: str
    summary: Mapping[str, str]


@dataclass(frozen=True)
class Staged:
    """A write that no reader sees. `version` is the table's version once it is published."""

    version: str


@dataclass(frozen=True)
class ColumnSpec:
    """A column as it is stored. `type` is Spark's simple string."""

    name: str
    type: str
    doc: str = ""


@dataclass(frozen=True)
class Layout:
    """A table as it is declared: its name is `catalog.database.table`, its rows are told apart by `keys`.

    `file_bytes` is the size that files are compacted to, `small_files` how many smaller ones there are before they are.
    """

    name: str
    location: str
    doc: str
    keys: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    file_bytes: int = 128 << 20
    small_files: int = 10


@dataclass(frozen=True)
class Limits:
    """What of a table's past may go, in milliseconds since 1970 and, for formats that reckon themselves, as ages.

    `needed` tells whether the commit of a batch is still looked for in the table's history.
    """

    replaced_before: int
    unreferenced_before: int
    replaced_seconds: int
    unreferenced_seconds: int
    needed: Callable[[str], bool]


@dataclass(frozen=True)
class Removed:
    """How many snapshots that were replaced, and that were staged, have gone, and how many files that nothing names."""

    snapshots: int = 0
    staged: int = 0
    orphans: int = 0


@dataclass(frozen=True)
class Figures:
    """Files of the version readers see: of data, of deletes, and the bytes of both."""

    files: int = 0
    delete_files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Change:
    """What brings a table to its declaration.

    `added` are columns the table lacks, each with the column it follows (None: it is the first); `widened` are columns
    with the type they get; `properties` are those that differ. Of a table that does not exist only these count.
    """

    added: tuple[tuple[ColumnSpec, str | None], ...] = ()
    widened: tuple[ColumnSpec, ...] = ()
    properties: Mapping[str, str] | None = None


class StoredTable(Protocol):
    """A table that exists, as it was when it was loaded."""

    name: str

    def at(self, version: str) -> str:
        """What stands for the rows of a version in a FROM clause of Spark SQL."""

    @property
    def main(self) -> str | None:
        """The version readers see, None while nothing was ever written."""

    @property
    def content(self) -> str | None:
        """The newest version whose commit changed rows; compaction changes none. None if there is none."""

    @property
    def properties(self) -> dict[str, str]: ...

    @property
    def size(self) -> int:
        """Bytes of the version readers see, about."""

    @property
    def figures(self) -> Figures: ...

    @property
    def has_past(self) -> bool:
        """Whether rows of earlier versions may be there still."""

    def columns(self) -> dict[str, str]:
        """Column names and types (Spark's simple strings), in order."""

    def read(self, version: str, placed: bool = False) -> DataFrame:
        """The rows of a version; `placed` adds FILE and POSITION of each."""

    def published(self, batch: str) -> Commit | None:
        """The newest commit of this batch in the table's history, as far back as that is kept."""

    def write(self, rows: DataFrame | None, replaced: Replaced | None, tag: str, properties: dict[str, str]) -> Staged:
        """Stages rows and takes away others.

        Either may be None. Nothing here makes sure that no two rows share a key. The commit carries the properties.
        """

    def publish(
        self,
        staged: Staged | None,
        expected: str | None,
        properties: dict[str, str] | None = None,
        guard: dict[str, str | None] | None = None,
    ) -> None:
        """Makes the staged write the table and sets table properties, in one commit; None changes no row.

        Raises Moved unless the table is still at `expected` and the properties named in `guard` have those values.
        """


def check_unmoved(table: StoredTable, expected: str | None, guard: Mapping[str, str | None] | None) -> None:
    """Raises Moved unless the table was loaded at `expected`, with these values of its properties."""
    if expected != table.main:
        raise Moved(f"{table.name}: was loaded at version {table.main}, not at {expected}")
    for name, value in (guard or {}).items():
        if table.properties.get(name) != value:
            raise Moved(f"{table.name}: {name} is no longer {value}")


class Store(Protocol):
    """The place of one dataset's table, whether the table exists yet or not."""

    layout: Layout

    def load(self) -> StoredTable | None:
        """The table as it is now, None if it does not exist."""

    def bring_up_to_date(self, table: StoredTable | None, change: Change, fence: Fence) -> StoredTable:
        """Makes the table, or changes it as told: steps of their own, before any row is written.

        `table` is what `change` was computed against. The answer is at the version to publish against. `fence` is
        called right before each write. Raises Moved if another writer has come in between.
        """

    def compact(self, fence: Fence, least: int | None = None) -> bool:
        """Rewrites what slows readers down, if it is worth it; tells whether it was. No row changes.

        With `least` that many small files are worth it. Default: what a format does after every batch.
        Another writer's commit in between ends it without harm: what is left is done when it is due again.
        """

    def purge(self, fence: Fence) -> None:
        """Rewrites files that still hold rows which the table as it is does not have any more, so that none does.

        Raises Moved if another writer has come in between.
        """

    def expire(self, limits: Limits, fence: Fence) -> Removed:
        """Removes what of the table's past nobody needs. Readers of the table as it is see no difference.

        Raises Moved if another writer has come in between.
        """
