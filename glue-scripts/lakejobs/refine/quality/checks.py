"""The rules of a dataset as checks: each with an id of its own, and with what it expects in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.declared import Dataset
from lakejobs.refine.quality.conditions import broken, violated
from lakejobs.rules import (
    QUARANTINE,
    ColumnRule,
    Completeness,
    DatasetRule,
    Freshness,
    OneOf,
    Pattern,
    Query,
    Range,
    Reference,
    RowCount,
    Sql,
    Uniqueness,
)

# The ids of the checks that a row breaks; of rules that do not quarantine it.
BROKEN = "_broken"

_TEXT_LIMIT = 200


@dataclass(frozen=True)
class Check:
    """One rule. `id` is unique in the dataset: the reason code of a quarantined row, or that and a number.

    The rules of one kind that quarantine by one column are one check, as they have one reason.
    """

    id: str
    kind: str
    column: Declared | None
    policy: str
    rules: tuple[ColumnRule | DatasetRule, ...]

    @property
    def threshold(self) -> float:
        """The smallest accepted share of rows."""
        share = getattr(self.rules[0], "threshold", None) if self.rules else None
        return 1.0 if share is None else share

    @property
    def marks(self) -> bool:
        """Whether it is judged by rows that break it and are applied all the same."""
        return self.policy != QUARANTINE and not isinstance(self.rules[0], Freshness | RowCount | Uniqueness | Query)

    @property
    def expected(self) -> str:
        """What it expects, in words."""
        share = "all rows" if self.threshold == 1 else f"{self.threshold:g} of the rows"
        return f"{share}: {' and '.join(_words(rule) for rule in self.rules) or 'one record for each key'}"

    def breaks(self) -> Column:
        """Whether a row breaks it."""
        (rule,) = self.rules
        if isinstance(rule, Sql):
            return violated(rule)
        assert self.column is not None
        if isinstance(rule, Completeness):
            return F.col(self.column.name).isNull()
        return broken(rule, self.column.name, self.column.type)


def checks(dataset: Dataset) -> tuple[Check, ...]:
    """Every rule of the dataset, in the order of its columns and then its own."""
    taken: Counter[str] = Counter()
    found = []
    for base, kind, column, policy, rules in _grouped(dataset):
        taken[base] += 1
        name = base if taken[base] == 1 else f"{base}:{taken[base]}"
        found.append(Check(name, kind, column, policy, rules))
    return tuple(found)


_Group = tuple[str, str, Declared | None, str, tuple[ColumnRule | DatasetRule, ...]]


def _grouped(dataset: Dataset) -> Iterator[_Group]:
    for column in dataset.columns:
        # Those that quarantine come first, so that their id is their reason.
        by_kind: dict[str, list[ColumnRule]] = {}
        for rule in column.rules:
            if rule.policy == QUARANTINE:
                by_kind.setdefault(rule.kind, []).append(rule)
        for kind, rules in by_kind.items():
            yield f"{kind}:{column.name}", kind, column, QUARANTINE, tuple(rules)
        for rule in column.rules:
            if rule.policy != QUARANTINE:
                yield f"{rule.kind}:{column.name}", rule.kind, column, rule.policy, (rule,)
    if dataset.unique_key:
        yield "unique_key", "unique_key", None, QUARANTINE, ()
    for rule in dataset.rules:
        base = f"{rule.kind}:{rule.name}" if isinstance(rule, Sql | Query) else rule.kind
        yield base, rule.kind, None, rule.policy, (rule,)


def marks(dataset: Dataset) -> list[Column]:
    """The column `_broken` of a typed row; none if no rule needs it."""
    marking = [check for check in checks(dataset) if check.marks]
    if not marking:
        return []
    # What a row refers to is looked up later.
    here = [check for check in marking if not isinstance(check.rules[0], Reference)]
    found = F.array(*[F.when(check.breaks(), F.lit(check.id)) for check in here]).cast("array<string>")
    return [F.array_compact(found).alias(BROKEN)]


def _words(rule: ColumnRule | DatasetRule) -> str:
    if isinstance(rule, Range):
        bounds = [("at least", rule.minimum), ("at most", rule.maximum)]
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
    if isinstance(rule, OneOf):
        return _short("one of " + ", ".join(rule.values))
    if isinstance(rule, Pattern):
        return _short(f"matches {rule.regex}")
    if isinstance(rule, Completeness):
        return "a value"
    if isinstance(rule, Sql):
        return _short(rule.condition)
    if isinstance(rule, Reference):
        return f"a value of {rule.column} in {rule.dataset}"
    if isinstance(rule, Uniqueness):
        return "a value that no other row of the table has"
    raise TypeError(f"rule {rule!r} has no words")


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "…"
