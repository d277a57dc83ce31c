"""Protection of columns in Spark's own expressions; keyed hashing is HMAC-SHA256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.manifest import Column as Declared
from lakejobs.protections import HASH, NONE, NULL
from lakejobs.refine.blur import blurred
from lakejobs.refine.grammar import text_of

_BLOCK = 64
_INNER, _OUTER = "_hash_inner", "_hash_outer"


@dataclass(frozen=True)
class HashKey:
    """The secret's bytes, and the name of its version."""

    secret: bytes
    version: str

    def __repr__(self) -> str:
        return f"HashKey(version={self.version!r})"

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The inner and outer block of RFC 2104."""
        key = hashlib.sha256(self.secret).digest() if len(self.secret) > _BLOCK else self.secret
        block = key.ljust(_BLOCK, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def read_hash_key(secrets: Any, secret_id: str) -> HashKey:
    """The current version of the secret."""
    answer = secrets.get_secret_value(SecretId=secret_id)
    secret = answer["SecretString"].encode() if "SecretString" in answer else answer["SecretBinary"]
    return HashKey(secret, answer["VersionId"])


def with_pads(rows: DataFrame, key: HashKey) -> DataFrame:
    """Adds the pads as columns from a one-row table: as literals they would show in plans and event logs."""
    inner, outer = key.pads
    pads = rows.sparkSession.createDataFrame(
        [(bytearray(inner), bytearray(outer))], f"{_INNER} binary, {_OUTER} binary"
    )
    return rows.crossJoin(F.broadcast(pads))


def protected(value: Column, column: Declared) -> Column:
    """A column's value as the table stores it. Rows of a dataset that hashes come from `with_pads`."""
    by = column.protect
    if by == NONE:
        return value
    if by == HASH:
        return keyed_hash(text_of(value, column.type))
    if by == NULL:
        return F.lit(None).cast(column.type)
    if isinstance(by, str):
        raise ValueError(f"column {column.name} is protected by {by}, so that nothing of it is stored")
    return blurred(value, column.type, by)


def keyed_hash(text: Column) -> Column:
    """64 lower-case hex digits over the text's UTF-8 bytes, NULL for NULL. The rows come from `with_pads`."""
    inner = F.unhex(F.sha2(F.concat(F.col(_INNER), text.cast("binary")), 256))
    return F.sha2(F.concat(F.col(_OUTER), inner), 256)
