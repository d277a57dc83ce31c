"""The cleaned table: how it is made, and how it follows its declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lakejobs.declared import RECORD_ID, Dataset
from lakejobs.errors import BatchFailed
from lakejobs.iceberg import CATALOG
from lakejobs.protections import HASH, NONE, stated, told_key
from lakejobs.refine.changes import STORED_CHANGE
from lakejobs.refine.grammar import decimal_shape
from lakejobs.tables.interface import Change, ColumnSpec, Layout, StoredTable

BATCH_COLUMN = "_batch_id"
DECLARATION_PROPERTY = "strata.declaration"
# The version of the lake's own key that columns are hashed with, and those of the others (id to version, as JSON).
KEY_VERSION_PROPERTY, KEY_VERSIONS_PROPERTY = "strata.hash-key-version", "strata.hash-key-versions"
# The highest generation whose whole load the table holds.
LOADED_PROPERTY = "strata.loaded-generation"
# The columns that no declaration has and the table gained from its input, as a JSON list.
EVOLVED_PROPERTY = "strata.evolved-columns"


def table_name(dataset: Dataset) -> str:
    return f"{CATALOG}.{dataset.cleaned_database}.{dataset.name}"


def table_location(bucket: str, dataset: Dataset) -> str:
    return f"s3://{bucket}/{dataset.domain}/{dataset.name}"


def own_columns(dataset: Dataset) -> dict[str, str]:
    """The columns the lake adds to the declared ones, with their types."""
    identity = {} if dataset.keys else {RECORD_ID: "string"}
    return {BATCH_COLUMN: "string", **identity, **(STORED_CHANGE if dataset.is_cdc else {})}


def loaded_generation(table: StoredTable | None) -> int:
    """The highest generation whose load the table holds; 0 for none."""
    return int(table.properties.get(LOADED_PROPERTY, "0")) if table else 0


def stored_type(dataset: Dataset, name: str) -> str:
    return next(c for c in dataset.stored if c.name == name).stored_type


def layout(dataset: Dataset, bucket: str) -> Layout:
    """The table as the dataset declares it, in the bucket of the cleaned zone."""
    columns = [ColumnSpec(c.name, stored_type(dataset, c.name), c.doc) for c in dataset.stored]
    own = [ColumnSpec(name, kind) for name, kind in own_columns(dataset).items()]
    location = table_location(bucket, dataset)
    sizes, columns = dataset.upkeep, (*columns, *own)
    return Layout(
        table_name(dataset), location, dataset.doc, dataset.row_key, columns, sizes.file_bytes, sizes.small_files
    )


def plan_schema(table: StoredTable | None, dataset: Dataset, versions: Mapping[str, str]) -> Change:
    """What brings the table to its declaration; the table itself is not touched.

    Columns are added, int widens to bigint and decimals gain digits before the point. Raises BatchFailed (schema) with
    everything else that differs. `versions` are those of the keys that the dataset's protections need, by id.
    """
    if table is None:
        return Change(properties=_properties(dataset, versions))
    problems = _fixed_problems(table, dataset, versions)
    added, widened = [], []
    found = table.columns()
    previous = None
    for column in dataset.stored:
        declared = ColumnSpec(column.name, stored_type(dataset, column.name), column.doc)
        if column.name not in found:
            added.append((declared, previous))
        elif found[column.name] != declared.type:
            if widens(found[column.name], declared.type):
                widened.append(declared)
            else:
                problems.append(
                    f"{column.name} is {found[column.name]} in the table and {declared.type} by declaration"
                )
        previous = column.name
    stored = {c.name for c in dataset.stored}
    evolved = json.loads(table.properties.get(EVOLVED_PROPERTY, "[]"))
    problems += [
        f"{name} is in the table but not declared: it was added from input"
        if name in evolved
        else f"{name} is in the table but no longer declared"
        for name in found
        if name not in stored and name not in own_columns(dataset)
    ]
    if problems:
        raise BatchFailed(
            "schema",
            f"the table {table.name} cannot take the declaration: {'; '.join(problems)}. Columns can be added, int can"
            " become bigint and decimals can gain digits before the point; anything else needs a new dataset",
        )
    held = table.properties
    differ = {k: v for k, v in _properties(dataset, versions).items() if held.get(k) != v}
    return Change(tuple(added), tuple(widened), differ)


def _declaration(dataset: Dataset) -> str:
    hashed = sorted(dataset.keyed.get("", ()))
    fixed = {"load": dataset.load, "keys": dataset.keys, "sequence": dataset.sequence, "hashed": hashed}
    blurred = {c.name: stated(c.protect) for c in dataset.stored if c.protect not in (NONE, HASH)}
    if blurred:
        fixed["protected"] = dict(sorted(blurred.items()))
    if dataset.delivery is not None:
        fixed["stamp"] = dataset.delivery.stamp
    if dataset.window is not None:
        fixed["window"] = {"column": dataset.window.column, "seconds": dataset.window.seconds}
    return json.dumps(fixed, separators=(",", ":"))


def _properties(dataset: Dataset, versions: Mapping[str, str]) -> dict[str, str]:
    pinned = {KEY_VERSION_PROPERTY: versions[""]} if "" in versions else {}
    named = {name: version for name, version in sorted(versions.items()) if name}
    if named:
        pinned[KEY_VERSIONS_PROPERTY] = json.dumps(named, separators=(",", ":"))
    evolved = {EVOLVED_PROPERTY: json.dumps([c.name for c in dataset.columns if c.evolved])} if dataset.evolves else {}
    return {DECLARATION_PROPERTY: _declaration(dataset), **pinned, **evolved}


def _fixed_problems(table: StoredTable, dataset: Dataset, versions: Mapping[str, str]) -> list[str]:
    properties = table.properties
    before = json.loads(properties.get(DECLARATION_PROPERTY, _declaration(dataset)))
    now = json.loads(_declaration(dataset))
    problems = [
        f"{name} is {before.get(name)!r} in the table and {now.get(name)!r} by declaration"
        for name in ("load", "keys", "sequence", "stamp")
        if before.get(name) != now.get(name)
    ]
    if not _refines(before.get("window"), now.get("window")):
        problems.append(
            f"its window was {before['window']} and is now {now.get('window')}, in which a key may be stored more than"
            " once; a window can be added, and its length can become a divisor of what it was"
        )
    found, was, now_is = table.columns(), _protections(before), _protections(now)
    problems += [
        f"the protection of {name} has changed from {_told(was.get(name))} to {_told(now_is.get(name))}, and the table"
        " holds its values in the form of before"
        for name in sorted({*was, *now_is})
        if name in found and was.get(name) != now_is.get(name)
    ]
    pinned: dict[str, str] = json.loads(properties.get(KEY_VERSIONS_PROPERTY, "{}"))
    if KEY_VERSION_PROPERTY in properties:
        pinned[""] = properties[KEY_VERSION_PROPERTY]
    problems += [
        f"{', '.join(dataset.keyed[key])} is protected with version {pinned[key]} of {told_key(key)}, whose secret"
        f" now has {version}: make {pinned[key]} its current version again"
        for key, version in versions.items()
        if pinned.get(key, version) != version
    ]
    return problems


def _protections(declaration: dict[str, Any]) -> dict[str, Any]:
    """Of each column that is stored in another form than its own."""
    return dict.fromkeys(declaration["hashed"], HASH) | declaration.get("protected", {})


def _told(form: Any) -> str:
    return NONE if form is None else form if isinstance(form, str) else json.dumps(form, ensure_ascii=False)


def _refines(before: dict[str, Any] | None, now: dict[str, Any] | None) -> bool:
    """Whether each span of a window lies in one span of the window before, which held each key once."""
    if before is None or before == now:
        return True
    return now is not None and before["column"] == now["column"] and before["seconds"] % now["seconds"] == 0


def widens(found: str, declared: str) -> bool:
    """Whether a column of the one type can become one of the other without another value."""
    before, after = decimal_shape(found), decimal_shape(declared)
    if before and after:
        return before[1] == after[1] and before[0] < after[0]
    return (found, declared) == ("int", "bigint")
