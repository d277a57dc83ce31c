"""The work of the long tier: numbered jobs, each a plan, and the state file that says which of them are done."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from histories.delivery import Slot
from histories.plan import Plan, plan_on, random_plan

_TOGETHER = 250
# At least as many side effects as a run of one batch has until its outcome is kept; a sweep strikes each, and those of
# the compaction that may follow as far as it goes.
EFFECTS = 36
SWEEPS = ("merges", "loads", "first")
_KINDS = ("shared", "alone", *SWEEPS)


@dataclass(frozen=True)
class Asked:
    """What the environment asks of a run: SEED=n, SHARD=k/n (every nth job from the kth on, from 1), FORMAT=name."""

    seed: int | None
    first: int
    shards: int
    formats: tuple[str, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str], formats: tuple[str, ...]) -> Asked:
        """Raises ValueError, which names all that is wrong."""
        seed, shard = environment.get("SEED", ""), environment.get("SHARD", "") or "1/1"
        wanted, problems = environment.get("FORMAT", ""), []
        if seed and not seed.isdecimal():
            problems.append(f"SEED: is {seed!r}; a whole number is needed")
        parts = re.fullmatch(r"(\d+)/(\d+)", shard)
        if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
            problems.append(f"SHARD: is {shard!r}; k/n is needed, with k from 1 to n")
        if wanted and wanted not in formats:
            problems.append(f"FORMAT: is {wanted!r}; allowed: {', '.join(formats)}")
        if problems:
            raise ValueError("; ".join(problems))
        return cls(int(seed) if seed else None, int(parts[1]), int(parts[2]), (wanted,) if wanted else formats)


@dataclass
class State:
    """Jobs done under one seed, in a file that a later run reads again."""

    path: Path
    seed: int
    done: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, seed: int | None) -> State:
        """The state as the file has it, unless another seed is asked for."""
        kept = json.loads(path.read_text()) if path.exists() else None
        if kept is None or (seed is not None and kept["seed"] != seed):
            return cls(path, 1 if seed is None else seed)
        return cls(path, kept["seed"], kept["done"])

    def note(self, job: str, what: dict) -> None:
        """Marks a job done; a process that ends here loses nothing."""
        self.done[job] = what
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"seed": self.seed, "done": self.done}, indent=1))
        fresh.replace(self.path)


def names(shared: int, alone: int) -> list[str]:
    """The jobs of so many histories in shared tables and so many alone, and the sweeps over every side effect."""
    together = [f"shared {i}" for i in range(-(-shared // _TOGETHER))]
    others = [f"alone {i}" for i in range(alone)] + [f"merges {i}" for i in range(4)]
    others += [f"loads {i}" for i in range(2 * EFFECTS // 3)] + [f"first {i}" for i in range(2 * EFFECTS)]
    every = -(-len(others) // max(1, len(together)))
    made: list[str] = []
    for name in together:
        made += [name, *others[:every]]
        others = others[every:]
    return made + others


def plan_of(seed: int, table_format: str, name: str) -> Plan:
    """The plan of a job.

    Numbers choose keys of one or the other kind, tables that follow their input or are taken for large, and in sweeps
    where runs are struck.
    """
    kind, _, number = name.partition(" ")
    n = int(number)
    own = seed * 100_000 + n + 10_000 * _KINDS.index(kind)
    more: dict[str, Any] = {"key": "single" if n % 2 else "composite", "table_format": table_format}
    if kind == "shared":
        return random_plan(own, _TOGETHER, 12, 3, faults=0.5, evolves=n % 4 == 3, large=n % 8 > 3, **more)
    if kind == "alone":
        return random_plan(own, 1 + n % 3, 6, 3, faults=0.8, steps=2, evolves=n % 4 > 1, **more)
    r = Random(own)
    if kind == "merges":
        # Each batch is struck at the next effect; twice over, dead before and after it, or overtaken.
        faults = [("crash", k, ("before", "after")[n]) if n < 2 else ("overtaken", k) for k in range(1, EFFECTS + 1)]
        return plan_on(r, own, 10, (Slot(load=1), *[Slot(fault=f) for f in faults]), changes=EFFECTS, **more)
    when, at = ("before", "after")[n % 2], n // 2
    if kind == "loads":
        slots = [Slot(load=1), Slot()]
        for k in range(3):
            slots += [Slot(load=2 + k, fault=("crash", 3 * at + k + 1, when)), Slot()]
        return plan_on(r, own, 10, tuple(slots), **more)
    first = Slot(load=1 if r.random() < 0.5 else None, fault=("crash", at + 1, when))
    return plan_on(r, own, 10, (first, Slot()), **more)
