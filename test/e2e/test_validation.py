"""A replicated table is compared with its source by the deployed state machine, under the template's permissions."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live_lake import SECRET, SPEED, Live

from rehearsal.cloud import Cloud, services
from rehearsal.cloud.faults import Call
from rehearsal.deploy import deploy, synthesise
from rehearsal.dms import Database

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

APP = Path(__file__).parent / "validated"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    assemblies = synthesise(APP, tmp_path_factory.mktemp("synth"))
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=SPEED, scaled_environment=("WINDOW_SECONDS",), enforce=True)
    database = Database(tls=True)
    parts = services.install(cloud, database)
    with cloud:
        cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=database.secret_string())
        deployment = deploy(cloud, assemblies)
        made = Live(cloud, parts, database, deployment)
        made.execute(
            "CREATE TABLE customers (id bigint PRIMARY KEY, mail text, credit numeric(10,2))",
            "INSERT INTO customers SELECT n, n || '@example.org', n FROM generate_series(1, 50) AS n",
        )
        made.replicate()
        yield made
        denials = cloud.denials
        made.end()
        deployment.destroy()
    assert not denials, "\n".join(str(denial) for denial in denials)


def validate(live: Live, name: str, **request: Any) -> dict[str, Any]:
    """Starts the comparison as an operator does; the execution as it ended."""
    states = live.cloud.client("stepfunctions")
    machine = live.lake.machine("Manifest")
    started = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(request))
    live.settle(240)
    return states.describe_execution(executionArn=started["executionArn"])


def tamper(live: Live) -> None:
    """Lands changes that the source has not made: another value of a row, and the removal of one."""
    forged = pa.table({
        "Op": ["U", "D"], "AR_H_CHANGE_SEQ": ["9" * 34 + "1", "9" * 34 + "2"], "BI_id": pa.array([7, None], pa.int64()),
        "id": pa.array([7, 9], pa.int64()), "mail": ["other", None],
        "credit": pa.array([Decimal("70.00"), None], pa.decimal128(10, 2)),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(forged, sink)
    key = "erp/g1/public/customers/20260101-000000001.parquet"
    live.cloud.client("s3").put_object(Bucket=live.lake.raw_bucket, Key=key, Body=sink.getvalue())
    live.settle()


def results(live: Live, name: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = live.query(
        "SELECT measure, column_name, outcome, source_value, lake_value, differing"
        f" FROM valid_operations.validation_results WHERE validation = '{name}'"
    )
    return {(row[0], row[1]): row[2:] for row in rows}


def kills_outcome(call: Call) -> bool:
    return call.caller.kind == "job" and "validations/results/" in call.resource


def test_a_copy_is_equal_and_a_planted_difference_is_found(live: Live) -> None:
    live.quiet()
    done = validate(live, "first")
    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"])["datasets"] == {"shop.customers": "equal"}
    found = results(live, "first")
    assert found["rows", ""] == ("equal", "50", "50", None)
    assert {row[0] for row in found.values()} == {"equal"}
    assert live.query("SELECT count(*) FROM valid_operations.validation_mismatches") == [(0,)]
    assert live.database.front and live.database.front.encrypted, "the job asks for encryption"

    tamper(live)
    failed = validate(live, "second", datasets=["shop.customers"])
    assert (failed["status"], failed["error"]) == ("FAILED", "ValidationFoundDifferences"), failed
    assert "1 keys with other values" in failed["cause"] and "1 keys only in the source" in failed["cause"]
    rows = live.query(
        "SELECT kind, row_key, column_name, source_value, lake_value, detail"
        " FROM valid_operations.validation_mismatches WHERE validation = 'second' ORDER BY kind, column_name"
    )
    assert rows == [
        ("changed", '{"id":"7"}', "credit", "7.00", "70.00", ""),
        ("changed", '{"id":"7"}', "mail", None, None, "the column is protected: its values are not shown"),
        ("only_in_source", '{"id":"9"}', "", None, None, ""),
    ]
    assert results(live, "second")["checksum", "credit"][0] == "different"
    live.parts.alarms.evaluate()
    assert any("Failures" in name for name in live.alarms())


def test_a_job_that_dies_is_done_anew_and_rows_are_there_once(live: Live) -> None:
    plan = live.cloud.faults.kill(kills_outcome, when="after")
    assert validate(live, "third")["error"] == "States.TaskFailed"
    live.cloud.faults.clear()
    assert plan.call is not None
    before = len(results(live, "third"))
    jobs = live.cloud.client("glue")
    (name,) = [j.physical_id for j in live.deployment.of_type("AWS::Glue::Job") if "Validation" in j.physical_id]
    (dead,) = [r for r in jobs.get_job_runs(JobName=name)["JobRuns"] if r["JobRunState"] == "FAILED"]
    jobs.start_job_run(JobName=name, Arguments=dead["Arguments"])
    live.settle(240)
    count = "SELECT count(*), count(DISTINCT measure || '/' || column_name) FROM valid_operations.validation_results"
    assert live.query(f"{count} WHERE validation = 'third'") == [(before, before)]
