"""The whole path of transaction files: from two tables of PostgreSQL, through one folder for both, into cleaned tables
that equal them, under both settings of what nobody documents of DMS."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_lake import SECRET, SPEED, Live

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import Assembly, deploy, synthesise
from rehearsal.dms import OTHER, Database, Unverified

pytestmark = [pytest.mark.cloud, pytest.mark.spark, pytest.mark.soak]

APP = Path(__file__).parent / "ordered"
TABLES = {
    "accounts": ("iban", "balance", "note", "since", "open"),
    "transfers": ("branch", "number", "amount", "reason"),
}
FOLDER = "erp/g1/cdc-transactions/"


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(APP, tmp_path_factory.mktemp("ordered"))


@pytest.fixture(params=[Unverified(), OTHER], ids=["default", "other"])
def live(request: pytest.FixtureRequest, assembly: Assembly, tmp_path: Path) -> Iterator[Live]:
    cloud = Cloud(tmp_path / "cloud", speed=SPEED, scaled_environment=("WINDOW_SECONDS",), enforce=True)
    database = Database()
    parts = services.install(cloud, database, unverified=request.param)
    with cloud:
        cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(database.secret()))
        deployment = deploy(cloud, assembly)
        cloud.warm_up(deployment.of_type("AWS::Glue::Job")[0].physical_id)
        live = Live(cloud, parts, database, deployment)
        live.execute(
            "CREATE TABLE accounts (iban varchar(34) PRIMARY KEY, balance numeric(12,2), note text,"
            " since timestamp, open boolean)",
            "CREATE TABLE transfers (branch int, number bigint, amount numeric(12,2), reason varchar(80),"
            " PRIMARY KEY (branch, number))",
            "INSERT INTO accounts SELECT 'CH' || n, n, 'loaded', '2024-02-29 10:11:12.123456', true"
            " FROM generate_series(1, 50) AS n",
        )
        yield live
        denials = cloud.denials
        live.end()
        deployment.destroy()
    assert not denials, "\n".join(str(denial) for denial in denials)


def rows(live: Live, table: str) -> list[tuple[Any, ...]]:
    """A cleaned table's rows that are not deleted, comparable with PostgreSQL's."""
    found = live.lake.rows("ordered_bank_cleaned", table, [*TABLES[table], "_is_deleted"])
    return sorted(
        tuple(v.replace(tzinfo=None) if hasattr(v, "tzinfo") else v for v in (r[c] for c in TABLES[table]))
        for r in found
        if not r["_is_deleted"]
    )


def stored(live: Live, table: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(r) for r in live.sql.execute(f"SELECT {', '.join(TABLES[table])} FROM {table}").fetchall())


def deliver(live: Live) -> None:
    """Let everything that was committed arrive and be merged."""
    live.settle()
    live.lake.invoke("dispatch", {"action": "sweep"})
    live.settle()
    assert not live.lake.ledger().open()


def files(live: Live) -> list[tuple[str, str, bytes]]:
    """Key, version and content of the transaction files, by name."""
    return sorted(live.lake.versions(FOLDER))


def test_tables_equal_the_source(live: Live) -> None:
    live.replicate()
    assert rows(live, "accounts") == stored(live, "accounts")
    for number in range(20):
        live.execute(
            f"BEGIN; UPDATE accounts SET balance = balance - 5 WHERE iban = 'CH{number + 1}';"
            f" UPDATE accounts SET balance = balance + 5 WHERE iban = 'CH{number + 2}';"
            f" INSERT INTO transfers VALUES (1, {number}, 5, E'rent, \"{number}\"\\nsecond line'); COMMIT"
        )
    live.execute(
        "UPDATE accounts SET iban = 'DE1', note = '' WHERE iban = 'CH40'",
        "UPDATE accounts SET note = NULL, open = false WHERE iban = 'CH41'",
        "DELETE FROM accounts WHERE iban = 'CH42'",
        "BEGIN; DELETE FROM transfers WHERE number < 3; UPDATE transfers SET branch = 2 WHERE number = 4; COMMIT",
        "INSERT INTO accounts VALUES ('CH42', 1, 'again', '1999-12-31 23:59:59', NULL)",
    )
    deliver(live)
    live.parts.dms.interrupt(live.replication)  # the last of it is delivered again
    live.execute("UPDATE accounts SET note = 'NULL' WHERE iban = 'CH43'", "DELETE FROM transfers WHERE number = 10")
    deliver(live)
    for table in TABLES:
        assert rows(live, table) == stored(live, table), table
    check_files(live)
    check_conservation(live)
    check_twice_is_once(live)
    # Lag is measured on a clock that runs 60 times as fast as this machine works.
    assert {alarm for alarm in live.alarms() if "Latency" not in alarm} == set()


def check_files(live: Live) -> None:
    """The raw zone keeps the order of commits over both tables."""
    text = b"".join(body for *_, body in files(live)).decode()
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    first = [r for i, r in enumerate(records) if r not in records[:i]]
    assert {r[1] for r in records} == set(TABLES)
    places = [[r[1] for r in first].index(table) for table in TABLES]
    assert min(places) == 0 and max(places) == 2, "a transfer comes after the two accounts it moves money between"


def check_conservation(live: Live) -> None:
    """Each version that landed is one of: split, or claimed by a batch. What was split is in its tables' objects."""
    ledger, landed = live.lake.ledger(), live.lake.versions("")
    states = {(o["key"], o["version"]): o["state"] for o in ledger.objects()}
    assert states.keys() == {(key, version) for key, version, _ in landed}
    assert {(key.startswith(FOLDER), state) for (key, _), state in states.items()} == {
        (True, "split"),
        (False, "claimed"),
    }
    handed = sorted(line for key, _, body in landed if handed_on(key) for line in body.split(b"\n"))
    assert [line for line in handed if line] == sorted(
        line for *_, body in files(live) for line in body.split(b"\n") if line
    )
    counts = ledger.counts()
    assert sum(c.get("quarantined", 0) + c.get("blocked", 0) for c in counts.values()) == 0
    again = sum(c.get("duplicate", 0) + c.get("stale", 0) + c.get("superseded", 0) for c in counts.values())
    assert again > 0, "the restart delivered nothing again"


def handed_on(key: str) -> bool:
    return key.endswith(".csv") and not key.startswith(FOLDER)


def check_twice_is_once(live: Live) -> None:
    """Events of files that are split already make no object."""
    before = len(live.lake.versions(""))
    function = live.command("SplitCommand")
    assert function == {"split": 0, "records": 0, "unroutable": 0, "failed": 0, "left": 0}
    for key, version, body in files(live):
        detail = {
            "bucket": {"name": live.lake.raw_bucket},
            "object": {"key": key, "version-id": version, "size": len(body)},
        }
        event = {"detail-type": "Object Created", "source": "aws.s3", "time": "2026-01-01T00:00:00Z", "detail": detail}
        message = {"messageId": "1", "body": json.dumps(event), "attributes": {"ApproximateReceiveCount": "2"}}
        (name,) = [f.physical_id for f in live.deployment.of_type("AWS::Lambda::Function") if "Split" in f.physical_id]
        answer = live.cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"Records": [message]}))
        assert json.loads(answer["Payload"].read()) == {"batchItemFailures": None}
    assert len(live.lake.versions("")) == before
