"""What became of each rule in a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lakejobs.declared import Dataset
from lakejobs.errors import REASON_LIMIT
from lakejobs.refine.outcome import Tally
from lakejobs.refine.quality.checks import Check, checks
from lakejobs.refine.quality.measure import Measures
from lakejobs.refine.quality.references import Values
from lakejobs.rules import BLOCK, QUARANTINE, WARN, Freshness, Query, RowCount, Uniqueness

# The property of a batch's commit that says how many rules failed and warn.
WARNED_PROPERTY = "strata.rules-warned"


@dataclass(frozen=True)
class Result:
    """A rule in a batch. `observed` is a share of rows that satisfy it, an age in seconds or a number of rows; None if
    there was nothing to judge, in which case it has passed."""

    check: Check
    expected: str
    observed: float | None
    passed: bool
    rows_judged: int
    rows_failed: int = 0

    @property
    def reason(self) -> str:
        """Why it failed, for people."""
        rows = f" ({self.rows_failed} of {self.rows_judged} rows fail)" if self.rows_failed else ""
        seen = "no value" if self.observed is None else f"{self.observed:.6g}"
        return f"rule {self.check.id}: observed {seen}, expected {self.expected}{rows}"


@dataclass(frozen=True)
class Quality:
    """The rules of one batch. `history` tells the rows read of the last so many batches before this one; `values` what
    a rule refers to; `store` keeps an object of the artifacts bucket. `load` says that the batch is a full load."""

    dataset: Dataset
    batch: str
    manifest: str
    frozen_at: str
    load: bool
    history: Callable[[int], Sequence[int]]
    values: Values
    store: Callable[[str, bytes], None]
    checks: tuple[Check, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", checks(self.dataset))

    def judge(self, measures: Measures, found: Tally) -> tuple[Result, ...]:
        """One result for each rule."""
        return tuple(self._result(check, measures, found) for check in self.checks)

    def record(self, results: Sequence[Result], measures: Measures) -> None:
        """Keeps the results and the statistics, one row each, in place of those of an earlier try."""
        rows = {"results": [self._row(r) for r in results], "profiles": [self._of_batch(s) for s in measures.profile]}
        for folder, found in rows.items():
            if found:
                lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in found]
                self.store(f"quality/{folder}/{self.batch}.json", ("\n".join(lines) + "\n").encode())

    def _result(self, check: Check, measures: Measures, found: Tally) -> Result:
        read = found.counts["read"]
        rule = check.rules[0] if check.rules else None
        if check.policy == QUARANTINE:
            failed = found.reasons.get(check.id, 0)
            return Result(check, check.expected, _share(read, failed), failed == 0, read, failed)
        if isinstance(rule, Freshness):
            return self._freshness(check, rule, measures)
        if isinstance(rule, RowCount):
            return self._row_count(check, rule, read)
        if isinstance(rule, Query):
            return self._query(check, rule, measures)
        if isinstance(rule, Uniqueness):
            rows, shared = measures.repeated.get(check.id, (0, 0))
            share = _share(rows, shared)
            return Result(check, check.expected, share, share is None or share >= check.threshold, rows, shared)
        failed = measures.broken.get(check.id, 0)
        share = _share(measures.rows, failed)
        return Result(check, check.expected, share, share is None or share >= check.threshold, measures.rows, failed)

    def _freshness(self, check: Check, rule: Freshness, measures: Measures) -> Result:
        newest = measures.newest.get(check.id)
        frozen = datetime.fromisoformat(self.frozen_at).timestamp()
        age = None if newest is None else frozen - newest
        passed = measures.rows == 0 or (age is not None and age <= rule.seconds)
        expected = f"newest value at most {rule.seconds} seconds old"
        return Result(check, expected, age, passed, measures.rows)

    def _row_count(self, check: Check, rule: RowCount, read: int) -> Result:
        before = [] if self.load else list(self.history(rule.batches))
        expected = f"within a factor of {rule.factor:g} of the mean of the last {rule.batches} batches"
        if len(before) < rule.batches:
            return Result(check, expected, None, True, read)
        mean = sum(before) / len(before)
        low, high = mean / rule.factor, mean * rule.factor
        return Result(check, f"{low:.6g} to {high:.6g} rows: {expected}", float(read), low <= read <= high, read)

    def _query(self, check: Check, rule: Query, measures: Measures) -> Result:
        if check.id not in measures.answers:
            return Result(check, "true or zero", None, True, measures.rows)
        answer = measures.answers[check.id]
        number = None if answer is None or isinstance(answer, str) else float(answer)  # type: ignore[arg-type]
        passed = answer is True or (not isinstance(answer, bool) and number == 0)
        return Result(check, f"true or zero: {rule.query}"[:REASON_LIMIT], number, passed, measures.rows)

    def _row(self, result: Result) -> dict[str, object]:
        check = result.check
        return self._of_batch(
            {
                "rule": check.id,
                "kind": check.kind,
                "column_name": check.column.name if check.column else None,
                "policy": check.policy,
                "expected": result.expected,
                "observed": result.observed,
                "passed": result.passed,
                "rows_judged": result.rows_judged,
                "rows_failed": result.rows_failed,
            }
        )

    def _of_batch(self, row: dict[str, object]) -> dict[str, object]:
        """The row with the batch it is about."""
        batch = {"batch": self.batch, "dataset": self.dataset.id}
        return {**batch, **row, "frozen_at": self.frozen_at, "manifest": self.manifest}


def failing(results: Sequence[Result], policy: str) -> list[Result]:
    """The results of a policy that did not pass."""
    return [r for r in results if r.check.policy == policy and not r.passed]


def verdict(results: Sequence[Result]) -> dict[str, int]:
    """How many rules failed that block, and that warn, as the batch's outcome states them."""
    return {"rules_failed": len(failing(results, BLOCK)), "rules_warned": len(failing(results, WARN))}


def _share(rows: int, failed: int) -> float | None:
    return (rows - failed) / rows if rows else None
