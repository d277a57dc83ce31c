"""The survey: every object is read to its end, apart from Spark's own readers, before its batch is.

It tells which objects are whole, how many records each holds, how each is laid out, and which are still the newest
version of their key (Spark reads no other). The functions run in executors, where this package may be missing; they
are shipped by value, so this module imports nothing of it.

A CSV record is a line that is not empty; the header line is none. Lines end with `\\n` or `\\r\\n`, the last one with
or without it. A byte order mark at the start of an object belongs to no line.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow
import pyarrow.parquet
from botocore.exceptions import ClientError

_CHUNK = 1 << 20
_LINE_LIMIT = 64 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"
# Suffixes by which Hadoop's readers would choose another decompression than ours.
_OTHER_CODECS = (".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".zstd", ".passthrough")
# What a declared type is read from. Text is judged like text in a CSV file.
_WHOLE = ("tinyint", "smallint", "int", "bigint")
_READ_AS = {
    "string": ("string", "binary"),
    "boolean": ("boolean", "string"),
    "int": (*_WHOLE, "decimal", "string"),
    "bigint": (*_WHOLE, "decimal", "string"),
    "double": (*_WHOLE, "float", "double", "string"),
    "decimal": (*_WHOLE, "decimal", "string"),
    "date": ("date", "string"),
    "timestamp": ("timestamp", "timestamp_ntz", "date", "string"),
}


class Unreadable(Exception):
    """The object itself is at fault; the message says how."""


def survey_object(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Surveys one object: {"bucket", "key", "version", "size"}. `form` is {"kind", "header", "delimiter",
    "columns"}, with columns as (name, declared type).

    Returns {"current", "records", "header", "repeats", "names", "layout", "utf8", "error"}; with an error the rest says
    nothing.
    Raises on anything that is not the object's fault.
    """
    result: dict[str, Any] = {"current": False, "records": 0, "header": None, "repeats": 0, "names": [], "layout": []}
    result |= {"error": None, "utf8": True}
    try:
        result["current"] = is_current(s3, item["bucket"], item["key"], item["version"])
        read = _survey_parquet if form["kind"] == "parquet" else _survey_csv
        result |= read(s3, item, form)
    except Unreadable as fault:
        result["error"] = str(fault)
    return result


def is_current(s3: Any, bucket: str, key: str, version: str) -> bool:
    """Whether this version is what a read of the key returns now."""
    try:
        return s3.head_object(Bucket=bucket, Key=key).get("VersionId", "null") == version
    except ClientError as error:
        if _code(error) in ("404", "NoSuchKey", "NotFound"):
            return False
        raise


def survey_partition(settings: dict[str, str], form: dict[str, Any], items: Iterator[Any]) -> Iterator[Any]:
    """Surveys (position, object) pairs in an executor."""
    s3 = boto3.session.Session().client("s3", **settings)
    for position, item in items:
        yield position, survey_object(s3, item, form)


def _get(s3: Any, item: dict[str, Any], **more: Any) -> Any:
    try:
        return s3.get_object(Bucket=item["bucket"], Key=item["key"], VersionId=item["version"], **more)["Body"]
    except ClientError as error:
        if _code(error) in ("NoSuchVersion", "NoSuchKey", "404"):
            raise Unreadable("this version no longer exists in the raw bucket") from error
        if _code(error) == "InvalidObjectState":
            raise Unreadable("is archived in a Glacier class; restore it, then replay") from error
        raise


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _survey_csv(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    key = item["key"]
    if key.endswith(_OTHER_CODECS):
        raise Unreadable(f"is compressed as {key.rsplit('.', 1)[-1]} by its name; gzip (.gz) or none is read")
    body = _get(s3, item)
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
    chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
    header: bytes | None = None
    wants_header = bool(form["header"]) and chunk != b""
    records = repeats = 0
    rest = b""
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
        if header is not None:
            repeats += lines.count(header) + lines.count(header + b"\r")
        if len(rest) > _LINE_LIMIT:
            raise Unreadable(f"has a line of more than {_LINE_LIMIT >> 20} MiB")
        if not chunk:
            break
        chunk = stream.read(_CHUNK)
    names = _names(header, form)
    return {"records": records, "header": header, "repeats": repeats, "names": names, "utf8": utf8}


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
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise Unreadable(f"its first line names columns twice: {', '.join(twice)}")
    return names


def _survey_parquet(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    try:
        reader = pyarrow.parquet.ParquetFile(io.BufferedReader(_RangedObject(s3, item), _CHUNK))
        schema, metadata = reader.schema_arrow, reader.metadata
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"is no whole Parquet file: {' '.join(str(error).split())[:200]}") from error
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    physical = {leaf.path: leaf.physical_type for leaf in leaves}
    names = schema.names
    layout = []
    for name, declared in form["columns"]:
        if name in names:
            alike = [n for n in names if n.lower() == name]
            if len(alike) > 1:
                raise Unreadable(f"has columns that differ in case only: {', '.join(alike)}")
            stored = _spark_type(name, schema.field(name).type, physical.get(name))
            if stored.split("(")[0] not in _READ_AS[declared.split("(")[0]]:
                raise Unreadable(f"its column {name} holds {stored}, which cannot be read as {declared}")
            layout.append((name, stored))
    return {"records": metadata.num_rows, "names": names, "layout": layout}


def _spark_type(name: str, kind: pyarrow.DataType, physical: str | None) -> str:
    types = pyarrow.types
    simple = {
        pyarrow.bool_(): "boolean", pyarrow.int8(): "tinyint", pyarrow.int16(): "smallint", pyarrow.int32(): "int",
        pyarrow.int64(): "bigint", pyarrow.uint8(): "smallint", pyarrow.uint16(): "int", pyarrow.uint32(): "bigint",
        pyarrow.uint64(): "decimal(20,0)", pyarrow.float32(): "float", pyarrow.float64(): "double",
        pyarrow.date32(): "date", pyarrow.string(): "string", pyarrow.large_string(): "string",
        pyarrow.binary(): "binary", pyarrow.large_binary(): "binary",
    }  # fmt: skip
    if kind in simple:
        return simple[kind]
    if types.is_decimal(kind) and kind.precision <= 38:
        return f"decimal({kind.precision},{kind.scale})"
    if types.is_timestamp(kind) and (physical == "INT96" or kind.unit in ("ms", "us")):
        # Java's writers mark INT96 in no zone, and Spark reads it as an instant.
        return "timestamp" if physical == "INT96" or kind.tz is not None else "timestamp_ntz"
    if types.is_null(kind):
        return "string" if physical == "BYTE_ARRAY" else "int"
    if types.is_dictionary(kind):
        return _spark_type(name, kind.value_type, physical)
    raise Unreadable(f"its column {name} is of type {kind}, which is not read")


class _RangedObject(io.RawIOBase):
    """One object version as a seekable file; each read is a ranged request."""

    def __init__(self, s3: Any, item: dict[str, Any]) -> None:
        self._s3, self._item, self._at = s3, item, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._item["size"]}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._item["size"])
        if self._at >= end:
            return 0
        data = _get(self._s3, self._item, Range=f"bytes={self._at}-{end - 1}").read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
