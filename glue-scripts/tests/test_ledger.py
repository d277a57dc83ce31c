"""Leases and outcomes in the ledger, against DynamoDB's conditions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError, EndpointConnectionError
from lakejobs.errors import LeaseLost, is_infrastructure
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import PUBLISH, Lease, Ledger, Outcome, Output, Unreadable
from lakejobs.lists import Object

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


class Store:
    def __init__(self, name: str) -> None:
        self.dynamodb, self.name = boto3.client("dynamodb"), name
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self.ledger = Ledger(self.dynamodb, name, 60, lambda: NOW)

    def put(self, pk: str, sk: str, **values: Any) -> None:
        self.dynamodb.put_item(
            TableName=self.name,
            Item={k: TypeSerializer().serialize(v) for k, v in {"pk": pk, "sk": sk, **values}.items()},
        )

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        item = self.dynamodb.get_item(TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}}).get("Item")
        return item and {k: TypeDeserializer().deserialize(v) for k, v in item.items()}

    def hold(self, lease: Lease, expires: int = EPOCH + 10) -> None:
        self.put(f"lease#{lease.name}", "lease", state="held", run=lease.run, token=lease.token, expires=expires)


@pytest.fixture
def store(aws: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    made = Store(f"t{abs(hash(request.node.name))}")
    yield made
    made.dynamodb.delete_table(TableName=made.name)


LEASE = Lease("sales.orders", "r-1", 3)
COUNTS = {"read": 2, "inserted": 2}


def test_batch_life(store: Store) -> None:
    store.hold(LEASE)
    store.put(
        "batch#b",
        "batch",
        dataset="sales.orders",
        frozen_at="2026-01-01T00:00:00.000000Z",
        state="frozen",
        attempt=0,
        mirrored=True,
    )
    store.put("open", "sales.orders#b", batch="b", dataset="sales.orders")
    seen = store.ledger.start("b", LEASE)
    assert (seen.state, seen.attempt) == ("frozen", 0)
    running = store.get("batch#b", "batch")
    assert (running["state"], running["attempt"], running["run"], running["token"]) == ("running", 1, "r-1", 3)
    assert (running["updated_at"], running["mirrored"]) == ("2026-01-02T03:04:05.678901Z", False)
    outcome = Outcome("applied", COUNTS, 1, reasons={}, undeclared=("x",), snapshot="7", rows_changed=2)
    store.ledger.finish("b", "sales.orders", LEASE, outcome)
    done = store.get("batch#b", "batch")
    assert (done["state"], done["counts"], done["objects_read"], done["undeclared"]) == ("applied", COUNTS, 1, ["x"])
    assert store.get("open", "sales.orders#b") is None
    assert store.ledger.start("b", LEASE).state == "applied"
    with pytest.raises(LeaseLost):
        store.ledger.finish("b", "sales.orders", LEASE, outcome)


@pytest.mark.parametrize("holder", [Lease("sales.orders", "r-2", 4), Lease("sales.orders", "r-1", 4), None])
def test_nothing_is_written_without_the_lease(store: Store, holder: Lease | None) -> None:
    store.put(
        "batch#b",
        "batch",
        dataset="sales.orders",
        frozen_at="2026-01-01T00:00:00.000000Z",
        state="running",
        attempt=1,
        run="r-1",
        token=3,
    )
    store.put("inbox#sales.orders", f"object#{landed(0).hash}", state="claimed", batch="b")
    if holder:
        store.hold(holder)
    before = store.get("batch#b", "batch")
    with pytest.raises(LeaseLost):
        store.ledger.start("b", LEASE)
    with pytest.raises(LeaseLost):
        store.ledger.renew(LEASE)
    with pytest.raises(LeaseLost):
        outcome = Outcome("failed", {}, 0, (Unreadable(landed(0), "torn"),))
        store.ledger.finish("b", "sales.orders", LEASE, outcome)
    with pytest.raises(LeaseLost):
        store.ledger.put_output("m", Output("id", {}, "1", 1), Lease(PUBLISH, "r-1", 1))
    store.ledger.release(LEASE)
    assert store.get("batch#b", "batch") == before
    assert store.get("inbox#sales.orders", f"object#{landed(0).hash}")["state"] == "claimed"
    assert store.get("output#m", "output") is None


def landed(n: int) -> Object:
    return Object("raw", f"in/{n}.csv", "v", 1, "e", "t")


def test_many_unreadable_objects_but_not_those_of_another_batch(store: Store) -> None:
    store.hold(LEASE)
    store.put(
        "batch#b",
        "batch",
        dataset="sales.orders",
        frozen_at="2026-01-01T00:00:00.000000Z",
        state="running",
        attempt=1,
        run="r-1",
        token=3,
    )
    for n in range(120):
        batch = "other" if n == 5 else "b"
        store.put("inbox#sales.orders", f"object#{landed(n).hash}", state="claimed", batch=batch)
    unreadable = tuple(Unreadable(landed(n), "torn") for n in range(120))
    store.ledger.finish("b", "sales.orders", LEASE, Outcome("failed", {}, 0, unreadable, code="unreadable"))
    states = [store.get("inbox#sales.orders", f"object#{landed(n).hash}")["state"] for n in range(120)]
    assert [n for n, state in enumerate(states) if state != "unreadable"] == [5]
    assert len(store.get("batch#b", "batch")["unreadable"]) == 120


def test_a_forced_rerun_keeps_the_first_outcome(store: Store) -> None:
    store.hold(LEASE)
    store.put("batch#b", "batch", dataset="sales.orders", frozen_at="2026-01-01T00:00:00.000000Z", state="running",
              attempt=1, run="r-1", token=3, force=True,
              prior_state="empty", counts=COUNTS, snapshot="1")  # fmt: skip
    outcome = Outcome("failed", {"read": 0}, 0, code="error", reason="why")
    store.ledger.finish("b", "sales.orders", LEASE, outcome)
    done = store.get("batch#b", "batch")
    assert (done["state"], done["counts"], done["snapshot"], done["force"]) == ("empty", COUNTS, "1", False)
    rerun = done["rerun"]
    assert (rerun["state"], rerun["code"], rerun["reason"], rerun["rows_changed"]) == ("failed", "error", "why", 0)
    assert "prior_state" not in done


def test_publish_lease(store: Store) -> None:
    first = store.ledger.take_publish("r-1")
    assert first == Lease(PUBLISH, "r-1", 1)
    assert store.get(f"lease#{PUBLISH}", "lease")["expires"] == EPOCH + 60
    assert store.ledger.take_publish("r-2") is None
    again = store.ledger.take_publish("r-1")
    assert again.token == 2
    with pytest.raises(LeaseLost):
        store.ledger.renew(first)
    store.hold(again, expires=EPOCH)
    assert store.ledger.take_publish("r-2").token == 3
    store.ledger.release(again)
    assert store.get(f"lease#{PUBLISH}", "lease")["run"] == "r-2"
    store.ledger.put_output("m", Output("id", {"a.b": "1"}, "2", 5), Lease(PUBLISH, "r-2", 3))
    assert store.ledger.output("m") == Output("id", {"a.b": "1"}, "2", 5)


def test_the_lease_of_a_dataset_outside_the_pipeline(store: Store) -> None:
    """One that a run of the pipeline holds is not taken even if it has expired: that run may still execute."""
    mine = store.ledger.take("sales.new", "maintain-a")
    assert mine == Lease("sales.new", "maintain-a", 1)
    assert store.ledger.take("sales.new", "maintain-b") is None
    store.hold(mine, expires=EPOCH)
    assert store.ledger.take("sales.new", "maintain-b").token == 2
    for holder, taken in ((f"{'0' * 32}-12", False), ("claim-0", True)):
        held = Lease("sales.new", holder, 7)
        store.hold(held, expires=EPOCH + 1)
        assert store.ledger.take("sales.new", "maintain-c") is None
        store.hold(held, expires=EPOCH)
        assert (store.ledger.take("sales.new", "maintain-c") is not None) is taken


def test_heartbeat_renews_and_notices_a_takeover(store: Store) -> None:
    other = Lease("sales.events", "r-1", 1)
    store.hold(LEASE, expires=1)
    store.hold(other, expires=1)
    with Heartbeat(store.ledger, [LEASE, other], 0.06) as heart:
        wait_for(lambda: store.get("lease#sales.orders", "lease")["expires"] == EPOCH + 60)
        store.hold(Lease("sales.orders", "r-2", 4))

        def noticed() -> bool:
            try:
                heart.check(LEASE)
            except LeaseLost:
                return True
            return False

        wait_for(noticed)
        heart.check(other)
    store.hold(other, expires=1)
    time.sleep(0.1)
    assert store.get("lease#sales.events", "lease")["expires"] == 1


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ConnectionError("x"), True),
        (EndpointConnectionError(endpoint_url="x"), True),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "x"), True),
        (ClientError({"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "x"), True),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "x"), False),
        (ValueError("x"), False),
    ],
)
def test_what_says_nothing_about_the_batch(error: Exception, wanted: bool) -> None:
    assert is_infrastructure(error) is wanted
