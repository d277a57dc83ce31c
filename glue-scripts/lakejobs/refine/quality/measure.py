"""What a batch is measured by, as further figures of a pass over its rows that is made anyway."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakejobs.refine.quality.checks import BROKEN, Check
from lakejobs.refine.quality.profile import Statistics
from lakejobs.rules import Freshness


@dataclass(frozen=True)
class Measures:
    """Of the accepted rows that write something: how many there are, how many break each marking check, and the newest
    moment of each column that a freshness check looks at (epoch seconds)."""

    rows: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    newest: dict[str, float | None] = field(default_factory=dict)
    repeated: dict[str, tuple[int, int]] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)
    profile: tuple[Statistics, ...] = ()

    def with_table(self, repeated: dict[str, tuple[int, int]], answers: dict[str, object]) -> Measures:
        """With what was seen of the table: of each uniqueness check the rows with a value and those that share theirs,
        of each query what it answered."""
        return replace(self, repeated=repeated, answers=answers)


def figures(found: tuple[Check, ...], judged: Column) -> list[Column]:
    """Aggregates that `measured` reads; none if no check needs one. `judged` tells the rows that count."""
    columns = []
    for i, check in enumerate(found):
        if check.marks:
            columns.append(F.count(F.when(judged & F.array_contains(BROKEN, check.id), True)).alias(f"_check_{i}"))
        elif isinstance(check.rules and check.rules[0], Freshness):
            columns.append(F.max(F.when(judged, _moment(check))).alias(f"_check_{i}"))
    return [F.count(F.when(judged, True)).alias("_judged"), *columns] if columns else []


def measured(found: tuple[Check, ...], row: Any, profile: tuple[Statistics, ...] = ()) -> Measures:
    """Reads the figures of the one row they came in."""
    if row is None or "_judged" not in row:
        return Measures(profile=profile)
    values = {check.id: row[f"_check_{i}"] for i, check in enumerate(found) if f"_check_{i}" in row}
    ages = {check.id for check in found if isinstance(check.rules and check.rules[0], Freshness)}
    return Measures(
        rows=row["_judged"],
        broken={name: value for name, value in values.items() if name not in ages},
        newest={name: value for name, value in values.items() if name in ages},
        profile=profile,
    )


def _moment(check: Check) -> Column:
    """The moment a value stands for; that of a date is the end of its day."""
    assert check.column is not None
    value = F.col(check.column.name)
    moment = F.date_add(value, 1).cast("timestamp") if check.column.type == "date" else value
    return moment.cast("double")
