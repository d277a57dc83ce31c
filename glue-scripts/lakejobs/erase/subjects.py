"""Whom an erasure is about: their identifiers as one dataset holds them, and the keyed hashes that stand for them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.erase.request import column_of, identifier
from lakejobs.protections import Protection, Tokenise, key_of
from lakejobs.refine.grammar import parse, text_of
from lakejobs.refine.protect import HashKey, HashKeys, token_of


@dataclass(frozen=True)
class Subjects:
    """Those of one dataset. `names` are their keyed hashes by their text in it; nothing else of them leaves the job."""

    column: str
    kind: str
    names: dict[str, str] = field(repr=False)
    stored: dict[str, str] = field(repr=False)
    """Their keyed hashes by what the cleaned table holds of them, as text: the value, a hash or a token."""

    @classmethod
    def of(cls, dataset: Dataset, values: Iterable[str], key: HashKey, columns: HashKeys) -> Subjects:
        """`key` is that of erasures, `columns` are those under which columns are hashed or tokenised."""
        column = column_of(dataset)
        texts = {t for v in values if (t := identifier(v, column.type)) is not None}
        names = {text: digest(key, text) for text in sorted(texts)}
        stored = {_stored(column.protect, text, columns): name for text, name in names.items()}
        return cls(column.name, column.type, names, stored)

    def in_table(self, rows: DataFrame, name: str) -> DataFrame:
        """The rows of the cleaned table that are about one of them, with whom by keyed hash."""
        theirs = rows.sparkSession.createDataFrame(sorted(self.stored.items()), f"_stored_text string, {name} string")
        same = F.col(self.column).cast("string") == F.col("_stored_text")
        return rows.join(F.broadcast(theirs), on=same, how="inner").drop("_stored_text")

    def named(self, rows: DataFrame, texts: Iterable[str], name: str) -> DataFrame:
        """Adds the keyed hash of the first of these columns of text that is one of theirs, NULL where none is.

        The identifiers are rows of a table: as literals they would show in plans and event logs.
        """
        theirs = rows.sparkSession.createDataFrame(sorted(self.names.items()), "_own_text string, _own_name string")
        found = []
        for i, text in enumerate(texts):
            one = theirs.withColumnsRenamed({"_own_text": f"_own_text_{i}", "_own_name": f"{name}_{i}"})
            same = text_of(parse(text, self.kind), self.kind) == F.col(f"_own_text_{i}")
            rows = rows.join(F.broadcast(one), on=same, how="left").drop(f"_own_text_{i}")
            found.append(f"{name}_{i}")
        whose = F.coalesce(*[F.col(one) for one in found]) if found else F.lit(None).cast("string")
        return rows.withColumn(name, whose).drop(*found)


def _stored(by: Protection, text: str, keys: HashKeys) -> str:
    under = key_of(by)
    if under is None:
        return text
    digits = digest(keys[under], text)
    return token_of(digits) if isinstance(by, Tokenise) else digits


def digest(key: HashKey, text: str) -> str:
    """HMAC-SHA256 of the text, as columns are hashed."""
    return hmac.new(key.secret, text.encode(), hashlib.sha256).hexdigest()
