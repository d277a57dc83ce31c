"""Classification of changes against a model in plain Python, over random batches (hypothesis prints the seed)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lakejobs.declared_fields import dataset_of
from lakejobs.refine.classify_changes import classify_changes
from lakejobs.refine.compare import NEW_KEY, OUTCOME, STORED_KEY, WRITE, Batch
from specs import column, replicated

DECLARED = dataset_of(replicated("t", [column("k", "int", required=True), column("a")], ["k"]), "test")
SCHEMA = (
    "_record int, _reasons array<string>, _key struct<k: string>, _half string, k int, a string,"
    " _generation int, _sequence string, _is_deleted boolean"
)
STORED = "k int, a string, _generation int, _sequence string, _is_deleted boolean, _file string, _pos bigint"


@dataclass(frozen=True)
class Record:
    """A change: of key `old` to `k` if they differ, of `k` alone if not. `a` is "-" for a delete."""

    k: int
    old: int
    generation: int
    sequence: str
    a: str | None
    place: int

    @property
    def line(self) -> bytes:
        return repr((self.k, self.old, self.sequence, self.a)).encode()

    @property
    def effects(self) -> list[tuple[int, tuple]]:
        """(key, order) of each effect; an order whose content is () deletes."""
        content = () if self.a == "-" else ((self.a is not None, self.a or ""),)
        own = (self.k, (self.generation, self.sequence, content))
        return [own] if self.k == self.old else [(self.old, (self.generation, self.sequence, ())), own]


def model(batch: list[Record], table: dict[int, tuple], loaded: int) -> tuple[Counter, dict[int, tuple]]:
    """Outcomes by the contract's table, and the table afterwards."""
    seen: dict[int, set[tuple]] = {}
    for record in batch:
        for k, order in record.effects:
            seen.setdefault(k, set()).add(order)
    first: dict[tuple, Record] = {}
    for record in sorted(batch, key=lambda r: (r.place, r.line)):
        for effect in record.effects:
            first.setdefault(effect, record)
    after, found, counted = dict(table), Counter(), set()
    for record in sorted(batch, key=lambda r: (r.place, r.line)):
        outcomes = []
        for k, order in record.effects:
            effect = (k, order)
            alike = first[effect] is not record or effect in counted
            counted.add(effect)
            outcomes.append("duplicate" if alike else judge(order, max(seen[k]), table.get(k), loaded))
            if outcomes[-1] in ("inserted", "updated", "deleted", "unchanged"):
                after[k] = order
        writes = any(o in ("inserted", "updated", "deleted", "unchanged") for o in outcomes)
        found["updated" if writes and len(outcomes) == 2 else outcomes[-1]] += 1
    return found, after


def judge(order: tuple, last: tuple, stored: tuple | None, loaded: int) -> str:
    deletes = order[2] == ()
    if stored == order:
        return "duplicate"
    if order < last:
        return "superseded"
    if order[0] < loaded or (stored and stored > order):
        return "stale"
    if deletes:
        return "unchanged" if stored and stored[2] == () else "deleted"
    if not stored or stored[2] == ():
        return "inserted"
    return "unchanged" if stored[2] == order[2] else "updated"


@st.composite
def histories(draw: st.DrawFn) -> list[list[Record]]:
    key = st.integers(1, 3)
    content = st.sampled_from([None, "", "x", "-"])
    record = st.tuples(key, key, st.integers(1, 2), st.sampled_from(["", "1", "2", "3"]), content, st.integers(0, 1))
    cut = draw(st.lists(st.lists(record, max_size=8), min_size=1, max_size=3))
    return [[Record(k, k if a == "-" else old, g, s, a, p) for k, old, g, s, a, p in batch] for batch in cut]


def rows(number: int, record: Record) -> list[tuple]:
    head = (number, [], (str(record.k),))
    order = (record.generation, record.sequence)
    if record.k == record.old:
        gone = record.a == "-"
        return [(*head, "row", record.k, None if gone else record.a, *order, gone)]
    return [(*head, "old", record.old, None, *order, True), (*head, "new", record.k, record.a, *order, False)]


def apply(spark: Any, batch: list[Record], table: dict[int, tuple], loaded: int) -> tuple[Counter, dict[int, tuple]]:
    numbered = enumerate(sorted(batch, key=lambda r: (r.place, r.line)))
    effects = [row for number, record in numbered for row in rows(number, record)]
    stored = None
    if table:
        values = [(k, c[0][1] if c and c[0][0] else None, g, s, c == (), "f", k) for k, (g, s, c) in table.items()]
        stored = spark.createDataFrame(values, STORED)
    keys = [row[4] for row in effects]
    moves = any(r.k != r.old for r in batch)
    known = Batch(distinct=len(keys) == len(set(keys)), refused=len(keys) % 2 == 0, moves=moves)
    found = classify_changes(spark.createDataFrame(effects, SCHEMA), stored, DECLARED, known, loaded).collect()
    after = dict(table)
    written = [r for r in found if r[WRITE] is not None]
    assert len({r["k"] for r in written}) == len(written)
    for r in written:
        assert r[WRITE] == (STORED_KEY if r["k"] in table else NEW_KEY)
        content = () if r["_is_deleted"] else ((r["a"] is not None, r["a"] or ""),)
        after[r["k"]] = (r["_generation"], r["_sequence"], content)
    return Counter(r[OUTCOME] for r in found if r[OUTCOME] is not None), after


def test_spark_agrees_with_the_model(spark: Any) -> None:
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    spark.conf.set("spark.sql.adaptive.enabled", "false")

    @settings(max_examples=7, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
    @given(histories(), st.sampled_from([0, 0, 2]))
    def agree(cut: list[list[Record]], loaded: int) -> None:
        ours: dict[int, tuple] = {}
        theirs: dict[int, tuple] = {}
        for batch in cut:
            wanted, theirs = model(batch, theirs, loaded)
            found, ours = apply(spark, batch, ours, loaded)
            assert +found == +wanted
            assert found.total() == len(batch)
            assert ours == theirs

    agree()


@settings(max_examples=300, deadline=None)
@given(histories(), st.randoms())
def test_the_model_converges(cut: list[list[Record]], random: Any) -> None:
    """However changes are cut and ordered, the table ends the same; Spark is held to this model above."""
    results = []
    for _ in range(4):
        records = [r for batch in cut for r in batch]
        random.shuffle(records)
        table: dict[int, tuple] = {}
        while records:
            size = random.randint(1, len(records))
            _, table = model(records[:size], table, 0)
            records = records[size:]
        results.append(table)
    assert all(r == results[0] for r in results)
