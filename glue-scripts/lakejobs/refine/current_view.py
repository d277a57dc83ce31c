"""The view `<dataset>_current` of a CDC dataset: its table's rows that are not deleted, with the declared columns.

It is a view as Athena makes them: a Glue table of type VIRTUAL_VIEW whose text holds the query, encoded as Presto does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from lakejobs.declared import DELTA, HUDI, ICEBERG, Dataset
from lakejobs.refine.changes import DELETED
from lakejobs.refine.target import stored_type
from lakejobs.tables.interface import Moved

_EXPANDED = "/* Presto View */"
_TRINO_TYPES = {"string": "varchar", "int": "integer"}
# Trino's connector for Delta Lake cuts timestamps to milliseconds, and so does that for Hive, which reads Hudi's files.
_TIMESTAMPS = {ICEBERG: "timestamp(6) with time zone", DELTA: "timestamp(3) with time zone", HUDI: "timestamp(3)"}


def view_name(dataset: Dataset) -> str:
    """The view's name, in the database of the table."""
    return f"{dataset.name}_current"


def keep_current_view(glue: Any, dataset: Dataset, fence: Callable[[], None]) -> None:
    """Makes the view, or brings it to its declaration; one that is as it should be is left alone.

    `fence` is called right before a write and raises if this run may not write. Raises Moved, and overwrites nothing,
    if another run has made or changed the view since it was looked at.
    """
    wanted = view_input(dataset)
    place = {"DatabaseName": dataset.cleaned_database}
    try:
        found = glue.get_table(**place, Name=wanted["Name"])["Table"]
    except glue.exceptions.EntityNotFoundException:
        found = None
    if found is not None and _same(found, wanted):
        return
    fence()
    try:
        if found is None:
            glue.create_table(**place, TableInput=wanted)
        else:
            glue.update_table(**place, TableInput=wanted, VersionId=found["VersionId"])
    except (glue.exceptions.AlreadyExistsException, glue.exceptions.ConcurrentModificationException) as error:
        raise Moved(f"{dataset.cleaned_database}.{wanted['Name']}: {error}") from error


def view_input(dataset: Dataset) -> dict[str, Any]:
    """The view as the Glue Data Catalog takes it."""
    columns = [(c.name, stored_type(dataset, c.name), c.doc) for c in dataset.stored]
    names = ", ".join(f'"{name}"' for name, _, _ in columns)
    query = f'SELECT {names} FROM "{dataset.cleaned_database}"."{dataset.name}" WHERE NOT "{DELETED}"'
    trino_types = _TRINO_TYPES | {"timestamp": _TIMESTAMPS[dataset.table_format]}
    definition = {
        "originalSql": query,
        "catalog": "awsdatacatalog",
        "schema": dataset.cleaned_database,
        "columns": [{"name": name, "type": trino_types.get(kind, kind)} for name, kind, _ in columns],
    }
    text = base64.b64encode(json.dumps(definition, separators=(",", ":")).encode()).decode()
    described = [{"Name": n, "Type": kind, **({"Comment": doc} if doc else {})} for n, kind, doc in columns]
    return {
        "Name": view_name(dataset),
        "Description": dataset.doc,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": f"/* Presto View: {text} */",
        "ViewExpandedText": _EXPANDED,
        "StorageDescriptor": {"Columns": described, "Location": "", "SerdeInfo": {}},
    }


def _same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    kept = {name: found.get(name, "") for name in ("ViewOriginalText", "ViewExpandedText", "TableType", "Description")}
    columns = found.get("StorageDescriptor", {}).get("Columns", [])
    return all(wanted[name] == value for name, value in kept.items()) and (
        columns == wanted["StorageDescriptor"]["Columns"]
    )
