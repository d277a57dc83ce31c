"""The lists a run works from: the run's batches and each batch's frozen objects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lakejobs.shapes import Fields, ShapeError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Object:
    """One landed file version. `size` is in bytes."""

    bucket: str
    key: str
    version: str
    size: int
    etag: str
    noticed_at: str

    @property
    def hash(self) -> str:
        """The object's name in the ledger: 40 hex digits over key and version."""
        return hashlib.sha256(f"{self.key}\0{self.version}".encode()).hexdigest()[:40]


@dataclass(frozen=True)
class FrozenList:
    """A batch's objects. `load` is the generation whose whole load they are; None for every other batch."""

    batch: str
    lake: str
    dataset: str
    objects: tuple[Object, ...]
    load: int | None = None

    @classmethod
    def from_json(cls, text: bytes | str) -> FrozenList:
        f = Fields(json.loads(text), "list")
        f.version(SCHEMA_VERSION)
        result = cls(
            batch=f.take("batch", str),
            lake=f.take("lake", str),
            dataset=f.take("dataset", str),
            objects=f.each("objects", _object),
            load=f.one("load", _load) if f.has("load") else None,
        )
        f.done()
        return result


@dataclass(frozen=True)
class RunBatch:
    """A batch of a run: `manifest` is the hash it pinned, `token` the fencing token of its dataset's lease."""

    batch: str
    dataset: str
    list_uri: str
    manifest: str
    token: int
    force: bool


@dataclass(frozen=True)
class Run:
    run: str
    attempt: int
    manifest: str
    batches: tuple[RunBatch, ...]

    @property
    def name(self) -> str:
        """The name under which the run holds leases."""
        return f"{self.run}-{self.attempt}"

    @classmethod
    def from_json(cls, text: bytes | str) -> Run:
        f = Fields(json.loads(text), "run")
        f.version(SCHEMA_VERSION)
        run = cls(f.take("run", str), f.take("attempt", int), f.take("manifest", str), f.each("batches", _run_batch))
        f.done()
        return run


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise ShapeError(f"{uri!r} is no address of an S3 object; s3://<bucket>/<key> is needed")
    return bucket, key


def _object(value: Any, path: str) -> Object:
    f = Fields(value, path)
    result = Object(
        bucket=f.take("bucket", str),
        key=f.take("key", str),
        version=f.take("version", str),
        size=f.take("size", int),
        etag=f.take("etag", str),
        noticed_at=f.take("noticed_at", str),
    )
    f.done()
    return result


def _load(value: Any, path: str) -> int | None:
    if value is None:
        return None
    f = Fields(value, path)
    generation = f.take("generation", int)
    f.done()
    return generation


def _run_batch(value: Any, path: str) -> RunBatch:
    f = Fields(value, path)
    result = RunBatch(
        batch=f.take("batch", str),
        dataset=f.take("dataset", str),
        list_uri=f.take("list_uri", str),
        manifest=f.take("manifest", str),
        token=f.take("token", int),
        force=f.take("force", bool),
    )
    f.done()
    return result
