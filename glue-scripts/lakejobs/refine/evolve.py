"""The columns of a dataset whose table follows its input: declared ones, those the table has gained, and wider types.

The result is a dataset like any other, so that reading, judging and comparing know nothing of it, and what changes in
the table changes as a further declaration would change it. Columns gained stand after the declared ones by name,
whatever came first, since the order of changes ends with the columns in their order.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import DMS_PARQUET, Column, Dataset
from lakejobs.protections import NONE
from lakejobs.refine.grammar import decimal_shape, parse
from lakejobs.refine.record import before, change_columns, text_column
from lakejobs.refine.source import Source, without
from lakejobs.refine.survey_parquet import READ_AS, UNREAD
from lakejobs.refine.target import EVOLVED_PROPERTY, widens
from lakejobs.tables.interface import StoredTable

DOC = "Not declared: added because input has it."
# What a column is in the table that a type of Parquet is kept in; text where records are text.
_KEPT_AS = {
    "binary": "string", "time_millis": "string", "time_micros": "string", "tinyint": "int", "smallint": "int",
    "float": "double", "timestamp_ntz": "timestamp",
}  # fmt: skip
# Formats whose objects are laid out in typed columns.
_COLUMNAR = ("parquet", DMS_PARQUET)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Names that input makes up without end would make columns without end.
_COLUMNS = 100
_DIGITS = 38


def held(dataset: Dataset, table: StoredTable | None) -> Dataset:
    """The dataset with the columns that its table has gained, and with types as wide as there."""
    if not dataset.evolves or table is None:
        return dataset
    found = table.columns()
    columns = [
        replace(c, type=found[c.name]) if _widened(c) and widens(c.type, found.get(c.name, c.type)) else c
        for c in dataset.columns
    ]
    declared = {c.name for c in dataset.columns}
    names = set(json.loads(table.properties.get(EVOLVED_PROPERTY, "[]"))) - declared
    return _with(replace(dataset, columns=tuple(columns)), {name: found[name] for name in names if name in found})


def gained(dataset: Dataset, source: Source) -> tuple[Dataset, Source]:
    """The dataset with the columns that this input has beside those it knows, and the source as it is then read.

    An object of columns that has one which cannot be added is set aside. Of records that name their members none is:
    those that have such a member are quarantined when they are read.
    """
    if not dataset.evolves:
        return dataset, source
    types: dict[str, str] = {}
    faults: dict[int, str] = {}
    room = _COLUMNS - sum(c.evolved for c in dataset.columns)
    for item in source.readable:
        more, problems = _additions(dataset, item.more, types, room)
        if problems and dataset.format.kind != "json":
            faults[item.position] = f"has columns that cannot be added to the table: {'; '.join(problems[:20])}"
        else:
            types |= more
    if dataset.format.kind in _COLUMNAR:
        readable = tuple(replace(r, layout=(*r.layout, *_layout(r.more, types))) for r in source.readable)
        source = replace(source, readable=readable)
    return _with(dataset, types), without(source, faults)


def wider(rows: DataFrame, dataset: Dataset) -> Dataset:
    """The dataset with types that hold the values of these rows of text, as far as a column can be widened."""
    found: dict[str, Expression] = {}
    for column in dataset.columns:
        if _widened(column) and (needed := _needed(column)) is not None:
            found[column.name] = needed
    if not found:
        return dataset
    wanted = rows.agg(*[value.alias(name) for name, value in found.items()]).first().asDict()
    return replace(dataset, columns=tuple(_as_wide(c, wanted.get(c.name)) for c in dataset.columns))


def _with(dataset: Dataset, types: dict[str, str]) -> Dataset:
    declared = tuple(c for c in dataset.columns if not c.evolved)
    known = {c.name: c for c in dataset.columns if c.evolved}
    known |= {name: _column(name, kind) for name, kind in types.items()}
    return replace(dataset, columns=(*declared, *(known[name] for name in sorted(known))))


def _column(name: str, kind: str) -> Column:
    return Column(name, kind, DOC, False, "internal", NONE, (), evolved=True)


def _widened(column: Column) -> bool:
    """Whether the column's type may grow: what is protected is kept as text, in part, or not at all."""
    return column.protect == NONE


def _layout(more: tuple[tuple[str, str], ...], types: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, stored) for name, stored in more if name in types]


def _additions(
    dataset: Dataset, more: tuple[tuple[str, str], ...], types: dict[str, str], room: int
) -> tuple[dict[str, str], list[str]]:
    """The columns that an object adds to those that others of the batch do, and why it cannot add the rest."""
    added: dict[str, str] = {}
    problems = []
    for name, stored in more:
        kind = types.get(name)
        if dataset.is_cdc and name.startswith(before("")):
            continue  # the value before a change, of a column that is no key
        if not _NAME.fullmatch(name) or name in {n.lower() for n, _ in change_columns(dataset)}:
            problems.append(f"{name[:63]!r} is no name for a column; lower-case letters, digits and _ are")
        elif stored.startswith(UNREAD):
            problems.append(stored.removeprefix(UNREAD))
        elif kind is None and len(types) + len(added) >= room:
            problems.append(f"{name} would be one more than the {_COLUMNS} that can be added; declare some of them")
        elif kind is None:
            added[name] = _KEPT_AS.get(stored, stored)
        elif stored.split("(")[0] not in READ_AS[kind.split("(")[0]]:
            problems.append(f"{name} is {stored} here and {kind} in another object of the batch")
    return added, problems


def _needed(column: Column) -> Expression | None:
    """Tells the width that a column's values need: a decimal's digits, NULL if they fit. None if no type is wider."""
    text, shape = text_column(column.name), decimal_shape(column.type)
    if column.type == "int":
        value = parse(text, "bigint")
        digits = F.lit(0)
    elif shape and shape[0] < _DIGITS:
        value = parse(text, f"decimal({_DIGITS},{shape[1]})")
        digits = F.length(F.floor(F.abs(value)).cast(f"decimal({_DIGITS},0)").cast("string")) + shape[1]
    else:
        return None
    return F.max(F.when(parse(text, column.type).isNull() & value.isNotNull(), digits))


def _as_wide(column: Column, needed: int | None) -> Column:
    if needed is None:
        return column
    shape = decimal_shape(column.type)
    return replace(column, type=f"decimal({needed},{shape[1]})" if shape else "bigint")
