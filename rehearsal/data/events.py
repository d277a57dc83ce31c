"""A stream of web events with planted faults: JSON lines as a producer puts them, and what must become of each."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rehearsal.data.declared import Dataset
from rehearsal.data.tpch import DataError, Row

COLUMNS = ("event_id", "event_type", "c_custkey", "url", "amount", "occurred_at")
TYPES = ("view", "cart", "purchase")
START = dt.datetime(2026, 1, 1, 6, 0, 0)


@dataclass(frozen=True)
class Event:
    """One record. line: its bytes, without a newline. fate: clean, duplicate or quarantined, then with `reasons`.
    row: the values in the dataset's column order, None for a record that is quarantined."""

    line: bytes
    fate: str
    reasons: tuple[str, ...] = ()
    row: Row | None = None


def make(dataset: Dataset, count: int, seed: int, faults: dict[str, int]) -> list[Event]:
    """`count` clean events, and the faults among them by kind and number, in random order. A repeated event comes
    after the one it repeats. Raises DataError where the dataset is not of web events, or a fault is unknown."""
    missing = [c for c in COLUMNS if c not in [d.name for d in dataset.columns]]
    if missing or dataset.kind != "json":
        raise DataError(f"events: {dataset.id} must be JSON with {', '.join(COLUMNS)}; not there: {', '.join(missing)}")
    unknown = [kind for kind in faults if kind not in {*FAULTS, "duplicate"}]
    if unknown:
        raise DataError(f"events: no fault {', '.join(unknown)}; there are {', '.join([*FAULTS, 'duplicate'])}")
    rng = random.Random(f"{seed}/events")
    clean = [_clean(rng, dataset) for _ in range(count)]
    made = list(clean)
    for kind, number in faults.items():
        if kind != "duplicate":
            made += [FAULTS[kind](_content(rng)) for _ in range(number)]
    rng.shuffle(made)
    for event in rng.sample(clean, faults.get("duplicate", 0)):
        at = rng.randrange(made.index(event) + 1, len(made) + 1)
        made.insert(at, Event(event.line, "duplicate"))
    return made


def _content(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(TYPES)
    at = START + dt.timedelta(milliseconds=rng.randrange(86_400_000))
    return {
        "event_id": f"{rng.getrandbits(128):032x}",
        "event_type": kind,
        "c_custkey": rng.randrange(1, 1500),
        "url": f"/p/{rng.randrange(1, 2000)}?q={rng.choice(['', 'ü', 'a%20b', '{}'])}",
        "amount": f"{rng.randrange(1, 100_000) / 100:.2f}" if kind == "purchase" else None,
        "occurred_at": at.isoformat(timespec="milliseconds") + "Z",
    }


def _clean(rng: random.Random, dataset: Dataset) -> Event:
    content = _content(rng)
    values = dict(content)
    values["occurred_at"] = dt.datetime.fromisoformat(content["occurred_at"].removesuffix("Z"))
    values["amount"] = None if content["amount"] is None else Decimal(content["amount"])
    row = tuple(values.get(c.name) for c in dataset.columns)
    shown = {k: v for k, v in content.items() if v is not None or rng.random() < 0.5}
    if shown.get("amount") is not None and rng.random() < 0.5:
        shown["amount"] = float(shown["amount"])
    return Event(_line(shown), "clean", row=row)


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _broken(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda content: _line({k: v for k, v in {**content, **changes}.items() if v is not ...})


def _fault(reason: str, spoil: Callable[[dict[str, Any]], bytes]) -> Callable[[dict[str, Any]], Event]:
    return lambda content: Event(spoil(content), "quarantined", (reason,))


FAULTS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "cut_off": _fault("malformed", lambda c: _line(c)[:-7]),
    "no_object": _fault("malformed", lambda c: json.dumps([c["event_id"]]).encode()),
    "bad_utf8": _fault("malformed", lambda c: _line(c).replace(b"/p/", b"/\xff/")),
    "no_key": _fault("required:event_id", _broken(event_id=...)),
    "bad_number": _fault("type:amount", _broken(amount="12,50")),
    "bad_time": _fault("type:occurred_at", _broken(occurred_at="yesterday")),
    "unknown_type": _fault("set:event_type", _broken(event_type="teleport")),
    "negative": _fault("range:amount", _broken(amount=-1)),
}
"""A fault's name → how an event's content becomes a record that is quarantined."""
