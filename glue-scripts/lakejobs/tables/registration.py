"""What the Glue catalog says of a table: Athena finds every table by it, whatever its format."""

from __future__ import annotations

from typing import Any

from lakejobs.errors import BatchFailed
from lakejobs.tables.interface import Fence, Layout, Moved

PROVIDER = "spark.sql.sources.provider"


def registered(glue: Any, name: str) -> dict[str, Any] | None:
    """The catalog's entry of a `catalog.database.table`, None if it has none."""
    _, database, table = name.split(".")
    try:
        return glue.get_table(DatabaseName=database, Name=table)["Table"]
    except glue.exceptions.EntityNotFoundException:
        return None


def format_of(entry: dict[str, Any]) -> str:
    """The table format of a catalog entry, `unknown` if it is none of those the jobs write."""
    parameters = entry.get("Parameters", {})
    if parameters.get("table_type", "").upper() == "ICEBERG":
        return "iceberg"
    provider = parameters.get(PROVIDER, "").lower()
    return provider if provider in ("delta", "hudi") else "unknown"


def check_format(entry: dict[str, Any] | None, layout: Layout, declared: str) -> None:
    """Raises BatchFailed (schema) if the table is there in another format than it is declared in."""
    if entry is not None and format_of(entry) != declared:
        raise BatchFailed(
            "schema",
            f"the table {layout.name} is in the format {format_of(entry)} and declared as {declared}. A table keeps its"
            " format: declare the one it has, or a new dataset and land its objects there",
        )


def keep_registered(glue: Any, name: str, found: dict[str, Any] | None, wanted: dict[str, Any], fence: Fence) -> None:
    """Makes the entry of the table `name`, or brings the one that was found to what is wanted. One that is as it should
    be is left alone. Raises Moved, and overwrites nothing, if another run has made or changed it meanwhile.
    """
    if found is not None and _same(found, wanted):
        return
    fence()
    database = name.split(".")[1]
    try:
        if found is None:
            glue.create_table(DatabaseName=database, TableInput=wanted)
        else:
            glue.update_table(DatabaseName=database, TableInput=wanted, VersionId=found["VersionId"])
    except (glue.exceptions.AlreadyExistsException, glue.exceptions.ConcurrentModificationException) as error:
        raise Moved(f"{name}: {error}") from error


def _same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    storage, asked = found.get("StorageDescriptor", {}), wanted["StorageDescriptor"]
    parameters = found.get("Parameters", {})
    return (
        found.get("Description", "") == wanted["Description"]
        and (storage.get("Columns"), storage.get("Location")) == (asked["Columns"], asked["Location"])
        and all(parameters.get(name) == value for name, value in wanted["Parameters"].items())
    )
