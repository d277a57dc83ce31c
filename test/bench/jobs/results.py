"""Rows of build/bench.json, shared with the other benchmarks: ours beside a peer's and a limit."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measurement. Times are in `unit`; a limit of 0 says that none applies."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    limit: float
    limit_name: str

    def __str__(self) -> str:
        return (
            f"{self.name:58s} ours {self.ours:9.2f} {self.unit}   {self.peer_name} {self.peer:9.2f}"
            f"   {self.limit_name} {self.limit:9.2f}"
        )


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def store(file: Path, rows: Sequence[Row]) -> None:
    """Prints the rows and writes them, in place of older ones of the same names."""
    for row in rows:
        print(row, flush=True)
    names = {row.name for row in rows}
    kept = [old for old in json.loads(file.read_text()) if old["name"] not in names] if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([*kept, *map(asdict, rows)], indent=2) + "\n")
