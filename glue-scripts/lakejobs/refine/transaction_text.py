"""The text of transaction files: CSV without names, cut into records whose values are told apart by where they stand.

A record is `operation,table,schema`, then the table's columns, then the change sequence and the key before the change.
No document says which of these two comes first; the sequence has a form of its own, which tells.

Shipped by value to executors, so this module imports nothing of the package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\n]*+)'
_RECORD = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+(?:\n|\Z)")
_EACH = re.compile(r',("[^"]*+(?:""[^"]*+)*+"|[^",]*+)')
_SEQUENCE = re.compile(r"[0-9]{35}")
_FRONT = 3

Read = tuple[bytes, bool, list[str | None] | None]


class NoCsv(ValueError):
    """The content is not CSV; the message says from where on."""


def records(content: bytes) -> Iterator[bytes]:
    """The records without their line feeds. Raises NoCsv."""
    at = 0
    while at < len(content):
        found = _RECORD.match(content, at)
        if found is None:
            raise NoCsv(f"is no CSV from byte {at} on: a quote is misplaced or never closed")
        yield content[at : found.end()].removesuffix(b"\n")
        at = found.end()


def fields(record: bytes) -> list[str] | None:
    """The values of a record without their quotes; None if it is not UTF-8."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        return None
    if '"' not in text:
        return text.split(",")
    return [value[1:-1].replace('""', '"') if value.startswith('"') else value for value in _EACH.findall("," + text)]


def texts(values: list[str], table: list[str], columns: int, keys: int, null: str) -> list[str | None] | None:
    """Operation, sequence, the key before, and the columns' texts; None for a record that is not laid out so.

    `table` is schema and table, `columns` and `keys` are how many the declaration has.
    """
    own = values[_FRONT:]
    if len(own) != columns + keys + 1 or values[_FRONT - 1 : 0 : -1] != table:
        return None
    last, first = _SEQUENCE.fullmatch(own[-1]), _SEQUENCE.fullmatch(own[columns])
    if bool(last) == bool(first):
        return None
    sequence, before = (own[-1], own[columns:-1]) if last else (own[columns], own[columns + 1 :])
    read = [None if value == null else value for value in [*before, *own[:columns]]]
    if values[0] == "I" and any(value is not None for value in read[:keys]):
        return None
    return [values[0], sequence, *read]


def reader(table: list[str], columns: int, keys: int, null: str) -> Callable[[bytes], list[Read]]:
    """Reads an object's content: each record's bytes, whether it is malformed, and its texts if it is laid out as
    declared."""

    def read(content: bytes) -> list[Read]:
        found: list[Read] = []
        for record in records(bytes(content)):
            values = fields(record)
            laid_out = None if values is None else texts(values, table, columns, keys, null)
            found.append((record, values is None, laid_out))
        return found

    return read
