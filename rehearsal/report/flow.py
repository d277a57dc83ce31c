"""The data-flow picture of a report: an inline SVG drawn from the report's own counts."""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH, TOP, ROW = 1110, 64, 74
BOX, SIDE = 150, 188
COLUMNS = (8, 256, 502, 726, 950)


def picture(report: dict[str, Any]) -> str:
    """Sources → raw → refine → cleaned → curated → queries, with what is set aside on the way."""
    datasets, objects = report["datasets"], report["objects"]
    total = {
        k: sum(d[k] for d in datasets)
        for k in (
            "sent",
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
    }
    stored = total["inserted"] + total["updated"] + total["deleted"]
    passed = total["unchanged"] + total["superseded"] + total["stale"] + total["duplicate"]
    models, queries = report["models"], report["queries"]
    equal = sum(q["equal"] for q in queries)
    middle = TOP + ROW
    boxes = [
        _box(COLUMNS[0], middle, "Raw zone", f"{objects['seen']:,} object versions", "raw"),
        _box(COLUMNS[1], middle, "Refine", f"{total['read']:,} rows read", "work"),
        _box(COLUMNS[2], middle, "Cleaned", f"{len(datasets)} tables", "good"),
        _box(COLUMNS[3], middle, "Curated", f"{len(models)} models", "good"),
        _box(COLUMNS[4], middle, "Athena", f"{equal} of {len(queries)} queries equal", "good"),
    ]
    side = [
        (COLUMNS[0], f"{objects['unreadable']:,} unreadable", "failure path, alarm", "bad"),
        (COLUMNS[0], f"{objects['unroutable']:,} unroutable", "no dataset claims them", "bad"),
        (COLUMNS[0], f"{objects['ignored']:,} ignored", "markers, control files", "calm"),
        (COLUMNS[1], f"{total['quarantined']:,} quarantined", "with reasons and raw line", "bad"),
        (COLUMNS[1], f"{total['blocked']:,} blocked", "held by a gate", "bad" if total["blocked"] else "calm"),
        (COLUMNS[1], f"{passed:,} without effect", "unchanged, stale, duplicate …", "calm"),
    ]
    depth: dict[int, int] = {}
    parts = []
    for x, title, note, kind in side:
        depth[x] = depth.get(x, 0) + 1
        y = middle + ROW + 22 + (depth[x] - 1) * 62
        parts.append(_side(x, y, title, note, kind))
    spines = [
        f'<path class="branch" d="M{x + 18} {middle + 58} V{middle + ROW + 22 + (n - 1) * 62 + 22}"/>'
        for x, n in depth.items()
    ]
    arrows = [
        _arrow(COLUMNS[0], COLUMNS[1], middle, f"{objects['read']:,} objects", 1.0),
        _arrow(COLUMNS[1], COLUMNS[2], middle, f"{stored:,} rows", stored / max(total["read"], 1)),
        _arrow(COLUMNS[2], COLUMNS[3], middle, "SQL", 0.8),
        _arrow(COLUMNS[3], COLUMNS[4], middle, "", 0.6),
    ]
    sources = _sources(datasets, middle)
    models_list = _list(COLUMNS[3], middle, [f"{m['name'].split('.')[1]}" for m in models], [m["rows"] for m in models])
    tables_list = _list(COLUMNS[2], middle, [d["name"] for d in datasets], [d["rows"] for d in datasets])
    height = middle + ROW + 26 + max(3 * 62, 20 * max(len(datasets), len(models)) + 10)
    title = "Data flow: what was sent, where it went, and what was set aside"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}" class="flow">'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="9" markerHeight="9" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L10 5 L0 10 z" class="tip"/></marker></defs>'
        + "".join([sources, *arrows, *spines, *boxes, *parts, tables_list, models_list])
        + "</svg>"
    )


def _box(x: int, y: int, title: str, note: str, kind: str) -> str:
    return (
        f'<g class="box {kind}"><rect x="{x}" y="{y}" width="{BOX}" height="58" rx="9"/>'
        f'<text class="t" x="{x + BOX / 2}" y="{y + 25}">{escape(title)}</text>'
        f'<text class="n" x="{x + BOX / 2}" y="{y + 44}">{escape(note)}</text></g>'
    )


def _side(x: int, y: int, title: str, note: str, kind: str) -> str:
    return (
        f'<path class="branch" d="M{x + 18} {y + 22} H{x + 32}"/><g class="side {kind}">'
        f'<rect x="{x + 34}" y="{y}" width="{SIDE}" height="46" rx="7"/>'
        f'<text class="t" x="{x + 46}" y="{y + 19}">{escape(title)}</text>'
        f'<text class="n" x="{x + 46}" y="{y + 36}">{escape(note)}</text></g>'
    )


def _arrow(left: int, right: int, y: int, label: str, weight: float) -> str:
    start, end, at = left + BOX, right - 4, y + 29
    width = 1.5 + 3.5 * min(1.0, weight)
    text = f'<text class="l" x="{(start + end) / 2}" y="{at - 10}">{escape(label)}</text>' if label else ""
    style = f'style="stroke-width:{width:.1f}"'
    return f'<path class="flowline" {style} marker-end="url(#tip)" d="M{start} {at} H{end}"/>{text}'


def _sources(datasets: list[dict[str, Any]], middle: int) -> str:
    """Above the raw zone: what the sources sent."""
    rows = sum(d["sent"] for d in datasets)
    x = COLUMNS[0]
    return (
        f'<g class="box calm"><rect x="{x}" y="14" width="{BOX}" height="58" rx="9"/>'
        f'<text class="t" x="{x + BOX / 2}" y="39">Sources</text>'
        f'<text class="n" x="{x + BOX / 2}" y="58">{rows:,} rows</text></g>'
        f'<path class="flowline" style="stroke-width:3" marker-end="url(#tip)" d="M{x + BOX / 2} 72 V{middle - 4}"/>'
    )


def _list(x: int, middle: int, names: list[str], rows: list[int]) -> str:
    """The tables below a box with their rows."""
    lines = []
    for i, (name, n) in enumerate(zip(names, rows, strict=True)):
        y = middle + ROW + 20 + i * 20
        lines.append(f'<text class="row" x="{x + 2}" y="{y}">{escape(name)}</text>')
        lines.append(f'<text class="num" x="{x + BOX + 40}" y="{y}">{n:,}</text>')
    return "".join(lines)
