"""Gathers what the lake says at the end of a scenario and judges it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.oracle.postgres import Oracle
from rehearsal.scenario import athena, checks, vaults
from rehearsal.scenario.checks import Check
from rehearsal.scenario.lake import Lake
from rehearsal.scenario.live import Live
from rehearsal.scenario.load import Scenario
from rehearsal.scenario.run import Journal

FAILED_BATCHES = "failed_batches"
"""The named query that every lake has; its columns are batch, dataset, state, code, reason, unreadable, …"""
ROW_FATES = ("duplicate", "superseded", "stale")


@dataclass(frozen=True)
class Fault:
    """One kind of planted fault: how many the sender planted, how many of these the lake found, how many beyond."""

    kind: str
    planted: int
    found: int
    false_positives: int


@dataclass
class Verdict:
    """Everything the report shows of the lake's state."""

    counts: dict[str, dict[str, int]]
    sent: dict[str, int]
    objects: dict[str, int]
    faults: list[Fault]
    batches: list[dict[str, Any]]
    tables: dict[str, int]
    models: dict[str, int]
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    """Quarantined records by dataset and reasons."""
    checks: list[Check] = field(default_factory=list)


def judge(
    scenario: Scenario, journal: Journal, live: Live, lake: Lake, oracle: Oracle, say: Callable[[str], None]
) -> Verdict:
    """Read the ledger and every table, and make the checks."""
    ledger, account = lake.ledger(), journal.account
    landed = live.sent(lake)
    account.sent += landed
    account.unjudged |= {d.id for d in lake.datasets.values() if d.load == "cdc"}
    oracle.load(live.batches(lake))
    counts, sets = ledger.counts(), checks.object_sets(ledger.objects())
    in_quarantine = {d.id: _quarantine(lake, d) for d in lake.datasets.values()}
    quarantine = [row for rows in in_quarantine.values() for row in rows]
    found, twice = checks.quarantined_ids(quarantine)
    made = [checks.conservation(counts, account.rows()), checks.objects(sets, account)]
    if journal.own_files:
        say("files of your own were landed: their outcomes are counted, not judged")
    else:
        made.append(checks.outcomes(counts, account))
        judged = checks.quarantine(found, account.quarantined())
        made.append(Check(judged.name, judged.statement, (*judged.findings, *twice)))
        if journal.plan is not None or landed:
            made.append(_cleaned(journal, live, lake, oracle))
            if lake.manifest.get("vaults"):
                made.append(_vaults(journal, live, lake, oracle))
    if journal.answers:
        made.append(_queries(journal))
    made += journal.rerun.checks
    made.append(checks.failed_batches(ledger.batches(), scenario.failed_batches))
    made.append(_why(lake, ledger.batches()))
    made.append(checks.alarms(lake.alarms(), scenario.alarms))
    made.append(Check("at rest", "no object, batch, run or lease is left open", tuple(ledger.open()[:10])))
    objects = {kind: len(sets[kind]) for kind in ("unreadable", "unroutable", "ignored", "failed")}
    if sets["split"]:
        objects["split"] = len(sets["split"])
    return Verdict(
        counts=counts,
        sent=account.rows(),
        objects={"seen": sum(len(s) for s in sets.values()), "read": len(sets["readable"]), **objects},
        faults=_faults(journal, counts, found, sets),
        batches=ledger.batches(),
        tables={d.id: _rows(lake, d) for d in lake.datasets.values()},
        models={m["id"]: lake.count(m["database"], m["name"]) for m in lake.manifest["models"]},
        refused=Counter((name, ", ".join(row["reasons"])) for name, rows in in_quarantine.items() for row in rows),
        checks=made,
    )


def _rows(lake: Lake, dataset: Any) -> int:
    """The rows of a cleaned table that are not deleted."""
    where = f"{checks.DELETED} = false" if dataset.load == "cdc" else "true"
    return lake.count(dataset.cleaned_database, dataset.name, where)


def _quarantine(lake: Lake, dataset: Any) -> list[dict[str, Any]]:
    return lake.rows(dataset.quarantine_database, dataset.name, list(checks.QUARANTINE))


def _queries(journal: Journal) -> Check:
    findings = [f"{a.name}: {f}" for a in journal.answers for f in a.findings]
    statement = f"{len(journal.answers)} named queries on the curated tables answer as PostgreSQL does"
    return Check("queries", statement, tuple(findings))


def _why(lake: Lake, batches: list[dict[str, Any]]) -> Check:
    """The stack's own answer to "which batch failed, and why", through Athena."""
    query = lake.queries()[FAILED_BATCHES]
    try:
        rows = athena.run(lake.cloud.client("athena"), query)
    except athena.QueryFailed as error:
        return checks.why([], batches, str(error))
    return checks.why([(row[0], row[4], row[5]) for row in rows], batches)


def _cleaned(journal: Journal, live: Live, lake: Lake, oracle: Oracle) -> Check:
    findings: list[str] = []
    secrets = lake.secrets()
    batches = [*(journal.plan.clean if journal.plan else []), *live.batches(lake)]
    for dataset in {b.dataset.id: b.dataset for b in batches}.values():
        due = checks.expected_rows(oracle.table(dataset, [c.name for c in dataset.columns]), dataset, secrets)
        columns = lake.columns(dataset.cleaned_database, dataset.name)
        findings += checks.cleaned(dataset, columns, lake.rows(dataset.cleaned_database, dataset.name), due)
    statement = "every cleaned table holds PostgreSQL's rows, each column as it is protected"
    return Check("cleaned tables", statement, tuple(findings))


def _vaults(journal: Journal, live: Live, lake: Lake, oracle: Oracle) -> Check:
    secrets, wanted = lake.secrets(), {}
    batches = [*(journal.plan.clean if journal.plan else []), *live.batches(lake)]
    for dataset in {b.dataset.id: b.dataset for b in batches}.values():
        rows = oracle.table(dataset, [c.name for c in dataset.columns])
        for vault, tokens in vaults.due(rows, dataset, secrets).items():
            wanted.setdefault(vault, {}).update(tokens)
    held = {v["name"]: lake.rows(v["database"], "tokens", ["token", "value"]) for v in lake.manifest["vaults"]}
    return vaults.vaults(wanted, held)


def _faults(
    journal: Journal,
    counts: dict[str, dict[str, int]],
    found: dict[checks.Id, tuple[str, ...]],
    sets: dict[str, set[tuple[str, str]]],
) -> list[Fault]:
    account, planted = journal.account, journal.account.quarantined()
    faults: list[Fault] = []
    if journal.own_files or not account.sent:
        return faults
    judged = account.rows().keys() - account.unjudged
    for reason in sorted({r for reasons in (*planted.values(), *found.values()) for r in reasons}):
        due = {i for i, reasons in planted.items() if reason in reasons}
        have = {i for i, reasons in found.items() if reason in reasons}
        faults.append(Fault(reason, len(due), len(due & have), len(have - due)))
    for fate in ROW_FATES:
        due = {d: account.fates(d)[fate] for d in judged}
        have = {d: counts.get(d, {}).get(fate, 0) for d in due}
        hits = sum(min(due[d], have[d]) for d in due)
        faults.append(Fault(fate, sum(due.values()), hits, sum(have.values()) - hits))
    for kind, label in (
        ("unreadable", "truncated object"),
        ("unroutable", "unroutable object"),
        ("ignored", "control file"),
    ):
        due, have = account.objects(kind), sets[kind]
        faults.append(Fault(label, len(due), len(due & have), len(have - due)))
    versions = Counter(key for key, _ in account.objects("readable"))
    over = {(k, v) for k, v in account.objects("readable") if versions[k] > 1}
    faults.append(Fault("version of an overwritten key", len(over), len(over & sets["readable"]), 0))
    return faults
