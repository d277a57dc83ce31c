"""Changes applied to one table: our way, the public samples' two passes, and the bare join, in turn on one machine.

Every strategy starts each round from the same table and the same changes, which are read and cached before the clock
starts. Rounds are interleaved, and the median counts, so that a busy moment falls on all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import data
import ours
from lake import Lake
from peers import TwoPass, bare_join
from pyspark.sql import SparkSession
from results import Row, say, store
from stand_in import cloud, session

# What Spark does by itself, with as many partitions as keep both cores busy.
_DEFAULTS = {"spark.sql.adaptive.enabled": "true", "spark.sql.shuffle.partitions": "8"}


@dataclass
class Contender:
    """A way to apply the changes. `table` is rolled back before a round, and what is `live` of it is read after it."""

    name: str
    apply: Callable[[], None]
    table: str
    settings: Mapping[str, str]
    live: str = "true"
    took: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(self.took)

    @property
    def read_seconds(self) -> float:
        return statistics.median(self.read)

    def round(self, spark: SparkSession, start: int) -> tuple[int, int]:
        """Applies the changes from the snapshot `start` on. Returns what a reader then sees: rows and a sum."""
        spark.sql(f"CALL glue_catalog.system.rollback_to_snapshot('{self.table.split('.', 1)[1]}', {start})")
        for name, value in self.settings.items():
            spark.conf.set(name, value)
        began = time.perf_counter()
        self.apply()
        self.took.append(time.perf_counter() - began)
        for name, value in _DEFAULTS.items():
            spark.conf.set(name, value)
        spark.sql(f"REFRESH TABLE {self.table}")
        began = time.perf_counter()
        found = spark.sql(
            f"SELECT count(*), sum(bigint(round(amount * 100))), count(name) FROM {self.table} WHERE {self.live}"
        ).first()
        self.read.append(time.perf_counter() - began)
        return found[0], found[1]


def compare(spark: SparkSession, shape: data.Shape, warm_up: int, rounds: int) -> list[Row]:
    """Measures one shape, from tables made for it."""
    say(f"{shape.name}: making the tables")
    for name, value in _DEFAULTS.items():
        spark.conf.set(name, value)
    lake = Lake(spark)
    ours.declare(lake)
    base = data.stored(spark, shape.rows)
    ours.create(lake, base)
    mine = lake.cleaned(ours.ID)
    database = mine.rsplit(".", 1)[0]
    peers = {}
    for mode in ("copy-on-write", "merge-on-read"):
        peers[mode] = TwoPass(spark, f"{database}.two_pass_{mode.replace('-', '_')}", mode)
        peers[mode].create(base, f"s3://{lake.buckets['cleaned']}/bench/{mode}")
    body = data.change_file(shape)
    batch = ours.Batch.of(lake, body)
    planned = {name: spark.conf.get(name) for name in _DEFAULTS}
    landed = batch.application.source.readable[0].uri
    changes = spark.read.parquet(landed).cache()
    changes.count()
    changes.createOrReplaceTempView("changes")
    contenders = [
        Contender("ours", batch.apply, mine, planned, "NOT _is_deleted"),
        *[Contender(f"two passes, {m}", lambda p=p: p.apply("changes"), p.table, _DEFAULTS) for m, p in peers.items()],
    ]
    join = Contender("bare join", lambda: bare_join(spark, mine, "changes"), mine, _DEFAULTS)
    starts = {c.name: snapshot(spark, c.table) for c in [*contenders, join]}
    for n in range(warm_up + rounds):
        seen = {c.name: c.round(spark, starts[c.name]) for c in contenders}
        if len(set(seen.values())) > 1:
            raise SystemExit(f"{shape.name}: the tables differ afterwards: {seen}")
        join.round(spark, starts[join.name])
        say("  " + ", ".join(f"{c.name} {c.took[-1]:.2f} s" for c in [*contenders, join]))
        if n < warm_up:
            for c in [*contenders, join]:
                c.took.clear()
                c.read.clear()
    batch.close()
    changes.unpersist()
    return rows_of(shape, contenders, join)


def rows_of(shape: data.Shape, contenders: Sequence[Contender], join: Contender) -> list[Row]:
    mine, *others = contenders
    limit = shape.changes / join.seconds
    rows = []
    for other in others:
        rows.append(Row(f"apply changes, {shape.name}, {other.name}", "changes/s", shape.changes / mine.seconds,
                        shape.changes / other.seconds, other.name, limit, "bare join"))  # fmt: skip
        rows.append(Row(f"read after it, {shape.name}, {other.name}", "s", mine.read_seconds, other.read_seconds,
                        other.name, 0, "none"))  # fmt: skip
    return rows


def snapshot(spark: SparkSession, table: str) -> int:
    """The snapshot that readers of the table see."""
    history = spark.sql(f"SELECT snapshot_id FROM {table}.history WHERE is_current_ancestor ORDER BY made_current_at")
    return history.collect()[-1][0]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", default="1,10", help="sizes of the table in millions of rows, by commas")
    parser.add_argument("--changes", type=int, default=100_000, help="changes in the batch")
    parser.add_argument("--warm-up", type=int, default=8, help="rounds that do not count, while Java still compiles")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds; the median counts")


def run(asked: argparse.Namespace) -> None:
    with cloud() as endpoint, session(endpoint, memory="6g", compiler="") as spark:
        for millions in asked.rows.split(","):
            for clustered in (False, True):
                shape = data.Shape(int(millions) * 1_000_000, asked.changes, clustered)
                store(asked.out, compare(spark, shape, asked.warm_up, asked.rounds))
