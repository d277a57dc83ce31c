"""The report as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

COUNTS = (
    ("sent", "sent"),
    ("read", "read"),
    ("inserted", "inserted"),
    ("updated", "updated"),
    ("deleted", "deleted"),
    ("unchanged", "unchanged"),
    ("superseded", "superseded"),
    ("stale", "stale"),
    ("duplicate", "duplicate"),
    ("quarantined", "quarantined"),
    ("blocked", "blocked"),
)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a table: text to the left, numbers to the right."""
    shown = [[f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *shown]) for i in range(len(head))]
    right = [bool(rows) and isinstance(rows[0][i], (int, float)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        parts = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  " + "  ".join(parts).rstrip()

    return [line(list(head)), "  " + "  ".join("-" * w for w in widths), *(line(row) for row in shown)]


def show(report: dict[str, Any], out: TextIO) -> None:
    """Print the report's tables and verdict."""

    def section(title: str, lines: list[str]) -> None:
        print(f"\n{title}", *lines, sep="\n", file=out)

    section(
        "Datasets",
        table(
            ["dataset", *(h for h, _ in COUNTS)], [[d["name"], *(d[c] for _, c in COUNTS)] for d in report["datasets"]]
        ),
    )
    if report["quarantine"]:
        rows = [[q["dataset"], q["reasons"], q["records"]] for q in report["quarantine"]]
        section("Quarantined, and why", table(["dataset", "reasons", "records"], rows))
    section("Objects", table(list(report["objects"]), [list(report["objects"].values())]))
    if report["queries"]:
        rows = [
            [q["name"], q["rows"], "equal" if q["equal"] else "DIFFERS", f"{q['seconds']:.2f}"]
            for q in report["queries"]
        ]
        section("Queries on the curated tables, against PostgreSQL", table(["query", "rows", "", "seconds"], rows))
    if report["faults"]:
        rows = [[f["kind"], f["planted"], f["found"], f["false_positives"]] for f in report["faults"]]
        section("Planted faults", table(["kind", "planted", "found", "false positives"], rows))
    section("Reruns", table([k.replace("_", " ") for k in report["rerun"]], [list(report["rerun"].values())]))
    rows = [[p["name"], f"{p['seconds']:.1f}"] for p in report["phases"]]
    section("Seconds by phase", table(["phase", "seconds"], rows))
    reasons: dict[str, int] = {}
    for item in report["not_executed"]:
        reasons[item["reason"]] = reasons.get(item["reason"], 0) + 1
    lines = [f"  {reason} ({count})" for reason, count in reasons.items()]
    section(f"Synthesised, but not executed here ({len(report['not_executed'])} properties; all in report.json)", lines)
    section("Checks", [line for check in report["checks"] for line in _check(check)])
    failed = sum(not c["ok"] for c in report["checks"])
    verdict = "every check holds" if report["ok"] else f"{failed} of {len(report['checks'])} checks FAILED"
    machine = report["machine"]
    print(
        f"\n{verdict}: {report['seconds']:.0f} s, peak memory {report['peak_memory_mb']:,} MB, "
        f"on {machine['cpus']} CPUs and {machine['memory_gb']} GB",
        file=out,
    )


def _check(check: dict[str, Any]) -> list[str]:
    head = f"  {'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['statement']}"
    return [head, *(f"          {finding}" for finding in check["findings"])]
