"""Quality rules as the manifest states them.

Manifests of before rules had a policy have none of `policy`, `threshold` and the dataset's `rules`: theirs quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lakejobs.shapes import Fields

QUARANTINE, BLOCK, WARN = "quarantine", "block", "warn"
POLICIES = (QUARANTINE, BLOCK, WARN)
_GATING = (BLOCK, WARN)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What becomes of a batch in which a rule fails. `threshold` is the smallest accepted share of rows that satisfy
    it, None for all of them."""

    policy: str = QUARANTINE
    threshold: float | None = None

    @property
    def gates(self) -> bool:
        """Whether it judges the batch, not its rows one by one."""
        return self.policy != QUARANTINE


@dataclass(frozen=True)
class Range(Outcome):
    """Accepts values from `minimum` to `maximum`, both included; None leaves that side open."""

    kind: ClassVar[str] = "range"
    minimum: str | None
    maximum: str | None


@dataclass(frozen=True)
class OneOf(Outcome):
    """Accepts the listed values only."""

    kind: ClassVar[str] = "set"
    values: tuple[str, ...]


@dataclass(frozen=True)
class Pattern(Outcome):
    """Accepts text in which the regular expression is found."""

    kind: ClassVar[str] = "pattern"
    regex: str


@dataclass(frozen=True)
class Completeness(Outcome):
    """Accepts a batch in which the share of rows with a value is at least the threshold."""

    kind: ClassVar[str] = "completeness"


@dataclass(frozen=True)
class Freshness:
    """Accepts a batch whose newest value is at most so much older than the moment it was frozen."""

    kind: ClassVar[str] = "freshness"
    seconds: int
    policy: str


@dataclass(frozen=True)
class RowCount:
    """Accepts a batch with as many rows as the mean of the last `batches`, give or take the factor."""

    kind: ClassVar[str] = "row_count"
    factor: float
    batches: int
    policy: str


@dataclass(frozen=True)
class Sql(Outcome):
    """Accepts rows for which the condition does not come out false."""

    kind: ClassVar[str] = "sql"
    name: str
    condition: str


@dataclass(frozen=True)
class Reference(Outcome):
    """Accepts values of a column of another dataset's cleaned table."""

    kind: ClassVar[str] = "reference"
    dataset: str
    column: str


@dataclass(frozen=True)
class Uniqueness(Outcome):
    """Accepts a batch if, of the rows with a value in the table as it would be, the share of those whose value no other
    has is at least the threshold."""

    kind: ClassVar[str] = "uniqueness"


@dataclass(frozen=True)
class Query:
    """Accepts a batch if the query over the batch and the table answers true or zero."""

    kind: ClassVar[str] = "query"
    name: str
    query: str
    policy: str


RowRule = Range | OneOf | Pattern
ColumnRule = RowRule | Reference | Completeness | Freshness | Uniqueness
DatasetRule = RowCount | Sql | Query


def column_rule(value: Any, path: str) -> ColumnRule:
    """Reads a rule of a column. Raises ShapeError."""
    f = Fields(value, path)
    kind = f.choice("kind", ("range", "set", "pattern", "completeness", "freshness", "reference", "uniqueness"))
    rule: ColumnRule
    if kind == "range":
        rule = Range(f.optional("min", str), f.optional("max", str), **_outcome(f))
    elif kind == "set":
        rule = OneOf(f.texts("values"), **_outcome(f))
    elif kind == "pattern":
        rule = Pattern(f.take("regex", str), **_outcome(f))
    elif kind == "completeness":
        rule = Completeness(**_outcome(f))
    elif kind == "reference":
        rule = Reference(f.take("dataset", str), f.take("column", str), **_outcome(f))
    elif kind == "uniqueness":
        rule = Uniqueness(**_outcome(f))
    else:
        rule = Freshness(f.take("seconds", int), f.choice("policy", _GATING))
    f.done()
    return rule


def dataset_rule(value: Any, path: str) -> DatasetRule:
    """Reads a rule of a dataset. Raises ShapeError."""
    f = Fields(value, path)
    rule: DatasetRule
    kind = f.choice("kind", ("row_count", "sql", "query"))
    if kind == "query":
        rule = Query(f.take("name", str), f.take("query", str), f.choice("policy", _GATING))
    elif kind == "row_count":
        factor = f.number("factor")
        rule = RowCount(factor or 0.0, f.take("batches", int), f.choice("policy", _GATING))
    else:
        rule = Sql(f.take("name", str), f.take("condition", str), **_outcome(f))
    f.done()
    return rule


def _outcome(f: Fields) -> dict[str, Any]:
    if not f.has("policy"):
        return {}
    return {"policy": f.choice("policy", POLICIES), "threshold": f.number("threshold")}
