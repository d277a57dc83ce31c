"""Sources that fail: each trouble shows as a state that says what to do and as an alarm, nothing is lost, and what was
mended goes on. One lake is deployed for all tests, which leave it working but where their name says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from live_lake import SECRET, SPEED, TABLES, Live, wait_for

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import Assembly, deploy, synthesise
from rehearsal.dms import Database

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

APP = Path(__file__).parent / "live"
LATER = {"generation": "2", "max_lob": "64", "more": "yes"}
LONGEST = 1000 * 1024
"""Bytes of the longest record that a stream takes."""
HOSTILE = [
    'it\'s "quoted", back\\slash, comma,semi;tab\t',
    "line\nfeed\r\ncarriage\rreturn",
    "emoji 🦆👩‍👩‍👧, combining e\u0301, right-to-left שלום, astral 𝄞",
    "controls \x01\x02\x1b\x1f\x7f and separators \u2028\u2029\ufeff",
    "",
    "NULL",
    "\\N",
    "  blanks around  ",
    "x" * 500,
]
"""Texts that other formats have stumbled over. PostgreSQL itself takes no NUL."""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Assembly]]:
    """The app with the next generation, longer texts and one more dataset; synthesised beside the first tests."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(synthesise, APP, tmp_path_factory.mktemp("later"), context=LATER)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, later: Future[Assembly]) -> Iterator[Live]:
    first = synthesise(APP, tmp_path_factory.mktemp("first"))
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=SPEED, scaled_environment=("WINDOW_SECONDS",))
    database = Database()
    parts = services.install(cloud, database)
    with cloud:
        text = json.dumps({**database.secret(), "password": "mistyped"})
        cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)
        deployment = deploy(cloud, first)
        cloud.warm_up(deployment.of_type("AWS::Glue::Job")[0].physical_id)
        live = Live(cloud, parts, database, deployment)
        live.execute(
            "CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, price numeric(10,2))",
            "CREATE TABLE notes (id bigint PRIMARY KEY, body text)",
            "INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 200) AS n",
        )
        for number, text in enumerate(HOSTILE, 1):
            live.sql.execute("INSERT INTO notes VALUES (%s, %s)", [number, text])
        yield live
        denials = cloud.denials
        live.end()
        deployment.destroy()
    assert not denials, "\n".join(str(denial) for denial in denials)


@pytest.fixture
def live(deployed: Live) -> Live:
    deployed.quiet()
    return deployed


def test_wrong_credentials_at_the_first_start(live: Live):
    assert live.status()["did"] == "start-replication"
    live.settle()
    answer = live.status()
    assert answer["status"] == "failed" and answer["next_try"]
    assert "password authentication failed" in answer["message"]
    assert "secret" in answer["mend"]
    assert {"ErpReplicationErrors", "ErpReplicationStopped"} <= live.alarms()
    assert "ErpStatusCommand" in live.told()["ErpReplicationErrors"]
    line = live.log("ErpController")[-1]
    assert (line["status"], line["mend"]) == ("failed", answer["mend"])
    live.resume()
    live.settle()
    assert live.status()["status"] == "failed", "tried again with the same secret"

    live.tell_secret()
    live.quiet()
    live.resume()
    answer = live.replicate()
    assert answer["status"] == "running" and not answer.get("message") and not answer.get("mend")
    assert not live.alarms()
    live.equals_the_source()


def test_a_password_that_changes_while_it_runs(live: Live):
    live.replicate()
    live.database.change_password("rotated")
    live.parts.dms.interrupt(live.replication)
    live.execute("UPDATE products SET price = price + 1 WHERE id <= 3", "DELETE FROM products WHERE id = 200")
    live.settle()
    answer = live.status()
    assert answer["status"] == "failed"
    assert "password authentication failed" in answer["message"] and "secret" in answer["mend"]
    assert {"ErpReplicationErrors", "ErpReplicationStopped"} <= live.alarms() & live.told().keys()

    live.tell_secret()
    live.resume()
    live.replicate()
    live.quiet()
    live.status()
    assert not live.alarms()
    live.equals_the_source()


def test_a_controller_that_crashes(live: Live):
    """It counts nothing itself any more; its ticks are what a schedule sends, whose failures nobody keeps."""
    live.replicate()
    assert not live.alarms()
    with live.crashing("Controller"):
        live.tick()
        live.settle()
        assert live.alarms() == {"ErpControllerErrors"}
        assert "the function's log" in live.told()["ErpControllerErrors"]
        assert "not set" in live.lines("ErpControllerLog")[-3]
    live.quiet()
    live.tick()
    live.settle()
    assert not live.alarms()
    assert live.status()["status"] == "running"


def event(dataset: str | None, name: str, **values: str) -> bytes:
    route = {"d": dataset} if dataset else {}
    return json.dumps({**route, "event_id": name, **values}, ensure_ascii=False).encode()


def test_records_that_are_not_as_they_should_be(live: Live):
    longest = event("web.clicks", "longest", url="")
    longest = longest.replace(b'"url": ""', b'"url": "%s"' % (b"x" * (LONGEST - len(longest))))
    good = [event("web.clicks", "good", url="/🦆\n\"'\u0001"), longest]
    bad = {
        event("web.clicks", "bytes", url="/?").replace(b"/?", b"/\xff\xfe"): "malformed",
        b"no JSON at all": "malformed",
        b'{"d":"web.clicks","event_id":"cut': "malformed",
        event(None, "nameless", url="/"): "route:d",
        event("Web.Clicks", "misnamed", url="/"): "route:d",
        event("web.clicks", "without a page"): "required:url",
        event("web.clicks", "text", url="/", amount="a lot"): "type:amount",
    }
    live.put(*good, *bad, event("web.signups", "undeclared", plan="free"))
    live.settle()
    live.put(*(event(f"rogue.n{number}", f"rogue{number}") for number in range(20)))
    live.settle()
    live.put(event("web.trials", "crowded out", plan="paid"))
    client = live.cloud.client("firehose")
    with pytest.raises(ClientError, match="at most 1024000"):
        client.put_record(DeliveryStreamName=live.stream, Record={"Data": b"x" * (LONGEST + 1)})
    with pytest.raises(ClientError, match="at most 4194304"):
        client.put_record_batch(DeliveryStreamName=live.stream, Records=[{"Data": b"x" * LONGEST}] * 5)
    live.settle()

    landed = live.landed()
    assert [landed[record] for record in good] == [{"clicks"}] * 2
    assert {record: landed[record] for record in bad} == {r: {f"quarantine {reason}"} for r, reason in bad.items()}
    assert all(len(places) == 1 for places in landed.values()), "each record is in one place, and none is lost"
    assert [places for record, places in landed.items() if b"undeclared" in record] == [{"unroutable"}]
    folders = {o["key"].split("/ingest_date")[0] for o in live.objects("unroutable")}
    assert {"web/web/signups", "web/rogue/n0", "web/_unrouted/_unrouted"} <= folders
    assert "UnroutableObjects" in live.alarms()
    assert "declare the dataset" in live.told()["UnroutableObjects"]
    assert dict(live.query("SELECT event_id, url FROM live_web_cleaned.clicks"))["good"] == "/🦆\n\"'\u0001"


def test_a_transformation_that_fails(live: Live):
    (transform,) = [name for name in live.functions() if "Transform" in name]
    functions = live.cloud.client("lambda")
    functions.put_function_concurrency(FunctionName=transform, ReservedConcurrentExecutions=0)
    records = [event("web.clicks", f"late{number}", url="/") for number in range(3)]
    live.put(*records, b"late, and no JSON")
    live.settle()
    assert all(live.landed()[record] == {"failed"} for record in records)
    assert "FailedDeliveries" in live.alarms()
    assert "redeliver command" in live.told()["FailedDeliveries"]

    functions.delete_function_concurrency(FunctionName=transform)
    assert live.command("WebRedeliverCommand") == {"objects": 1, "records": 4, "left": 0}
    live.settle()
    landed = live.landed()
    assert [landed[record] for record in records] == [{"clicks"}] * 3
    assert landed[b"late, and no JSON"] == {"quarantine malformed"}
    assert live.command("WebRedeliverCommand") == {"objects": 0, "records": 0, "left": 0}


def test_an_answer_that_would_be_too_large(live: Live):
    """Many producers at once: small records whose answer is longer than their request."""
    count = 32_000
    for start in range(0, count, 500):
        live.parts.firehose.put(live.stream, [b'{"d":"web.taps","id":%d}' % n for n in range(start, start + 500)])
    live.settle()
    back = [line["records"] for line in live.log("WebTransform") if line.get("msg", "").startswith("put back")]
    assert back and sum(back) < count // 4, "some of them do not fit"
    assert live.query("SELECT count(*), count(DISTINCT id), max(id) FROM live_web_cleaned.taps") == [
        (count, count, count - 1)
    ]
    assert not live.alarms()


def test_a_value_beyond_the_limit(live: Live):
    live.replicate()
    live.execute("UPDATE notes SET body = repeat('€', 600) WHERE id = 1", "INSERT INTO notes VALUES (100, 'after it')")
    live.settle()
    answer = live.status()
    assert answer["status"] == "failed"
    assert "longer than LobMaxSize" in answer["message"]
    assert "raise MaxLOB and Generation" in answer["mend"]
    assert "ErpReplicationErrors" in live.alarms()
    assert dict(live.rows("notes"))[1] == HOSTILE[0], "nothing was cut: the row is as it was"


def test_a_slot_that_is_dropped(live: Live, later: Future[Assembly]):
    live.status()
    live.settle()
    live.parts.dms.drop_slot(live.replication)
    live.execute(
        "DELETE FROM products WHERE id = 1",
        "DELETE FROM notes WHERE id = 2",
        "INSERT INTO products VALUES (201, 'unseen', 1)",
    )
    live.resume()
    live.settle()
    answer = live.status()
    assert answer["status"] == "failed"
    assert "replication slot" in answer["message"] and "raise Generation" in answer["mend"]
    assert {"ErpReplicationErrors", "ErpReplicationStopped"} <= live.alarms()
    held = {table: live.rows(table) for table in TABLES}

    live.deploy(later.result())
    assert {table: live.rows(table) for table in TABLES} == held, "what is in the lake stays until the load is whole"


def test_a_source_that_disappears_in_mid_load(live: Live, later: Future[Assembly]):
    """The load is that of the next generation, in files of 1 KiB."""
    live.deploy(later.result())
    held = live.rows("products")
    live.load_in_files_of(1)
    planned = live.parts.dms.faults.during_load("public", "products", 150, live.database.vanish)
    live.status()
    wait_for(lambda: planned.fired)
    live.settle()
    answer = live.status()
    assert (answer["status"], answer["loads"]["shop.products"]) == ("running", "loading"), "DMS goes on trying"
    live.settle()
    (waits,) = live.lake.invoke("dispatch", {"action": "sweep"})["held"]
    assert waits["dataset"] == "shop.products" and waits["objects"] > 1
    assert waits["reason"].startswith("its load is not complete")
    assert live.rows("products") == held, "nothing of a half load is seen"
    assert not live.alarms()
    live.age_load(minutes=41)
    answer = live.status()
    assert answer["broken"]["public.products"].startswith("Load stands still")
    assert "database answers" in answer["mend"]
    assert "ErpReplicationTableErrors" in live.alarms() & live.told().keys()

    live.database.come_back()
    live.reconnect()
    live.quiet()
    live.settle()
    live.replicate()
    assert live.rows("products") != held
    live.equals_the_source()
    history = live.history("products")
    assert history[1] == (2, True) and history[200][1], "tombstones of what is gone"
    assert {generation for generation, deleted in history.values() if not deleted} == {2}
    half = [o for o in live.objects("ignored") if "/products/LOAD" in o["key"]]
    assert half and all(o["reason"] for o in half), "the files of the half load are accounted for"
    assert not live.alarms() and not live.lake.ledger().open()


def test_a_dataset_that_is_declared_later(live: Live, later: Future[Assembly]):
    """What was put for datasets that nobody had declared comes in, whether its name had a folder of its own or not."""
    live.deploy(later.result())
    unroutable = {record for record, places in live.landed().items() if places == {"unroutable"}}
    live.command("LakeReconcileCommand")
    live.settle()
    assert live.command("WebRedeliverCommand", prefix="web/_unrouted/")["records"] >= 1
    live.settle()
    landed = live.landed()
    assert all(len(places) == 1 for places in landed.values())
    assert {_name(record): landed[record] for record in unroutable if landed[record] != {"unroutable"}} == {
        "undeclared": {"signups"},
        "crowded out": {"trials"},
    }


@pytest.mark.soak
def test_a_database_that_is_gone_for_long(live: Live):
    """While changes are followed, DMS's own metric tells of it."""
    live.tell_secret()
    live.resume()
    live.replicate()
    live.database.vanish()
    wait_for(lambda: "ErpCDCLatencySource" in live.alarms())
    assert live.status()["status"] == "running"

    live.database.come_back()
    live.reconnect()
    live.execute("UPDATE products SET name = 'back again' WHERE id = 5")
    live.settle()
    live.replicate()
    live.equals_the_source()


@pytest.mark.soak
def test_a_raw_zone_that_refuses(live: Live):
    """Records wait in Firehose, which says so, and land once its role has its right again."""
    record = event("web.clicks", "waited", url="/")
    with live.without("WebRole", "s3:PutObject"):
        live.put(record)
        wait_for(lambda: "WebLate" in live.alarms())
        assert "error log" in live.told()["WebLate"]
        assert any("S3.AccessDenied" in line for line in live.lines("WebErrorLog"))
        assert {denial.action for denial in live.cloud.denials} == {"s3:PutObject"}
    live.settle()
    live.cloud.clear_denials()
    assert live.landed()[record] == {"clicks"}


def _name(record: bytes) -> str:
    return json.loads(record)["event_id"]
