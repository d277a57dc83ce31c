"""Protection of columns in Spark's own expressions; keyed hashing is HMAC-SHA256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.manifest import Column as Declared
from lakejobs.protections import NONE, NULL, NamedHash, hash_key
from lakejobs.refine.blur import blurred
from lakejobs.refine.grammar import text_of

_BLOCK = 64
_INNER, _OUTER = "_hash_inner_", "_hash_outer_"


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


HashKeys = Mapping[str, HashKey]
"""Keys by name; the lake's own has the empty one."""


def versions(keys: HashKeys) -> dict[str, str]:
    """The version of each key."""
    return {name: key.version for name, key in keys.items()}


def with_pads(rows: DataFrame, keys: HashKeys) -> DataFrame:
    """Adds the keys' pads as columns from a one-row table: as literals they would show in plans and event logs."""
    if not keys:
        return rows
    columns = [f"{pad}{name} binary" for name in keys for pad in (_INNER, _OUTER)]
    pads = tuple(bytearray(pad) for key in keys.values() for pad in key.pads)
    return rows.crossJoin(F.broadcast(rows.sparkSession.createDataFrame([pads], ", ".join(columns))))


def protected(value: Column, column: Declared) -> Column:
    """A column's value as the table stores it. Rows of a dataset that hashes come from `with_pads`."""
    by = column.protect
    if by == NONE:
        return value
    key = hash_key(by)
    if key is not None:
        return keyed_hash(text_of(value, column.type), key)
    if by == NULL:
        return F.lit(None).cast(column.type)
    if isinstance(by, str | NamedHash):
        raise ValueError(f"column {column.name} is protected by {by}, so that nothing of it is stored")
    return blurred(value, column.type, by)


def keyed_hash(text: Column, key: str) -> Column:
    """64 lower-case hex digits over the text's UTF-8 bytes, NULL for NULL, under the key of this name. The rows come
    from `with_pads`."""
    inner = F.unhex(F.sha2(F.concat(F.col(_INNER + key), text.cast("binary")), 256))
    return F.sha2(F.concat(F.col(_OUTER + key), inner), 256)
