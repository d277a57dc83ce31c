"""Classification against a model in plain Python, over random batches (hypothesis prints the seed of a failure)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lakejobs.declared import Dataset
from lakejobs.declared_fields import dataset_of
from lakejobs.refine.classify import classify
from lakejobs.refine.compare import OUTCOME, WRITE, Batch
from specs import column, dataset

COLUMNS = [column("k", "int", required=True), column("seq", "int", required=True), column("a"), column("b", "int")]
SCHEMA = "_object int, _line binary, _reasons array<string>, _key struct<k: string>, k int, seq int, a string, b int"


def spec(load: str, unique_key: bool) -> Dataset:
    sequence = "seq" if load == "upsert" else None
    return dataset_of(dataset("t", COLUMNS, ["k"], sequence, unique_key=unique_key), "test")


@dataclass(frozen=True)
class Row:
    k: int
    seq: int
    a: str | None
    b: int | None
    place: tuple[int, bytes]

    @property
    def change(self) -> tuple:
        return (self.seq, *nulls_first(self.a), *nulls_first(self.b))

    @property
    def content(self) -> tuple:
        return (*nulls_first(self.a), *nulls_first(self.b))


def nulls_first(value: Any) -> tuple:
    return (0, 0) if value is None else (1, value)


def model_upsert(rows: list[Row], stored: dict[int, Row], unique_key: bool) -> Counter:
    """Outcomes by the contract's table, one key at a time."""
    found: Counter = Counter()
    for k in {r.k for r in rows}:
        group = sorted((r for r in rows if r.k == k), key=lambda r: (r.change, r.place))
        distinct = {r.change: r for r in reversed(group)}
        found["duplicate"] += len(group) - len(distinct)
        old = stored.get(k)
        for change, row in distinct.items():
            later = [c for c in distinct if c > change]
            if old and old.change == change:
                found["duplicate"] += 1
            elif unique_key and any(c[0] == change[0] for c in later):
                found["quarantined"] += 1
            elif later:
                found["superseded"] += 1
            elif old and old.change > change:
                found["stale"] += 1
            elif not old:
                found["inserted"] += 1
                stored[k] = row
            else:
                found["unchanged" if old.content == row.content else "updated"] += 1
                stored[k] = row
    return found


def model_append(rows: list[Row], stored: dict[int, Row], unique_key: bool) -> Counter:
    found: Counter = Counter()
    for k in {r.k for r in rows}:
        old, seen = stored.get(k), set()
        for row in sorted((r for r in rows if r.k == k), key=lambda r: r.place):
            whole = (row.seq, *row.content)
            if whole in seen or (old and whole == (old.seq, *old.content)):
                found["duplicate"] += 1
            elif old:
                found["quarantined" if unique_key else "stale"] += 1
            else:
                found["inserted"] += 1
                stored[k] = old = row
            seen.add(whole)
    return found


@st.composite
def batches(draw: st.DrawFn) -> list[list[Row]]:
    values = st.tuples(
        st.integers(1, 3), st.integers(1, 3), st.sampled_from([None, "", "x", "y"]), st.sampled_from([None, 0, -1])
    )
    cut = draw(st.lists(st.lists(st.tuples(st.integers(0, 1), values), max_size=8), min_size=1, max_size=3))
    return [[Row(*v, place=(place, repr((v, i % 2)).encode())) for i, (place, v) in enumerate(batch)] for batch in cut]


def apply(spark: Any, declared: Dataset, rows: list[Row], stored: Any) -> tuple[Counter, list[Row]]:
    data = [(r.place[0], bytearray(r.place[1]), [], (str(r.k),), r.k, r.seq, r.a, r.b) for r in rows]
    batch = Batch(distinct=len({r.k for r in rows}) == len(rows), refused=len(rows) % 2 == 0)
    frame = classify(spark.createDataFrame(data, SCHEMA), stored, declared, batch)
    result = frame.collect()
    effective = [Row(r["k"], r["seq"], r["a"], r["b"], (r["_object"], bytes(r["_line"]))) for r in result
                 if r[WRITE] is not None]  # fmt: skip
    return Counter(r[OUTCOME] for r in result), effective


STORED = "k int, seq int, a string, b int, _file string, _pos bigint"


def stored_frame(spark: Any, table: dict[int, Row]) -> Any:
    if not table:
        return None
    return spark.createDataFrame([(r.k, r.seq, r.a, r.b, "f", r.k) for r in table.values()], STORED)


@pytest.mark.parametrize("unique_key", [False, True])
@pytest.mark.parametrize("load", ["upsert", "append"])
def test_spark_agrees_with_the_model(spark: Any, load: str, unique_key: bool) -> None:
    declared = spec(load, unique_key)
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    model = model_upsert if load == "upsert" else model_append

    @settings(max_examples=12, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
    @given(batches())
    def agree(cut: list[list[Row]]) -> None:
        ours: dict[int, Row] = {}
        theirs: dict[int, Row] = {}
        for batch in cut:
            wanted = model(batch, theirs, unique_key)
            found, effective = apply(spark, declared, batch, stored_frame(spark, ours))
            assert +found == +wanted
            assert len({r.k for r in effective}) == len(effective)
            ours.update({r.k: r for r in effective})
            assert {k: r.change for k, r in ours.items()} == {k: r.change for k, r in theirs.items()}

    agree()


@settings(max_examples=200, deadline=None)
@given(batches(), st.randoms())
def test_the_upsert_model_converges(cut: list[list[Row]], random: Any) -> None:
    """However changes are cut and ordered, the table ends the same; Spark is held to this model above."""
    results = []
    for unique_key in (False, True):
        for _ in range(3):
            rows = [r for batch in cut for r in batch]
            random.shuffle(rows)
            table: dict[int, Row] = {}
            while rows:
                size = random.randint(1, len(rows))
                model_upsert(rows[:size], table, unique_key)
                rows = rows[size:]
            results.append({k: r.change for k, r in table.items()})
    assert all(r == results[0] for r in results)
