"""Runs a scenario's steps against a deployed lake."""

from __future__ import annotations

import gzip
import io
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rehearsal.data.declared import Dataset
from rehearsal.data.parcels import Account, Parcel, Sent
from rehearsal.data.plan import Plan, make
from rehearsal.data.tpch import DataError
from rehearsal.oracle.postgres import Oracle
from rehearsal.scenario import athena, checks, maintenance
from rehearsal.scenario.lake import Lake
from rehearsal.scenario.live import Live
from rehearsal.scenario.load import Scenario, Step

DEFAULT_SETTLE = 900.0
PROGRESS = 10.0
Say = Callable[[str], None]


class Refused(RuntimeError):
    """A role may not do what the lake needs: there is no use in waiting for the lake to finish."""


@dataclass
class Rerun:
    """What the reruns did: figures for the report, findings for the checks."""

    events_redelivered: int = 0
    batches_forced: int = 0
    rows_changed: int = 0
    snapshots_added: int = 0
    checks: list[checks.Check] = field(default_factory=list)


@dataclass
class Journal:
    """What a scenario did and saw."""

    account: Account = field(default_factory=Account)
    plan: Plan | None = None
    own_files: bool = False
    answers: list[athena.Answer] = field(default_factory=list)
    rerun: Rerun = field(default_factory=Rerun)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What the steps act on. lake: as it is deployed now. update: deploys the app again, with context values."""

    cloud: Any
    live: Live
    lake: Callable[[], Lake]
    update: Callable[[dict[str, str]], None]


class Runner:
    """Runs the steps of one scenario. `say` gets progress lines."""

    def __init__(self, scenario: Scenario, stage: Stage, oracle: Oracle, workdir: Path, say: Say):
        self.scenario, self.stage, self.oracle = scenario, stage, oracle
        self.workdir, self.say, self.journal = workdir, say, Journal()
        self.cloud, self.live, self.lake = stage.cloud, stage.live, stage.lake()

    def run(self) -> Journal:
        for step in self.scenario.steps:
            started = time.monotonic()
            getattr(self, f"_{step.verb}")(step.argument)
            name = self._phase(step)
            self.journal.seconds[name] = self.journal.seconds.get(name, 0.0) + time.monotonic() - started
        return self.journal

    def _phase(self, step: Step) -> str:
        """Settling belongs to what it waits for."""
        if step.verb in ("deliver", "land", "change", "events", "update", "sql"):
            self._last = str(step)
        return getattr(self, "_last", "settle") if step.verb == "settle" else str(step)

    def _generate(self, spec: dict[str, Any]) -> None:
        plan = make(spec, self.lake.datasets, self.workdir / "tpch")
        self.journal.plan = plan
        self.oracle.load(plan.clean)
        objects = sum(len(p) for p in plan.deliveries.values())
        rows = sum(len(b.rows) for b in plan.clean)
        self.say(f"generated {rows:,} clean rows in {objects} objects, {len(plan.faults)} faults among them")

    def _deliver(self, name: str) -> None:
        assert self.journal.plan is not None, "load checks that generate comes first"
        self._put(self.journal.plan.deliveries[name], name)

    def _land(self, argument: dict[str, str]) -> None:
        dataset = self.lake.datasets.get(argument["dataset"])
        if dataset is None:
            known = ", ".join(self.lake.datasets)
            raise DataError(f"land: the app declares no dataset {argument['dataset']!r}; it declares {known}")
        files = sorted(f for f in self.scenario.folder.glob(argument["files"]) if f.is_file())
        if not files:
            raise DataError(f"land: no file matches {argument['files']!r} in {self.scenario.folder}")
        self.journal.own_files = True
        self._put([own_file(f, dataset) for f in files], argument["files"])

    def _put(self, parcels: list[Parcel], name: str) -> None:
        for parcel in parcels:
            version = self.lake.put(parcel.key, parcel.body)
            self.journal.account.sent.append(Sent(parcel, version))
        records = sum(p.records for p in parcels)
        self.say(f"landed {name}: {len(parcels)} objects, {records:,} records in readable ones")

    def _database(self, argument: dict[str, Any]) -> None:
        self.live.load(argument)

    def _change(self, argument: dict[str, Any]) -> None:
        self.live.change(argument)

    def _sql(self, argument: dict[str, Any]) -> None:
        self.live.execute(argument)

    def _disturb(self, argument: dict[str, Any]) -> None:
        self.live.disturb(argument)

    def _events(self, argument: dict[str, Any]) -> None:
        self.live.send(argument, self.lake)

    def _update(self, argument: dict[str, Any]) -> None:
        self.stage.update(argument["context"])
        self.lake = self.stage.lake()

    def _replicate(self, argument: dict[str, float]) -> None:
        """Ticks of the controllers' schedules, until every declared full load has been read and applied."""
        deadline = time.monotonic() + argument.get("seconds", DEFAULT_SETTLE)
        while time.monotonic() < deadline:
            if not self.lake.invoke_controllers():
                raise DataError("replicate: the app declares no replication")
            self._settle({})
            if not self._unloaded():
                self.say("replicating; every full load is applied")
                return
        raise RuntimeError(f"replicate: not loaded in time: {', '.join(self._unloaded())}")

    def _unloaded(self) -> list[str]:
        """Generations whose full load is not known to be complete."""
        loads = self.lake.ledger().loads()
        declared: Counter[str] = Counter(e["dataset"] for e in self.lake.manifest["landing"] if e.get("generation"))
        newest = {d: (loads.get(d) or ["not begun"])[-1] for d in declared}
        behind = {d: n for d, n in declared.items() if len(loads.get(d, [])) < n}
        return [f"{d} ({newest[d]})" for d in declared if d in behind or newest[d] != "complete"]

    def _settle(self, argument: dict[str, float]) -> None:
        told = started = time.monotonic()

        def progress(_: list[str]) -> None:
            nonlocal told
            if self.cloud.denials:
                raise Refused("refused:\n" + "\n".join(f"  {denial}" for denial in self.cloud.denials))
            if time.monotonic() - told >= PROGRESS:
                told = time.monotonic()
                states = Counter(b["state"] for b in self.lake.ledger().batches())
                shown = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
                self.say(f"  at work for {told - started:.0f} s; batches: {shown or 'none yet'}")

        self.cloud.wait_idle(argument.get("seconds", DEFAULT_SETTLE), progress)

    def _redeliver(self, _: str) -> None:
        ledger, runs = self.lake.ledger(), self.lake.executions()
        rerun = self.journal.rerun
        rerun.events_redelivered += self.cloud.redeliver_events()
        self._settle({})
        after = self.lake.ledger()
        findings = []
        if self.lake.executions() != runs:
            findings.append(f"{self.lake.executions() - runs} runs started")
        if len(after.batches()) != len(ledger.batches()) or len(after.objects()) != len(ledger.objects()):
            findings.append("the ledger has more batches or objects than before")
        if not rerun.events_redelivered:
            findings.append("no event was delivered again, so nothing was proved")
        rerun.checks.append(checks.Check("redelivery", "every event delivered again starts no run", tuple(findings)))
        self.say(f"redelivered {rerun.events_redelivered} events")

    def _force(self, _: str) -> None:
        before, snapshots = self._rerunnable(), self.lake.snapshots()
        for state in ("applied", "empty"):
            self.lake.invoke("dispatch", {"action": "replay", "state": state, "force": True})
        self._settle({"seconds": 2 * DEFAULT_SETTLE})
        batches, after = self._rerunnable(), self.lake.snapshots()
        forced = [b for pk, b in batches.items() if pk in before and _rerun_at(b) != _rerun_at(before[pk])]
        changed = sum(int(b["rerun"]["rows_changed"]) for b in forced)
        rerun = self.journal.rerun
        rerun.batches_forced += len(forced)
        rerun.rows_changed += changed
        rerun.snapshots_added += sum(len(set(after[t]) - set(snapshots.get(t, []))) for t in after)
        missed = set(before) - {b["pk"] for b in forced}
        findings = [f"batch {pk[6:]} of {before[pk]['dataset']} was not run again" for pk in sorted(missed)]
        findings += checks.unchanged(snapshots, after)
        if changed:
            findings.append(f"{changed} rows changed")
        if not before:
            findings.append("there was no batch to force, so nothing was proved")
        statement = "every batch forced through refine again changes no row and adds no snapshot"
        rerun.checks.append(checks.Check("forced rerun", statement, tuple(findings)))
        self.say(f"forced {len(forced)} batches through refine again: {changed} rows changed")

    def _rerunnable(self) -> dict[str, dict[str, Any]]:
        """The applied and empty batches of the ledger."""
        return {b["pk"]: b for b in self.lake.ledger().batches() if b["state"] in ("applied", "empty")}

    def _maintain(self, _: str) -> None:
        before, snapshots = maintenance.digests(self.lake), self._curated()
        maintenance.start(self.lake)
        self._settle({})
        self.lake.invoke("dispatch", {"action": "publish"})
        self._settle({})
        after, done = maintenance.digests(self.lake), maintenance.results(self.lake)
        check = maintenance.judge(before, after, snapshots, self._curated(), done)
        self.journal.rerun.checks.append(check)
        self.say(f"maintained {len(done)} tables: {check.statement}")

    def _curated(self) -> dict[str, list[int]]:
        return {name: ids for name, ids in self.lake.snapshots().items() if "_curated." in name}

    def _sweep(self, _: dict[str, Any]) -> None:
        self.say(f"sweep: {self.lake.invoke('dispatch', {'action': 'sweep'})}")

    def _reconcile(self, _: dict[str, Any]) -> None:
        self.say(f"reconcile: {self.lake.invoke('reconcile', {'action': 'reconcile'})}")

    def _replay(self, argument: dict[str, str]) -> None:
        self.say(f"replay: {self.lake.invoke('dispatch', {'action': 'replay', **argument})}")

    def _query(self, argument: str | list[str]) -> None:
        texts = self._oracle_texts()
        self.oracle.load(self.live.batches(self.lake))
        queries = self.lake.queries()
        wanted = sorted(texts) if argument == "all" else argument
        unknown = [n for n in wanted if n not in queries] + [n for n in wanted if n not in texts]
        if unknown:
            raise DataError(
                f"query: {', '.join(unknown)}: each needs a named query of the stack ({', '.join(queries)}) "
                f"and an oracle's text ({', '.join(texts) or 'none'})"
            )
        for name in wanted:
            answer = athena.compare(self.cloud.client("athena"), queries[name], texts[name], self.oracle)
            self.journal.answers.append(answer)
            verdict = "equal" if answer.equal else "DIFFERS: " + answer.findings[0]
            self.say(f"  {name}: {answer.rows} rows, {verdict} ({answer.seconds:.1f} s)")

    def _oracle_texts(self) -> dict[str, str]:
        spec = self.scenario.argument("generate") or {}
        folder = self.scenario.folder / spec.get("oracle", "oracle")
        return {f.stem: f.read_text() for f in sorted(folder.glob("*.sql"))}


def _rerun_at(batch: dict[str, Any]) -> str | None:
    return (batch.get("rerun") or {}).get("at")


def own_file(file: Path, dataset: Dataset) -> Parcel:
    """A parcel of the user's own file, with its records counted here."""
    body = file.read_bytes()
    if dataset.kind == "parquet":
        records = pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
    else:
        records = count_lines(body, file.name.endswith(".gz")) - int(dataset.header)
    return Parcel("own", dataset.prefix + file.name, body, "readable", dataset.id, records, Counter())


def count_lines(body: bytes, compressed: bool) -> int:
    """Lines of a CSV file, the last one with or without its terminator."""
    plain = gzip.decompress(body) if compressed else body
    return plain.count(b"\n") + (1 if plain and not plain.endswith(b"\n") else 0)
