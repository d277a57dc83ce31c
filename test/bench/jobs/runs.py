"""What a day of small batches of 1,000 datasets costs: in runs that many datasets share, beside a run for each.

A run is a process of its own with a Spark session of its own, on tables that exist. Glue bills it by the second for all
of its workers, and for one minute at least (https://aws.amazon.com/glue/pricing/).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import data
import ours
from lake import Lake
from results import Row, say, store
from stand_in import cloud

_DATASETS, _WINDOWS = 1_000, 96
# eu-west-1 as docs/deploy.md has it, for the two workers of one DPU each that a run has by default.
_DOLLARS_PER_SECOND = 0.44 * 2 / 3600
_LEAST_SECONDS = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--datasets", type=int, default=90, help="datasets of a shared run; dispatch puts 90 into one")
    parser.add_argument("--changes", type=int, default=1_000, help="changes in each batch")
    parser.add_argument("--rounds", type=int, default=3, help="measured runs of one dataset; the median counts")


def run(asked: argparse.Namespace) -> None:
    with cloud() as endpoint:
        lake = Lake(None)
        names = [f"sales.people{n:03d}" for n in range(asked.datasets)]
        for name in names:
            ours.declare(lake, name)
        say(f"{len(names)} datasets: a run makes their tables")
        _run(lake, endpoint, names, 0, asked)
        shared = _run(lake, endpoint, names, 1, asked)
        say(f"  a run of all {len(names)}: {shared:.1f} s")
        single = [_run(lake, endpoint, names[n : n + 1], 2, asked) for n in range(asked.rounds)]
        say(f"  runs of one: {', '.join(f'{s:.1f}' for s in single)} s")
    each = statistics.median(single)
    rows = [
        Row("billed seconds of a shared run", "s", _billed(shared), _billed(each), "one dataset", _LEAST_SECONDS,
            "least"),
        Row("1,000 datasets, 96 batches a day each", "USD/day", _dollars(len(names), shared), _dollars(1, each),
            "one run each", _dollars(len(names), 0), "one minute a run"),
    ]  # fmt: skip
    store(asked.out, rows)


def _run(lake: Lake, endpoint: str, names: list[str], turn: int, asked: argparse.Namespace) -> float:
    """Seconds of one run with a batch of each dataset, from the start of its process to its end."""
    shape = data.Shape(10 * asked.changes, asked.changes, clustered=False)
    items = [
        lake.changes(name, data.change_file(shape, (n + turn / 4) / len(names), turn * asked.changes))
        for n, name in enumerate(names)
    ]
    started = json.dumps({"endpoint": endpoint, "arguments": asdict(lake.start(items))})
    began = time.perf_counter()
    child = Path(__file__).with_name("one_run.py")
    subprocess.run([sys.executable, str(child)], input=started, text=True, check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - began
    states = {item["dataset"]: lake.batch(item)["state"] for item in items}
    wrong = {name: state for name, state in states.items() if state != "applied"}
    if wrong:
        raise SystemExit(f"not applied: {wrong}")
    return took


def _billed(seconds: float) -> float:
    return max(_LEAST_SECONDS, seconds)


def _dollars(datasets: int, seconds: float) -> float:
    """Of a day of runs of so many datasets that take so long."""
    return math.ceil(_DATASETS / datasets) * _WINDOWS * _billed(seconds) * _DOLLARS_PER_SECOND
