"""The results of a validation: rows for Athena, and one object that says how it ended.

Everything of a validation lies under its own name, so that one that runs again writes over what it wrote before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakejobs.aws import Clients
from lakejobs.validate.comparing import EQUAL, UNSETTLED
from lakejobs.validate.shown import Mismatch

RESULTS, MISMATCHES, OUTCOMES = "validations/results/", "validations/mismatches/", "validations/outcomes/"

DIFFERENT, FAILED, NOT_COMPARED = "different", "failed", "not_compared"
# Of what is told for information only.
TOLD = "told"


@dataclass(frozen=True)
class Result:
    """What came of one measure: of a dataset, or with `column_name` of one of its columns. `differing` counts keys."""

    measure: str
    outcome: str
    column_name: str = ""
    source_value: str | None = None
    lake_value: str | None = None
    differing: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Context:
    """What all rows of one dataset have in common; times as the ledger writes them, empty where nothing was read."""

    dataset: str
    source_table: str
    looks: int = 0
    started_at: str = ""
    source_read_from: str = ""
    source_read_until: str = ""
    lake_read_at: str = ""
    ended_at: str = ""
    lake_version: str = ""


@dataclass(frozen=True)
class Verdict:
    """What came of one dataset; `told` is that in words."""

    context: Context
    outcome: str
    told: str
    results: Sequence[Result]
    mismatches: Sequence[Mismatch] = ()


@dataclass(frozen=True)
class Report:
    """Where the rows of one validation are kept. There is an outcome once every dataset was compared."""

    clients: Clients
    bucket: str
    validation: str
    source: str

    @property
    def _outcome(self) -> str:
        return f"{OUTCOMES}{self.validation}.json"

    def ended(self) -> bool:
        found = self.clients.s3.list_objects_v2(Bucket=self.bucket, Prefix=self._outcome, MaxKeys=1)
        return bool(found.get("KeyCount"))

    def keep(self, verdicts: Sequence[Verdict]) -> None:
        """Puts the rows of all datasets, the mismatches first."""
        common = {"validation": self.validation, "source_name": self.source}
        listed = [
            {**common, "dataset": v.context.dataset, "source_table": v.context.source_table, **asdict(m)}
            for v in verdicts for m in v.mismatches
        ]  # fmt: skip
        self._put(f"{MISMATCHES}{self.validation}.json", listed)
        rows = [{**common, **asdict(v.context), **asdict(r)} for v in verdicts for r in v.results]
        self._put(f"{RESULTS}{self.validation}.json", rows)

    def end(self, outcome: str, told: str, datasets: Mapping[str, str]) -> None:
        """Puts how it ended, which the state machine reads."""
        self._put(self._outcome, [
            {"validation": self.validation, "outcome": outcome, "told": told, "datasets": dict(datasets)}
        ])  # fmt: skip

    def _put(self, key: str, rows: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
        self.clients.s3.put_object(Bucket=self.bucket, Key=key, Body=lines.encode())


def overall(outcomes: Iterable[str]) -> str:
    """`different` if any dataset is, else `unsettled` if any is, else `equal`."""
    found = set(outcomes)
    return next((o for o in (FAILED, DIFFERENT, UNSETTLED) if o in found), EQUAL)
