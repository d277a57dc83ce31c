"""Mistakes that the job could have: a line of it made wrong."""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Wrong:
    """A function by module and dotted name, and what stands in the place of pieces of it."""

    module: str
    function: str
    pieces: dict[str, str]

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Puts the wrong function in the place of the right one, wherever it has been imported."""
        module = importlib.import_module(self.module)
        owner: Any = module
        *path, last = self.function.split(".")
        for part in path:
            owner = getattr(owner, part)
        right = getattr(owner, last)
        source = textwrap.dedent(inspect.getsource(right))
        for old, new in self.pieces.items():
            if source.count(old) != 1:
                raise AssertionError(f"{self.module}.{self.function} has {old!r} {source.count(old)} times, not once")
            source = source.replace(old, new)
        space: dict[str, Any] = {}
        exec(compile(source, f"<wrong {self.function}>", "exec"), vars(module), space)
        patch.setattr(owner, last, space[last])
        for other in [m for name, m in sys.modules.items() if name.startswith("lakejobs.")]:
            if other is not module and vars(other).get(last) is right:
                patch.setattr(other, last, space[last])


_CLASSIFY, _CHANGES = "lakejobs.refine.classify_changes", "lakejobs.refine.changes"
_GUARD = "has_stored & (stored_change > change)"

MUTANTS: dict[str, tuple[Wrong, ...]] = {
    "no sequence guard": (Wrong(_CLASSIFY, "_judged", {f'.when({_GUARD}, "stale")': ""}),),
    "equal sequences by arrival": (
        Wrong(_CLASSIFY, "_judged", {_GUARD: 'has_stored & (F.col(f"{STORED}.{SEQUENCE}") > F.col(SEQUENCE))'}),
    ),
    "tombstones forgotten": (Wrong(_CLASSIFY, "_judged", {_GUARD: f"~stored_deleted & {_GUARD}"}),),
    "a delete above content at its place": (
        Wrong(_CLASSIFY, "_judged", {"stored_change > change": "(stored_change > change) & ~deleted"}),
    ),
    "older generations as good as the load's": (
        Wrong(_CLASSIFY, "_judged", {'.when(F.col(GENERATION) < loaded, "stale")': ""}),
    ),
    "duplicates counted as changes": (
        Wrong("lakejobs.refine.compare", "ranked", {'F.col("_number") == F.col("_rank")': "F.lit(True)"}),
    ),
    "a key change keeps the old key": (
        Wrong(_CHANGES, "_moves", {'_operation().eqNullSafe("U") & F.coalesce(differs, F.lit(False))': "F.lit(False)"}),
    ),
    "rules judge deletes": (Wrong(_CHANGES, "_reasons", {"fault & ~_deletes()": "fault"}),),
    "a load deletes rows it refuses": (
        Wrong("lakejobs.refine.apply", "Application._absent",
              {"self.load, conformed.frame)": "self.load, conformed.frame.where(F.size(REASONS) == 0))"}),
    ),
    "a dead run's commit is not found": (
        Wrong("lakejobs.refine.batch", "BatchWork._recovered",
              {"return table.published(self.frozen.batch)": "return None"}),
    ),
    "a batch's quarantine is added to": (
        Wrong("lakejobs.refine.quarantine", "write_quarantine", {"replace=ours": "replace=None"}),
    ),
    # Three layers keep a late run from its commit, and any one is enough: the lease's check, main's, and the catalog's.
    "a late run's commit is not refused": (
        Wrong("lakejobs.refine.batch", "Workshop.fence", {"self.ledger.renew(lease)": "pass"}),
        Wrong("lakejobs.iceberg", "Table.publish", {
            "if (None if current is None else str(current.snapshotId())) != expected:": "if False:",
            "if (None if parent is None else str(parent)) != expected:": "if False:",
        }),
    ),
}  # fmt: skip
