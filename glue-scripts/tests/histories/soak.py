"""The work of the long tier: numbered jobs, each a plan, and the state file that says which of them are done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from histories.plan import Plan, random_plan

_TOGETHER = 250


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
    """The jobs of so many histories in shared tables and so many alone, those alone spread among the others."""
    together = [f"shared {i}" for i in range(-(-shared // _TOGETHER))]
    every = max(1, alone // max(1, len(together)) + (alone % max(1, len(together)) > 0))
    made: list[str] = []
    left = [f"alone {i}" for i in range(alone)]
    for name in together:
        made += [name, *left[:every]]
        left = left[every:]
    return made + left


def plan_of(seed: int, table_format: str, name: str) -> Plan:
    """The plan of a job."""
    kind, _, number = name.partition(" ")
    own = seed * 100_000 + int(number) + (50_000 if kind == "alone" else 0)
    key = "single" if int(number) % 2 else "composite"
    if kind == "alone":
        return random_plan(own, 1 + int(number) % 3, 6, 3, faults=0.8, steps=2, key=key, table_format=table_format)
    return random_plan(own, _TOGETHER, 12, 3, faults=0.5, steps=0, key=key, table_format=table_format)
