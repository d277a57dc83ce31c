"""The survey of line formats: CSV, and JSON Lines.

A record is a line that is not empty; the header line of a CSV object is none. Lines end with `\\n` or `\\r\\n`, the
last one with or without it. A byte order mark at the start of an object belongs to no line.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections import Counter
from typing import Any

from lakejobs.refine.dms_messages import data_of, is_control
from lakejobs.refine.json_text import read_object
from lakejobs.refine.landed import Unreadable, get_version

_CHUNK = 1 << 20
_LINE_LIMIT = 64 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Those of UTF-32 begin or end alike. No UTF-8 text begins with these bytes.
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_GZIP_MAGIC = b"\x1f\x8b"
# Suffixes by which Hadoop's readers would choose another decompression than ours.
_OTHER_CODECS = (".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".zstd", ".passthrough")
# Members no column declares are told by name, up to so many: who names members by value has no end of them.
_NAMES_KEPT = 200
_NAME_KEPT = 255


def survey_lines(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Reads an object of lines to its end. Raises Unreadable."""
    key = item["key"]
    if key.endswith(_OTHER_CODECS):
        raise Unreadable(f"is compressed as {key.rsplit('.', 1)[-1]} by its name; gzip (.gz) or none is read")
    body = get_version(s3, item)
    zipped = key.endswith(".gz")
    if zipped and item["size"] == 0:
        raise Unreadable("is an empty file, which is no gzip")
    stream = gzip.GzipFile(fileobj=body) if zipped else body
    try:
        return _count_lines(stream, form, zipped)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(f"is damaged or truncated gzip: {error}") from error


def _count_lines(stream: Any, form: dict[str, Any], zipped: bool) -> dict[str, Any]:
    chunk = stream.read(_CHUNK)
    if not zipped and chunk.startswith(_GZIP_MAGIC):
        raise Unreadable("holds gzip, but its key does not end in .gz")
    if chunk.startswith(_OTHER_MARKS):
        raise Unreadable(
            "begins with the byte order mark of UTF-16 or UTF-32; UTF-8 is read: convert and land it again"
        )
    chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
    header: bytes | None = None
    wants_header = bool(form["header"]) and chunk != b""
    records = repeats = 0
    rest = b""
    undeclared = _Undeclared(form)
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8 = True
    while True:
        utf8 = utf8 and _decodes(decoder, chunk)
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop() if chunk else b""
        if wants_header and lines:
            wants_header, header = False, lines.pop(0).removesuffix(b"\r")
            _check_header(header)
        records += len(lines) - lines.count(b"") - lines.count(b"\r")
        if form["kind"] == "dms_json":
            records -= sum(b'"control"' in line and is_control(read_object(line)) for line in lines)
        if header is not None:
            repeats += lines.count(header) + lines.count(header + b"\r")
        undeclared.note(lines)
        if len(rest) > _LINE_LIMIT:
            raise Unreadable(f"has a line of more than {_LINE_LIMIT >> 20} MiB")
        if not chunk:
            break
        chunk = stream.read(_CHUNK)
    names = undeclared.names if undeclared.of_members else _names(header, form)
    return {"records": records, "header": header, "repeats": repeats, "names": names, "utf8": utf8}


class _Undeclared:
    """Names of the members of JSON Lines, or of the data of messages, that no column declares."""

    def __init__(self, form: dict[str, Any]) -> None:
        self._declared = {name for name, _ in form["columns"]}
        self._messages = form["kind"] == "dms_json"
        self.of_members = self._wanted = form["kind"] == "json" or self._messages
        self._found: set[str] = set()

    @property
    def names(self) -> list[str]:
        return sorted(self._found)

    def note(self, lines: list[bytes]) -> None:
        if not self._wanted:
            return
        for line in lines:
            members = read_object(line)
            for name in data_of(members) if self._messages else members or ():
                if name not in self._declared:
                    self._found.add(name[:_NAME_KEPT])
            if len(self._found) >= _NAMES_KEPT:
                self._wanted = False
                return


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    """Whether the stream is UTF-8 up to here; an empty chunk ends it."""
    try:
        decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError:
        return False
    return True


def _check_header(header: bytes) -> None:
    if header == b"":
        raise Unreadable("its first line, which must name the columns, is empty")
    if b"\r" in header:
        raise Unreadable("has lone carriage returns in its first line; lines end with \\n or \\r\\n")


def _names(header: bytes | None, form: dict[str, Any]) -> list[str]:
    if header is None:
        return []
    try:
        text = header.decode()
        (names,) = csv.reader([text], delimiter=form["delimiter"], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise Unreadable(f"its first line names no columns: {error}") from error
    lacking = [name for name in form["needed"] if name not in names]
    if lacking:
        raise Unreadable(f"has no column {' and no column '.join(lacking)}, which the changes of a database need")
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise Unreadable(f"its first line names columns twice: {', '.join(twice)}")
    return names
