"""Disturbances a scenario plans: they act on the engine, so that no production code knows of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Planned:
    """An action in the middle of a full load, once: after `rows` rows of a table have been read."""

    schema: str
    table: str
    rows: int
    action: Callable[[], None]
    fired: bool = False


class Faults:
    """Plans of one model. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Planned] = []

    def during_load(self, schema: str, table: str, rows: int, action: Callable[[], None]) -> Planned:
        """Run `action` once in the loading thread when `rows` rows of the table have been read (0: after the snapshot
        is taken, before the first row). What it commits to the table is not in the load, but is captured."""
        planned = Planned(schema, table, rows, action)
        with self._lock:
            self._planned.append(planned)
        return planned

    def loading(self, schema: str, table: str, rows: int) -> None:
        """Called by the engine for each row it has read."""
        with self._lock:
            due = [p for p in self._planned if not p.fired and (p.schema, p.table, p.rows) == (schema, table, rows)]
            for planned in due:
                planned.fired = True
        for planned in due:
            planned.action()
