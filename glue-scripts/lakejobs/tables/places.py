"""Places of stored rows: what a batch that was compared with a table knows of the rows that it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

# The place of a stored row: the file that holds it, and its position there, from 0 (NULL where a format tells none).
FILE, POSITION = "_file", "_pos"

Places = Mapping[str, Sequence[int]]
"""Positions of rows by file, in order; none for a file of a format that tells none."""


@dataclass(frozen=True)
class Replaced:
    """Rows of a table's current version that a write takes away: their keys, FILE and POSITION, and their places.

    `frames` may have other columns, and rows without a FILE, which are none of the table's.
    """

    frames: tuple[DataFrame, ...]
    keys: tuple[str, ...]
    places: Places

    @property
    def rows(self) -> DataFrame:
        """One frame of them, without other columns."""
        parts = [frame.where(F.col(FILE).isNotNull()).select(*self.keys, FILE, POSITION) for frame in self.frames]
        return reduce(DataFrame.unionByName, parts)


def places_of(rows: DataFrame, *also: str) -> list[Row]:
    """Counts rows by FILE and those columns: each group with `rows`, how many it has, and `positions`, in order."""
    counted = F.count(F.lit(1)).alias("rows"), F.sort_array(F.collect_list(POSITION)).alias("positions")
    return rows.groupBy(*also, FILE).agg(*counted).collect()


def by_file(groups: Iterable[Row]) -> Places:
    """The positions of groups of `places_of`, those without a file left out."""
    return joined(*[{group[FILE]: group["positions"]} for group in groups if group[FILE] is not None])


def joined(*parts: Places) -> Places:
    """All of them, in order by file."""
    found: dict[str, list[int]] = {}
    for part in parts:
        for file, positions in part.items():
            found.setdefault(file, []).extend(positions)
    return {file: sorted(positions) for file, positions in sorted(found.items())}
