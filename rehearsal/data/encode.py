"""Writes records as a dataset's files, and names each record by the SHA-256 of its raw line."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rehearsal.data.declared import Column, Dataset


@dataclass(frozen=True)
class Record:
    """One record of a file and what must become of it.

    values: the row in column order; a string in place of a typed value is written as it is. line: the whole raw line
    instead (CSV only). fate: `clean`, `duplicate`, `superseded`, `stale`, or `quarantined` with its sorted `reasons`.
    """

    values: tuple[Any, ...] = ()
    line: str | None = None
    fate: str = "clean"
    reasons: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class RecordId:
    """A quarantined record within its object version: SHA-256 of the raw line and the occurrence, from 1."""

    sha256: str
    occurrence: int
    reasons: tuple[str, ...]


def text(value: Any, column: Column) -> str | None:
    """A value as files and protection write it; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        shown = value.strftime("%Y-%m-%d %H:%M:%S")
        return f"{shown}.{value.microsecond:06d}".rstrip("0") if value.microsecond else shown
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:.{column.scale}f}"
    return str(value)


def csv_line(record: Record, dataset: Dataset) -> str:
    return dataset.delimiter.join(csv_fields(record, dataset)) if record.line is None else record.line


def csv_fields(record: Record, dataset: Dataset) -> list[str]:
    """The record's fields as they stand in the line, quoted where they must be."""
    return [_csv_field(text(v, c), dataset) for v, c in zip(record.values, dataset.columns, strict=True)]


def _csv_field(field: str | None, dataset: Dataset) -> str:
    if field is None:
        return dataset.null_value
    if dataset.delimiter in field or '"' in field or field == dataset.null_value:
        return '"' + field.replace('"', '""') + '"'
    return field


def raw_line(record: Record, dataset: Dataset) -> bytes:
    """The bytes that identify a record: its CSV line, or the JSON object of a Parquet row."""
    if dataset.kind == "csv":
        return csv_line(record, dataset).encode()
    pairs = {c.name: text(v, c) for v, c in zip(record.values, dataset.columns, strict=True)}
    return json.dumps(pairs, separators=(",", ":"), ensure_ascii=False).encode()


def quarantined(records: Sequence[Record], dataset: Dataset) -> list[RecordId]:
    """Identities of the records that must be quarantined, in file order."""
    seen: Counter[str] = Counter()
    found = []
    watched = {hashlib.sha256(raw_line(r, dataset)).hexdigest() for r in records if r.fate == "quarantined"}
    if not watched:
        return []
    for record in records:
        digest = hashlib.sha256(raw_line(record, dataset)).hexdigest()
        if digest in watched:
            seen[digest] += 1
            if record.fate == "quarantined":
                found.append(RecordId(digest, seen[digest], tuple(sorted(record.reasons))))
    return found


def encode(records: Sequence[Record], dataset: Dataset, compress: bool) -> bytes:
    """The file's bytes. `compress` gzips a CSV file; the output depends on nothing but the arguments."""
    if dataset.kind == "parquet":
        return _parquet(records, dataset)
    lines = [csv_line(r, dataset) for r in records]
    if dataset.header:
        lines.insert(0, dataset.delimiter.join(c.name for c in dataset.columns))
    body = ("\n".join(lines) + "\n").encode()
    return gzip.compress(body, mtime=0) if compress else body


def _parquet(records: Sequence[Record], dataset: Dataset) -> bytes:
    schema = pa.schema([(c.name, arrow_type(c.type)) for c in dataset.columns])
    columns = list(zip(*(r.values for r in records), strict=True)) if records else [()] * len(schema)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), out, compression="snappy")
    return out.getvalue()


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a declared type."""
    if name.startswith("decimal"):
        precision, scale = name[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[name]
