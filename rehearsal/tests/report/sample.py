"""A report document as `rehearsal.report.document` makes it."""

from __future__ import annotations

from typing import Any

COUNTS = (
    "read",
    "inserted",
    "updated",
    "deleted",
    "unchanged",
    "superseded",
    "stale",
    "duplicate",
    "quarantined",
    "blocked",
)


def dataset(name: str, **counts: int) -> dict[str, Any]:
    rows = counts["inserted"] - counts.get("deleted", 0)
    return {"name": name, "sent": counts["read"], **{c: counts.get(c, 0) for c in COUNTS}, "rows": rows}


def report(ok: bool = True) -> dict[str, Any]:
    failing = {
        "name": "queries",
        "ok": ok,
        "statement": "queries agree",
        "findings": [] if ok else ["q1: <b>5</b> rows"],
    }
    return {
        "name": "A lake & its <faults>",
        "ok": ok,
        "machine": {"cpus": 2, "memory_gb": 24.0, "system": "Linux x86_64", "python": "3.11"},
        "checks": [{"name": "conservation", "ok": True, "statement": "holds", "findings": []}, failing],
        "datasets": [
            dataset("sales.orders", read=1234, inserted=1200, updated=13, deleted=7, duplicate=4, quarantined=10),
            dataset("geo.nation", read=25, inserted=25),
        ],
        "quarantine": [{"dataset": "sales.orders", "reasons": "malformed, type:<amount>", "records": 10}],
        "objects": {"seen": 12, "read": 8, "unreadable": 1, "unroutable": 1, "ignored": 2},
        "models": [{"name": "sales.order_lines", "rows": 777}],
        "queries": [{"name": "q1", "rows": 4, "equal": ok, "seconds": 0.25}],
        "faults": [{"kind": "malformed", "planted": 10, "found": 10, "false_positives": 0}],
        "batches": {
            "total": 3,
            "states": {"applied": 2, "failed": 1},
            "failed": [{"dataset": "sales.orders", "batch": "0" * 32, "code": "unreadable", "reason": "no object"}],
        },
        "rerun": {"events_redelivered": 12, "batches_forced": 2, "rows_changed": 0, "snapshots_added": 0},
        "suppressions": [{"rule": "AwsSolutions-IAM5", "reason": "object paths", "count": 2}],
        "not_executed": [{"type": "AWS::IAM::Role", "reason": "policies are not enforced"}],
        "uses": [],
        "phases": [{"name": "deploy", "seconds": 4.0}, {"name": "judge", "seconds": 2.0}],
        "seconds": 6.0,
        "peak_memory_mb": 2048,
    }
