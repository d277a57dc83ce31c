"""Starting, stopping, failing and going on: the states and what is delivered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.dms.pgoutput import Message
from rehearsal.dms.stream import Stream
from rehearsal.dms.telemetry import METRICS
from rehearsal.tests.dms.conftest import Model, Replicating

pytestmark = pytest.mark.cloud


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def running(model: Model, table: str, rows: int = 3) -> Replicating:
    """A replication of a table with rows 1…n, loaded."""
    model.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v int)")
    model.execute(f"INSERT INTO {table} SELECT n, 0 FROM generate_series(1, {rows}) AS n")
    replicating = model.replication(table)
    replicating.start()
    replicating.settle()
    return replicating


def failure(replicating: Replicating) -> str:
    described = replicating.described()
    assert described["Status"] == "failed"
    assert described["StopReason"] == "Stop Reason FATAL_ERROR"
    return str(described["FailureMessages"][0])


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_a_stopped_replication_resumes_without_loss_or_reload(model: Model) -> None:
    replicating = running(model, "st")
    replicating.stop()
    described = replicating.described()
    assert (described["Status"], described["StopReason"]) == ("stopped", "Stop Reason NORMAL")
    assert described["ProvisionData"]["ProvisionState"] == "deprovisioned"
    model.execute("INSERT INTO st VALUES (4, 0)")
    replicating.start("resume-processing")
    replicating.settle()
    assert ids(replicating.changed("st")) == [4]
    assert replicating.put("st").count("LOAD00000001.parquet") == 1


def test_a_reload_starts_the_load_files_anew(model: Model) -> None:
    replicating = running(model, "re")
    replicating.stop()
    model.execute("DELETE FROM re WHERE id = 1")
    replicating.start("reload-target")
    replicating.settle()
    assert ids(replicating.loaded("re")) == [2, 3]
    assert replicating.put("re") == ["LOAD00000001.parquet"] * 2, "a new version of the same key"
    found = replicating.tables()["re"]
    assert (found["FullLoadRows"], found["FullLoadReloaded"], found["TableState"]) == (2, True, "Table completed")


@pytest.mark.parametrize(
    ("first", "then", "code", "words"),
    [
        ("resume-processing", None, "InvalidParameterCombinationException", "that have run before"),
        ("start-replication", "start-replication", "InvalidParameterCombinationException", "for the first time"),
        ("reload-target", None, "InvalidParameterCombinationException", "that have run before"),
        ("anything", None, "InvalidParameterValueException", "allowed: start-replication"),
    ],
)
def test_starts_that_are_refused(model: Model, first: str, then: str | None, code: str, words: str) -> None:
    model.execute("CREATE TABLE IF NOT EXISTS rf (id int PRIMARY KEY)")
    replicating = model.replication("rf")
    if then is not None:
        replicating.start(first)
        replicating.settle()
        with pytest.raises(ClientError, match="InvalidResourceStateFault"):
            replicating.start(then)
        replicating.stop()
    with pytest.raises(ClientError, match=words) as error:
        replicating.start(then or first)
    assert error.value.response["Error"]["Code"] == code


def test_a_running_replication_is_neither_changed_nor_deleted(model: Model) -> None:
    replicating = running(model, "rn")
    for call in ("delete_replication_config", "modify_replication_config"):
        with pytest.raises(ClientError, match="InvalidResourceStateFault"):
            getattr(replicating.client, call)(ReplicationConfigArn=replicating.arn)
    replicating.stop()
    with pytest.raises(ClientError, match="before provisioning capacity"):
        replicating.client.modify_replication_config(ReplicationConfigArn=replicating.arn, ReplicationType="cdc")


def test_a_full_load_ends_by_itself(model: Model) -> None:
    model.execute("CREATE TABLE fl (id int PRIMARY KEY)", "INSERT INTO fl VALUES (1)")
    replicating = model.replication("fl", kind="full-load")
    replicating.start()
    replicating.settle()
    described = replicating.described()
    assert (described["Status"], described["StopReason"]) == ("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED")
    statistics = described["ReplicationStats"]
    assert (statistics["FullLoadProgressPercent"], statistics["TablesLoaded"]) == (100, 1)
    assert "FullLoadFinishDate" in statistics


def test_changes_only_loads_nothing(model: Model) -> None:
    model.execute("CREATE TABLE co (id int PRIMARY KEY)", "INSERT INTO co VALUES (1)")
    replicating = model.replication("co", kind="cdc")
    replicating.start()
    replicating.settle()
    model.execute("INSERT INTO co VALUES (2)")
    replicating.settle()
    assert (ids(replicating.loaded("co")), ids(replicating.changed("co"))) == ([], [2])


@pytest.mark.parametrize(
    ("setting", "reason", "changes"),
    [
        ("StopTaskCachedChangesNotApplied", "STOPPED_AFTER_FULL_LOAD", []),
        ("StopTaskCachedChangesApplied", "STOPPED_AFTER_CACHED_EVENTS", [9]),
    ],
)
def test_a_stop_after_the_load(model: Model, setting: str, reason: str, changes: list[int]) -> None:
    table = f"sl_{len(changes)}"
    model.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    model.dms.faults.during_load("public", table, 1, lambda: model.execute(f"INSERT INTO {table} VALUES (9)"))
    replicating = model.replication(table, settings={"FullLoadSettings": {setting: True}})
    replicating.start()
    replicating.settle()
    assert replicating.described()["StopReason"] == f"Stop Reason {reason}"
    assert ids(replicating.changed(table)) == changes


def test_a_restarted_engine_delivers_the_last_batch_again(model: Model) -> None:
    replicating = running(model, "du")
    model.execute("INSERT INTO du VALUES (4, 0)")
    replicating.settle()
    model.execute("INSERT INTO du VALUES (5, 0)")
    replicating.settle()
    model.dms.interrupt(replicating.arn)
    replicating.settle()
    rows = replicating.changed("du")
    assert ids(rows) == [4, 5, 5], "what the checkpoint covers is not repeated"
    assert rows[1]["AR_H_CHANGE_SEQ"] == rows[2]["AR_H_CHANGE_SEQ"], "the default: numbers are kept"
    assert replicating.described()["Status"] == "running"


def test_files_can_arrive_late_and_out_of_order(model: Model) -> None:
    replicating = running(model, "la")
    model.dms.delay_files(replicating.arn, 3600, seed=1)
    for number in range(4, 10):
        model.execute(f"INSERT INTO la VALUES ({number}, 0)")
        wait_for(lambda want=number - 3: replicating.tables()["la"]["Inserts"] == want)
    assert len(replicating.put("la")) == 1, "the load's file: all others are kept back"
    model.dms.delay_files(replicating.arn, 0)
    replicating.settle()
    names = [name for name in replicating.put("la") if not name.startswith("LOAD")]
    assert len(names) == 6
    assert names != sorted(names)
    assert sorted(ids(replicating.changed("la"))) == list(range(4, 10))


def test_held_files_come_when_they_are_let_go(model: Model) -> None:
    replicating = running(model, "hf")
    model.dms.delay_files(replicating.arn, 0, held=1)
    model.execute("INSERT INTO hf VALUES (4, 0)")
    replicating.settle()
    model.dms.delay_files(replicating.arn, 0)
    model.execute("INSERT INTO hf VALUES (5, 0)")
    replicating.settle()
    assert ids(replicating.changed("hf")) == [5] and not model.dms.under_way(replicating.arn)
    model.dms.let_go(replicating.arn)
    replicating.settle()
    first, second = [name for name in replicating.put("hf") if not name.startswith("LOAD")]
    assert second < first and sorted(ids(replicating.changed("hf"))) == [4, 5], "the older file comes later"


def test_a_restart_reads_held_changes_again(model: Model) -> None:
    replicating = running(model, "hr")
    model.dms.delay_files(replicating.arn, 0, seed=3, held=0.5)
    for number in range(4, 14):
        model.execute(f"INSERT INTO hr VALUES ({number}, 0)")
        wait_for(lambda want=number - 3: replicating.tables()["hr"]["Inserts"] == want)
    replicating.settle()
    assert 0 < len(replicating.changed("hr")) < 10
    model.dms.delay_files(replicating.arn, 0)
    model.dms.interrupt(replicating.arn)
    wait_for(lambda: set(ids(replicating.changed("hr"))) == set(range(4, 14)))


def test_wrong_credentials_fail_the_connection_test(model: Model) -> None:
    model.execute("CREATE TABLE IF NOT EXISTS wc (id int PRIMARY KEY)")
    secrets = model.cloud.client("secretsmanager")
    secrets.put_secret_value(
        SecretId=model.secret, SecretString=json.dumps({**model.database.secret(), "password": "x"})
    )
    replicating = model.replication("wc")
    replicating.start()
    replicating.settle()
    words = failure(replicating)
    assert words.startswith("Test connection failed for the source endpoint of ")
    assert "password authentication failed" in words
    secrets.put_secret_value(SecretId=model.secret, SecretString=model.database.secret_string())
    replicating.start("resume-processing")
    replicating.settle()
    assert replicating.described()["Status"] == "running", "nothing was begun, so resuming begins"


def test_a_dropped_slot_fails_until_a_reload(model: Model) -> None:
    replicating = running(model, "ds")
    model.dms.drop_slot(replicating.arn)
    replicating.settle()
    assert "does not exist" in failure(replicating)
    replicating.start("resume-processing")
    replicating.settle()
    assert "does not exist" in failure(replicating), "the position is gone with the slot"
    model.execute("INSERT INTO ds VALUES (4, 0)")
    replicating.start("reload-target")
    replicating.settle()
    assert ids(replicating.loaded("ds")) == [1, 2, 3, 4]
    model.execute("INSERT INTO ds VALUES (5, 0)")
    replicating.settle()
    assert ids(replicating.changed("ds")) == [5]


def test_a_run_whose_reader_was_just_ended_is_busy(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows of it at its next look only: until then nobody may take what was committed for delivered."""
    replicating = running(model, "en")
    looking, held = threading.Event(), threading.Event()
    read = Stream.read

    def late(stream: Stream, timeout: float) -> Iterator[tuple[int, Message]]:
        looking.set()
        assert held.wait(60)
        yield from read(stream, timeout)

    monkeypatch.setattr(Stream, "read", late)
    assert looking.wait(60)
    assert model.dms.under_way(replicating.arn) != "a new connection"
    model.dms.drop_slot(replicating.arn)
    assert model.dms.under_way(replicating.arn) == "a new connection"
    held.set()
    replicating.settle()
    assert "does not exist" in failure(replicating)


def test_a_source_that_disappears_in_mid_load_is_loaded_again(model: Model) -> None:
    model.execute("CREATE TABLE md (id int PRIMARY KEY, v text)")
    model.execute("INSERT INTO md SELECT n, repeat('x', 1000) FROM generate_series(1, 50) AS n")
    planned = model.dms.faults.during_load("public", "md", 20, model.database.vanish)
    replicating = model.replication("md", target={"MaxFileSize": 4})
    replicating.start()
    wait_for(lambda: planned.fired)
    replicating.settle()
    assert replicating.described()["Status"] == "running", "DMS goes on trying"
    assert replicating.tables()["md"]["TableState"] == "Before load"
    model.database.come_back()
    model.reconnect()
    replicating.settle()
    assert ids(replicating.loaded("md")) == list(range(1, 51))
    assert replicating.put("md").count("LOAD00000001.parquet") == 2, "the half load's file is overwritten"
    model.execute("INSERT INTO md VALUES (51, '')")
    replicating.settle()
    assert ids(replicating.changed("md")) == [51]


def test_a_source_that_disappears_later_loses_nothing(model: Model) -> None:
    replicating = running(model, "lo")
    model.database.vanish()
    wait_for(lambda: model.dms.find(replicating.arn).task.phase == "recovering")
    assert replicating.described()["Status"] == "running"
    model.database.come_back()
    model.reconnect()
    model.execute("INSERT INTO lo VALUES (4, 0)")
    replicating.settle()
    assert set(ids(replicating.changed("lo"))) == {4}


def test_retries_end_where_the_settings_say_so(model: Model) -> None:
    model.execute("CREATE TABLE rt (id int PRIMARY KEY)")
    replicating = model.replication("rt", settings={"ErrorBehavior": {"RecoverableErrorCount": 1}})
    replicating.start()
    replicating.settle()
    model.database.vanish()
    wait_for(lambda: replicating.described()["Status"] == "failed")
    assert "RECOVERABLE_ERROR after 1 retries" in failure(replicating)
    model.database.come_back()
    model.reconnect()


def test_a_table_that_cannot_be_written_is_suspended_and_the_others_go_on(model: Model) -> None:
    model.execute("CREATE TABLE ok (id int PRIMARY KEY)", "CREATE TABLE bad (id int PRIMARY KEY, o oid)")
    model.execute("CREATE TABLE arr (v int[])", "INSERT INTO ok VALUES (1)", "INSERT INTO bad VALUES (1, 1)")
    replicating = model.replication("ok", "bad", "arr")
    replicating.start()
    replicating.settle()
    model.execute("INSERT INTO ok VALUES (2)", "INSERT INTO bad VALUES (2, 2)")
    replicating.settle()
    states = {name: table["TableState"] for name, table in replicating.tables().items()}
    assert states == {"ok": "Table completed", "bad": "Table error", "arr": "Table error"}
    assert (ids(replicating.loaded("ok")), ids(replicating.changed("ok"))) == ([1], [2])
    assert replicating.keys("bad") == []
    group = f"dms-serverless-replication-{replicating.arn.rsplit(':', 1)[-1]}"
    assert any("column o: columns of type oid are not modelled" in line for line in model.cloud.log_lines(group))


def test_no_table_at_all_is_a_failure(model: Model) -> None:
    replicating = model.replication("nowhere")
    replicating.start()
    replicating.settle()
    assert "No tables were found" in failure(replicating)


def test_states_are_told_as_events_and_latency_as_metrics(model: Model) -> None:
    queue = model.cloud.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    arn = f"arn:aws:sqs:{model.cloud.region}:{model.cloud.account}:events"
    model.cloud.client("events").put_rule(Name="dms", EventPattern=json.dumps({"source": ["aws.dms"]}))
    model.cloud.client("events").put_targets(Rule="dms", Targets=[{"Id": "1", "Arn": arn}])
    replicating = running(model, "ev")
    replicating.stop()
    found = []
    while messages := model.cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            model.cloud.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    model.cloud.client("events").remove_targets(Rule="dms", Ids=["1"])
    kinds = {(event["detail-type"], event["detail"]["eventType"]) for event in found}
    own, inner = "DMS Replication State Change", "DMS Replication Task State Change"
    wanted = {"REPLICATION_INITIALIZING", "REPLICATION_RUNNING", "REPLICATION_STOPPED"}
    assert {(own, kind) for kind in wanted} <= kinds
    assert {(inner, "REPLICATION_TASK_STARTED"), (inner, "REPLICATION_TASK_STOPPED")} <= kinds
    assert {tuple(e["resources"]) for e in found if e["detail-type"] == own} == {(replicating.arn,)}
    dimension = {"Name": "ReplicationConfigId", "Value": f"{model.cloud.account}:{replicating.arn.rsplit(':', 1)[-1]}"}
    metrics = model.cloud.client("cloudwatch").list_metrics(Namespace="AWS/DMS", Dimensions=[dimension])["Metrics"]
    assert sorted(metric["MetricName"] for metric in metrics) == sorted(METRICS)


def test_classic_tasks_are_refused(model: Model) -> None:
    with pytest.raises(ClientError, match="only serverless"):
        model.cloud.client("dms").describe_replication_tasks()
    assert "only serverless" in model.cloud._live().work.problems.pop().error
