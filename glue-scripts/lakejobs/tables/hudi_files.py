"""The data files of a Hudi table: what they are named, what they hold, and how a task of Spark writes them.

A reader takes every file that is named after a completed instant, so a file's name is settled before it is written: a
task that is tried again writes the same file once more. Spark's own writer names files by attempt and moves them.

This module is shipped to workers as it is, and imports nothing of the jobs.
"""

from __future__ import annotations

import io
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import TaskContext

# What Hudi keeps of each row, before the table's own columns.
COMMIT_TIME, SEQUENCE_NUMBER, RECORD_KEY, PARTITION_PATH, FILE_NAME = META = (
    "_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key", "_hoodie_partition_path", "_hoodie_file_name"
)  # fmt: skip
WRITTEN = "name string, before string, rows bigint, gone bigint, bytes bigint"
"""What a task tells of each file it has written, as Spark's schema."""

_NAME = re.compile(r"(?P<group>.+)_(?P<token>\d+-\d+-\d+)_(?P<instant>\d{17})\.parquet")
_ARROW = {
    "string": pa.string(), "boolean": pa.bool_(), "int": pa.int32(), "bigint": pa.int64(), "double": pa.float64(),
    "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip
_RESULT = pa.schema(
    [("name", pa.string()), ("before", pa.string()), ("rows", pa.int64()), ("gone", pa.int64()), ("bytes", pa.int64())]
)


@dataclass(frozen=True)
class DataFile:
    """A file slice by its name: the instant it was written for, of the file group it is a state of."""

    group: str
    token: str
    instant: str

    @property
    def name(self) -> str:
        return f"{self.group}_{self.token}_{self.instant}.parquet"

    @classmethod
    def parse(cls, name: str) -> DataFile | None:
        """None if that is no name of a data file."""
        found = _NAME.fullmatch(name)
        return cls(**found.groupdict()) if found else None


@dataclass(frozen=True)
class Written:
    """A file that was written: its rows, and how many of the file before it in its group (if any) it leaves out."""

    name: str
    before: str | None
    rows: int
    gone: int
    bytes: int


@dataclass(frozen=True)
class Place:
    """Where the files of an instant go. `marks` are key-value metadata of each, `settings` those of the S3 client."""

    bucket: str
    folder: str
    instant: str
    marks: Mapping[str, str]
    settings: Mapping[str, str]

    def client(self) -> Any:
        return boto3.client("s3", **self.settings)

    def read(self, s3: Any, name: str) -> pq.ParquetFile:
        answer = s3.get_object(Bucket=self.bucket, Key=f"{self.folder}/{name}")
        return pq.ParquetFile(io.BytesIO(answer["Body"].read()))

    def put(self, s3: Any, file: DataFile, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> tuple[int, int]:
        """Writes batches of the table's columns and Hudi's own to a file. Returns its rows and bytes."""
        rows, marked = 0, schema.with_metadata({**self.marks})
        with tempfile.TemporaryFile() as scratch:
            with pq.ParquetWriter(scratch, marked, compression="snappy") as sink:
                for batch in batches:
                    rows += batch.num_rows
                    sink.write_batch(_named(batch, file, schema))
            size = scratch.tell()
            scratch.seek(0)
            s3.upload_fileobj(scratch, self.bucket, f"{self.folder}/{file.name}")
        return rows, size


def write_new(place: Place, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Writes a partition's rows, if it has any, to a file group of its own.

    They have RECORD_KEY beside the table's columns, or all that Hudi keeps of each row, which then stays.
    """
    filled = (batch for batch in batches if batch.num_rows)
    first = next(filled, None)
    if first is None:
        return
    partition = TaskContext.get().partitionId()
    group = uuid.uuid5(uuid.NAMESPACE_URL, f"{place.bucket}/{place.folder}/{place.instant}/{partition}")
    file = DataFile(f"{group}-0", f"{partition}-0-0", place.instant)
    own = [pa.field(name, pa.string()) for name in META]
    schema = pa.schema([*own, *(field.with_nullable(True) for field in first.schema if field.name not in META)])
    numbered = _with_meta(place.instant, partition, _chain(first, filled))
    rows, size = place.put(place.client(), file, schema, numbered)
    yield _result(Written(file.name, None, rows, 0, size))


def write_anew(place: Place, columns: Mapping[str, str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Writes files as new slices of their groups: batches have name and positions, those of rows that are left out.

    The new files have these columns (Spark's simple strings), NULL where the one before lacks them.
    """
    s3, partition = place.client(), TaskContext.get().partitionId()
    kinds = {**dict.fromkeys(META, "string"), **columns}
    schema = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in kinds.items()])
    for batch in batches:
        for row in batch.to_pylist():
            name, gone = row["name"], row["positions"]
            source = place.read(s3, name)
            file = DataFile(DataFile.parse(name).group, f"{partition}-0-0", place.instant)
            rows, size = place.put(s3, file, schema, _kept(source, schema, gone))
            if rows + len(gone) != source.metadata.num_rows:
                raise RuntimeError(
                    f"s3://{place.bucket}/{place.folder}/{name} has {source.metadata.num_rows} rows: {len(gone)} of"
                    f" them were to go, and {rows} are left"
                )
            yield _result(Written(file.name, name, rows, len(gone), size))


def _kept(source: pq.ParquetFile, schema: pa.Schema, gone: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The rows of a file but those at these positions, with the columns of the schema."""
    left_out, start = pa.array(gone, pa.int64()), 0
    for batch in source.iter_batches():
        if len(left_out):
            positions = pa.array(range(start, start + batch.num_rows), pa.int64())
            start += batch.num_rows
            batch = batch.filter(pc.invert(pc.is_in(positions, value_set=left_out)))
        arrays = [
            batch[field.name].cast(field.type) if field.name in batch.schema.names else pa.nulls(len(batch), field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _with_meta(instant: str, partition: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Adds what Hudi keeps of a new row; of rows that bring it all stays."""
    number = 0
    for batch in batches:
        if COMMIT_TIME not in batch.schema.names:
            count = batch.num_rows
            numbers = [f"{instant}_{partition}_{n}" for n in range(number, number + count)]
            number += count
            added = {COMMIT_TIME: pa.repeat(instant, count), SEQUENCE_NUMBER: pa.array(numbers, pa.string()),
                     PARTITION_PATH: pa.repeat("", count), FILE_NAME: pa.nulls(count, pa.string())}  # fmt: skip
            for name, values in added.items():
                batch = batch.append_column(name, values)
        yield batch


def _named(batch: pa.RecordBatch, file: DataFile, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in the order of the schema, each row told the file it lies in."""
    names = pa.repeat(file.name, batch.num_rows)
    arrays = [names if field.name == FILE_NAME else batch[field.name] for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _result(written: Written) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([vars(written)], schema=_RESULT)


def arrow_type(kind: str) -> pa.DataType:
    """Arrow's type of one of Spark's simple strings."""
    if kind in _ARROW:
        return _ARROW[kind]
    precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return pa.decimal128(int(precision), int(scale))
