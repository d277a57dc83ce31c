"""One run of refine in a process of its own, as `runs` asks for it on standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "glue-scripts"), str(ROOT / "glue-scripts/tests")]

from lakejobs.arguments import RefineArguments  # noqa: E402
from lakejobs.aws import Clients  # noqa: E402
from lakejobs.refine.job import refine  # noqa: E402
from stand_in import session  # noqa: E402

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with session(asked["endpoint"], compiler="") as spark:
        refine(spark, RefineArguments(**asked["arguments"]), Clients.connect())
