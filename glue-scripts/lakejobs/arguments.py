"""Job arguments: `--name value` pairs as the constructs set them. Names Glue adds on its own are ignored."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from lakejobs.protections import vault_key


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
    `token_keys` lists those of vaults in the same way, whose tables lie in `vault_bucket`; `erasure_secret` is that
    of the key by which erased subjects are remembered. `none` stands where there is none.
    """

    lake: str
    run_uri: str
    ledger_table: str
    artifacts_bucket: str
    cleaned_bucket: str
    quarantine_bucket: str
    hash_secret: str
    hash_keys: str
    vault_bucket: str
    token_keys: str
    erasure_secret: str
    lease_seconds: int

    def secrets(self) -> dict[str, str]:
        """The ARNs of the secrets by the ids of their keys."""
        return _secrets(self.hash_secret, self.hash_keys, self.token_keys)


def _secrets(own: str, hash_keys: str, token_keys: str) -> dict[str, str]:
    """The secrets of the lake's own key, of named ones and of vaults by the ids of their keys."""
    tokens = {vault_key(name): arn for name, arn in _listed(token_keys).items()}
    return ({} if own == "none" else {"": own}) | _listed(hash_keys) | tokens


def _listed(text: str) -> dict[str, str]:
    """`<name>=<ARN>,…` by name."""
    entries = [] if text == "none" else [entry.partition("=") for entry in text.split(",")]
    return {name: arn for name, _, arn in entries}


@dataclass(frozen=True)
class ValidateArguments(_Arguments):
    """What validate is started with. `validation` names this validation, `request` says what is asked of it
    (lakejobs.validate.request) and `source` what it compares with (lakejobs.validate.source), whose login is in
    `source_secret`. Keys that differ are looked at again `look_again` times, from 0, `look_again_seconds` apart; of a
    dataset at most `mismatches` lines are listed, without values unless `values` is `true`. The other secrets are as of
    refine.
    """

    lake: str
    validation: str
    manifest_uri: str
    request: str
    artifacts_bucket: str
    source: str
    source_secret: str
    hash_secret: str
    hash_keys: str
    token_keys: str
    look_again: int
    look_again_seconds: int
    mismatches: int
    values: str

    def secrets(self) -> dict[str, str]:
        """The ARNs of the secrets by the ids of their keys."""
        return _secrets(self.hash_secret, self.hash_keys, self.token_keys)


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


@dataclass(frozen=True)
class EraseArguments(_Arguments):
    """What erase is started with. `erasure` names this erasure and `request` is the key of the file that asks for it,
    in the artifacts bucket (lakejobs.erase.request). `hash_secret`, `hash_keys`, `vault_bucket`, `token_keys` and
    `erasure_secret` are as of refine; `maintain_seconds` is the time between two runs of maintenance, the others are as
    of maintain.
    """

    lake: str
    erasure: str
    manifest_uri: str
    request: str
    ledger_table: str
    raw_bucket: str
    artifacts_bucket: str
    cleaned_bucket: str
    quarantine_bucket: str
    curated_bucket: str
    hash_secret: str
    hash_keys: str
    vault_bucket: str
    token_keys: str
    erasure_secret: str
    wake_queue_url: str
    window_seconds: int
    maintain_seconds: int
    lease_seconds: int

    def secrets(self) -> dict[str, str]:
        """The ARNs of the secrets by the ids of their keys."""
        return _secrets(self.hash_secret, self.hash_keys, self.token_keys)
