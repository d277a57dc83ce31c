"""The ledger as the jobs write it: every write is conditional, and those of a dataset need its lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from lakejobs.clock import Clock, stamp, utc_now
from lakejobs.errors import LeaseLost
from lakejobs.lists import Object

PUBLISH = "!publish"
OPEN_STATES = ("frozen", "running")

_TRANSACTION_LIMIT = 100
_CONFLICT_TRIES = 6
_HELD = "#state = :held AND #run = :run AND #token = :token"


@dataclass(frozen=True)
class Lease:
    """The right of one run to change one dataset, or (`PUBLISH`) the curated tables."""

    name: str
    run: str
    token: int


@dataclass(frozen=True)
class BatchRecord:
    batch: str
    dataset: str
    state: str
    attempt: int
    force: bool
    prior_state: str
    replayed: bool


@dataclass(frozen=True)
class Unreadable:
    """An object that could not be read, and why."""

    object: Object
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How a batch ended. `rows_changed` is how many rows of the cleaned table it wrote."""

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


@dataclass(frozen=True)
class Output:
    """What is published under a model's name."""

    output_id: str
    inputs: dict[str, str]
    snapshot: str
    rows: int


class ConditionFailed(Exception):
    """The conditions of the writes at these positions did not hold; nothing was written."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(f"conditions of writes {list(positions)} do not hold")
        self.positions = tuple(positions)


class Ledger:
    def __init__(self, dynamodb: Any, table: str, lease_seconds: int, now: Clock = utc_now) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._lease_seconds = lease_seconds
        self._now = now

    def renew(self, lease: Lease) -> None:
        """Pushes the lease's expiry out, and so checks it. Raises LeaseLost if another run has it."""
        try:
            self._transact(
                [
                    self._update(
                        _lease_key(lease.name),
                        "SET #expires = :expires",
                        _HELD,
                        {**_holder(lease), "expires": self._expiry()},
                    )
                ]
            )
        except ConditionFailed:
            raise self._lost(lease) from None

    def batch(self, batch: str) -> BatchRecord:
        item = self._get(_batch_key(batch))
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
        )

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
        update = self._update(
            _batch_key(batch),
            "SET #state = :running, #attempt = if_not_exists(#attempt, :zero) + :one, #run = :run, #token = :token,"
            " #updated_at = :now, #mirrored = :no",
            "#state IN (:frozen, :running)",
            values,
        )
        try:
            self._transact([update, self._check(lease)])
        except ConditionFailed as failed:
            if 1 in failed.positions:
                raise self._lost(lease) from None
            return self.batch(batch)
        return seen

    def finish(self, batch: str, dataset: str, lease: Lease, outcome: Outcome) -> None:
        """Writes the outcome, once: the batch must be running in this run. Marks unreadable objects first."""
        self._mark_unreadable(batch, dataset, lease, outcome.unreadable)
        values = self._outcome_values(outcome)
        values |= {"running": "running", "run": lease.run, "token": lease.token, "now": self._stamp(), "no": False}
        record = self.batch(batch)
        if record.force and record.prior_state:
            expression = (
                "SET #state = :prior, #force = :no, #rerun = :rerun, #updated_at = :now, #mirrored = :no"
                " REMOVE #prior_state"
            )
            rerun = {
                "at": self._stamp(),
                "state": outcome.state,
                "counts": outcome.counts,
                "snapshot": outcome.snapshot,
                "rows_changed": outcome.rows_changed,
                "code": outcome.code,
                "reason": outcome.reason,
            }
            keep = ("running", "run", "token", "now", "no")
            values = {k: values[k] for k in keep} | {"prior": record.prior_state, "rerun": rerun}
        else:
            names = (
                "state",
                "counts",
                "objects_read",
                "unreadable",
                "undeclared",
                "reasons",
                "code",
                "reason",
                "snapshot",
            )
            expression = "SET " + ", ".join(f"#{n} = :{n}" for n in names) + ", #updated_at = :now, #mirrored = :no"
        update = self._update(
            _batch_key(batch), expression, "#state = :running AND #run = :run AND #token = :token", values
        )
        pointer = {"Delete": {"TableName": self._table, "Key": _key("open", f"{dataset}#{batch}")}}
        try:
            self._transact([update, self._check(lease), pointer])
        except ConditionFailed:
            raise self._lost(lease) from None

    def take_publish(self, run: str) -> Lease | None:
        """Takes the publish lease if it is free, expired or this run's already; None if another run holds it."""
        item = self._get(_lease_key(PUBLISH))
        if item and item["state"] == "held" and item["run"] != run and int(item["expires"]) > self._epoch():
            return None
        lease = Lease(PUBLISH, run, int(item["token"]) + 1 if item else 1)
        values = {**_holder(lease), "expires": self._expiry()}
        condition = "attribute_not_exists(#pk)"
        if item:
            condition = "#token = :seen AND #expires = :seen_expires"
            values |= {"seen": item["token"], "seen_expires": item["expires"]}
        expression = "SET #state = :held, #run = :run, #token = :token, #expires = :expires"
        try:
            self._transact([self._update(_lease_key(PUBLISH), expression, condition, values)])
        except ConditionFailed:
            return None
        return lease

    def release(self, lease: Lease) -> None:
        """Frees the lease; one that another run has taken over is left alone."""
        values = {**_holder(lease), "free": "free", "zero": 0}
        try:
            self._transact(
                [self._update(_lease_key(lease.name), "SET #state = :free, #expires = :zero", _HELD, values)]
            )
        except ConditionFailed:
            return

    def output(self, model: str) -> Output | None:
        item = self._get(_key(f"output#{model}", "output"))
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
        put = {"Put": {"TableName": self._table, "Item": _key(f"output#{model}", "output") | _encode(item)}}
        try:
            self._transact([put, self._check(lease)])
        except ConditionFailed:
            raise self._lost(lease) from None

    def _mark_unreadable(self, batch: str, dataset: str, lease: Lease, objects: Iterable[Unreadable]) -> None:
        marks = [
            self._update(
                _key(f"inbox#{dataset}", f"object#{u.object.hash}"),
                "SET #state = :state, #reason = :reason",
                "#batch = :batch",
                {"state": "unreadable", "reason": u.reason, "batch": batch},
            )
            for u in objects
        ]
        step = _TRANSACTION_LIMIT - 1
        for start in range(0, len(marks), step):
            chunk = marks[start : start + step]
            try:
                self._transact([self._check(lease), *chunk])
            except ConditionFailed as failed:
                if 0 in failed.positions:
                    raise self._lost(lease) from None
                # An object that a later batch has claimed is that batch's to judge.
                ours = [mark for i, mark in enumerate(chunk, start=1) if i not in failed.positions]
                self._transact([self._check(lease), *ours])

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
        }

    def _lost(self, lease: Lease) -> LeaseLost:
        return LeaseLost(f"{lease.name}: {lease.run} no longer holds the lease with token {lease.token}")

    def _check(self, lease: Lease) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _lease_key(lease.name),
                "ConditionExpression": _HELD,
                "ExpressionAttributeNames": _names(_HELD),
                "ExpressionAttributeValues": _placeholders(_holder(lease)),
            }
        }

    def _update(self, key: dict[str, Any], expression: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": key,
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": _names(expression + " " + condition),
                "ExpressionAttributeValues": _placeholders(values),
            }
        }

    def _get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else {name: _plain(value) for name, value in item.items()}

    def _transact(self, writes: list[dict[str, Any]]) -> None:
        wait = 0.025
        for attempt in range(1, _CONFLICT_TRIES + 1):
            try:
                self._dynamodb.transact_write_items(TransactItems=writes)
                return
            except ClientError as error:
                codes = [r.get("Code") for r in error.response.get("CancellationReasons", [])]
                failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
                if failed:
                    raise ConditionFailed(failed) from error
                if "TransactionConflict" not in codes or attempt == _CONFLICT_TRIES:
                    raise
            time.sleep(wait)
            wait *= 2

    def _stamp(self) -> str:
        return stamp(self._now())

    def _epoch(self) -> int:
        return int(self._now().timestamp())

    def _expiry(self) -> int:
        return self._epoch() + self._lease_seconds


_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


def _plain(value: dict[str, Any]) -> Any:
    return _DESERIALIZER.deserialize(value)


def _encode(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _SERIALIZER.serialize(_exact(value)) for name, value in values.items()}


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _placeholders(values: dict[str, Any]) -> dict[str, Any]:
    return {f":{name}": encoded for name, encoded in _encode(values).items()}


def _names(expression: str) -> dict[str, str]:
    words = expression.replace(",", " ").replace("(", " ").replace(")", " ").split()
    return {word: word[1:] for word in words if word.startswith("#")}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _lease_key(name: str) -> dict[str, Any]:
    return _key(f"lease#{name}", "lease")


def _batch_key(batch: str) -> dict[str, Any]:
    return _key(f"batch#{batch}", "batch")


def _holder(lease: Lease) -> dict[str, Any]:
    return {"held": "held", "run": lease.run, "token": lease.token}
