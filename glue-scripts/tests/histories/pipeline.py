"""What dispatch and record do around a run, by docs/contracts.md: leases, attempts, and runs that ended badly."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from lake import Lake
from lakejobs.arguments import RefineArguments
from lakejobs.refine.job import refine
from lakejobs.session import activate, another_session
from pyspark.sql import SparkSession

from histories.wire import Wire

MAX_ATTEMPTS = 3
# What the ledger's transaction that keeps an outcome does besides: the batch is open no more.
_OUTCOME = "Delete open/"
_FAR = 4_000_000_000


class Pipeline:
    """Runs batches of one dataset to their outcomes.

    A run after one that was struck has a session of its own: nothing lives on that a dead process would not leave.
    `struck` tells of the faults that did strike, `effects` is the largest number of side effects of a run until it kept
    its last outcome: compaction, which comes after it, has the more the longer it was put off.
    """

    def __init__(self, lake: Lake, dataset: str, wire: Wire, struck: Callable[[str], None] = lambda _: None) -> None:
        """`struck` is told of each fault right after it, before anything is tried again. Default: nobody is."""
        self.lake, self.dataset, self.wire, self._on_strike = lake, dataset, wire, struck
        self.attempts: Counter[str] = Counter()
        self.struck: list[str] = []
        self.effects = 0
        self._session: SparkSession | None = None

    def drain(self, items: list[dict], fault: tuple | None = None) -> None:
        """Starts runs until no batch is open. The first of them suffers the fault."""
        while waiting := [item for item in items if self._record(item)["state"] in ("frozen", "running")]:
            tried = [item for item in waiting if int(self._record(item)["attempt"]) > 0]
            self._run(tried[:1] or waiting, items, fault)
            fault = None

    def reopen(self, item: dict) -> dict:
        """Freezes a batch that has an outcome again under the current manifest, as a forced replay does."""
        record = self._record(item)
        kept = {k: v for k, v in record.items() if k not in ("pk", "sk", "run")}
        kept |= {"state": "frozen", "manifest": self.lake.pin(), "attempt": 0, "mirrored": False}
        kept["history"] = [*record.get("history", []), {"at": record["updated_at"], "state": record["state"]}]
        force = record["state"] in ("applied", "empty")
        if force:
            kept |= {"force": True, "prior_state": record["state"]}
        else:
            gone = ("code", "reason", "reasons", "counts", "unreadable", "undeclared", "objects_read", "snapshot")
            kept = {k: v for k, v in kept.items() if k not in (*gone, "prior_state")} | {"force": False}
        self.lake.put(record["pk"], "batch", kept)
        self.lake.put("open", f"{self.dataset}#{item['batch']}", {"batch": item["batch"], "dataset": self.dataset})
        return item | {"manifest": kept["manifest"], "force": force}

    def _run(self, batches: list[dict], items: list[dict], fault: tuple | None) -> None:
        arguments, run, token = self._start(batches)

        def overtake() -> None:
            self._session = None
            self._settle(run, token, batches)
            self.drain(items)
            # What the table has been made of meanwhile is not what a late commit would put in its place.
            self.lake.store(self.dataset).compact(lambda: None, 1)

        failure: Exception | None = None
        with self.wire.run(fault, overtake) as running:
            try:
                self._session = self._session or self._fresh()
                activate(self._session)
                refine(self._session, arguments, self.lake.clients)
            except Exception as error:  # a run that is struck ends in any way
                failure = error
            finally:
                activate(self.lake.spark)
        self.effects = max(self.effects, until_outcome(running.effects))
        if running.fired:
            self._session = None
            self.struck.append(f"{fault} {running.effects[fault[1] - 1]}: {failure}")
            self._on_strike(self.struck[-1])
        elif failure is not None:
            raise failure
        self._settle(run, token, batches)

    def _fresh(self) -> SparkSession:
        """What a new process has: a session of its own, and none of the logs that Delta's code remembers."""
        self.lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        return another_session(self.lake.spark)

    def _start(self, batches: list[dict]) -> tuple[RefineArguments, str, int]:
        ids = "".join(f"{batch}\n" for batch in sorted(item["batch"] for item in batches))
        run_id = hashlib.sha256(ids.encode()).hexdigest()[:32]
        self.attempts[run_id] += 1
        attempt = self.attempts[run_id]
        run = f"{run_id}-{attempt}"
        token = self.lake.lease(self.dataset, run)
        content = {"schema_version": 1, "run": run_id, "attempt": attempt, "manifest": self.lake.pin(),
                   "batches": [item | {"token": token} for item in batches]}  # fmt: skip
        artifacts = self.lake.buckets["artifacts"]
        self.lake.s3.put_object(Bucket=artifacts, Key=f"runs/{run}.json", Body=json.dumps(content))
        cleaned, quarantine = self.lake.buckets["cleaned"], self.lake.buckets["quarantine"]
        uri = f"s3://{artifacts}/runs/{run}.json"
        ledger = self.lake.ledger_table
        vault, keys = self.lake.buckets["vault"], self.lake.token_keys
        arguments = RefineArguments(
            "test", uri, ledger, artifacts, cleaned, quarantine, "none", "none", vault, keys, "none", 60
        )
        return arguments, run, token

    def _settle(self, run: str, token: int, batches: list[dict]) -> None:
        """Ends a run that holds its lease still: what it left open is frozen again and charged, the lease is freed."""
        lease = self.lake.get(f"lease#{self.dataset}", "lease")
        if (lease["state"], lease["run"], int(lease["token"])) != ("held", run, token):
            return
        for item in batches:
            record = self._record(item)
            open_still = record["state"] in ("frozen", "running")
            if not open_still or (record["state"] == "frozen" and record.get("run") == run):
                continue
            attempt = int(record["attempt"]) + (record.get("run") != run)
            if attempt >= MAX_ATTEMPTS:
                raise AssertionError(f"batch {item['batch']} has used up its attempts: {self.struck}")
            self._put(record, {"state": "frozen", "attempt": attempt, "run": run})
        self.lake.put(f"lease#{self.dataset}", "lease", {"state": "free", "run": run, "token": token, "expires": 0})

    def _record(self, item: dict) -> dict:
        return self.lake.batch(item)

    def _put(self, record: dict, changed: dict[str, Any]) -> None:
        kept = {k: v for k, v in record.items() if k not in ("pk", "sk")} | changed
        self.lake.put(record["pk"], record["sk"], kept)


def until_outcome(effects: Sequence[str]) -> int:
    """How many of a run's side effects come until the last outcome that it kept; all of them if it kept none."""
    return max((i for i, effect in enumerate(effects, 1) if _OUTCOME in effect), default=len(effects))
