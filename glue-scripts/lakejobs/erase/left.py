"""What is left of somebody once the tables have no row of them any more, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lakejobs.clock import Clock, stamp
from lakejobs.declared import DMS_TRANSACTIONS, Dataset, Upkeep
from lakejobs.erase.landed_versions import list_versions
from lakejobs.erase.lifecycle import Expiry, Rules, latest
from lakejobs.erase.results import REMAINS, UNSEARCHED, VERIFIED, HeldBy, Result, remains
from lakejobs.erase.search import Findings
from lakejobs.ledger import Ledger
from lakejobs.manifest import Manifest, Vault
from lakejobs.publish.models import model_table
from lakejobs.validate.results import MISMATCHES

RAW, CURATED, ARTIFACTS, VAULT = "raw", "curated", "artifacts", "vault"


@dataclass(frozen=True)
class Remainder:
    """Reckons it. `rules` are those of the zones' buckets; `maintain` is the time between two runs of
    maintenance."""

    manifest: Manifest
    rules: Mapping[str, Rules]
    maintain: timedelta
    now: Clock

    def landed(self, dataset: Dataset, findings: Findings) -> tuple[list[Result], list[HeldBy]]:
        """Objects as the senders wrote them, which are never rewritten."""
        rules = self.rules[RAW]
        held = [
            HeldBy(dataset.id, name, v.object.bucket, v.object.key, v.object.version, count, stamp(v.stored_at),
                   _until(v.expiry(rules)), v.expiry(rules).rule)
            for (v, name), count in sorted(findings.counts.items(), key=lambda kv: (kv[0][0].object.key, kv[0][1]))
        ]  # fmt: skip
        results = []
        for name in sorted({name for _, name in findings.counts}):
            versions = [v for v, whose in findings.counts if whose == name]
            last = latest([v.expiry(rules) for v in versions])
            records = sum(count for (_, whose), count in findings.counts.items() if whose == name)
            results.append(
                remains(
                    dataset.id, RAW, rules.bucket, last, subject=name, row_count=records, object_count=len(versions)
                )
            )
        for version, reason in findings.unread:
            expiry = version.expiry(rules)
            results.append(
                Result(dataset.id, RAW, version.object.key, UNSEARCHED, object_count=1, until=_until(expiry),
                       rule=expiry.rule, detail=reason)
            )  # fmt: skip
        return results, held

    def history(self, dataset: Dataset, zone: str, place: str, expired: bool, delta: bool = False) -> Result:
        """Earlier states of a dataset's table. `expired` says that they were removed just now; `delta` that its format
        reckons one age for all."""
        folder = f"{dataset.domain}/{dataset.name}/"
        return self._history(dataset.id, zone, folder, place, dataset.upkeep, expired, delta)

    def vault_history(self, vault: Vault, place: str, expired: bool) -> Result:
        """Earlier states of a vault. `expired` says that they were removed just now."""
        return self._history(vault.owner, VAULT, vault.folder, place, Upkeep(), expired)

    def _history(
        self, owner: str, zone: str, folder: str, place: str, upkeep: Upkeep, expired: bool = False, delta: bool = False
    ) -> Result:
        """Maintenance removes them, then the bucket keeps what was deleted for a while."""
        age = timedelta(seconds=upkeep.snapshot_seconds)
        if delta:
            age = max(age, timedelta(seconds=upkeep.unreferenced_seconds))
        wait = timedelta() if expired else age + self.maintain
        ends = self.rules[zone].noncurrent(folder, self.now() + wait)
        why = "earlier states were removed now"
        if not expired:
            why = f"earlier states are removed {_days(age)} after they were replaced, by maintenance, which runs every"
            why += f" {_days(self.maintain)}"
        return remains(owner, zone, place, Expiry(ends.at, f"{why}; their files are {ends.rule}"))

    def elsewhere(self, s3: Any, dataset: Dataset) -> list[Result]:
        """Folders of the raw zone whose objects belong to no dataset alone."""
        rules, folders = self.rules[RAW], {}
        for landing in (at for at in self.manifest.landing if at.dataset == dataset.id):
            source = landing.prefix.split("/")[0]
            folders[f"{source}-errors/"] = "records that could not be delivered"
            folders[f"{source}/_unrouted/"] = "records that named no dataset"
            if dataset.format.kind == DMS_TRANSACTIONS:
                folder = f"{source}/g{landing.generation}/cdc-transactions/"
                folders[folder] = "changes of all tables, each of which has landed for its table as well"
        results = []
        for folder, what in sorted(folders.items()):
            found = [version.expiry(rules) for version in list_versions(s3, rules.bucket, folder)]
            last = latest(found)
            if last is not None:
                results.append(
                    Result(dataset.id, RAW, folder, UNSEARCHED, object_count=len(found), until=_until(last),
                           rule=last.rule, detail=f"{what}: not searched")
                )  # fmt: skip
        return results

    def models(self, ledger: Ledger, contents: Mapping[str, str | None]) -> list[Result]:
        """Curated tables that are built of the tables, at one remove or more. `contents` are the versions that made the
        rows of the datasets' tables."""
        now, results = dict(contents), []
        for model in self.manifest.models:
            if not set(model.inputs) & set(now):
                continue
            place, output = model_table(model).split(".", 1)[1], ledger.output(model.id)
            now[model.id] = output.snapshot if output else None
            if output is None:
                continue
            late = [name for name in model.inputs if name in now and output.inputs.get(name) != now[name]]
            if late:
                now[model.id] = None
                why = f"is built anew, as {', '.join(late)} has changed, by the next publication"
                results.append(Result(model.id, CURATED, place, REMAINS, until="publication", rule=why))
            else:
                results.append(Result(model.id, CURATED, place, VERIFIED, version_after=output.snapshot,
                                      detail="is built of the tables as they are now"))  # fmt: skip
            folder = f"{model.domain}/{model.name}/"
            results.append(self._history(model.id, CURATED, folder, place, Upkeep()))
        return results

    def told(self) -> list[Result]:
        """What was told of rows before: results of queries, and rows that differed from their source's."""
        now = self.now()
        places = (
            (ARTIFACTS, "athena/", "results of queries"),
            (ARTIFACTS, MISMATCHES, "mismatches that validations listed"),
            (VAULT, "athena/", "results of queries that turned tokens back"),
        )
        return [
            remains("", zone, folder, self.rules[zone].current(folder, now), detail=f"{what}: not searched")
            for zone, folder, what in places
            if zone in self.rules
        ]


def _until(expiry: Expiry) -> str:
    return "never" if expiry.at is None else stamp(expiry.at)


def _days(age: timedelta) -> str:
    return f"{age / timedelta(days=1):g} days"
