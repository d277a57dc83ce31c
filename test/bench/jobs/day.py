"""Files of a table after a day of 96 batches of changes, beside those that an append per batch leaves.

The appends are of one file each, the fewest there can be. What the compaction costs in requests is counted where they
arrive: in the runs, which compact a table whose readers would open many delete files, and in the maintenance at night.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import data
import ours
from lake import Lake
from lakejobs.tables.iceberg import IcebergStore
from pyspark.sql import SparkSession
from results import Row, say, store
from stand_in import cloud, session

_BATCHES = 96
_REQUEST = re.compile(r"([A-Z]+) (\S+) HTTP/")


class Requests(logging.Handler):
    """Counts the requests that a moto server logs by their methods, apart while something is `counted`."""

    def __init__(self) -> None:
        super().__init__()
        self._into: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        # "GET /bucket/key HTTP/1.1", in colours that tell of its status; other services are asked by POST to the root
        method, path = _REQUEST.search(record.getMessage()).groups()
        self._into["other services" if method == "POST" and path == "/" else method] += 1

    def counts_into(self, figures: Counter[str]) -> bool:
        return self._into is figures

    @contextmanager
    def counted(self, into: Counter[str]) -> Iterator[None]:
        outer, self._into = self._into, into
        try:
            yield
        finally:
            self._into = outer


@contextmanager
def requests() -> Iterator[Requests]:
    logger, counter = logging.getLogger("werkzeug"), Requests()
    before = logger.level, logger.propagate
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield counter
    finally:
        logger.removeHandler(counter)
        logger.level, logger.propagate = before


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the table")
    parser.add_argument("--changes", type=int, default=1_000, help="changes in each of the 96 batches")


def run(asked: argparse.Namespace) -> None:
    shape = data.Shape(asked.rows, asked.changes, clustered=False)
    with cloud() as endpoint, requests() as counter, session(endpoint, memory="4g") as spark:
        store(asked.out, _day(spark, counter, shape))


def _day(spark: SparkSession, counter: Requests, shape: data.Shape) -> list[Row]:
    lake = Lake(spark)
    ours.declare(lake)
    base = data.stored(spark, shape.rows).coalesce(1)
    ours.create(lake, base)
    mine = lake.cleaned(ours.ID)
    peer = mine.rsplit(".", 1)[0] + ".appended"
    location = f"s3://{lake.buckets['cleaned']}/bench/appended"
    spark.sql(f"CREATE TABLE {peer} (`Op` string, `AR_H_CHANGE_SEQ` string, `id` bigint, {_values()}) USING iceberg"
              f" LOCATION '{location}'")  # fmt: skip
    in_runs: Counter[str] = Counter()
    everything: Counter[str] = Counter()
    times = _counting_compactions(counter, in_runs, everything)
    for n in range(_BATCHES):
        body = data.change_file(shape, seed=n / _BATCHES, after=n * shape.changes)
        item = lake.changes(ours.ID, body)
        with counter.counted(everything):
            lake.refine([item])
        done = lake.batch(item)
        if done["state"] != "applied":
            raise SystemExit(f"batch {n} is {done['state']}: {done.get('reason')}")
        landed = lake.objects_of(item)[0]
        spark.read.parquet(f"s3://{landed.bucket}/{landed.key}").coalesce(1).writeTo(peer).append()
        if n % 12 == 11:
            say(f"  {n + 1} batches: {_files(spark, mine)} files of ours, {_files(spark, peer)} appended")
    rows = [_row("files after 96 batches", _files(spark, mine), _files(spark, peer))]
    at_night: Counter[str] = Counter()
    with counter.counted(at_night):
        lake.maintain()
    rows.append(_row("files after the day's maintenance", _files(spark, mine), _files(spark, peer)))
    say(f"  requests of {times()} compactions in the runs {dict(in_runs)}, of the maintenance {dict(at_night)},"
        f" of all else in the runs {dict(everything)}")  # fmt: skip
    total, night, compacting = everything.total() + in_runs.total(), at_night.total(), in_runs.total()
    rows.append(
        Row(
            "requests of compaction, with looks whether it is due",
            "requests",
            compacting,
            total,
            "all of the runs'",
            0,
            "none",
        )
    )
    rows.append(Row("requests of maintenance", "requests", night, total, "all of the runs'", 0, "none"))
    return rows


def _counting_compactions(counter: Requests, into: Counter[str], within: Counter[str]) -> Callable[[], int]:
    """Counts requests of compactions apart from those that are counted into `within`, from here on.

    Returns how many compactions there were, to be asked later.
    """
    compact, done = IcebergStore.compact, []

    def counted(self: IcebergStore, *given: Any) -> bool:
        if not counter.counts_into(within):
            return compact(self, *given)
        with counter.counted(into):
            did = compact(self, *given)
        done.append(did)
        return did

    IcebergStore.compact = counted
    return lambda: sum(done)


def _values() -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in data.VALUES.items())


def _files(spark: SparkSession, table: str) -> int:
    """Data and delete files of what readers see."""
    spark.sql(f"REFRESH TABLE {table}")
    return spark.table(f"{table}.files").count()


def _row(name: str, mine: int, appended: int) -> Row:
    return Row(name, "files", mine, appended, "append per batch", 1, "one file")
