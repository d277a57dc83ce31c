"""The checks of a rehearsal: what the sender and the oracle say against what the lake says. Each one can fail."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.data.declared import Dataset
from rehearsal.data.parcels import Account, Kind
from rehearsal.data.protected import stored
from rehearsal.oracle.compare import table_differences

OUTCOMES = (
    "inserted",
    "updated",
    "deleted",
    "unchanged",
    "superseded",
    "stale",
    "duplicate",
    "quarantined",
    "blocked",
    "erased",
)
KINDS: tuple[Kind, ...] = ("readable", "unreadable", "unroutable", "ignored", "failed", "split")
DELETED = "_is_deleted"
CHANGE_COLUMNS = ("_generation", "_sequence", DELETED)
"""What the table of a database's changes holds beside its declared columns."""
QUARANTINE = ("object_key", "object_version", "record_sha256", "occurrence", "reasons")
Id = tuple[str, str, str, int]


@dataclass(frozen=True)
class Check:
    """One judged statement. `findings` say in words what is wrong; empty when it holds."""

    name: str
    statement: str
    findings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings


def conservation(counts: dict[str, dict[str, int]], sent: dict[str, int]) -> Check:
    """Per dataset: rows read = the sum of their outcomes = the records the sender sent."""
    findings = []
    for dataset in sorted({*counts, *sent}):
        have = counts.get(dataset, {})
        read, outcomes = have.get("read", 0), sum(have.get(o, 0) for o in OUTCOMES)
        if read != outcomes:
            findings.append(f"{dataset}: {read} rows read, but their outcomes add up to {outcomes}")
        if read != sent.get(dataset, 0):
            findings.append(f"{dataset}: {read} rows read, but {sent.get(dataset, 0)} were sent")
    return Check("conservation", "every row sent was read, and has exactly one outcome", tuple(findings))


def outcomes(counts: dict[str, dict[str, int]], account: Account) -> Check:
    """Per dataset and outcome: the ledger's count is the sender's."""
    findings = []
    for dataset in sorted(account.rows().keys() - account.unjudged):
        due, have = account.fates(dataset), counts.get(dataset, {})
        for outcome in OUTCOMES:
            if have.get(outcome, 0) != due[outcome]:
                findings.append(f"{dataset}: {have.get(outcome, 0)} {outcome}, the sender expects {due[outcome]}")
    return Check("outcomes", "inserted, updated, duplicate, stale … are what the sender expects", tuple(findings))


def quarantine(found: dict[Id, tuple[str, ...]], planted: dict[Id, tuple[str, ...]]) -> Check:
    """The quarantined records are the planted ones, each with exactly its reasons."""
    findings = [f"planted but not quarantined: {_named(i)} {', '.join(planted[i])}" for i in planted if i not in found]
    findings += [f"quarantined but not planted: {_named(i)} {', '.join(found[i])}" for i in found if i not in planted]
    findings += [
        f"{_named(i)}: reasons {', '.join(found[i])}, expected {', '.join(planted[i])}"
        for i in planted
        if i in found and found[i] != planted[i]
    ]
    return Check(
        "quarantine", "the quarantined records are exactly the planted ones, with their reasons", _few(findings)
    )


def quarantined_ids(rows: list[dict[str, Any]]) -> tuple[dict[Id, tuple[str, ...]], list[str]]:
    """Reasons by record id, and ids that occur twice."""
    found: dict[Id, tuple[str, ...]] = {}
    twice = []
    for row in rows:
        key, version, digest, occurrence, reasons = (row[c] for c in QUARANTINE)
        record = (key, version, digest, int(occurrence))
        if record in found:
            twice.append(f"quarantined twice: {_named(record)}")
        found[record] = tuple(reasons)
    return found, twice


def _named(record: Id) -> str:
    return f"{record[0]} ({record[2][:12]}…, occurrence {record[3]})"


def _few(findings: list[str], limit: int = 10) -> tuple[str, ...]:
    if len(findings) <= limit:
        return tuple(findings)
    return (*findings[:limit], f"and {len(findings) - limit} more")


def object_sets(records: list[dict[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    """(key, version) of the ledger's objects by what became of them; `claimed` counts as readable, `redelivered` as
    what the object was before its records were put back: failed or unroutable."""
    sets: dict[str, set[tuple[str, str]]] = {kind: set() for kind in KINDS}
    for record in records:
        before = record["pk"].removeprefix("inbox#!")
        state = {"claimed": "readable", "redelivered": before}.get(record["state"], record["state"])
        sets.setdefault(state, set()).add((record["key"], record["version"]))
    return sets


def objects(found: dict[str, set[tuple[str, str]]], account: Account) -> Check:
    """Objects seen = read + unreadable + unroutable + ignored + failed + split, and each set is the sender's."""
    findings = [f"{len(ids)} objects are still {state}" for state, ids in found.items() if state == "pending" and ids]
    for kind in KINDS:
        due = account.objects(kind)
        findings += [f"{k} should be {kind}" for k, _ in sorted(due - found[kind])]
        findings += [f"{k} should not be {kind}" for k, _ in sorted(found[kind] - due)]
    return Check("objects", "every object version was seen once and taken for what it is", _few(findings))


def expected_rows(
    rows: list[tuple[Any, ...]], dataset: Dataset, secrets: Mapping[str, bytes]
) -> Counter[tuple[Any, ...]]:
    """Clean rows as the cleaned table must store them: each column in its form, dropped ones gone. `secrets` are those
    of hashed columns by the names of their keys."""
    columns = [(i, c) for i, c in enumerate(dataset.columns) if c.protect != "drop"]
    return Counter(tuple(stored(row[i], c, secrets) for i, c in columns) for row in rows)


def cleaned(
    dataset: Dataset, columns: list[str], rows: list[dict[str, Any]], due: Counter[tuple[Any, ...]]
) -> list[str]:
    """What is wrong with one cleaned table."""
    names = [c.name for c in dataset.columns if c.protect != "drop"]
    own = ["_batch_id", *CHANGE_COLUMNS] if dataset.load == "cdc" else ["_batch_id"]
    if columns != [*names, *own]:
        return [f"{dataset.id}: columns {', '.join(columns)}; expected {', '.join([*names, *own])}"]
    have = Counter(tuple(_plain(row[n]) for n in names) for row in rows if not row.get(DELETED))
    return [f"{dataset.id}: {d}" for d in table_differences(have, due)]


def _plain(value: Any) -> Any:
    """A timestamp as the sender knows it: in UTC, without saying so."""
    return value.astimezone(dt.UTC).replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def unchanged(before: dict[str, list[int]], after: dict[str, list[int]]) -> list[str]:
    """Tables that gained or lost a snapshot."""
    return [
        f"{t}: {len(after.get(t, []))} snapshots, {len(before.get(t, []))} before"
        for t in sorted({*before, *after})
        if before.get(t) != after.get(t)
    ]


def alarms(states: dict[str, str], due: tuple[str, ...]) -> Check:
    """The expected alarms are in ALARM, and no other."""
    findings = [f"{a} is {states.get(a, 'not there')}, it should be in ALARM" for a in due if states.get(a) != "ALARM"]
    findings += [f"{a} is in ALARM" for a, s in states.items() if s == "ALARM" and a not in due]
    return Check("alarms", f"in ALARM: {', '.join(due) or 'none'}; no other", tuple(findings))


def failed_batches(batches: list[dict[str, Any]], due: tuple[tuple[str, str], ...]) -> Check:
    """The failed and blocked batches are the expected ones."""
    missing, findings = Counter(due), []
    for batch in batches:
        named, code = f"batch {batch['pk'][6:]} of {batch['dataset']}", batch.get("code") or ""
        if batch["state"] in ("frozen", "running"):
            findings.append(f"{named} is still {batch['state']}")
        elif batch["state"] in ("failed", "blocked"):
            if missing[batch["dataset"], code]:
                missing[batch["dataset"], code] -= 1
            else:
                findings.append(f"{named} is {batch['state']} ({code}): {str(batch.get('reason'))[:300]}")
    findings += [f"{dataset} should have a batch that fails with {code}" for dataset, code in missing.elements()]
    statement = "failed or blocked: " + (", ".join(f"{d} ({c})" for d, c in due) or "no batch") + "; no other"
    return Check("failed batches", statement, tuple(findings))


def why(rows: list[tuple[str, str | None, str | None]], batches: list[dict[str, Any]], error: str = "") -> Check:
    """The named query lists each batch that needs a look, with a reason: (batch, reason, unreadable objects)."""
    due = {b["pk"][6:] for b in batches if b["state"] in ("failed", "blocked") or b.get("unreadable")}
    listed = {batch: reason or unreadable for batch, reason, unreadable in rows}
    findings = [error] if error else []
    findings += [f"batch {b} is not listed" for b in sorted(due - set(listed))]
    findings += [f"batch {b} is listed, but nothing is wrong with it" for b in sorted(set(listed) - due)]
    findings += [f"batch {b} is listed without a reason" for b in sorted(due & set(listed)) if not listed[b]]
    statement = f"the query failed_batches lists the {len(due)} batches that need a look, each with its reason"
    return Check("failures can be found", statement, tuple(findings))
