"""Command line: `python -m rehearsal --app DIR --scenario FILE`."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rehearsal import dms
from rehearsal.cloud.work import IdleTimeout, InternalErrors
from rehearsal.data.tpch import DataError
from rehearsal.deploy import DeployFailed, SynthFailed, TemplateRefused
from rehearsal.report import console, html
from rehearsal.report.document import document
from rehearsal.scenario.lake import NoLake
from rehearsal.scenario.load import ScenarioError
from rehearsal.scenario.rehearse import USUAL, Options, rehearse
from rehearsal.scenario.run import Refused

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
MENDABLE = (ScenarioError, SynthFailed, TemplateRefused, DeployFailed, NoLake, DataError, FileNotFoundError)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description="Synthesise an app, deploy it to a local stand-in for AWS, run a scenario and judge the result.",
        epilog="`python -m rehearsal iam --help` decides requests by policies. "
        "Exit codes: 0 every check holds; 1 a check failed; 2 the app, scenario or machine is not ready.",
    )
    made.add_argument("--app", type=Path, required=True, metavar="DIR", help="folder of the CDK app")
    made.add_argument("--scenario", type=Path, required=True, metavar="FILE", help="scenario file (JSON)")
    made.add_argument(
        "--out", type=Path, default=Path("build/demo"), metavar="DIR", help="where reports go (default: %(default)s)"
    )
    made.add_argument("--keep", action="store_true", help="keep the deployed lake up until Ctrl-C, to look around")
    made.add_argument(
        "--jobs",
        choices=("warm", "process"),
        default="warm",
        help="one Spark worker for all job runs, or one process per run (default: %(default)s)",
    )
    made.add_argument(
        "--roles",
        choices=("enforced", "recorded"),
        default="enforced",
        help="refuse what the deployed policies do not allow, or only record what roles use (default: %(default)s)",
    )
    made.add_argument(
        "--dms",
        choices=("usual", "other"),
        default="usual",
        help="how DMS behaves where no documentation says: one setting of each such switch, or the other one "
        "(default: %(default)s)",
    )
    made.add_argument("--verbose", action="store_true", help="show the log of the stand-in")
    return made


class Progress:
    """Prints lines with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        print(f"[{time.monotonic() - self._started:6.1f}s] {line}", flush=True)


def keep(cloud: Any, deployment: Any) -> None:
    """Hold the lake until Ctrl-C."""
    print(
        f"the lake is up: endpoint {cloud.endpoint}, region {cloud.region}; any credentials; Ctrl-C ends it", flush=True
    )
    for name, value in deployment.outputs.items():
        print(f"  {name} = {value}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.CRITICAL, stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    say = Progress()
    try:
        held, enforced = keep if options.keep else None, options.roles == "enforced"
        unverified = dms.OTHER if options.dms == "other" else USUAL
        wanted = Options(options.app, options.scenario, options.out, options.jobs, held, enforced, unverified)
        result = rehearse(wanted, say)
    except MENDABLE as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return UNUSABLE
    except (IdleTimeout, InternalErrors, Refused) as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("rehearsal: interrupted; everything it started is stopped", file=sys.stderr)
        return INTERRUPTED
    report = document(result)
    (options.out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (options.out / "report.html").write_text(html.page(report))
    console.show(report, sys.stdout)
    say(f"reports: {options.out / 'report.html'} and {options.out / 'report.json'}")
    return 0 if result.ok else FAILED
