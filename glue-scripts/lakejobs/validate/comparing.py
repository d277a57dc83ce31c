"""One look at both sides: which keys differ and in what, and sums over all rows.

A checksum adds up, over keys, the first 60 bits of the MD5 of `encoded(key…, value)`. So it does not depend on an
order, it tells a value of one row from the same value of another, and that of two parts is the sum of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.refine.conform import REASONS
from lakejobs.validate.sides import canonical, encoded

KEY, KIND, SOURCE, LAKE, STATE = "_key", "_kind", "_source", "_lake", "_state"
_SOURCES, _LAKES = "_sources", "_lakes"

EQUAL = "equal"
# What may be the matter with a key; the first that applies. A row is refused if its values break the declaration.
KINDS = DUPLICATED, REFUSED, ONLY_SOURCE, ONLY_LAKE, CHANGED = (
    "duplicated", "refused", "only_in_source", "only_in_lake", "changed",
)  # fmt: skip
# A key that differs at the last look, and whose row in the source has changed since the look before.
UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Compared:
    """The columns that are compared, by their place: those of the key first."""

    keys: tuple[Declared, ...]
    others: tuple[Declared, ...]

    @property
    def columns(self) -> tuple[Declared, ...]:
        return self.keys + self.others


@dataclass
class Tally:
    """Keys and rows of both sides, and of each column, by its place, checksums and the keys in which it differs."""

    keys: int = 0
    source_rows: int = 0
    lake_rows: int = 0
    source_sums: list[int] = field(default_factory=list)
    lake_sums: list[int] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.keys + other.keys,
            self.source_rows + other.source_rows,
            self.lake_rows + other.lake_rows,
            _added(self.source_sums, other.source_sums),
            _added(self.lake_sums, other.lake_sums),
            _added(self.differing, other.differing),
        )


def _added(one: list[int], other: list[int]) -> list[int]:
    if not one or not other:
        return one or other
    return [a + b for a, b in zip(one, other, strict=True)]


def join(source: DataFrame, lake: DataFrame, compared: Compared, only: DataFrame | None = None) -> DataFrame:
    """A row for each key of either side, or for those in `only` (`_key`, few): its kind, the texts of both sides as
    structs (`k0`, `c0`, …; NULL where the side has none) and `_state`, a hash of the source's row."""
    ours = _one_of_each_key(source, compared, SOURCE, _SOURCES, F.col(REASONS), only)
    theirs = _one_of_each_key(lake, compared, LAKE, _LAKES, F.array().cast("array<string>"), only)
    both = ours.join(theirs, on=KEY, how="full")
    kind = F.lit(EQUAL)
    for name, holds in reversed(_kinds(compared).items()):
        kind = F.when(holds, F.lit(name)).otherwise(kind)
    return both.withColumns({KIND: kind, STATE: F.xxhash64(SOURCE)})


def _one_of_each_key(
    rows: DataFrame, compared: Compared, side: str, number: str, reasons: Column, only: DataFrame | None
) -> DataFrame:
    """The least row of each key, and how many there are."""
    names = places(compared)
    texts = {names[i]: canonical(c) for i, c in enumerate(compared.columns)}
    held = rows.select(*[text.alias(name) for name, text in texts.items()], reasons.alias("reasons"))
    key = encoded([F.col(name) for name in names[: len(compared.keys)]])
    row = F.struct(*names, "reasons")
    keyed = held.select(key.alias(KEY), row.alias(side))
    if only is not None:
        keyed = keyed.join(F.broadcast(only.select(KEY)), on=KEY, how="left_semi")
    return keyed.groupBy(KEY).agg(F.min(side).alias(side), F.count(F.lit(1)).alias(number))


def places(compared: Compared) -> list[str]:
    """The names of the texts, which are free of what a declaration may call a column."""
    return [f"k{i}" for i in range(len(compared.keys))] + [f"c{i}" for i in range(len(compared.others))]


def _kinds(compared: Compared) -> dict[str, Column]:
    source, lake = F.col(SOURCE).isNotNull(), F.col(LAKE).isNotNull()
    more = (F.coalesce(F.col(_SOURCES), F.lit(0)) > 1) | (F.coalesce(F.col(_LAKES), F.lit(0)) > 1)
    conditions = (more, source & (F.size(f"{SOURCE}.reasons") > 0), source & ~lake, lake & ~source,
                  reduce(Column.__or__, [_differs(name) for name in places(compared)]))  # fmt: skip
    return dict(zip(KINDS, conditions, strict=True))


def _differs(name: str) -> Column:
    return ~F.col(f"{SOURCE}.{name}").eqNullSafe(F.col(f"{LAKE}.{name}"))


def tally(joined: DataFrame, compared: Compared) -> dict[str, Tally]:
    """The sums of each kind of which there is a key."""
    names = places(compared)
    pair = F.col(SOURCE).isNotNull() & F.col(LAKE).isNotNull() & (F.col(KIND) != DUPLICATED)
    sums = [F.count(F.lit(1)).alias("keys"), F.sum(_SOURCES).alias("sources"), F.sum(_LAKES).alias("lakes")]
    for i, name in enumerate(names):
        sums.append(_checksum(SOURCE, name).alias(f"s{i}"))
        sums.append(_checksum(LAKE, name).alias(f"l{i}"))
        sums.append(F.count_if(pair & _differs(name)).alias(f"d{i}"))
    found = {}
    for row in joined.groupBy(KIND).agg(*sums).collect():
        each = [[int(row[f"{side}{i}"] or 0) for i in range(len(names))] for side in "sld"]
        found[row[KIND]] = Tally(row["keys"], row["sources"] or 0, row["lakes"] or 0, *each)
    return found


def _checksum(side: str, name: str) -> Column:
    bits = F.conv(F.substring(F.md5(F.concat(F.col(KEY), encoded([F.col(f"{side}.{name}")]))), 1, 15), 16, 10)
    return F.sum(F.when(F.col(side).isNotNull(), bits.cast("decimal(20,0)")))


def total(tallies: Sequence[Tally]) -> Tally:
    return reduce(Tally.__add__, tallies, Tally())
