"""Comparing rows of one key: with the stored row, and with one another in the order of changes."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.tables.interface import FILE, POSITION

# `_outcome` is what a record counts as. `_write` tells what an effective row does to the table: `new` where its key is
# not stored yet, `over` where it is; NULL for a row that changes nothing.
OUTCOME, WRITE = "_outcome", "_write"
NEW_KEY, STORED_KEY = "new", "over"

STORED = "_stored"


def with_stored(rows: DataFrame, stored: DataFrame | None, keys: Sequence[str], names: Sequence[str]) -> DataFrame:
    """Joins each row with the stored row of its key: these columns of it as a struct, and its place.

    All are NULL if there is none.
    """
    if stored is None:
        return rows.withColumns({STORED: F.lit(None).cast(rows.select(*names).schema), **nowhere()})
    sides = stored.select(
        *[F.col(k).alias(f"_stored_{k}") for k in keys], F.struct(*names).alias(STORED), FILE, POSITION
    )
    same_key = [F.col(k) == F.col(f"_stored_{k}") for k in keys]
    joined = rows.join(sides, on=same_key, how="left")
    return joined.drop(*[f"_stored_{k}" for k in keys])


def nowhere() -> dict[str, Column]:
    """The place of a row that meets no stored one."""
    return {FILE: F.lit(None).cast("string"), POSITION: F.lit(None).cast("bigint")}


def of_stored(names: Sequence[str]) -> list[Column]:
    """These columns of the stored row."""
    return [F.col(f"{STORED}.{name}").alias(name) for name in names]


def struct(columns: Sequence[Column]) -> Column:
    """A struct that exists without columns too."""
    return F.struct(*columns) if columns else F.struct(F.lit(0).alias("nothing"))


def ranked(
    rows: DataFrame, keys: Sequence[str], latest_first: Sequence[Column], tie: Sequence[str], distinct: bool
) -> DataFrame:
    """Adds where a change stands among those of its key.

    `_superseded` says that an unlike change of the key is later; `_first_alike` is false for all but one of changes
    that are alike, which is the first by `tie`, or any of them if nothing is to tell. `distinct` says that no two rows
    share a key.
    """
    if distinct:
        return rows.withColumns({"_first_alike": F.lit(True), "_superseded": F.lit(False)})
    by_key = Window.partitionBy(*keys)
    # The first window's order begins with the second's, so that rows are sorted once; without a tie the two are one.
    numbers = F.row_number().over(by_key.orderBy(*latest_first, *tie)), F.rank().over(by_key.orderBy(*latest_first))
    rows = rows.withColumns(dict(zip(("_number", "_rank"), numbers, strict=True)))
    flags = {"_first_alike": F.col("_number") == F.col("_rank"), "_superseded": F.col("_rank") > 1}
    return rows.withColumns(flags).drop("_number", "_rank")
