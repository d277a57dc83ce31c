"""Three strategies that public samples apply changes with, over the same deliveries; what they do is all they know.

Each is told only records that pass the rules, and takes a load in place of its table: both more than the samples do.

- Two passes, without condition: of each key of a batch the latest by time; upserts are merged, then deletes (repository
  aws-samples/transactional-datalake-using-apache-iceberg-on-aws-glue, src/main/python/spark_sql_merge_into_iceberg.py).
- The last by timestamp: as above, but a stored row gives way only to what is as late or later, and deletes go first
  among changes of one time (repository GoogleCloudPlatform/cortex-data-foundation,
  src/SAP/SAP_CDC/src/template_sql/cdc_sql_template.sql, which compares with the latest time of the whole table).
- Operation priority: of a batch all inserts, then all updates, then all deletes (repository
  mfoglino/glue-datalake-s3-tables, cdc_processing.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from histories.model import Judged, Shape, judged
from histories.outcomes import Table
from histories.plan import Plan, batches
from histories.records import Key

Content = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A change as a strategy sees it: the key before an update is not in it, as the samples read no such column."""

    op: str
    key: Key
    content: Content
    at: int


class Strategy(Protocol):
    """A way to apply batches; `live` is its table."""

    live: dict[Key, Content]

    def apply(self, changes: Sequence[Seen]) -> None: ...

    def load(self, rows: Sequence[Seen]) -> None: ...


@dataclass
class TwoPass:
    live: dict[Key, Content] = field(default_factory=dict)

    def apply(self, changes: Sequence[Seen]) -> None:
        latest: dict[Key, Seen] = {}
        for change in changes:
            if change.key not in latest or change.at >= latest[change.key].at:
                latest[change.key] = change
        self.live |= {c.key: c.content for c in latest.values() if c.op != "D"}
        for change in latest.values():
            if change.op == "D":
                self.live.pop(change.key, None)

    def load(self, rows: Sequence[Seen]) -> None:
        self.live = {row.key: row.content for row in rows}


@dataclass
class LastByTimestamp:
    live: dict[Key, Content] = field(default_factory=dict)
    times: dict[Key, int] = field(default_factory=dict)

    def apply(self, changes: Sequence[Seen]) -> None:
        latest: dict[Key, Seen] = {}
        for change in changes:
            held = latest.get(change.key)
            if held is None or (change.at, change.op == "D") >= (held.at, held.op == "D"):
                latest[change.key] = change
        for change in latest.values():
            if change.key in self.live and change.at < self.times[change.key]:
                continue
            if change.op == "D":
                self.live.pop(change.key, None)
            else:
                self.live[change.key], self.times[change.key] = change.content, change.at

    def load(self, rows: Sequence[Seen]) -> None:
        self.live = {row.key: row.content for row in rows}
        self.times = {row.key: row.at for row in rows}


@dataclass
class OperationPriority:
    live: dict[Key, Content] = field(default_factory=dict)

    def apply(self, changes: Sequence[Seen]) -> None:
        for op in ("I", "U"):
            for change in changes:
                if change.op == op:
                    self.live[change.key] = change.content
        for change in changes:
            if change.op == "D":
                self.live.pop(change.key, None)

    def load(self, rows: Sequence[Seen]) -> None:
        self.live = {row.key: row.content for row in rows}


STRATEGIES = {
    "two passes, unconditional": TwoPass,
    "last by timestamp": LastByTimestamp,
    "operation priority": OperationPriority,
}


@dataclass(frozen=True)
class Comparison:
    """Of how many histories a strategy's live rows are wrong, in all and among those in which no key changes."""

    wrong: dict[str, int]
    wrong_of_fixed_keys: dict[str, int]
    histories: int
    fixed_keys: int

    def __str__(self) -> str:
        head = f"{'strategy':<28} wrong of {self.histories} histories, of {self.fixed_keys} without key changes"
        rows = [f"{name:<28} {n:>5} {self.wrong_of_fixed_keys[name]:>5}" for name, n in self.wrong.items()]
        return "\n".join([head, *rows])


def compare(plan: Plan, ours: int | None = None) -> Comparison:
    """Runs the strategies over a plan's deliveries, replays among them. `ours` is the job's own number of failures."""
    right, played = Table(), {name: make() for name, make in STRATEGIES.items()}
    for i, accepted in _arrivals(plan, right):
        load = plan.timeline[i].load
        seen = [_seen(one, plan.shape()) for one in accepted]
        for strategy in played.values():
            (strategy.apply if load is None else strategy.load)(seen)
    moved = {h for h, history in plan.histories.items() if any(d.change.moves for d in history.deliveries)}
    live = {key: row.content for key, row in right.rows.items() if row.content is not None}
    wrong, of_fixed = Counter(), Counter()
    if ours is not None:
        wrong["this job"] = of_fixed["this job"] = ours
    for name, strategy in played.items():
        keys = {k for k in live.keys() | strategy.live.keys() if live.get(k) != strategy.live.get(k)}
        failed = {plan.number(key) for key in keys}
        wrong[name], of_fixed[name] = len(failed), len(failed - moved)
    return Comparison(dict(wrong), dict(of_fixed), len(plan.histories), len(plan.histories) - len(moved))


def _arrivals(plan: Plan, right: Table) -> Iterable[tuple[int, list[Judged]]]:
    """Batches in the order in which they run, with their accepted records; the model is taken along."""
    made = batches(plan)
    for i, slot in enumerate(plan.timeline):
        for one in (i, *slot.replay):
            if one not in made:
                continue
            landed = [record for file in made[one] for record in file.landed]
            right.apply(str(one), landed, plan.shape(), plan.timeline[one].load)
            found = [judged(record, plan.shape()) for record in landed]
            yield one, [record for record in found if not record.reasons]


def _seen(one: Judged, shape: Shape) -> Seen:
    key, row = one.writes[-1]
    return Seen(one.landed.record.op or "", key, row.content or {}, one.landed.record.at)
