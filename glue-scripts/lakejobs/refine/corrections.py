"""Files of corrections: what operators say that columns of refused records should have been, and what became of it.

docs/decisions/0030-corrections-belong-to-their-batch.md has the rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakejobs.aws import Clients
from lakejobs.errors import BatchFailed
from lakejobs.ledger import CorrectionFile
from lakejobs.refine.landed import Unreadable, get_version
from lakejobs.shapes import Fields

# Of a commit: which files its batch was corrected with. Absent where with none.
CORRECTIONS_PROPERTY = "strata.corrections"

# Outcomes of corrections, beside those of records.
_REFUSED, _REPLACED = "refused", "replaced"
_OUT = ("quarantined", "blocked", "erased", _REFUSED, _REPLACED)

# Object key and version, SHA-256 of the raw line, occurrence.
RecordId = tuple[str, str, str, int]
# Key and version of a file, and the line.
Origin = tuple[str, str, int]


@dataclass(frozen=True)
class Correction:
    """A line of a file: a record, and the text of some of its columns."""

    record: RecordId
    values: Mapping[str, str | None]
    origin: Origin


@dataclass(frozen=True)
class Verdicts:
    """What was found of corrections, by their position: why a record was refused as it landed, why a correction is not
    laid, and what a corrected record counts as, with its reasons."""

    original: Mapping[int, Sequence[str]] = field(default_factory=dict)
    refusals: Mapping[int, str] = field(default_factory=dict)
    outcomes: Mapping[int, tuple[str, Sequence[str]]] = field(default_factory=dict)

    def blocked(self) -> Verdicts:
        """As of a batch that is blocked whole."""
        return Verdicts(self.original, self.refusals, {i: ("blocked", found[1]) for i, found in self.outcomes.items()})


@dataclass(frozen=True)
class Corrections:
    """All corrections of a batch's records, in the order they were asked for.

    `files` tells the files apart; `earlier` are the rows that an earlier run kept.
    """

    files: str
    items: tuple[Correction, ...]
    earlier: tuple[Mapping[str, Any], ...] = ()

    def accepted(self) -> dict[RecordId, Origin]:
        """Records that have been accepted under a correction, and under which."""
        return {_record_of(row): _origin_of(row) for row in self.earlier if row["outcome"] not in _OUT}

    def counting(self) -> dict[RecordId, int]:
        """The position of the correction that counts of each record: the one accepted already, else the newest."""
        accepted, chosen = self.accepted(), {}
        for i, item in enumerate(self.items):
            held = chosen.get(item.record)
            if held is None or self.items[held].origin != accepted.get(item.record):
                chosen[item.record] = i
        return chosen

    def rows(self, batch: Mapping[str, Any], found: Verdicts, applied: bool) -> list[dict[str, Any]]:
        """A row for each correction, with what is known of the batch. `applied` says that the batch has an outcome that
        stays: then so does what was accepted, whatever it counts as now."""
        kept = {_origin_of(row): dict(row) for row in self.earlier if applied and row["outcome"] not in _OUT}
        counting = self.counting()
        return [
            kept.get(item.origin) or {**batch, **self._row(i, counting[item.record], found)}
            for i, item in enumerate(self.items)
        ]

    def _row(self, i: int, counts: int, found: Verdicts) -> dict[str, Any]:
        item = self.items[i]
        outcome, reason = self._verdict(i, counts, found)
        names = ("object_key", "object_version", "record_sha256", "occurrence")
        origin = ("correction_key", "correction_version", "correction_line")
        return {
            **dict(zip(names, item.record, strict=True)),
            **dict(zip(origin, item.origin, strict=True)),
            "corrected_columns": ",".join(sorted(item.values)),
            "refused_for": ",".join(found.original.get(i, ())),
            "outcome": outcome,
            "reason": reason,
        }

    def _verdict(self, i: int, counts: int, found: Verdicts) -> tuple[str, str]:
        if i == counts and i in found.refusals:
            return _REFUSED, found.refusals[i]
        if i == counts:
            outcome, reasons = found.outcomes[i]
            return outcome, ",".join(reasons)
        key, version, line = self.items[counts].origin
        by = f"line {line} of {key} version {version}"
        return (_REFUSED, f"the record was accepted already, by {by}") if i > counts else (_REPLACED, f"by {by}")


def corrections_key(batch: str) -> str:
    """Where what became of a batch's corrections is kept, in the artifacts bucket."""
    return f"corrections/{batch}.json"


def files_id(files: Sequence[CorrectionFile]) -> str:
    """Tells lists of files apart; empty for none."""
    if not files:
        return ""
    return hashlib.sha256("".join(f"{f.key}\0{f.version}\n" for f in files).encode()).hexdigest()


def read_corrections(clients: Clients, artifacts: str, batch: str, files: Sequence[CorrectionFile]) -> Corrections:
    """The corrections of a batch's records. Raises BatchFailed if a file is gone."""
    items = [item for file in files for item in _lines(clients, file, batch)]
    return Corrections(files_id(files), tuple(items), tuple(_earlier(clients, artifacts, batch)))


def _lines(clients: Clients, file: CorrectionFile, batch: str) -> Iterable[Correction]:
    place = {"bucket": file.bucket, "key": file.key, "version": file.version}
    try:
        body = get_version(clients.s3, place).read()
    except Unreadable as fault:
        reason = f"its corrections {file.key} version {file.version}: {fault}"
        raise BatchFailed("error", reason) from fault
    for number, line in enumerate(body.decode().split("\n"), start=1):
        if not line.strip():
            continue
        f = Fields(json.loads(line), f"{file.key} line {number}")
        own = f.take("batch_id", str) == batch
        record = (f.take("object_key", str), f.take("object_version", str), f.take("record_sha256", str),
                  f.take("occurrence", int))  # fmt: skip
        values = f.take("set", dict)
        f.done()
        if own:
            yield Correction(record, values, (file.key, file.version, number))


def _earlier(clients: Clients, artifacts: str, batch: str) -> Iterable[Mapping[str, Any]]:
    # Who may list below a prefix alone is told that an object is forbidden, not that there is none.
    key = corrections_key(batch)
    if not clients.s3.list_objects_v2(Bucket=artifacts, Prefix=key, MaxKeys=1).get("KeyCount"):
        return []
    return [json.loads(line) for line in clients.read(f"s3://{artifacts}/{key}").decode().splitlines()]


def _record_of(row: Mapping[str, Any]) -> RecordId:
    return row["object_key"], row["object_version"], row["record_sha256"], row["occurrence"]


def _origin_of(row: Mapping[str, Any]) -> Origin:
    return row["correction_key"], row["correction_version"], row["correction_line"]
