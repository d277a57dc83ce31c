"""Measurements of the jobs on a real Spark session beside a stand-in for AWS, into a file of rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "glue-scripts"), str(ROOT / "glue-scripts/tests"), str(Path(__file__).parent)]

import changes  # noqa: E402
import day  # noqa: E402
import runs  # noqa: E402

_BENCHES = {"changes": changes, "day": day, "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python test/bench/jobs", description=__doc__)
    commands = parser.add_subparsers(dest="bench", required=True)
    for name, bench in _BENCHES.items():
        command = commands.add_parser(name, description=bench.__doc__, help=bench.__doc__.split("\n")[0])
        command.add_argument("--out", type=Path, default=ROOT / "build/bench.json", help="file for the rows")
        bench.arguments(command)
    asked = parser.parse_args()
    _BENCHES[asked.bench].run(asked)


if __name__ == "__main__":
    main()
