"""The S3 side: file names, Parquet and transaction files, and when they are put."""

from __future__ import annotations

import heapq
import itertools
import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ClientOf = Callable[[str, str], Any]
"""(service, role ARN) → a client of a session of that role."""


@dataclass(frozen=True)
class Delay:
    """A planned disturbance of delivery, drawn from `seed`: each file is put up to `seconds` late, and a share `held`
    (0 to 1) of them not before they are let go, so that files arrive in another order than they were made in."""

    seconds: float
    seed: int
    held: float = 0.0


@dataclass(order=True)
class _Waiting:
    due: float
    number: int
    key: str = field(compare=False)
    body: bytes = field(compare=False)


class Target:
    """Writes the files of one replication under the endpoint's role."""

    def __init__(self, settings: dict[str, Any], client_of: ClientOf):
        self.settings = settings
        self._client_of = client_of
        self._last_name: dict[str, datetime] = {}
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._delay: tuple[Delay, random.Random] | None = None
        self._let_go = False
        self.written = 0

    def check(self) -> None:
        """What a connection test does: list the folder. Raises botocore's ClientError."""
        self._s3.list_objects_v2(**self._bucket, Prefix=self._folder, MaxKeys=1)

    def delay(self, delay: Delay | None) -> None:
        self._delay = None if delay is None else (delay, random.Random(delay.seed))

    def let_go(self) -> None:
        """Put at the next release what is held."""
        self._let_go = True

    def folder(self, schema: str, table: str) -> str:
        return f"{self._folder}{schema}/{table}/"

    def load_key(self, schema: str, table: str, number: int) -> str:
        """The name of a full-load file, numbered from 1."""
        return f"{self.folder(schema, table)}LOAD{number:08X}.parquet"

    def change_key(self, schema: str, table: str) -> str:
        """The name of a change file: the present time to milliseconds, a later one for each file of a table."""
        name = self._next_name(self.folder(schema, table))
        return f"{self.folder(schema, table)}{name:%Y%m%d-%H%M%S}{name.microsecond // 1000:03d}.parquet"

    def transaction_key(self) -> str:
        """The name of a transaction file, which tells their order."""
        folder = f"{self._folder}{self.settings['CdcPath'].strip('/')}/"
        name = self._next_name(folder)
        return f"{folder}CDC_TXN-{name:%Y%m%d%H%M%S}{name.microsecond // 1000:03d}.csv"

    def _next_name(self, folder: str) -> datetime:
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        last = self._last_name.get(folder)
        if last is not None and now <= last:
            now = last + timedelta(milliseconds=1)
        self._last_name[folder] = now
        return now

    def write(self, key: str, content: pa.Table | bytes) -> None:
        """Put a file, a table as Parquet, or keep it back while a delay is planned."""
        body = content if isinstance(content, bytes) else self._parquet(content)
        if self._delay is None:
            self._put(key, body)
        else:
            delay, chance = self._delay
            held = chance.random() < delay.held
            due = math.inf if held else time.monotonic() + chance.uniform(0, delay.seconds)
            heapq.heappush(self._waiting, _Waiting(due, next(self._numbers), key, body))

    def release(self, everything: bool = False) -> None:
        """Put the files whose delay is over, and all that are not held once delays have ended."""
        let_go = self._let_go
        while self._waiting and (everything or let_go or self._waiting[0].due <= self._now()):
            self._put(self._waiting[0].key, self._waiting[0].body)
            heapq.heappop(self._waiting)  # only now: what is being put is under way
        self._let_go = self._let_go and not let_go

    def _now(self) -> float:
        return time.monotonic() if self._delay else sys.float_info.max

    @property
    def waiting(self) -> int:
        """How many files are kept back."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """How many files are kept back that come by themselves: without those held."""
        return sum(waiting.due < math.inf or self._let_go for waiting in list(self._waiting))

    def forget_waiting(self) -> None:
        """What a crash does to files that were not put yet: the changes in them are read again."""
        self._waiting.clear()

    def delete(self, schema: str, table: str, load_files_only: bool) -> None:
        """Remove a table's files, all of them or those of full loads."""
        folder = self.folder(schema, table)
        for page in self._s3.get_paginator("list_objects_v2").paginate(**self._bucket, Prefix=folder):
            for found in page.get("Contents", []):
                if not load_files_only or found["Key"].removeprefix(folder).startswith("LOAD"):
                    self._s3.delete_object(**self._bucket, Key=found["Key"])

    @property
    def _s3(self) -> Any:
        return self._client_of("s3", self.settings["ServiceAccessRoleArn"])

    @property
    def _bucket(self) -> dict[str, str]:
        owner = self.settings["ExpectedBucketOwner"]
        return {"Bucket": self.settings["BucketName"], **({"ExpectedBucketOwner": owner} if owner else {})}

    @property
    def _folder(self) -> str:
        folder = self.settings["BucketFolder"].strip("/")
        return f"{folder}/" if folder else ""

    def _put(self, key: str, body: bytes) -> None:
        if self.settings["kms"]:
            key_id = self.settings["ServerSideEncryptionKmsKeyId"]
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
        else:
            encryption = {"ServerSideEncryption": "AES256"}
        self._s3.put_object(**self._bucket, Key=key, Body=body, **encryption)
        self.written += 1

    def _parquet(self, table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        dictionary = self.settings["EncodingType"] != "plain"
        pq.write_table(
            table,
            sink,
            version="1.0" if self.settings["ParquetVersion"] == "parquet-1-0" else "2.6",
            row_group_size=self.settings["RowGroupLength"],
            compression=self.settings["CompressionType"].lower(),
            use_dictionary=dictionary,
            write_statistics=self.settings["EnableStatistics"],
            store_schema=False,
        )
        return sink.getvalue().to_pybytes()
