"""The change sequence: a text of 35 digits that rises over all tables of one replication.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Expressions.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Mark:
    """Where the numbering stands: the 16 digits of time last used, and the counter."""

    moment: str = ""
    counter: int = 0


class Sequence:
    """Numbers changes: 16 digits of the commit time in UTC (to hundredths), then a counter of 19."""

    def __init__(self, mark: Mark = Mark()):
        self._mark = mark

    @property
    def mark(self) -> Mark:
        return self._mark

    def next(self, commit_time: datetime) -> str:
        """The next number. Commits may come in another order than their clocks say: the time never goes back."""
        moment = f"{commit_time:%Y%m%d%H%M%S}{commit_time.microsecond // 10_000:02d}"
        self._mark = Mark(max(moment, self._mark.moment), self._mark.counter + 1)
        return f"{self._mark.moment}{self._mark.counter:019d}"

    def go_back(self, mark: Mark) -> None:
        """Number from `mark` on again, so that changes that are read again get the numbers they had."""
        self._mark = mark
