"""Spans of time in which a key of an append counts once: what a record is compared with, and nothing else is read."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakejobs.declared import Dataset, Window

SPAN = "_span"

# Ranges that a scan is asked for; what lies in more is read from the first of them to the last.
_RANGES = 100


def identity(dataset: Dataset) -> list[str]:
    """The columns by which an append tells rows apart."""
    return [*dataset.row_key, SPAN] if dataset.window else list(dataset.row_key)


def with_span(dataset: Dataset) -> dict[str, Column]:
    """The span of a row by its window column, as a column to add; none unless the dataset has a window."""
    if dataset.window is None:
        return {}
    column = F.col(dataset.window.column)
    seconds = F.unix_date(column).cast("bigint") * 86400 if _is_date(dataset) else F.unix_seconds(column)
    return {SPAN: F.floor(seconds / F.lit(dataset.window.seconds)).cast("bigint")}


def predicate(dataset: Dataset, spans: Iterable[int]) -> str:
    """SQL on the window column that holds for the rows of these spans, of which there is one at least.

    It is made of ranges, so that a scan leaves out the files that hold none of them.
    """
    window = dataset.window
    if window is None:
        raise ValueError(f"{dataset.id} has no window")
    ranges = _ranges(sorted(set(spans)))
    if len(ranges) > _RANGES:
        ranges = [(ranges[0][0], ranges[-1][1])]
    bounds = [(_literal(dataset, window, low), _literal(dataset, window, high + 1)) for low, high in ranges]
    return " OR ".join(f"(`{window.column}` >= {low} AND `{window.column}` < {high})" for low, high in bounds)


def _ranges(spans: list[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring spans, first and last of each."""
    found: list[tuple[int, int]] = []
    for span in spans:
        if found and found[-1][1] == span - 1:
            found[-1] = (found[-1][0], span)
        else:
            found.append((span, span))
    return found


def _literal(dataset: Dataset, window: Window, span: int) -> str:
    start = span * window.seconds
    return f"date_from_unix_date({start // 86400})" if _is_date(dataset) else f"timestamp_seconds({start})"


def _is_date(dataset: Dataset) -> bool:
    return any(c.name == dataset.window.column and c.type == "date" for c in dataset.columns)
