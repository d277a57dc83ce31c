"""What the Glue catalog says of a table: Athena finds every table by it, whatever its format."""

from __future__ import annotations

from typing import Any

from lakejobs.errors import BatchFailed
from lakejobs.tables.interface import Layout

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
    return "delta" if parameters.get(PROVIDER, "").lower() == "delta" else "unknown"


def check_format(entry: dict[str, Any] | None, layout: Layout, declared: str) -> None:
    """Raises BatchFailed (schema) if the table is there in another format than it is declared in."""
    if entry is not None and format_of(entry) != declared:
        raise BatchFailed(
            "schema",
            f"the table {layout.name} is in the format {format_of(entry)} and declared as {declared}. A table keeps its"
            " format: declare the one it has, or a new dataset and land its objects there",
        )
