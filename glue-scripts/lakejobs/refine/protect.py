"""Protection of columns in Spark's own expressions; hashes and tokens are HMAC-SHA256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Column as Declared
from lakejobs.declared import Dataset
from lakejobs.protections import NONE, NULL, NamedHash, Tokenise, key_of
from lakejobs.refine.blur import blurred
from lakejobs.refine.grammar import text_of

_BLOCK = 64
_INNER, _OUTER = "_hash_inner_", "_hash_outer_"

# What a token begins with, and how many hex digits of the value's HMAC follow: 128 bits.
_TOKEN, _TOKEN_DIGITS = "tok_", 32
# The texts of a row's tokenised columns, as a struct: what is stored of them tells nothing any more.
PLAIN = "_plain"


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
"""Keys by id."""


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


def without_pads(rows: DataFrame, names: Iterable[str]) -> DataFrame:
    """Without what `with_pads` has added under these names."""
    return rows.drop(*[f"{pad}{name}" for name in names for pad in (_INNER, _OUTER)])


def protected(value: Column, column: Declared) -> Column:
    """A column's value as the table stores it. Rows of a dataset that needs keys come from `with_pads`."""
    by = column.protect
    if by == NONE:
        return value
    key = key_of(by)
    if key is not None:
        digits = keyed_hash(text_of(value, column.type), key)
        if isinstance(by, Tokenise):
            return F.concat(F.lit(_TOKEN), F.substring(digits, 1, _TOKEN_DIGITS))
        return digits
    if by == NULL:
        return F.lit(None).cast(column.type)
    if isinstance(by, str | NamedHash | Tokenise):
        raise ValueError(f"column {column.name} is protected by {by}, so that nothing of it is stored")
    return blurred(value, column.type, by)


def token_of(digits: str) -> str:
    """The token of a value whose keyed hash has these digits, as `protected` makes it."""
    return _TOKEN + digits[:_TOKEN_DIGITS]


def plain(values: Mapping[str, Column], dataset: Dataset) -> list[Column]:
    """`PLAIN`, of the columns' values by name; no column unless the dataset is tokenised."""
    tokenised = [c for c in dataset.stored if isinstance(c.protect, Tokenise)]
    texts = [text_of(values[c.name], c.type).alias(c.name) for c in tokenised]
    return [F.struct(*texts).alias(PLAIN)] if texts else []


def keyed_hash(text: Column, key: str) -> Column:
    """64 lower-case hex digits over the text's UTF-8 bytes, NULL for NULL, under the key of this id. The rows come
    from `with_pads`."""
    inner = F.unhex(F.sha2(F.concat(F.col(_INNER + key), text.cast("binary")), 256))
    return F.sha2(F.concat(F.col(_OUTER + key), inner), 256)
