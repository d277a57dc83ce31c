"""What of a row may stand in the results: whoever reads them may be allowed to read no table.

Of a column that is protected no value is shown, of neither side: where the lake holds one that should not be there, it
would be shown in clear. A key is shown in the form that the protection gives it, which finds the row and tells nothing
more: one that the lake holds in another form is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row

from lakejobs.declared import Column as Declared
from lakejobs.protections import NONE, key_of
from lakejobs.validate.comparing import (
    CHANGED,
    DUPLICATED,
    KEY,
    KIND,
    LAKE,
    REFUSED,
    SOURCE,
    UNSETTLED,
    Compared,
    places,
)

# Longer texts are cut, with a mark at their end.
LONGEST = 200
WITHHELD = "the column is protected: its values are not shown"
_KEYED = re.compile(r"[0-9a-f]{64}|tok_[0-9a-f]{32}")


@dataclass(frozen=True)
class Mismatch:
    """One thing that differs: of a key, or of one column of a key. Values are texts, NULL where the side has none."""

    kind: str
    row_key: str
    column_name: str = ""
    source_value: str | None = None
    lake_value: str | None = None
    detail: str = ""


def mismatches(differing: DataFrame, compared: Compared, most: int, values: bool) -> list[Mismatch]:
    """At most so many, by kind and key. `values` false leaves out every value but those of the key."""
    if most == 0:
        return []
    rows = differing.orderBy(KIND, KEY).limit(most).select(KIND, SOURCE, LAKE, "_sources", "_lakes").collect()
    found: list[Mismatch] = []
    for row in rows:
        found += _of(row, compared, values)
        if len(found) >= most:
            break
    return found[:most]


def _of(row: Row, compared: Compared, values: bool) -> Iterable[Mismatch]:
    names = places(compared)
    source, lake = row[SOURCE], row[LAKE]
    key = row_key(compared.keys, [(source or lake)[name] for name in names[: len(compared.keys)]])
    kind = row[KIND]
    if kind == DUPLICATED:
        yield Mismatch(kind, key, detail=f"{row['_sources'] or 0} rows in the source, {row['_lakes'] or 0} in the lake")
        return
    if kind == REFUSED:
        yield Mismatch(kind, key, detail="the declaration refuses the source's row: " + ", ".join(source["reasons"]))
        return
    if source is None or lake is None or kind not in (CHANGED, UNSETTLED):
        yield Mismatch(kind, key)
        return
    for name, column in zip(names, compared.columns, strict=True):
        if source[name] == lake[name]:
            continue
        if column.protect != NONE:
            yield Mismatch(kind, key, column.name, detail=WITHHELD)
        elif not values:
            yield Mismatch(kind, key, column.name)
        else:
            yield Mismatch(kind, key, column.name, cut(source[name]), cut(lake[name]))


def row_key(keys: Sequence[Declared], texts: Sequence[str | None]) -> str:
    """The key as a JSON object of texts by column."""
    return json.dumps(
        {c.name: _key_text(c, text) for c, text in zip(keys, texts, strict=True)},
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _key_text(column: Declared, text: str | None) -> Any:
    if column.protect == NONE or text is None:
        return cut(text)
    if key_of(column.protect) is not None and _KEYED.fullmatch(text):
        return text
    return "(not shown)"


def cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text)} characters)"
