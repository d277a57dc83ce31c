"""Histories whose keys are tokens: a table as it is once its vault has turned them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lake import Lake
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

VAULT = "keys"


class Tokens:
    """The vault of the key columns of one lake's table."""

    def __init__(self, lake: Lake, keys: Sequence[str]) -> None:
        self._lake, self._keys = lake, keys
        secret = lake.clients.secrets.create_secret(Name=f"history-{lake.n}", SecretString="of the histories")
        lake.token_keys = f"{VAULT}={secret['ARN']}"

    def declared(self, columns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The columns, with keys that are tokenised."""
        by = {"protect": {"kind": "tokenise", "vault": VAULT}, "class": "personal"}
        return [dict(c) | (by if c["name"] in self._keys else {}) for c in columns]

    def lacking(self, frame: DataFrame) -> list[str]:
        """What is wrong with the vault: tokens of the table that it lacks, and such as it has twice."""
        tokens = {row[name] for row in frame.select(*self._keys).distinct().collect() for name in self._keys}
        vault = self._vault()
        held = [] if vault is None else [row["token"] for row in vault.select("token").collect()]
        problems = [f"the token {token} is in no vault" for token in sorted(tokens - set(held))]
        return problems + [f"{len(held) - len(set(held))} tokens are there twice"] * (len(held) != len(set(held)))

    def turned_back(self, frame: DataFrame, types: Mapping[str, str]) -> DataFrame:
        """The frame with the keys' values, of these types, in place of their tokens."""
        vault = self._vault()
        for name in self._keys if vault is not None else ():
            value = vault.select(F.col("token").alias(name), F.col("value").cast(types[name]).alias("_value"))
            frame = frame.join(value, on=name, how="left").withColumn(name, F.col("_value")).drop("_value")
        return frame

    def _vault(self) -> DataFrame | None:
        return self._lake.now(self._lake.vault(VAULT))
