"""Brings rows of the source into the columns that DMS writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

from rehearsal.dms.catalog import Types
from rehearsal.dms.mappings import AddedColumn, Mappings
from rehearsal.dms.pgoutput import UNCHANGED, Row
from rehearsal.dms.stream import lsn_text
from rehearsal.dms.types import DataError, Options, TargetType, column, target_type

Operation = Literal["I", "U", "D"]
WORDS = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}


class SourceColumn(Protocol):
    """A column, as the catalog or the change stream names it."""

    name: str
    type_id: int
    modifier: int


@dataclass(frozen=True)
class Change:
    """A row of the change stream. old: what the log says of the row before, on the same columns as `row`."""

    operation: Operation
    row: Row
    old: Row | None
    sequence: str
    position: int
    commit_time: datetime


@dataclass(frozen=True)
class Built:
    """Rows as written. wrong: (row, what is wrong with a value of it) of rows left out. cut: values shortened."""

    table: pa.Table
    wrong: list[tuple[int, str]]
    cut: int


class Layout:
    """The columns of one table's files: Op, the table's columns, before-images, added columns.

    Raises DataError for a column type that is not modelled.
    """

    def __init__(
        self,
        schema: str,
        name: str,
        columns: Sequence[SourceColumn],
        keys: Sequence[str],
        types: Types,
        mappings: Mappings,
        options: Options,
    ):
        self.columns = tuple(columns)
        self._options = options
        self._targets = [self._target(column, types) for column in columns]
        self._added = mappings.added_columns(schema, name)
        self._before: list[tuple[str, int]] = []
        rule = mappings.before_image(schema, name)
        for index, item in enumerate(columns):
            target = self._targets[index]
            taken = rule is not None and not target.lob and (rule.filter != "pk-only" or item.name in keys)
            if rule is not None and taken:
                self._before.append((f"{rule.prefix}{item.name}{rule.suffix}", index))
        self._keys = {index for index, item in enumerate(columns) if item.name in keys}
        self._check_names(schema, name)

    def fields(self) -> list[str]:
        """The columns that `changed` gives, without Op, in the order in which they stand where none is named."""
        before, added = [name for name, _ in self._before], [item.name for item in self._added]
        first = self._options.unverified.before_image_position == "before_added"
        return [*(item.name for item in self.columns), *(before + added if first else added + before)]

    def loaded(self, rows: Sequence[Sequence[str | None]], with_op: bool) -> Built:
        """Rows of a full load."""
        arrays, wrong, cut = self._values(rows)
        names = [item.name for item in self.columns]
        if self._options.unverified.before_image_at_load == "null":
            for name, index in self._before:
                names.append(name)
                arrays.append(pa.nulls(len(rows), self._targets[index].arrow))
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        empty = None if self._options.unverified.empty_sequence == "null" else ""
        held = {"AR_H_OPERATION": "INSERT", "AR_H_COMMIT_TIMESTAMP": now}
        for added in self._added:
            names.append(added.name)
            arrays.append(pa.array([_cut(held.get(added.header, empty), added)] * len(rows), pa.string()))
        return self._build(names, arrays, ["I"] * len(rows) if with_op else None, wrong, cut)

    def changed(self, changes: Sequence[Change], with_op: bool) -> Built:
        """Rows of changes, in their order."""
        arrays, wrong, cut = self._values([[_text(value) for value in change.row] for change in changes])
        names = [item.name for item in self.columns]
        for name, index in self._before:
            before = [self._image(change, index) for change in changes]
            names.append(name)
            arrays.append(column(self._targets[index], before)[0])
        for added in self._added:
            names.append(added.name)
            arrays.append(pa.array([_cut(_header(change, added.header), added) for change in changes], pa.string()))
        operations = [change.operation for change in changes] if with_op else None
        return self._build(names, arrays, operations, wrong, cut)

    def _target(self, item: SourceColumn, types: Types) -> TargetType:
        try:
            return target_type(types.get(item.type_id, item.modifier), self._options)
        except DataError as error:
            raise DataError(f"column {item.name}: {error}") from error

    def _check_names(self, schema: str, name: str) -> None:
        names = ["Op", *(c.name for c in self.columns), *(b for b, _ in self._before), *(a.name for a in self._added)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise DataError(f"{schema}.{name}: two columns would be named {', '.join(twice)}")

    def _values(self, rows: Sequence[Sequence[str | None]]) -> tuple[list[pa.Array], list[tuple[int, str]], int]:
        arrays, wrong, cut = [], [], 0
        for index, target in enumerate(self._targets):
            array, bad, shortened = column(target, [row[index] for row in rows])
            arrays.append(array)
            cut += shortened
            wrong += [(row, f"column {self.columns[index].name}: {words}") for row, words in bad.items()]
        return arrays, wrong, cut

    def _image(self, change: Change, index: int) -> str | None:
        if change.operation != "U":
            return None
        if change.old is not None:
            return _text(change.old[index])
        if index in self._keys and self._options.unverified.before_image_of_same_key == "value":
            return _text(change.row[index])
        return None

    def _build(
        self,
        names: list[str],
        arrays: list[pa.Array],
        operations: Sequence[str] | None,
        wrong: list[tuple[int, str]],
        cut: int,
    ) -> Built:
        if operations is not None:
            names, arrays = ["Op", *names], [pa.array(operations, pa.string()), *arrays]
        table = pa.table(arrays, names)
        if wrong:
            left_out = {row for row, _ in wrong}
            table = table.filter(pa.array([row not in left_out for row in range(table.num_rows)]))
        return Built(table, sorted(wrong), cut)


def _text(value: Any) -> str | None:
    """A value that the log does not carry is written as NULL."""
    return None if value is UNCHANGED else value


def _cut(value: str | None, added: AddedColumn) -> str | None:
    return None if value is None else value[: added.length]


def _header(change: Change, header: str) -> str:
    match header:
        case "AR_H_CHANGE_SEQ":
            return change.sequence
        case "AR_H_STREAM_POSITION":
            return lsn_text(change.position)
        case "AR_H_COMMIT_TIMESTAMP":
            return f"{change.commit_time:%Y-%m-%d %H:%M:%S.%f}"
    return WORDS[change.operation]
