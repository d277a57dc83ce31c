"""Comparing rows of one key: with the stored row, and with one another in the order of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.refine.conform import REASONS
from lakejobs.tables.places import FILE, POSITION

# `_outcome` is what a record counts as. `_write` tells what an effective row does to the table: `new` where its key is
# not stored yet, `over` where it is; NULL for a row that changes nothing.
OUTCOME, WRITE = "_outcome", "_write"
NEW_KEY, STORED_KEY = "new", "over"

STORED = "_stored"


@dataclass(frozen=True)
class Batch:
    """What is known of a batch's rows before they are compared: no two accepted ones share a key; some are refused;
    some change a key."""

    distinct: bool
    refused: bool = True
    moves: bool = False


@dataclass(frozen=True)
class Standing:
    """Where a change stands among those of its key.

    `superseded` says that an unlike change of the key is later; `first_alike` is false for all but one of changes that
    are alike, which is the first by the tie, or any of them if nothing is to tell.
    """

    first_alike: Column
    superseded: Column


def with_stored(
    rows: DataFrame, stored: DataFrame | None, keys: Sequence[str], names: Sequence[str | Column]
) -> DataFrame:
    """Joins each row with the stored row of its key: these columns of it as a struct, and its place.

    All are NULL if there is none. The keys of the stored row stay, under names of their own.
    """
    if stored is None:
        return rows.withColumns({STORED: F.lit(None).cast(rows.select(*names).schema), **nowhere()})
    sides = stored.select(
        *[F.col(k).alias(f"_stored_{k}") for k in keys], F.struct(*names).alias(STORED), FILE, POSITION
    )
    same_key = [F.col(k) == F.col(f"_stored_{k}") for k in keys]
    return rows.join(sides, on=same_key, how="left")


def nowhere() -> dict[str, Column]:
    """The place of a row that meets no stored one."""
    return {FILE: F.lit(None).cast("string"), POSITION: F.lit(None).cast("bigint")}


def of_stored(names: Sequence[str]) -> list[Column]:
    """These columns of the stored row."""
    return [F.col(f"{STORED}.{name}").alias(name) for name in names]


def struct(columns: Sequence[Column]) -> Column:
    """A struct that exists without columns too."""
    return F.struct(*columns) if columns else F.struct(F.lit(0).alias("nothing"))


def parted(rows: DataFrame, batch: Batch) -> tuple[DataFrame, DataFrame | None]:
    """The accepted rows and, if there are any, the refused ones, which count as quarantined and have no place."""
    if not batch.refused:
        return rows, None
    refused = F.size(REASONS) > 0
    return rows.where(~refused), rows.where(refused).withColumns({OUTCOME: F.lit("quarantined"), **nowhere()})


def ranked(
    rows: DataFrame, keys: Sequence[str], latest_first: Sequence[Column], tie: Sequence[str], distinct: bool
) -> tuple[DataFrame, Standing]:
    """The rows, with columns more, and where each stands; alike ones are told apart by `tie`.

    `distinct` says that no two rows share a key.
    """
    if distinct:
        return rows, Standing(F.lit(True), F.lit(False))
    by_key = Window.partitionBy(*keys)
    order = by_key.orderBy(*latest_first)
    # The first window's order begins with the second's, so that rows are sorted once; without a tie the two are one.
    number = F.row_number().over(by_key.orderBy(*latest_first, *tie) if tie else order)
    rows = rows.withColumns({"_number": number, "_rank": F.rank().over(order)})
    return rows, Standing(F.col("_number") == F.col("_rank"), F.col("_rank") > 1)
