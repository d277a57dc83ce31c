"""One JSON line per event on standard output, which Glue sends to the job's log group. No record's content in it."""

from __future__ import annotations

import json
import sys
from typing import Any

from lakejobs.clock import stamp, utc_now


def log(event: str, **fields: Any) -> None:
    print(json.dumps({"time": stamp(utc_now()), "event": event, **fields}, default=str), file=sys.stdout, flush=True)
