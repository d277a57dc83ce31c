"""Job arguments: `--name value` pairs as the constructs set them. Names Glue adds on its own are ignored."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class _Arguments:
    @classmethod
    def parse(cls, argv: Sequence[str]) -> Self:
        """Reads every declared argument; a missing or unusable one ends the program with a usage message."""
        parser = argparse.ArgumentParser(prog=cls.__name__, allow_abbrev=False)
        for field in dataclasses.fields(cls):
            parser.add_argument(f"--{field.name}", required=True, type=int if field.type == "int" else str)
        known, _ = parser.parse_known_args(list(argv))
        return cls(**vars(known))


@dataclass(frozen=True)
class RefineArguments(_Arguments):
    """What refine is started with. `lease_seconds` is how long a lease lives without renewal, from 1.

    `hash_secret` is the ARN of the lake's own key, and `hash_keys` lists others as `<name>=<ARN>`, separated by commas;
    `none` stands where there is none.
    """

    lake: str
    run_uri: str
    ledger_table: str
    artifacts_bucket: str
    cleaned_bucket: str
    quarantine_bucket: str
    hash_secret: str
    hash_keys: str
    lease_seconds: int

    def secrets(self) -> dict[str, str]:
        """The ARNs of the secrets by the names of their keys; the lake's own key has the empty one."""
        own = {} if self.hash_secret == "none" else {"": self.hash_secret}
        named = [] if self.hash_keys == "none" else [entry.partition("=") for entry in self.hash_keys.split(",")]
        return own | {name: arn for name, _, arn in named}


@dataclass(frozen=True)
class PublishArguments(_Arguments):
    """What publish is started with. `lease_seconds` is how long a lease lives without renewal, from 1."""

    lake: str
    run_uri: str
    ledger_table: str
    artifacts_bucket: str
    curated_bucket: str
    lease_seconds: int


@dataclass(frozen=True)
class MaintainArguments(_Arguments):
    """What maintain is started with. `lease_seconds` is how long a lease lives without renewal, from 1, and
    `window_seconds` the length of a wake window; `request` says what is asked of this run (lakejobs.maintain.request).
    """

    lake: str
    manifest_uri: str
    ledger_table: str
    artifacts_bucket: str
    cleaned_bucket: str
    wake_queue_url: str
    window_seconds: int
    lease_seconds: int
    request: str
