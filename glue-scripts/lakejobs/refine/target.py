"""The cleaned table: how it is made, how it follows its declaration, and how rows are staged for it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.errors import BatchFailed
from lakejobs.iceberg import CATALOG, Table
from lakejobs.manifest import Dataset
from lakejobs.refine.classify import EFFECTIVE, OUTCOME
from lakejobs.refine.grammar import decimal_shape
from lakejobs.session import quoted

BATCH_COLUMN = "_batch_id"
DECLARATION_PROPERTY = "strata.declaration"
KEY_VERSION_PROPERTY = "strata.hash-key-version"

_RANGED = ("int", "bigint", "date")
# Bytes up to which a table is joined whole, as Spark broadcasts it.
_SMALL_TABLE = 10 << 20

TABLE_PROPERTIES = {
    "format-version": "2",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    "write.parquet.compression-codec": "zstd",
    "write.merge.distribution-mode": "hash",
    "write.wap.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


@dataclass(frozen=True)
class KeyRange:
    """The smallest and largest key of a batch, as SQL literals."""

    key: str
    low: str
    high: str

    @property
    def predicate(self) -> str:
        return f"`{self.key}` BETWEEN {self.low} AND {self.high}"


def table_name(dataset: Dataset) -> str:
    return f"{CATALOG}.{dataset.cleaned_database}.{dataset.name}"


def table_location(bucket: str, dataset: Dataset) -> str:
    return f"s3://{bucket}/{dataset.domain}/{dataset.name}"


def sql_properties(properties: dict[str, str]) -> str:
    return ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in properties.items())


def stored_type(dataset: Dataset, name: str) -> str:
    column = next(c for c in dataset.stored if c.name == name)
    return "string" if column.protect == "hash" else column.type


def plan_schema(table: Table | None, dataset: Dataset, location: str, key_version: str | None) -> list[str]:
    """The statements that bring the table to its declaration; the table itself is not touched.

    Columns are added, int widens to bigint and decimals gain digits before the point. Raises BatchFailed (schema) with
    everything else that differs.
    """
    if table is None:
        return _creation(dataset, location, key_version)
    problems = _fixed_problems(table, dataset, key_version)
    statements = []
    found = table.columns()
    previous = None
    for column in dataset.stored:
        declared = stored_type(dataset, column.name)
        if column.name not in found:
            place = f"AFTER `{previous}`" if previous else "FIRST"
            comment = f" COMMENT {quoted(column.doc)}" if column.doc else ""
            statements.append(f"ALTER TABLE {table.name} ADD COLUMN `{column.name}` {declared}{comment} {place}")
        elif found[column.name] != declared:
            if _widens(found[column.name], declared):
                statements.append(f"ALTER TABLE {table.name} ALTER COLUMN `{column.name}` TYPE {declared}")
            else:
                problems.append(f"{column.name} is {found[column.name]} in the table and {declared} by declaration")
        previous = column.name
    stored = {c.name for c in dataset.stored}
    problems += [
        f"{name} is in the table but no longer declared"
        for name in found
        if name not in stored and name != BATCH_COLUMN
    ]
    if problems:
        raise BatchFailed(
            "schema",
            f"the table {table.name} cannot take the declaration: {'; '.join(problems)}. Columns can be added, int can"
            " become bigint and decimals can gain digits before the point; anything else needs a new dataset",
        )
    return statements + _property_statements(table, dataset, key_version)


def _declaration(dataset: Dataset) -> str:
    fixed = {"load": dataset.load, "keys": dataset.keys, "sequence": dataset.sequence, "hashed": sorted(dataset.hashed)}
    return json.dumps(fixed, separators=(",", ":"))


def _properties(dataset: Dataset, key_version: str | None) -> dict[str, str]:
    pinned = {KEY_VERSION_PROPERTY: key_version} if dataset.hashed and key_version else {}
    return {DECLARATION_PROPERTY: _declaration(dataset), **pinned}


def _creation(dataset: Dataset, location: str, key_version: str | None) -> list[str]:
    name = table_name(dataset)
    columns = [
        f"`{c.name}` {stored_type(dataset, c.name)}" + (f" COMMENT {quoted(c.doc)}" if c.doc else "")
        for c in dataset.stored
    ]
    properties = {**TABLE_PROPERTIES, **_properties(dataset, key_version)}
    comment = f" COMMENT {quoted(dataset.doc)}" if dataset.doc else ""
    return [
        f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns)}, {BATCH_COLUMN} string) USING iceberg{comment}"
        f" LOCATION {quoted(location)} TBLPROPERTIES ({sql_properties(properties)})",
        _ordering(name, dataset),
    ]


def _ordering(name: str, dataset: Dataset) -> str:
    return f"ALTER TABLE {name} WRITE LOCALLY ORDERED BY {', '.join(f'`{k}`' for k in dataset.keys)}"


def _fixed_problems(table: Table, dataset: Dataset, key_version: str | None) -> list[str]:
    properties = table.properties
    before = json.loads(properties.get(DECLARATION_PROPERTY, _declaration(dataset)))
    now = json.loads(_declaration(dataset))
    problems = [
        f"{name} is {before[name]!r} in the table and {now[name]!r} by declaration"
        for name in ("load", "keys", "sequence")
        if before[name] != now[name]
    ]
    found = table.columns()
    changed = sorted(set(before["hashed"]) ^ set(now["hashed"]))
    problems += [f"the protection of {name} has changed" for name in changed if name in found]
    pinned = properties.get(KEY_VERSION_PROPERTY)
    if dataset.hashed and pinned and pinned != key_version:
        problems.append(f"its columns are hashed with key version {pinned} and the secret now has {key_version}")
    return problems


def _property_statements(table: Table, dataset: Dataset, key_version: str | None) -> list[str]:
    properties = table.properties
    wanted = {k: v for k, v in _properties(dataset, key_version).items() if properties.get(k) != v}
    statements = []
    if wanted:
        statements.append(f"ALTER TABLE {table.name} SET TBLPROPERTIES ({sql_properties(wanted)})")
    if "sort-order" not in properties:
        statements.append(_ordering(table.name, dataset))
    return statements


def _widens(found: str, declared: str) -> bool:
    before, after = decimal_shape(found), decimal_shape(declared)
    if before and after:
        return before[1] == after[1] and before[0] < after[0]
    return (found, declared) == ("int", "bigint")


def key_range_bounds(dataset: Dataset, accepted: Column) -> list[Column]:
    """Aggregates over accepted rows that `key_range` reads; none if the key is not one stored number or date."""
    if len(dataset.keys) != 1 or stored_type(dataset, dataset.keys[0]) not in _RANGED:
        return []
    key = F.when(accepted, F.col(dataset.keys[0]))
    return [F.min(key).cast("string").alias("_low"), F.max(key).cast("string").alias("_high")]


def key_range(dataset: Dataset, low: str | None, high: str | None) -> KeyRange | None:
    if low is None or high is None:
        return None
    kind = stored_type(dataset, dataset.keys[0])
    return KeyRange(dataset.keys[0], f"CAST('{low}' AS {kind})", f"CAST('{high}' AS {kind})")


def stored_rows(table: Table, snapshot: str, rows: DataFrame, dataset: Dataset, keys: KeyRange | None) -> DataFrame:
    """The rows of that snapshot that may have a key of the batch, with the declared columns and types."""
    frame = table.read(snapshot)
    if keys is not None:
        frame = frame.where(keys.predicate)
    columns = [
        (F.col(c.name) if c.name in frame.columns else F.lit(None)).cast(stored_type(dataset, c.name)).alias(c.name)
        for c in dataset.stored
    ]
    frame = frame.select(*columns)
    if table.size <= _SMALL_TABLE:
        return frame
    return frame.join(rows.select(*dataset.keys), on=list(dataset.keys), how="left_semi")


def stage_rows(
    table: Table,
    classified: DataFrame,
    dataset: Dataset,
    batch: str,
    keys: KeyRange | None,
    counts: dict[str, int],
    properties: dict[str, str],
) -> str:
    """Stages the batch's effective rows, by an append if all are new. Returns the staged snapshot."""
    names = [c.name for c in dataset.stored]
    effective = classified.where(F.col(OUTCOME).isin(*EFFECTIVE)).select(*names, F.lit(batch).alias(BATCH_COLUMN))
    if not counts["updated"] and not counts["unchanged"]:
        return table.stage_frame(_spread(effective, dataset), batch, properties)
    view = f"strata_{uuid.uuid4().hex}"
    effective.createOrReplaceTempView(view)
    try:
        return table.stage_sql(_merge(table.name, view, dataset, keys, bool(counts["inserted"])), batch, properties)
    finally:
        table.spark.catalog.dropTempView(view)


def _spread(rows: DataFrame, dataset: Dataset) -> DataFrame:
    """Rows of one task stay near each other by key, so that later batches read few files."""
    partitions = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions"))
    if partitions == 1:
        return rows.coalesce(1)
    return rows.repartitionByRange(partitions, *dataset.keys)


def _merge(name: str, view: str, dataset: Dataset, keys: KeyRange | None, inserts: bool) -> str:
    on = [f"t.`{k}` = s.`{k}`" for k in dataset.keys]
    if keys is not None:
        on.append(f"t.{keys.predicate}")
    columns = [c.name for c in dataset.stored] + [BATCH_COLUMN]
    updates = ", ".join(f"t.`{c}` = s.`{c}`" for c in columns if c not in dataset.keys)
    statement = f"MERGE INTO {name} t USING {view} s ON {' AND '.join(on)} WHEN MATCHED THEN UPDATE SET {updates}"
    if inserts:
        names = ", ".join(f"`{c}`" for c in columns)
        values = ", ".join(f"s.`{c}`" for c in columns)
        statement += f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
    return statement
