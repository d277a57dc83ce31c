"""The report as data: exactly what report.json holds."""

from __future__ import annotations

from typing import Any

from rehearsal.scenario.checks import OUTCOMES
from rehearsal.scenario.rehearse import Result, suppressions
from rehearsal.scenario.resources import machine


def document(result: Result) -> dict[str, Any]:
    """The report of a rehearsal. Times in seconds, memory in megabytes (10^6 bytes)."""
    verdict, rerun = result.verdict, result.journal.rerun
    return {
        "name": result.scenario.name,
        "ok": result.ok,
        "machine": machine(),
        "checks": [
            {"name": c.name, "ok": c.ok, "statement": c.statement, "findings": list(c.findings)} for c in verdict.checks
        ],
        "datasets": [
            {
                "name": name,
                "sent": verdict.sent.get(name, 0),
                **_counts(verdict.counts.get(name, {})),
                "rows": verdict.tables.get(name, 0),
            }
            for name in sorted({*verdict.counts, *verdict.sent})
        ],
        "quarantine": [
            {"dataset": name, "reasons": reasons, "records": n}
            for (name, reasons), n in sorted(verdict.refused.items())
        ],
        "objects": verdict.objects,
        "models": [{"name": name, "rows": rows} for name, rows in verdict.models.items()],
        "queries": [
            {"name": a.name, "rows": a.rows, "equal": a.equal, "seconds": round(a.seconds, 3)}
            for a in result.journal.answers
        ],
        "faults": [
            {"kind": f.kind, "planted": f.planted, "found": f.found, "false_positives": f.false_positives}
            for f in verdict.faults
        ],
        "batches": _batches(verdict.batches),
        "rerun": {
            "events_redelivered": rerun.events_redelivered,
            "batches_forced": rerun.batches_forced,
            "rows_changed": rerun.rows_changed,
            "snapshots_added": rerun.snapshots_added,
        },
        "suppressions": suppressions(result.assembly),
        "not_executed": [{"type": n.type, "reason": n.reason} for n in result.deployment.not_executed],
        "uses": [{"role": r, "action": a, "resource": t, "count": n} for r, a, t, n in result.uses],
        "phases": [{"name": name, "seconds": round(s, 1)} for name, s in result.seconds.items()],
        "seconds": round(result.total_seconds, 1),
        "peak_memory_mb": result.peak_memory_mb,
    }


def _counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("read", *OUTCOMES)}


def _batches(batches: list[dict[str, Any]]) -> dict[str, Any]:
    states: dict[str, int] = {}
    for batch in batches:
        states[batch["state"]] = states.get(batch["state"], 0) + 1
    failed = [
        {"dataset": b["dataset"], "batch": b["pk"][6:], "code": b.get("code") or "", "reason": b.get("reason") or ""}
        for b in batches
        if b["state"] in ("failed", "blocked")
    ]
    return {"total": len(batches), "states": states, "failed": failed}
