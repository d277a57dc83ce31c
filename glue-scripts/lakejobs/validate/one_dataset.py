"""The validation of one dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.aws import Clients
from lakejobs.clock import Clock, stamp
from lakejobs.declared import Dataset
from lakejobs.errors import JobFailed
from lakejobs.protections import DROP, NONE
from lakejobs.refine import evolve
from lakejobs.refine.protect import HashKeys, versions
from lakejobs.refine.target import plan_schema, table_name
from lakejobs.session import size_shuffles
from lakejobs.tables.interface import StoredTable
from lakejobs.tables.stores import open_table
from lakejobs.validate.comparing import Compared
from lakejobs.validate.database import Database, SourceColumns, SourceTable
from lakejobs.validate.looks import Patience, Read, look
from lakejobs.validate.measures import outcome_of, results, told
from lakejobs.validate.metrics import Metric, metrics
from lakejobs.validate.rendering import findable
from lakejobs.validate.results import Context, Verdict
from lakejobs.validate.shown import mismatches
from lakejobs.validate.sides import lake_rows, needed, source_rows

# Of a table whose size nobody knows before it is read.
_VOLUME = 1 << 30


@dataclass(frozen=True)
class Limits:
    """How many mismatches of a dataset are listed, and whether values of columns that are not protected are."""

    mismatches: int
    values: bool


@dataclass(frozen=True)
class Validator:
    """What the validation of every dataset shares. `keys` are those of all hashed and tokenised columns."""

    spark: SparkSession
    clients: Clients
    database: Database
    keys: HashKeys
    patience: Patience
    limits: Limits
    now: Clock

    def problems(self, dataset: Dataset, found: SourceTable | None) -> list[str]:
        """What keeps the source's table from being read; nothing but its columns is looked at."""
        source = self.database.source
        place = f"{source.schema}.{source.tables[dataset.id]}"
        if found is None:
            return [
                f"{dataset.id}: {source.database} has no table {place}, or its user may not see it; say in Tables which"
                " table is the dataset's"
            ]
        problems, columns = [], found.columns
        required = [c.name for c in needed(dataset) if not c.evolved]
        lacking = [name for name in required if name not in columns]
        if lacking:
            known = ", ".join(sorted(columns)) or "none"
            problems.append(f"{dataset.id}: {place} has no column {', '.join(lacking)}; it has {known}")
        closed = [name for name in required if name in columns and not columns[name].readable]
        if closed:
            user = self.database.login.user
            problems.append(
                f"{dataset.id}: {user!r} may not read {', '.join(closed)} of {place}; grant USAGE on the schema and"
                " SELECT on the table"
            )
        return problems

    def dataset(self, dataset: Dataset, found: SourceTable) -> Verdict:
        """Compares. Raises JobFailed, BatchFailed (schema) if the table is not as declared, or what services raise."""
        started = self.now()
        table = self._table(dataset)
        dataset = evolve.held(dataset, table) if dataset.evolves else dataset
        keys = {name: self.keys[name] for name in dataset.keyed}
        if table is not None:
            plan_schema(table, dataset, versions(keys))
        columns = {c.name: found.columns[c.name] for c in needed(dataset) if c.name in found.columns}
        compared, not_compared = split(dataset, table, columns)
        volume = _VOLUME if found.bytes is None else found.bytes
        size_shuffles(self.spark, volume + (table.size if table else 0))
        measured: list[Metric] = []

        def seen(read: Read, _: int) -> None:
            measured.extend(metrics(read.source, read.lake, dataset.keys, compared.columns))

        came = look(partial(self._read, dataset, keys, columns), compared, self.patience, seen)
        try:
            listed = mismatches(came.differing, compared, self.limits.mismatches, self.limits.values)
        finally:
            came.differing.unpersist()
        context = Context(
            dataset.id,
            f"{self.database.source.schema}.{self.database.source.tables[dataset.id]}",
            came.looks,
            stamp(started),
            stamp(came.first.source_from),
            stamp(came.first.source_until),
            stamp(came.first.lake_at),
            stamp(self.now()),
            came.last.version,
        )
        rows = results(came, compared, measured, not_compared)
        return Verdict(context, outcome_of(came, measured), told(came, measured, not_compared), rows, listed)

    def _table(self, dataset: Dataset) -> StoredTable | None:
        """The cleaned table, None while it has no version."""
        table = open_table(self.spark, self.clients, dataset.table_format, table_name(dataset))
        return None if table is None or table.main is None else table

    def _read(
        self,
        dataset: Dataset,
        keys: HashKeys,
        columns: SourceColumns,
        only: Sequence[tuple[str | None, ...]] | None,
    ) -> Read:
        since = self.now()
        source = source_rows(self._texts(dataset, columns, only), dataset, keys).persist()
        source.count()
        until, table = self.now(), self._table(dataset)
        if table is None:
            return Read(source, source.drop("_reasons").where(F.lit(False)), "", since, until, self.now())
        lake = lake_rows(table, table.main, dataset)
        return Read(source, lake, table.main, since, until, self.now())

    def _texts(
        self, dataset: Dataset, columns: SourceColumns, only: Sequence[tuple[str | None, ...]] | None
    ) -> DataFrame:
        """Of some keys, or of all if none are named or if the source could not be asked for them: a key that is
        protected is not known as the source has it, and one that is NULL is found by no comparison."""
        table = self.database.source.tables[dataset.id]
        by_name = {c.name: c for c in dataset.columns}
        own = [by_name[name] for name in dataset.keys]
        known = all(c.protect == NONE and findable(columns[c.name].type, c.type) for c in own)
        if only and known and all(None not in key for key in only):
            return self.database.rows_of(table, columns, own, only)
        return self.database.rows(table, columns, dataset.keys)


def split(dataset: Dataset, table: StoredTable | None, columns: SourceColumns) -> tuple[Compared, Mapping[str, str]]:
    """The columns that are compared, and those that are not, with the reason. Raises JobFailed for a key that is not
    stored."""
    held = table.columns() if table is not None else None
    why: dict[str, str] = {}
    for column in dataset.columns:
        if column.protect == DROP:
            why[column.name] = "nothing of it is stored"
        elif column.name not in columns:
            why[column.name] = "the source's table does not have it"
        elif held is not None and column.name not in held:
            why[column.name] = "the lake's table does not have it yet"
    if held is not None:
        known = {c.name for c in dataset.columns}
        why |= {name: "it is not declared" for name in held if name not in known and not name.startswith("_")}
    by_name = {c.name: c for c in dataset.stored if c.name not in why}
    lost = [name for name in dataset.keys if name not in by_name]
    if lost or not dataset.keys:
        reason = f"its key columns {', '.join(lost)} are not in both tables" if lost else "it has no Keys"
        raise JobFailed(f"{dataset.id}: {reason}, so no row can be told from another")
    keys = tuple(by_name[name] for name in dataset.keys)
    others = tuple(c for c in by_name.values() if c.name not in dataset.keys)
    return Compared(keys, others), dict(sorted(why.items()))
