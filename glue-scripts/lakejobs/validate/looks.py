"""Looks again at keys that differ: a source goes on while the lake follows it, so a difference may be one of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakejobs.events import log
from lakejobs.validate.comparing import (
    EQUAL,
    KEY,
    KIND,
    LAKE,
    SOURCE,
    STATE,
    UNSETTLED,
    Compared,
    Tally,
    join,
    places,
    tally,
)

# More keys than these are not looked at again: that many do not differ because the lake is a little late.
MOST_LOOKED_AT_AGAIN = 20_000

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Read:
    """What was read, between which times; the lake's version is empty while there is no table."""

    source: DataFrame
    lake: DataFrame
    version: str
    source_from: datetime
    source_until: datetime
    lake_at: datetime


Reader = Callable[[Sequence[tuple[str | None, ...]] | None], Read]
"""Reads both sides, the source first and once: of the keys with these texts at least, of all if None."""


@dataclass(frozen=True)
class Patience:
    """How often keys that differ are looked at again, from 0, and how many seconds after the look before."""

    again: int
    seconds: float
    sleep: Sleep = time.sleep


@dataclass
class Found:
    """What came of all looks. `agreed` sums up what was equal when it was last looked at, `left` by kind what was not;
    `differing` are the keys of those, as `join` gives them. `first` and `last` tell when was read what."""

    agreed: Tally
    left: dict[str, Tally]
    differing: DataFrame
    looks: int
    settled: int
    first: Read
    last: Read
    ignored: bool = field(default=False)
    """Whether so many keys differ that they were not looked at again."""

    @property
    def total(self) -> Tally:
        return sum(self.left.values(), self.agreed)

    @property
    def left_keys(self) -> int:
        return sum(t.keys for t in self.left.values())


def look(read: Reader, compared: Compared, patience: Patience, seen: Callable[[Read, int], None]) -> Found:
    """Compares all, then what differs again and again, until nothing does or patience ends.

    `seen` is told of the first read and how many keys differ in it, while that is still held.
    """
    first = read(None)
    tallies, differing = _compared(first, compared, None)
    agreed, looks = tallies.pop(EQUAL, Tally()), 1
    began = sum(t.keys for t in tallies.values())
    seen(first, began)
    first.source.unpersist()
    found = Found(agreed, tallies, differing, looks, 0, first, first, began > MOST_LOOKED_AT_AGAIN)
    while found.left and found.looks <= patience.again and not found.ignored:
        log("keys differ and are looked at again", keys=found.left_keys, look=found.looks)
        patience.sleep(patience.seconds)
        found = _again(read, compared, found)
    found.settled = began - found.left_keys
    return found


def _again(read: Reader, compared: Compared, before: Found) -> Found:
    names = places(compared)[: len(compared.keys)]
    side = F.coalesce(F.col(SOURCE), F.col(LAKE))
    rows = before.differing.select(KEY, STATE, *[side[name].alias(name) for name in names]).collect()
    spark = before.differing.sparkSession
    then = spark.createDataFrame([(r[KEY], r[STATE]) for r in rows], f"{KEY} string, _then bigint")
    now = read([tuple(r[name] for name in names) for r in rows])
    tallies, differing = _compared(now, compared, then)
    now.source.unpersist()
    before.differing.unpersist()
    agreed = before.agreed + tallies.pop(EQUAL, Tally())
    return Found(agreed, tallies, differing, before.looks + 1, 0, before.first, now)


def _compared(read: Read, compared: Compared, then: DataFrame | None) -> tuple[dict[str, Tally], DataFrame]:
    """The sums by kind, and the keys that differ. `then` has the keys to look at, with the source's row as it was."""
    joined = join(read.source, read.lake, compared, then)
    if then is not None:
        joined = joined.join(F.broadcast(then), on=KEY, how="inner")
        moves = (F.col(KIND) != EQUAL) & ~F.col(STATE).eqNullSafe(F.col("_then"))
        joined = joined.withColumn(KIND, F.when(moves, F.lit(UNSETTLED)).otherwise(F.col(KIND)))
    tallies = tally(joined, compared)
    differing = joined.where(F.col(KIND) != EQUAL).persist()
    if set(tallies) - {EQUAL}:
        differing.count()
    return tallies, differing
