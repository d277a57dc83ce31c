"""Work on a table that another writer may have changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lakejobs.events import log
from lakejobs.tables.interface import Moved

_TRIES = 3
T = TypeVar("T")


def until_still(table: str, attempt: Callable[[], T]) -> T:
    """What the attempt returns, begun anew if the table has changed under it. Raises Moved if it does so each time."""
    for _ in range(_TRIES - 1):
        try:
            return attempt()
        except Moved as moved:
            log("table changed while rows were erased", table=table, reason=str(moved))
    return attempt()
