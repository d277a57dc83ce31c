"""Mistakes that the job could have: one line of it made wrong."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Mutant:
    """A line of a function, by module and dotted name, and what stands there instead."""

    name: str
    module: str
    function: str
    old: str
    new: str

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Puts the wrong function in the place of the right one, wherever it has been imported."""
        module = importlib.import_module(self.module)
        owner: Any = module
        *path, last = self.function.split(".")
        for part in path:
            owner = getattr(owner, part)
        source = textwrap.dedent(inspect.getsource(getattr(owner, last)))
        if source.count(self.old) != 1:
            raise AssertionError(
                f"{self.name}: {self.function} has {self.old!r} {source.count(self.old)} times, not once"
            )
        space: dict[str, Any] = {}
        exec(compile(source.replace(self.old, self.new), f"<{self.name}>", "exec"), vars(module), space)
        patch.setattr(owner, last, space[last])


_CLASSIFY, _COMPARE = "lakejobs.refine.classify_changes", "lakejobs.refine.compare"

MUTANTS = (
    Mutant("no sequence guard", _CLASSIFY, "_judged", '.when(has_stored & (stored_change > change), "stale")', ""),
    Mutant("equal sequences by arrival", _CLASSIFY, "_judged", "has_stored & (stored_change > change)",
           'has_stored & (F.col(f"{STORED}.{SEQUENCE}") > F.col(SEQUENCE))'),
    Mutant("tombstones forgotten", _CLASSIFY, "_judged", "has_stored & (stored_change > change)",
           "has_stored & ~stored_deleted & (stored_change > change)"),
    Mutant("deletes win", _CLASSIFY, "_with_content", "F.when(~F.col(DELETED), struct(others))",
           "F.when(F.col(DELETED), F.lit(None)).otherwise(struct(others)) if False else struct(others)"),
    Mutant("older generations as good as the load's", _CLASSIFY, "_judged", '.when(F.col(GENERATION) < loaded, "stale")', ""),
    Mutant("duplicates counted as changes", _COMPARE, "ranked", "~F.lag(change).over(ordered).eqNullSafe(change)",
           "F.lit(True)"),
    Mutant("a key change keeps the old key", "lakejobs.refine.changes", "_moves",
           'return _operation().eqNullSafe("U") & F.coalesce(differs, F.lit(False))', "return F.lit(False)"),
    Mutant("rules judge deletes", "lakejobs.refine.changes", "_reasons", "fault & ~_deletes()", "fault"),
    Mutant("a load deletes rows it refuses", "lakejobs.refine.apply", "Application._absent", "conformed.frame)",
           "conformed.frame.where(F.size(REASONS) == 0))"),
    Mutant("a dead run's commit is not found", "lakejobs.refine.batch", "BatchWork._recovered",
           "return table.published(self.frozen.batch)", "return None"),
    Mutant("a batch's quarantine is added to", "lakejobs.refine.quarantine", "write_quarantine", "replace=ours", "replace=None"),
)  # fmt: skip

# Of three layers that keep a late run from its commit any one is enough: the lease's check, main's, and the catalog's.
UNFENCED = (
    Mutant("no fence", "lakejobs.refine.batch", "Workshop.fence", "self.ledger.renew(lease)", "pass"),
    Mutant("no check of main", "lakejobs.iceberg", "Table.publish",
           "if (None if current is None else str(current.snapshotId())) != expected:", "if False:"),
    Mutant("no check of the parent", "lakejobs.iceberg", "Table.publish",
           "if (None if parent is None else str(parent)) != expected:", "if False:"),
)  # fmt: skip
