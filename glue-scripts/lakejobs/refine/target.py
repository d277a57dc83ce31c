"""The cleaned table: how it is made, and how it follows its declaration."""

from __future__ import annotations

import json

from lakejobs.errors import BatchFailed
from lakejobs.iceberg import CATALOG, Table
from lakejobs.manifest import Dataset
from lakejobs.refine.changes import STORED_CHANGE
from lakejobs.refine.grammar import decimal_shape
from lakejobs.session import quoted

BATCH_COLUMN = "_batch_id"
DECLARATION_PROPERTY = "strata.declaration"
KEY_VERSION_PROPERTY = "strata.hash-key-version"
# The highest generation whose whole load the table holds.
LOADED_PROPERTY = "strata.loaded-generation"

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


def table_name(dataset: Dataset) -> str:
    return f"{CATALOG}.{dataset.cleaned_database}.{dataset.name}"


def table_location(bucket: str, dataset: Dataset) -> str:
    return f"s3://{bucket}/{dataset.domain}/{dataset.name}"


def own_columns(dataset: Dataset) -> dict[str, str]:
    """The columns the lake adds to the declared ones, with their types."""
    return {BATCH_COLUMN: "string", **(STORED_CHANGE if dataset.is_cdc else {})}


def loaded_generation(table: Table | None) -> int:
    """The highest generation whose load the table holds; 0 for none."""
    return int(table.properties.get(LOADED_PROPERTY, "0")) if table else 0


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
        if name not in stored and name not in own_columns(dataset)
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
    if dataset.delivery is not None:
        fixed["stamp"] = dataset.delivery.stamp
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
    own = [f"{column} {kind}" for column, kind in own_columns(dataset).items()]
    properties = {**TABLE_PROPERTIES, **_properties(dataset, key_version)}
    comment = f" COMMENT {quoted(dataset.doc)}" if dataset.doc else ""
    return [
        f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns + own)}) USING iceberg{comment}"
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
        f"{name} is {before.get(name)!r} in the table and {now.get(name)!r} by declaration"
        for name in ("load", "keys", "sequence", "stamp")
        if before.get(name) != now.get(name)
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
