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


@dataclass(frozen=True)
class Mutant:
    """Mistakes made at once, and the table that they are looked for in: what it holds, and its format.

    `strikes` is what happens to each run, at ever later effects ("crash": it is dead after them, "overtaken": it goes
    on late); None for faults by chance. Declarations take `steps`. `evolving` tables follow their input, `keyless` ones
    have no key and no changes.
    """

    wrong: tuple[Wrong, ...]
    table: str = "iceberg"
    strikes: str | None = None
    steps: int = 0
    evolving: bool = False
    keyless: bool = False


_CLASSIFY, _CHANGES = "lakejobs.refine.classify_changes", "lakejobs.refine.changes"
_EVOLVE = "lakejobs.refine.evolve"
_NO_FENCE = Wrong("lakejobs.refine.batch", "Workshop.fence", {"self.ledger.renew(lease)": "pass"})
_GUARD = "has_stored & (stored_change > change)"

MUTANTS: dict[str, Mutant] = {
    "no sequence guard": Mutant((Wrong(_CLASSIFY, "_judged", {f'.when({_GUARD}, "stale")': ""}),)),
    "equal sequences by arrival": Mutant((
        Wrong(_CLASSIFY, "_judged", {_GUARD: 'has_stored & (F.col(f"{STORED}.{SEQUENCE}") > F.col(SEQUENCE))'}),
    )),
    "tombstones forgotten": Mutant((Wrong(_CLASSIFY, "_judged", {_GUARD: f"~stored_deleted & {_GUARD}"}),)),
    "a delete above content at its place": Mutant((
        Wrong(_CLASSIFY, "_judged", {"stored_change > change": "(stored_change > change) & ~deleted"}),
    )),
    "older generations as good as the load's": Mutant((
        Wrong(_CLASSIFY, "_judged", {'.when(F.col(GENERATION) < loaded, "stale")': ""}),
    )),
    "duplicates counted as changes": Mutant((
        Wrong("lakejobs.refine.compare", "ranked", {'F.col("_number") == F.col("_rank")': "F.lit(True)"}),
    )),
    "a key change keeps the old key": Mutant((
        Wrong(_CHANGES, "_moves", {'_operation().eqNullSafe("U") & F.coalesce(differs, F.lit(False))': "F.lit(False)"}),
    )),
    "rules judge deletes": Mutant((Wrong(_CHANGES, "_reasons", {"fault & ~_deletes()": "fault"}),)),
    "a load deletes rows it refuses": Mutant((
        Wrong("lakejobs.refine.apply", "Application._absent",
              {"self.load, conformed.frame)": "self.load, conformed.frame.where(F.size(REASONS) == 0))"}),
    )),
    "a dead run's commit is not found": Mutant((
        Wrong("lakejobs.refine.batch", "BatchWork._recovered",
              {"found = table.published(self.frozen.batch)": "found = None"}),
    ), strikes="crash"),
    "a batch's quarantine is added to": Mutant((
        Wrong("lakejobs.refine.quarantine", "write_quarantine", {"replace=ours": "replace=None"}),
    ), steps=2),
    # Three layers keep a late run from its commit, and any one is enough: the lease's check, main's, and the catalog's.
    "a late run's commit is not refused": Mutant((
        _NO_FENCE,
        Wrong("lakejobs.iceberg", "Table.publish", {
            "if (None if current is None else str(current.snapshotId())) != expected:": "if False:",
            "if (None if parent is None else str(parent)) != expected:": "if False:",
        }),
    ), strikes="overtaken"),
    "a late run's entry of the log is not refused": Mutant(
        (_NO_FENCE, Wrong("lakejobs.tables.conditional", "put_absent", {', IfNoneMatch="*"': ""})),
        "delta", strikes="overtaken",
    ),
    "a late run's decision is not refused": Mutant(
        (_NO_FENCE, Wrong("lakejobs.tables.conditional", "put_absent", {', IfNoneMatch="*"': ""})),
        "hudi", strikes="overtaken",
    ),
    "a dead run's decision is not completed": Mutant(
        (Wrong("lakejobs.tables.hudi", "HudiTable.load", {"timeline.settled() if settle else ": ""}),),
        "hudi", strikes="crash",
    ),
    "replaced rows of a slice are kept": Mutant(
        (Wrong("lakejobs.tables.hudi", "HudiTable.write", {"if replaced is not None:": "if False:"}),), "hudi"
    ),
    "replaced rows of a file are kept": Mutant(
        (Wrong("lakejobs.tables.delta", "DeltaTable.write", {'how="left_anti"': 'how="left"'}),), "delta"
    ),
    "columns that a table has gained are forgotten": Mutant(
        (Wrong(_EVOLVE, "held", {'json.loads(table.properties.get(EVOLVED_PROPERTY, "[]"))': "()"}),), evolving=True
    ),
    "types do not grow": Mutant((Wrong(_EVOLVE, "wider", {"if not found:": "if True:"}),), evolving=True),
    "alike lines of an object are one row": Mutant(
        (Wrong("lakejobs.refine.keyless", "_by_place",
               {"F.row_number().over(alike)": "F.lit(1)"}),), keyless=True
    ),
}  # fmt: skip
