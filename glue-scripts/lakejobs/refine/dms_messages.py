"""Messages that DMS writes to streams: one JSON object for each change, its place in the data of the message.

Shipped by value to executors, so this module imports nothing of the package but the text of JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lakejobs.refine.json_text import read_object, text

SEQUENCE = "AR_H_CHANGE_SEQ"
# What DMS calls an operation, and what files of DMS call it. A load inserts.
_OPERATIONS = {"insert": "I", "update": "U", "delete": "D", "load": "I"}

Typed = Sequence[tuple[str, str]]
# Whether the message is of a load, and the texts of operation, sequence, the key before and the columns; no texts for a
# message that is not laid out as one of this table.
Read = tuple[bool, list[str | None] | None]


def is_control(message: dict[str, Any] | None) -> bool:
    """Whether a message is about the table or the task, and not about a row."""
    metadata = message and message.get("metadata")
    return isinstance(metadata, dict) and metadata.get("record-type") == "control"


def data_of(message: dict[str, Any] | None) -> dict[str, Any]:
    """The row of a message; empty if it has none."""
    data = message and message.get("data")
    return data if isinstance(data, dict) else {}


def reader(table: str, keys: Typed, columns: Typed) -> Callable[[bytes | bytearray], Read | None]:
    """Reads a line; None for one that is malformed. `keys` and `columns` are names with declared types."""

    def read(line: bytes | bytearray) -> Read | None:
        message = read_object(line)
        if message is None:
            return None
        metadata, data, before = message.get("metadata"), message.get("data"), message.get("before-image")
        before = {} if before is None else before
        if not all(isinstance(part, dict) for part in (metadata, data, before)):
            return False, None
        if f"{metadata.get('schema-name')}.{metadata.get('table-name')}" != table:
            return False, None
        try:
            operation = text(metadata.get("operation"), "string")
            values = [text(data.get(SEQUENCE), "bigint"), *(text(before.get(k), kind) for k, kind in keys)]
            values += [text(data.get(name), kind) for name, kind in columns]
        except ValueError:
            return None
        return operation == "load", [_OPERATIONS.get(operation or "", operation), *values]

    return read
