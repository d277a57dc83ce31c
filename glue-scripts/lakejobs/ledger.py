"""The ledger as the jobs write it: every write is conditional, and those of a dataset need its lease."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lakejobs.clock import Clock, stamp, utc_now
from lakejobs.dynamo import TRANSACTION_LIMIT, ConditionFailed, Items, Key, Write
from lakejobs.errors import LeaseLost
from lakejobs.lists import Object

PUBLISH = "!publish"
OPEN_STATES = ("frozen", "running")
DONE_STATES = ("applied", "empty")

# How dispatch names a run that holds a lease.
_PIPELINE_RUN = re.compile(r"[0-9a-f]{32}-[1-9][0-9]*")

_HELD = "#state = :held AND #run = :run AND #token = :token"


@dataclass(frozen=True)
class Lease:
    """The right of one run to change one dataset, or (`PUBLISH`) the curated tables."""

    name: str
    run: str
    token: int


@dataclass(frozen=True)
class CorrectionFile:
    """A file of corrections in the raw bucket, by version."""

    bucket: str
    key: str
    version: str


@dataclass(frozen=True)
class BatchRecord:
    batch: str
    dataset: str
    state: str
    attempt: int
    force: bool
    prior_state: str
    replayed: bool
    frozen_at: str
    corrections: tuple[CorrectionFile, ...] = ()


@dataclass(frozen=True)
class ErasedSubject:
    """When somebody was erased, and the version of the key that they are hashed under."""

    at: str
    key_version: str


@dataclass(frozen=True)
class Unreadable:
    """An object that could not be read, and why."""

    object: Object
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How a batch ended. `rows_changed` is how many rows of the cleaned table it wrote, `absent` how many of them a
    whole load no longer had; `rules_failed` and `rules_warned` how many rules that block, and that warn, failed.
    """

    state: str
    counts: dict[str, int]
    objects_read: int
    unreadable: tuple[Unreadable, ...] = ()
    undeclared: tuple[str, ...] = ()
    reasons: dict[str, int] | None = None
    code: str = ""
    reason: str = ""
    snapshot: str = ""
    rows_changed: int = 0
    absent: int = 0
    rules_failed: int = 0
    rules_warned: int = 0


@dataclass(frozen=True)
class Output:
    """What is published under a model's name."""

    output_id: str
    inputs: dict[str, str]
    snapshot: str
    rows: int


class Ledger:
    def __init__(self, dynamodb: Any, table: str, lease_seconds: int, now: Clock = utc_now) -> None:
        self._items = Items(dynamodb, table)
        self._lease_seconds = lease_seconds
        self._now = now

    def renew(self, lease: Lease) -> None:
        """Pushes the lease's expiry out, and so checks it. Raises LeaseLost if another run has it."""
        try:
            values = {**_holder(lease), "expires": self._expiry()}
            self._items.transact([self._items.update(_lease_key(lease.name), "SET #expires = :expires", _HELD, values)])
        except ConditionFailed:
            raise self._lost(lease) from None

    def batch(self, batch: str) -> BatchRecord:
        item = self._items.get(_batch_key(batch))
        if item is None:
            raise LookupError(f"the ledger has no batch {batch}")
        return BatchRecord(
            batch,
            item["dataset"],
            item["state"],
            int(item.get("attempt", 0)),
            bool(item.get("force")),
            item.get("prior_state", ""),
            bool(item.get("history")),
            item["frozen_at"],
            tuple(CorrectionFile(f["bucket"], f["key"], f["version"]) for f in item.get("corrections", [])),
        )

    def dataset_of(self, batch: str) -> str | None:
        """The dataset of a batch, None of one that the ledger does not know."""
        item = self._items.get(_batch_key(batch))
        return None if item is None else item["dataset"]

    def state(self, batch: str) -> str | None:
        """The state of a batch, None of one that the ledger does not know."""
        item = self._items.get(_batch_key(batch))
        return None if item is None else item["state"]

    def rows_before(self, dataset: str, frozen_at: str, count: int) -> list[int]:
        """Rows read of the last `count` batches of the dataset that were frozen before and applied, newest first; of
        fewer if there are fewer. Full loads are left out."""
        found = []
        for item in self._items.before("by_dataset", ("dataset", dataset), ("frozen_at", frozen_at)):
            # What is run anew by force keeps the outcome it had until it has another.
            done = item["state"] in DONE_STATES or item.get("prior_state") in DONE_STATES
            if done and not item.get("load"):
                found.append(int(item["counts"]["read"]))
            if len(found) == count:
                break
        return found

    def start(self, batch: str, lease: Lease) -> BatchRecord:
        """Takes an open batch to running, one attempt up. A batch with an outcome is returned as it is."""
        seen = self.batch(batch)
        if seen.state not in OPEN_STATES:
            return seen
        values = {
            "running": "running",
            "frozen": "frozen",
            "now": self._stamp(),
            "one": 1,
            "zero": 0,
            "no": False,
            "run": lease.run,
            "token": lease.token,
        }
        update = self._items.update(
            _batch_key(batch),
            "SET #state = :running, #attempt = if_not_exists(#attempt, :zero) + :one, #run = :run, #token = :token,"
            " #updated_at = :now, #mirrored = :no",
            "#state IN (:frozen, :running)",
            values,
        )
        try:
            self._items.transact([update, self._check(lease)])
        except ConditionFailed as failed:
            if 1 in failed.positions:
                raise self._lost(lease) from None
            return self.batch(batch)
        return seen

    def finish(self, batch: str, dataset: str, lease: Lease, outcome: Outcome) -> None:
        """Writes the outcome, once: the batch must be running in this run. Marks unreadable objects first."""
        self._mark_unreadable(batch, dataset, lease, outcome.unreadable)
        record = self.batch(batch)
        values = {"running": "running", "run": lease.run, "token": lease.token, "now": self._stamp(), "no": False}
        if record.force and record.prior_state:
            expression = "SET #state = :prior, #force = :no, #rerun = :rerun, "
            values |= {"prior": record.prior_state, "rerun": self._rerun_values(outcome)}
        else:
            result = self._outcome_values(outcome)
            expression = "SET " + "".join(f"#{name} = :{name}, " for name in result)
            values |= result
        expression += "#updated_at = :now, #mirrored = :no REMOVE #prior_state"
        update = self._items.update(
            _batch_key(batch), expression, "#state = :running AND #run = :run AND #token = :token", values
        )
        pointer = self._items.delete(_open_key(dataset, batch))
        try:
            self._items.transact([update, self._check(lease), pointer])
        except ConditionFailed:
            raise self._lost(lease) from None

    def take_publish(self, run: str) -> Lease | None:
        """Takes the publish lease if it is free, expired or this run's already; None if another run holds it."""
        return self.take(PUBLISH, run)

    def take(self, name: str, run: str) -> Lease | None:
        """Takes a lease if it is free, expired or this run's already; None if another run holds it.

        An expired lease of a dataset that a run of the pipeline holds is dispatch's to take, which looks first whether
        that run still executes.
        """
        item = self._items.get(_lease_key(name))
        if item and item["state"] == "held" and item["run"] != run:
            settled = name == PUBLISH or not _PIPELINE_RUN.fullmatch(item["run"])
            if int(item["expires"]) > self._epoch() or not settled:
                return None
        lease = Lease(name, run, int(item["token"]) + 1 if item else 1)
        values = {**_holder(lease), "expires": self._expiry()}
        condition = "attribute_not_exists(#pk)"
        if item:
            condition = "#token = :seen AND #expires = :seen_expires"
            values |= {"seen": item["token"], "seen_expires": item["expires"]}
        expression = "SET #state = :held, #run = :run, #token = :token, #expires = :expires"
        try:
            self._items.transact([self._items.update(_lease_key(name), expression, condition, values)])
        except ConditionFailed:
            return None
        return lease

    def release(self, lease: Lease) -> None:
        """Frees the lease; one that another run has taken over is left alone."""
        values = {**_holder(lease), "free": "free", "zero": 0}
        try:
            self._items.transact(
                [self._items.update(_lease_key(lease.name), "SET #state = :free, #expires = :zero", _HELD, values)]
            )
        except ConditionFailed:
            return

    def output(self, model: str) -> Output | None:
        item = self._items.get(_output_key(model))
        if item is None:
            return None
        return Output(item["output_id"], dict(item["inputs"]), item["snapshot"], int(item["rows"]))

    def put_output(self, model: str, output: Output, lease: Lease) -> None:
        """Records what is published. Raises LeaseLost if another run has the publish lease."""
        item = {
            "output_id": output.output_id,
            "inputs": output.inputs,
            "snapshot": output.snapshot,
            "rows": output.rows,
            "run": lease.run,
            "published_at": self._stamp(),
        }
        put = self._items.put(_output_key(model), item)
        try:
            self._items.transact([put, self._check(lease)])
        except ConditionFailed:
            raise self._lost(lease) from None

    def needed(self, batch: str) -> bool:
        """Whether a run may still look for the batch's commit: it has no outcome, or one that a replay takes back."""
        state = self.state(batch)
        return state is not None and state not in DONE_STATES

    def batch_of(self, dataset: str, object_hash: str) -> str | None:
        """The batch that claimed an object last, None of one that is still to be claimed."""
        item = self._items.get((f"inbox#{dataset}", f"object#{object_hash}"))
        return (item or {}).get("batch") or None

    def erased(self, subject: str, dataset: str) -> dict[str, ErasedSubject]:
        """The subjects of this name that were erased from the dataset, by keyed hash; if it had not been declared then,
        from whichever came last."""
        everywhere, here = {}, {}
        for item in self._items.partition(f"erased#{subject}"):
            found = here if item.get("dataset") == dataset else {} if "dataset" in item else everywhere
            found[item["subject"]] = ErasedSubject(item["erased_at"], item["key_version"])
        return everywhere | here

    def remember_erased(self, subject: str, hashes: Iterable[str], key_version: str, erasure: str, lease: Lease) -> str:
        """Remembers that these subjects are erased from the lease's dataset now. Returns when. Raises LeaseLost.

        `key_version` is that of the key that they are hashed under.
        From then on no batch that begins lets in what has landed before.
        """
        at, writes = self._stamp(), []
        for found in sorted(hashes):
            item = {"subject": found, "erased_at": at, "key_version": key_version, "erasure": erasure}
            writes.append(self._items.put((f"erased#{subject}", found), item))
            here = (f"erased#{subject}", f"{found}#{lease.name}")
            writes.append(self._items.put(here, item | {"dataset": lease.name}))
        step = TRANSACTION_LIMIT - 1
        for start in range(0, len(writes), step):
            try:
                self._items.transact([self._check(lease), *writes[start : start + step]])
            except ConditionFailed:
                raise self._lost(lease) from None
        return at

    def _mark_unreadable(self, batch: str, dataset: str, lease: Lease, objects: Iterable[Unreadable]) -> None:
        marks = [
            self._items.update(
                _object_key(dataset, u.object),
                "SET #state = :state, #reason = :reason",
                "#batch = :batch",
                {"state": "unreadable", "reason": u.reason, "batch": batch},
            )
            for u in objects
        ]
        step = TRANSACTION_LIMIT - 1
        for start in range(0, len(marks), step):
            chunk = marks[start : start + step]
            try:
                self._items.transact([self._check(lease), *chunk])
            except ConditionFailed as failed:
                if 0 in failed.positions:
                    raise self._lost(lease) from None
                # An object that a later batch has claimed is that batch's to judge.
                ours = [mark for i, mark in enumerate(chunk, start=1) if i not in failed.positions]
                self._items.transact([self._check(lease), *ours])

    def _outcome_values(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "state": outcome.state,
            "counts": outcome.counts,
            "objects_read": outcome.objects_read,
            "unreadable": [
                {"key": u.object.key, "version": u.object.version, "reason": u.reason} for u in outcome.unreadable
            ],
            "undeclared": list(outcome.undeclared),
            "reasons": outcome.reasons or {},
            "code": outcome.code,
            "reason": outcome.reason,
            "snapshot": outcome.snapshot,
            "absent": outcome.absent,
            "rules_failed": outcome.rules_failed,
            "rules_warned": outcome.rules_warned,
        }

    def _rerun_values(self, outcome: Outcome) -> dict[str, Any]:
        result = self._outcome_values(outcome)
        kept = {name: result[name] for name in ("state", "counts", "absent", "snapshot", "code", "reason")}
        return {"at": self._stamp(), "rows_changed": outcome.rows_changed, **kept}

    def _lost(self, lease: Lease) -> LeaseLost:
        return LeaseLost(f"{lease.name}: {lease.run} no longer holds the lease with token {lease.token}")

    def _check(self, lease: Lease) -> Write:
        return self._items.check(_lease_key(lease.name), _HELD, _holder(lease))

    def _stamp(self) -> str:
        return stamp(self._now())

    def _epoch(self) -> int:
        return int(self._now().timestamp())

    def _expiry(self) -> int:
        return self._epoch() + self._lease_seconds


def _object_key(dataset: str, item: Object) -> Key:
    return f"inbox#{dataset}", f"object#{item.hash}"


def _open_key(dataset: str, batch: str) -> Key:
    return "open", f"{dataset}#{batch}"


def _output_key(model: str) -> Key:
    return f"output#{model}", "output"


def _lease_key(name: str) -> Key:
    return f"lease#{name}", "lease"


def _batch_key(batch: str) -> Key:
    return f"batch#{batch}", "batch"


def _holder(lease: Lease) -> dict[str, Any]:
    return {"held": "held", "run": lease.run, "token": lease.token}
