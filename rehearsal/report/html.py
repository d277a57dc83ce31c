"""The report as one HTML page without external assets: verdict first, figures in tables, one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from rehearsal.report import flow
from rehearsal.report.console import COUNTS

STYLE = Path(__file__).with_name("style.css")
FACTS = "https://github.com/strata-cdk/strata/blob/main/docs/aws-facts.md"

WORD = 36
"""Names up to this length are not broken into lines."""


def page(report: dict[str, Any]) -> str:
    """The whole page."""
    title = escape(report["name"])
    body = "".join(part(report) for part in PARTS)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}: rehearsal</title>'
        f"<style>{STYLE.read_text()}</style></head><body><main>{body}</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; numbers to the right, True as a tick and False as a cross."""

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return f'<td class="num mark {"yes" if value else "no"}">{"✓" if value else "✗"}</td>'
        if isinstance(value, (int, float)):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
            return f'<td class="num{" zero" if value == 0 else ""}">{shown}</td>'
        word = " class=word" if len(str(value)) <= WORD and " " not in str(value) else ""
        return f"<td{word}>{escape(str(value))}</td>"

    numeric = [bool(rows) and isinstance(rows[0][i], (int, float)) for i in range(len(head))]
    heads = "".join(f"<th{' class=num' if n else ''}>{escape(h)}</th>" for h, n in zip(head, numeric, strict=True))
    lines = "".join("<tr>" + "".join(cell(v) for v in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'


def _section(title: str, body: str, note: str = "") -> str:
    lead = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{lead}{body}</section>"


def _verdict(report: dict[str, Any]) -> str:
    failed = [c for c in report["checks"] if not c["ok"]]
    word = "Every check holds" if report["ok"] else f"{len(failed)} of {len(report['checks'])} checks failed"
    machine = report["machine"]
    figures = [
        (f"{sum(d['sent'] for d in report['datasets']):,}", "rows sent"),
        (f"{report['objects']['seen']:,}", "object versions seen"),
        (f"{sum(d['quarantined'] for d in report['datasets']):,}", "records quarantined"),
        (f"{sum(q['equal'] for q in report['queries'])} / {len(report['queries'])}", "queries equal to PostgreSQL"),
        (
            f"{report['rerun']['batches_forced']:,}",
            f"batches forced again, {report['rerun']['rows_changed']} rows changed",
        ),
        (f"{report['seconds']:.0f} s", f"on {machine['cpus']} CPUs, {machine['memory_gb']} GB"),
        (f"{report['peak_memory_mb'] / 1000:.1f} GB", "peak memory"),
    ]
    tiles = "".join(f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for v, k in figures)
    head = f'<p class="kicker">Rehearsal</p><h1>{escape(report["name"])}</h1>'
    return (
        f'<header class="{"pass" if report["ok"] else "fail"}">{head}'
        f'<p class="word">{word}.</p><div class="tiles">{tiles}</div></header>'
    )


def _picture(report: dict[str, Any]) -> str:
    return _section("Where the data went", f'<div class="scroll">{flow.picture(report)}</div>')


def _checks(report: dict[str, Any]) -> str:
    items = []
    for check in report["checks"]:
        findings = "".join(f"<li>{escape(f)}</li>" for f in check["findings"])
        mark = "yes" if check["ok"] else "no"
        items.append(
            f'<li class="{mark}"><span class="mark {mark}">{"✓" if check["ok"] else "✗"}</span>'
            f"<div><b>{escape(check['name'])}</b> {escape(check['statement'])}"
            f"{f'<ul>{findings}</ul>' if findings else ''}</div></li>"
        )
    return _section("Checks", f'<ul class="checks">{"".join(items)}</ul>')


def _datasets(report: dict[str, Any]) -> str:
    rows = [[d["name"], *(d[c] for _, c in COUNTS)] for d in report["datasets"]]
    total = ["all", *(sum(r[i + 1] for r in rows) for i in range(len(COUNTS)))]
    note = f"read = {' + '.join(c for _, c in COUNTS[2:])}, and read = sent."
    body = table(["dataset", *(h for h, _ in COUNTS)], [*rows, total])
    if report["quarantine"]:
        refused = [[q["dataset"], q["reasons"], q["records"]] for q in report["quarantine"]]
        body += "<h3>Quarantined, and why</h3>" + table(["dataset", "reasons", "records"], refused)
    return _section("Datasets", body, note)


def _objects(report: dict[str, Any]) -> str:
    found, batches = report["objects"], report["batches"]
    states = ", ".join(f"{n} {s}" for s, n in sorted(batches["states"].items()))
    body = table(list(found), [list(found.values())])
    if batches["failed"]:
        rows = [[b["dataset"], b["code"], b["reason"], b["batch"][:12] + "…"] for b in batches["failed"]]
        body += "<h3>Batches that failed or were blocked</h3>" + table(["dataset", "code", "reason", "batch"], rows)
    return _section("Objects and batches", body, f"{batches['total']} batches: {escape(states)}.")


def _queries(report: dict[str, Any]) -> str:
    rows = [[q["name"], q["rows"], q["equal"], q["seconds"]] for q in report["queries"]]
    note = (
        "The stack's own named queries on the curated tables, against PostgreSQL loaded with the generator's rows and "
        "their changes. Decimals are compared exactly, doubles to 10<sup>−9</sup> of their size, and the order of rows "
        "where the query orders."
    )
    return _section("Queries", table(["query", "rows", "equal", "seconds"], rows), note) if rows else ""


def _faults(report: dict[str, Any]) -> str:
    rows = [[f["kind"], f["planted"], f["found"], f["false_positives"]] for f in report["faults"]]
    note = "A quarantined record is known by object key, object version, SHA-256 of its raw line, and occurrence."
    return (
        _section("Planted faults", table(["kind", "planted", "found", "false positives"], rows), note) if rows else ""
    )


def _reruns(report: dict[str, Any]) -> str:
    rerun = report["rerun"]
    return _section("Twice is once", table([k.replace("_", " ") for k in rerun], [list(rerun.values())]))


def _costs(report: dict[str, Any]) -> str:
    rows = [[p["name"], p["seconds"]] for p in report["phases"]]
    longest = max((p["seconds"] for p in report["phases"]), default=1) or 1
    bars = "".join(
        f'<tr><td>{escape(name)}</td><td class="num">{seconds:,.1f}</td>'
        f'<td class="bar"><i style="width:{100 * seconds / longest:.1f}%"></i></td></tr>'
        for name, seconds in rows
    )
    head = '<thead><tr><th>phase</th><th class="num">seconds</th><th></th></tr></thead>'
    return _section("Time", f'<div class="scroll"><table class="times">{head}<tbody>{bars}</tbody></table></div>')


def _limits(report: dict[str, Any]) -> str:
    reasons: dict[str, list[str]] = {}
    for item in report["not_executed"]:
        reasons.setdefault(item["reason"], []).append(item["type"])
    body = table(["why", "what"], [[reason, ", ".join(types)] for reason, types in reasons.items()])
    if report["suppressions"]:
        accepted = [[s["rule"], s["reason"], s["count"]] for s in report["suppressions"]]
        body += "<h3>Accepted rule findings</h3>" + table(["rule", "reason", "resources"], accepted)
    note = (
        "Synthesised, but not executed here. The services are a local stand-in; what it relies on is listed, with the "
        f'page of AWS documentation or the word <i>assumed</i>, in <a href="{FACTS}">docs/aws-facts.md</a>. '
        f"Calls made under a role: {len(report['uses']):,} distinct (role, action, resource), in report.json."
    )
    return _section("What this rehearsal does not show", body, note)


PARTS: tuple[Callable[[dict[str, Any]], str], ...] = (
    _verdict,
    _picture,
    _checks,
    _datasets,
    _objects,
    _queries,
    _faults,
    _reruns,
    _costs,
    _limits,
)
