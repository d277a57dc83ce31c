"""A logical replication stream: the walsender's side of the protocol, spoken through libpq.

https://www.postgresql.org/docs/16/protocol-replication.html
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from rehearsal.dms.pgoutput import EPOCH, Message, decode


def lsn_text(position: int) -> str:
    """A log position as PostgreSQL writes it: `0/16B3748`."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


class Stream:
    """Reads the changes of a slot from `start` on. Raises psycopg.OperationalError when the source does not answer,
    and psycopg.Error with the server's words for what it refuses (a slot that is gone, a missing right).

    position: everything committed up to here has been read.
    """

    def __init__(self, parameters: dict[str, Any], slot: str, publications: list[str], start: int, time_zone: str):
        options = f"-c TimeZone={time_zone} -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1"
        conninfo = make_conninfo(**parameters, replication="database", options=options, connect_timeout=5)
        self._connection = pq.PGconn.connect(conninfo.encode())
        if self._connection.status != pq.ConnStatus.OK:
            words = self._connection.get_error_message()
            self._connection.finish()
            raise psycopg.OperationalError(f"connection failed: {words}")
        names = ",".join(publications)
        command = (
            f'START_REPLICATION SLOT "{slot}" LOGICAL {lsn_text(start)} '
            f"(proto_version '1', publication_names '{names}')"
        )
        answer = self._connection.exec_(command.encode())
        if answer.status != pq.ExecStatus.COPY_BOTH:
            words = answer.get_error_message()
            self.close()
            raise psycopg.OperationalError(words)
        self.position = start
        self._confirmed = start
        self._asked = 0.0

    def read(self, timeout: float) -> Iterator[tuple[int, Message]]:
        """What has arrived, waiting for the first of it at most `timeout` seconds: (log position, message)."""
        self._ask()
        data = self._next(timeout)
        while data is not None:
            yield from self._message(data)
            data = self._next(0.0)

    def confirm(self, position: int) -> None:
        """Tell the source that everything up to `position` need not be sent again."""
        self._confirmed = max(self._confirmed, position)
        self._status(reply=False)

    def close(self) -> None:
        self._connection.finish()

    def _message(self, data: memoryview) -> Iterator[tuple[int, Message]]:
        kind = bytes(data[:1])
        if kind == b"w":
            start, _end, _time = struct.unpack_from(">QQq", data, 1)
            yield start, decode(bytes(data[25:]))
        elif kind == b"k":
            end, _time, reply = struct.unpack_from(">QqB", data, 1)
            self.position = max(self.position, end)
            if reply:
                self._status(reply=False)

    def _next(self, timeout: float) -> memoryview | None:
        size, data = self._connection.get_copy_data(1)
        if size == 0:
            if not select.select([self._connection.socket], [], [], timeout)[0]:
                return None
            try:
                self._connection.consume_input()
            except psycopg.Error as error:
                raise psycopg.OperationalError(str(error)) from error
            size, data = self._connection.get_copy_data(1)
        if size == 0:
            return None
        if size < 0:
            answer = self._connection.get_result()
            words = answer.get_error_message() if answer else self._connection.get_error_message()
            raise psycopg.OperationalError(words or "the source ended the stream")
        return memoryview(bytes(data))

    def _ask(self) -> None:
        """Ask how far the source has read its log: it tells only when asked, or seldom."""
        now = time.monotonic()
        if now - self._asked >= 0.02:
            self._asked = now
            self._status(reply=True)

    def _status(self, reply: bool) -> None:
        moment = int((time.time() - EPOCH.timestamp()) * 1_000_000)
        body = struct.pack(">cQQQqB", b"r", self.position, self._confirmed, self._confirmed, moment, reply)
        try:
            self._connection.put_copy_data(body)
            self._connection.flush()
        except psycopg.Error as error:
            raise psycopg.OperationalError(str(error)) from error
