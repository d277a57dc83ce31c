"""The messages of PostgreSQL's `pgoutput` plug-in, protocol version 1.

https://www.postgresql.org/docs/16/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class _Unchanged:
    """The type of UNCHANGED."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()
"""A value stored out of line that the update left alone: the log does not carry it."""

Value = str | None | _Unchanged
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Begin:
    """A transaction begins. end: position of its commit. commit_time: UTC."""

    end: int
    commit_time: datetime
    xid: int


@dataclass(frozen=True)
class Commit:
    """The transaction ended; the next one begins at or after `next`."""

    end: int
    next: int
    commit_time: datetime


@dataclass(frozen=True)
class Column:
    """A column of a relation. key: it is part of the replica identity."""

    name: str
    type_id: int
    modifier: int
    key: bool


@dataclass(frozen=True)
class Relation:
    """A table as it is from here on. identity: `d` primary key, `n` nothing, `f` full, `i` an index."""

    id: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Insert:
    relation: int
    new: Row


@dataclass(frozen=True)
class Update:
    """old: None (the replica identity did not change), or the old row; old_kind: `key` (only identity columns are
    set in it) or `full`."""

    relation: int
    new: Row
    old: Row | None = None
    old_kind: Literal["key", "full"] | None = None


@dataclass(frozen=True)
class Delete:
    relation: int
    old: Row
    old_kind: Literal["key", "full"]


@dataclass(frozen=True)
class Truncate:
    relations: tuple[int, ...]


@dataclass(frozen=True)
class Other:
    """A message without rows: Type, Origin, or a logical message."""

    kind: str


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Other


class ProtocolError(ValueError):
    """The bytes are no message of protocol version 1."""


def decode(data: bytes) -> Message:
    """One message. Raises ProtocolError for an unknown kind, and for bytes left over or missing."""
    reader = _Reader(data)
    try:
        message = _decode(reader)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ProtocolError(f"message {data[:1]!r} of {len(data)} bytes: {error}") from error
    if reader.at != len(data) and not isinstance(message, Other):
        raise ProtocolError(f"message {data[:1]!r}: {len(data) - reader.at} bytes are left over")
    return message


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values

    def one(self, layout: str) -> int:
        return self.take(layout)[0]

    def char(self) -> str:
        return chr(self.one("B"))

    def text(self) -> str:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end].decode()
        self.at = end + 1
        return found

    def time(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.one("q"))

    def row(self) -> Row:
        return tuple(self.value() for _ in range(self.one("H")))

    def value(self) -> Value:
        kind = self.char()
        if kind == "n":
            return None
        if kind == "u":
            return UNCHANGED
        if kind != "t":
            raise ProtocolError(f"value of kind {kind!r}: text values are expected")
        size = self.one("I")
        if self.at + size > len(self.data):
            raise IndexError(f"a value of {size} bytes ends beyond the message")
        found = self.data[self.at : self.at + size].decode()
        self.at += size
        return found


_OLD: dict[str, Literal["key", "full"]] = {"K": "key", "O": "full"}


def _decode(reader: _Reader) -> Message:
    kind = reader.char()
    match kind:
        case "B":
            end, time, xid = reader.one("Q"), reader.time(), reader.one("I")
            return Begin(end, time, xid)
        case "C":
            _flags, end, following = reader.take("BQQ")
            return Commit(end, following, reader.time())
        case "R":
            return _relation(reader)
        case "I":
            relation = reader.one("I")
            _expect(reader.char(), "N")
            return Insert(relation, reader.row())
        case "U":
            return _update(reader)
        case "D":
            relation, old = reader.one("I"), reader.char()
            _expect(old, "KO")
            return Delete(relation, reader.row(), _OLD[old])
        case "T":
            count, _options = reader.take("IB")
            return Truncate(reader.take(f"{count}I"))
        case "Y" | "O" | "M":
            return Other(kind)
    raise ProtocolError(f"message of kind {kind!r} is not of protocol version 1")


def _relation(reader: _Reader) -> Relation:
    number, schema, name, identity = reader.one("I"), reader.text(), reader.text(), reader.char()
    columns = []
    for _ in range(reader.one("H")):
        flags, column = reader.one("B"), reader.text()
        type_id, modifier = reader.take("Ii")
        columns.append(Column(column, type_id, modifier, bool(flags & 1)))
    return Relation(number, schema or "pg_catalog", name, identity, tuple(columns))


def _update(reader: _Reader) -> Update:
    relation, mark = reader.one("I"), reader.char()
    if mark == "N":
        return Update(relation, reader.row())
    _expect(mark, "KO")
    old = reader.row()
    _expect(reader.char(), "N")
    return Update(relation, reader.row(), old, _OLD[mark])


def _expect(mark: str, allowed: str) -> None:
    if mark not in allowed:
        raise ProtocolError(f"a row is marked {mark!r}: one of {allowed!r} is expected")
