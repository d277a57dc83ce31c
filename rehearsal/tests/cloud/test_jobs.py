"""Glue jobs on a real Spark: one shared worker for the module, and one run in a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend

from rehearsal.cloud import Cloud, Match
from rehearsal.cloud.calls import Names
from rehearsal.cloud.enforcement import Enforcement
from rehearsal.cloud.jobs import network_needs
from rehearsal.spark.settings import REPOSITORY
from rehearsal.tests.cloud.conftest import Account
from rehearsal.tests.cloud.test_statemachines import task

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

PREFIX = "Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 1; "

CATALOG = (
    "spark.sql.catalog.glue_catalog=org.apache.iceberg.spark.SparkCatalog"
    " --conf spark.sql.catalog.glue_catalog.catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog"
    " --conf spark.sql.catalog.glue_catalog.io-impl=org.apache.iceberg.aws.s3.S3FileIO"
    " --conf spark.sql.catalog.glue_catalog.warehouse=s3://{bucket}/warehouse"
    " --conf spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
)


class Glue(Account):
    """An account with a bucket for scripts."""

    def __init__(self, cloud: Cloud):
        super().__init__(cloud)
        self.scripts = self.bucket()

    def job(self, script: str, *, modules: dict[str, str] | None = None, **settings: Any) -> str:
        """A job that runs the script; `modules` become an --extra-py-files archive."""
        name = self.name("job")
        self.s3.put_object(Bucket=self.scripts, Key=f"{name}/main.py", Body=textwrap.dedent(script).encode())
        defaults = {"--conf": CATALOG.format(bucket=self.scripts), **settings.pop("DefaultArguments", {})}
        if modules:
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                for path, text in modules.items():
                    file.writestr(path, text)
            self.s3.put_object(Bucket=self.scripts, Key=f"{name}/lib.zip", Body=archive.getvalue())
            defaults["--extra-py-files"] = f"s3://{self.scripts}/{name}/lib.zip"
        self.glue.create_job(
            Name=name,
            Role=self.role(f"role-{name}", "glue.amazonaws.com"),
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{self.scripts}/{name}/main.py"},
            GlueVersion="5.1",
            DefaultArguments=defaults,
            **settings,
        )
        return name

    def run(self, job: str, **arguments: str) -> dict[str, Any]:
        given = {f"--{name}": value for name, value in arguments.items()}
        run = self.glue.start_job_run(JobName=job, Arguments=given)["JobRunId"]
        self.cloud.wait_idle(120)
        return self.glue.get_job_run(JobName=job, RunId=run)["JobRun"]

    def output(self, run: dict[str, Any], group: str = "output") -> list[str]:
        name = f"{run['LogGroupName']}/{group}"
        events = self.logs.get_log_events(logGroupName=name, logStreamName=run["Id"])["events"]
        return [event["message"] for event in events]


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glue]:
    with Cloud(tmp_path_factory.mktemp("cloud"), speed=20, enforce=False) as cloud:
        yield Glue(cloud)
        problems = cloud.problems
    assert not problems


def test_a_job_writes_iceberg_and_reads_objects_under_its_role(glue: Glue) -> None:
    glue.glue.create_database(DatabaseInput={"Name": "probe"})
    data = glue.bucket()
    glue.s3.put_object(Bucket=data, Key="in/a.csv", Body=b"id,name\n1,a\n2,b\n")
    job = glue.job(
        """
        import sys
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        rows = spark.read.option("header", True).csv(arguments["--from"]).selectExpr("int(id) id", "name")
        rows.writeTo("glue_catalog.probe.t").tableProperty("format-version", "2").createOrReplace()
        spark.sql("MERGE INTO glue_catalog.probe.t t USING (SELECT 2 id, 'c' name UNION ALL SELECT 3, 'd') s "
                  "ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
        upper = spark.udf.register("twice", lambda text: text * 2)
        found = spark.sql("SELECT id, twice(name) FROM glue_catalog.probe.t ORDER BY id").collect()
        print("ROWS", [tuple(row) for row in found])
        spark.stop()
        """
    )
    run = glue.run(job, **{"from": f"s3://{data}/in/"})
    assert (run["JobRunState"], run.get("ErrorMessage")) == ("SUCCEEDED", None)
    assert "ROWS [(1, 'aa'), (2, 'cc'), (3, 'dd')]" in glue.output(run)
    table = glue.glue.get_table(DatabaseName="probe", Name="t")["Table"]
    assert table["Parameters"]["metadata_location"].startswith(f"s3://{glue.scripts}/warehouse/")
    role = glue.role(f"role-{job}")
    uses = {action for by, action, _, _ in glue.cloud.uses if by == role}
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "glue:UpdateTable", "glue:CreateTable"} <= uses
    others = {by for by, action, _, _ in glue.cloud.uses if action.startswith(("glue:UpdateTable", "glue:CreateTable"))}
    assert others == {role}


def test_a_job_brings_its_jars_along(glue: Glue) -> None:
    """Deequ is there for the job that names it; the driver of PostgreSQL is there for every one, as on Glue."""
    script = """
        from pyspark.sql import SparkSession

        jvm = SparkSession.builder.getOrCreate().sparkContext._jvm
        for name in ("org.postgresql.Driver", "com.amazon.deequ.analyzers.Size"):
            try:
                jvm.org.apache.spark.util.Utils.classForName(name, True, False)
                print("FOUND", name)
            except Exception:
                print("LACKS", name)
    """
    plain = glue.run(glue.job(script))
    assert {"FOUND org.postgresql.Driver", "LACKS com.amazon.deequ.analyzers.Size"} <= set(glue.output(plain))
    jar = REPOSITORY / ".cache/jars/deequ-2.1.0-spark-3.5.jar"
    glue.s3.put_object(Bucket=glue.scripts, Key="deequ.jar", Body=jar.read_bytes())
    own = {"--extra-jars": f"s3://{glue.scripts}/deequ.jar", "--user-jars-first": "true"}
    run = glue.run(glue.job(script, DefaultArguments=own))
    assert "FOUND com.amazon.deequ.analyzers.Size" in glue.output(run)


def test_a_connection_asks_for_the_network_of_the_role(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's role needs what Glue does with it, in the subnet and the groups of the connection."""
    where = {"SubnetId": "subnet-1", "SecurityGroupIdList": ["sg-1"], "AvailabilityZone": "eu-west-1a"}
    connection = {"Name": "network", "ConnectionType": "NETWORK", "ConnectionProperties": {},
                  "PhysicalConnectionRequirements": where}  # fmt: skip
    needed = {(n.action, n.resource.rsplit(":", 1)[-1]) for n in network_needs(Names("1", "eu-west-1"), connection)}
    assert {
        ("glue:GetConnection", "connection/network"), ("ec2:CreateNetworkInterface", "subnet/subnet-1"),
        ("ec2:CreateNetworkInterface", "security-group/sg-1"),
        ("ec2:DeleteNetworkInterface", "network-interface/eni-0"),
    } <= needed  # fmt: skip
    glue.glue.create_connection(ConnectionInput=connection)
    job = glue.job("print('ran')", Connections={"Connections": ["network"]})
    assert glue.run(job)["JobRunState"] == "SUCCEEDED"
    role = glue.role(f"role-{job}")
    assert "ec2:CreateNetworkInterface" in {action for by, action, _, _ in glue.cloud.uses if by == role}
    monkeypatch.setattr(Enforcement, "check", lambda *_: "no network")
    run = glue.run(job)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "LAUNCH ERROR | PermissionError: no network")
    glue.glue.delete_connection(ConnectionName="network")
    assert glue.glue.get_connections()["ConnectionList"] == []


def test_a_process_maps_the_archive_of_classes(glue: Glue) -> None:
    """Java goes on without one that does not fit, so that nothing but the time would tell."""
    job = glue.job("""
        from pyspark.sql import SparkSession

        java = SparkSession.builder.getOrCreate().sparkContext._jvm.java.lang.ProcessHandle.current().pid()
        print(sum(line.rstrip().endswith("/classes.jsa") for line in open(f"/proc/{java}/maps")))
    """)
    run = glue.run(job)
    assert run["JobRunState"] == "SUCCEEDED"
    assert int(glue.output(run)[-1]) > 0


def test_arguments_are_merged_and_modules_come_fresh(glue: Glue) -> None:
    script = """
        import sys, lib.words
        print("GOT", lib.words.WORD, sorted(sys.argv[1:]))
    """
    for word in ("one", "two"):
        job = glue.job(
            script,
            modules={"lib/__init__.py": "", "lib/words.py": f"WORD = {word!r}"},
            DefaultArguments={"--a": "default", "--b": "default", "--c": "default"},
            NonOverridableArguments={"--c": "fixed"},
        )
        run = glue.run(job, b="run", c="run")
        assert run["JobRunState"] == "SUCCEEDED"
        (line,) = [line for line in glue.output(run) if line.startswith("GOT")]
        passed = ["--JOB_NAME", "--JOB_RUN_ID", "--a", "--b", "--c", job, "default", "fixed", run["Id"], "run"]
        assert line == f"GOT {word} {sorted(passed)}"


def test_a_failed_job_says_why_and_the_next_one_runs(glue: Glue) -> None:
    url, queue = glue.queue()
    glue.rule({"source": ["aws.glue"], "detail-type": ["Glue Job State Change"]}, {"Arn": queue})
    bad, good = glue.job('raise ValueError("no such luck")'), glue.job('print("fine")')
    failed, fine = glue.run(bad), glue.run(good)
    message = PREFIX + "ValueError: no such luck"
    assert (failed["JobRunState"], failed["ErrorMessage"]) == ("FAILED", message)
    assert "ValueError: no such luck" in glue.output(failed, "error")
    assert fine["JobRunState"] == "SUCCEEDED"
    details = [json.loads(message["Body"])["detail"] for message in glue.drain(url)]
    assert [(d["jobName"], d["state"], d["severity"]) for d in details] == [
        (bad, "FAILED", "ERROR"),
        (good, "SUCCEEDED", "INFO"),
    ]
    missing = glue.job("pass")
    glue.s3.delete_object(Bucket=glue.scripts, Key=f"{missing}/main.py")
    assert glue.run(missing)["ErrorMessage"].startswith("LAUNCH ERROR | NoSuchKey")


@pytest.mark.parametrize(("mode", "between"), [("SSE-KMS", "/{encryption}-role/role-{job}"), ("DISABLED", "")])
def test_logs_go_to_the_groups_that_glue_names(glue: Glue, mode: str, between: str) -> None:
    """Prefix, security configuration and role make the names, the latter two only if the logs are encrypted."""
    encryption = glue.name("encryption")
    watch = {"CloudWatchEncryptionMode": mode}
    glue.glue.create_security_configuration(Name=encryption, EncryptionConfiguration={"CloudWatchEncryption": watch})
    given = {"--custom-logGroup-prefix": f"/aws-glue/jobs/{encryption}"}
    job = glue.job('print("fine")', SecurityConfiguration=encryption, DefaultArguments=given)
    run = glue.run(job)
    assert run["LogGroupName"] == f"/aws-glue/jobs/{encryption}" + between.format(encryption=encryption, job=job)
    assert glue.output(run) == ["fine"]
    found = glue.logs.describe_log_groups(logGroupNamePrefix=given["--custom-logGroup-prefix"])["logGroups"]
    assert f"{run['LogGroupName']}/output" in {group["logGroupName"] for group in found}
    plain = glue.run(glue.job('print("fine")'))
    assert plain["LogGroupName"] == "/aws-glue/jobs"


def test_boto3_acts_under_the_role_of_each_run(glue: Glue) -> None:
    script = 'import boto3; print("WHO", boto3.client("sts").get_caller_identity()["Arn"].split("/")[1])'
    for _ in range(2):
        job = glue.job(script)
        assert glue.output(glue.run(job))[-1] == f"WHO role-{job}"


def test_exit_codes(glue: Glue) -> None:
    assert glue.run(glue.job("import sys; sys.exit(0)"))["JobRunState"] == "SUCCEEDED"
    assert glue.run(glue.job("import sys; sys.exit(3)"))["ErrorMessage"] == "SystemExit: 3"


def test_runs_at_once_are_limited(glue: Glue) -> None:
    job = glue.job("import time; time.sleep(1)")
    glue.glue.start_job_run(JobName=job)
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        glue.glue.start_job_run(JobName=job)
    glue.cloud.wait_idle(60)


def test_a_run_out_of_time_ends_and_a_new_worker_follows(glue: Glue) -> None:
    job = glue.job("import time; time.sleep(60)")
    run = glue.glue.start_job_run(JobName=job, Timeout=1)["JobRunId"]
    stored = next(r for r in glue.cloud._live().jobs.runs() if r.job_run_id == run)
    while stored.status != "RUNNING":
        time.sleep(0.05)
    worker = glue.cloud._live().runner
    worker.kill(run, "TIMEOUT", "Job run timed out")  # what the timer of one minute does
    glue.cloud.wait_idle(60)
    found = glue.glue.get_job_run(JobName=job, RunId=run)["JobRun"]
    assert (found["JobRunState"], found["ErrorMessage"]) == ("TIMEOUT", "Job run timed out")
    assert glue.run(glue.job('print("fine")'))["JobRunState"] == "SUCCEEDED"


def test_a_killed_worker_fails_the_run(glue: Glue) -> None:
    glue.run(glue.job("pass"))
    worker = glue.cloud._live().runner
    pid = worker.pid
    job = glue.job("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    run = glue.run(job)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "the driver process ended unexpectedly")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert glue.run(glue.job("pass"))["JobRunState"] == "SUCCEEDED"
    assert worker.pid != pid


WRITER = """
    import sys, boto3
    a = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    s3 = boto3.client("s3")
    for n in range(3):
        try:
            s3.put_object(Bucket=a["--bucket"], Key=str(n), Body=b"x")
        except Exception as error:
            print("REFUSED", n, error.response["Error"]["Code"])
    try:
        from pyspark.sql import SparkSession
        SparkSession.builder.getOrCreate().range(1).write.parquet(f"s3://{a['--bucket']}/parquet")
    except Exception as error:
        print("REFUSED", "parquet", "CallerKilled" in str(error))
"""


def test_a_killed_run_writes_nothing_more(glue: Glue) -> None:
    bucket, job = glue.bucket(), glue.job(WRITER)
    kill = glue.cloud.faults.kill(Match(kind="job", name=job, action="PutObject"), nth=2, when="after")
    run = glue.run(job, bucket=bucket)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == f"killed at {kill.call}"
    listed = glue.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == ["0", "1"]
    refused = [line for line in glue.output(run) if line.startswith("REFUSED")]
    assert refused[:2] == ["REFUSED 1 CallerKilled", "REFUSED 2 CallerKilled"]
    assert len(refused) == 3


def test_a_run_whose_process_is_killed_by_a_call(glue: Glue) -> None:
    bucket, job = glue.bucket(), glue.job(WRITER)
    glue.cloud.faults.kill_process(Match(kind="job", name=job, action="PutObject"), nth=2, when="before")
    run = glue.run(job, bucket=bucket)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "the driver process was killed")
    assert [entry["Key"] for entry in glue.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["0"]
    assert glue.run(job, bucket=bucket)["JobRunState"] == "SUCCEEDED"


def test_a_state_machine_waits_for_a_job(glue: Glue) -> None:
    job = glue.job('import sys; a = dict(zip(sys.argv[1::2], sys.argv[2::2])); assert a["--mode"] == "ok", "not ok"')
    parameters = {"JobName": job, "Arguments": {"--mode.$": "$.mode"}}
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "B"}]
    states = {
        "A": task("glue:startJobRun.sync", parameters, ResultPath="$.run", Catch=catch),
        "B": {"Type": "Pass", "End": True},
    }
    machine = glue.machine(states)
    fine = json.loads(glue.execute(machine, {"mode": "ok"})["output"])["run"]
    assert (fine["JobName"], fine["JobRunState"], fine["Attempt"]) == (job, "SUCCEEDED", 0)
    assert fine["CompletedOn"] >= fine["StartedOn"] > 1_600_000_000_000
    assert fine["Arguments"]["--mode"] == "ok"
    error = json.loads(glue.execute(machine, {"mode": "bad"})["output"])["error"]
    assert error["Error"] == "States.TaskFailed"
    cause = json.loads(error["Cause"])
    assert (cause["JobRunState"], cause["ErrorMessage"]) == ("FAILED", PREFIX + "AssertionError: not ok")


def test_a_job_ends_with_the_state_that_waits_for_it(glue: Glue) -> None:
    job = glue.job("import time; time.sleep(60)")
    states = {"A": task("glue:startJobRun.sync", {"JobName": job}, TimeoutSeconds=1)}
    began = time.monotonic()
    assert glue.execute(glue.machine(states))["error"] == "States.Timeout"
    (run,) = glue.glue.get_job_runs(JobName=job)["JobRuns"]
    assert run["JobRunState"] == "STOPPED"
    assert time.monotonic() - began < 50


def test_the_worker_starts_ahead_of_the_first_run(glue: Glue) -> None:
    job = glue.job("import psutil; print('MB', psutil.Process().children()[0].memory_info().rss // 2**20)")
    glue.cloud.warm_up(job)
    glue.cloud.wait_idle(120)
    pid = glue.cloud._live().runner.pid
    run = glue.run(job)
    assert run["JobRunState"] == "SUCCEEDED"
    assert glue.cloud._live().runner.pid == pid
    (line,) = [line for line in glue.output(run) if line.startswith("MB")]
    assert int(line[3:]) < 3000


def test_a_busy_job_is_an_error_with_its_own_name(glue: Glue) -> None:
    job = glue.job("import time; time.sleep(1)")
    glue.glue.start_job_run(JobName=job)
    retry = [{"ErrorEquals": ["Glue.ConcurrentRunsExceededException"], "IntervalSeconds": 20, "MaxAttempts": 9}]
    machine = glue.machine({"A": task("glue:startJobRun.sync", {"JobName": job}, Retry=retry)})
    assert glue.execute(machine)["status"] == "SUCCEEDED"


def test_an_error_glue_does_not_declare_has_the_name_of_its_client(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    """StartJobRun declares no throttling error."""
    job, start, throttled = glue.job("pass"), GlueBackend.start_job_run, []

    def throttle(*args: Any, **kwargs: Any) -> str:
        if len(throttled) < 2:
            throttled.append(job)
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        return start(*args, **kwargs)

    monkeypatch.setattr(GlueBackend, "start_job_run", throttle)
    call = {"Resource": "glue:startJobRun.sync", "Parameters": {"JobName": job}}
    caught = glue.execute(glue.machine({"A": task(call["Resource"], call["Parameters"])}))
    assert caught["error"] == "Glue.AWSGlueException"
    assert "Rate exceeded" in caught["cause"] and "ThrottlingException" in caught["cause"]
    retry = [{"ErrorEquals": ["Glue.AWSGlueException"], "IntervalSeconds": 1, "MaxAttempts": 3}]
    machine = glue.machine({"A": task(call["Resource"], call["Parameters"], Retry=retry)})
    assert glue.execute(machine)["status"] == "SUCCEEDED"
    assert glue.execute(glue.machine({"A": task(call["Resource"], {"JobName": "none"})}))["error"] == (
        "Glue.EntityNotFoundException"
    )


def test_concurrent_commits_of_two_sessions_are_both_kept(glue: Glue) -> None:
    """Iceberg retries on the refused table update: on stock moto one of the appends is lost."""
    glue.glue.create_database(DatabaseInput={"Name": "race"})
    job = glue.job(
        """
        import threading
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        spark.sql("CREATE TABLE glue_catalog.race.t (n int) USING iceberg")
        def insert(n):
            spark.sql(f"INSERT INTO glue_catalog.race.t VALUES ({n})")
        threads = [threading.Thread(target=insert, args=(n,)) for n in range(4)]
        [t.start() for t in threads]; [t.join() for t in threads]
        print("COUNT", spark.table("glue_catalog.race.t").count())
        """
    )
    run = glue.run(job)
    assert "COUNT 4" in glue.output(run)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"GlueVersion": "4.0"}, "GlueVersion '4.0'"),
        ({"MaxRetries": 2}, "MaxRetries 2"),
        ({"Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/k"}}, "only glueetl"),
        ({"DefaultArguments": {"--additional-python-modules": "x"}}, "--additional-python-modules"),
    ],
)
def test_unmodelled_jobs_are_named(settings: dict[str, Any], reason: str) -> None:
    from types import SimpleNamespace

    from rehearsal.cloud.jobs import unsupported

    given = {"Command": {"Name": "glueetl"}, "GlueVersion": "5.1", "MaxRetries": 0, "DefaultArguments": {}, **settings}
    job = SimpleNamespace(
        command=given["Command"],
        glue_version=given["GlueVersion"],
        max_retries=given["MaxRetries"],
        default_arguments=given["DefaultArguments"],
        non_overridable_arguments={},
    )
    (found,) = unsupported(job)
    assert reason in found


def test_stop_ends_a_running_worker(glue: Glue) -> None:
    worker = glue.cloud._live().runner
    glue.run(glue.job("pass"))
    pid = worker.pid
    job = glue.job("import time; time.sleep(60)")
    glue.glue.start_job_run(JobName=job)
    time.sleep(0.5)
    began = time.monotonic()
    glue.cloud.stop()
    assert time.monotonic() - began < 10
    assert glue.cloud.problems == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    names = [t.name for t in threading.enumerate() if t.name.startswith("cloud-")]
    assert names == []


def test_one_process_per_run(tmp_path: Path) -> None:
    with Cloud(tmp_path, jobs="process", enforce=False) as cloud:
        glue = Glue(cloud)
        script = """
            import sys
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.getOrCreate()
            spark.sql("CREATE DATABASE IF NOT EXISTS glue_catalog.own")
            spark.sql("CREATE TABLE glue_catalog.own.t USING iceberg AS SELECT 1 n")
            print("COUNT", spark.table("glue_catalog.own.t").count())
            path = f"s3://{sys.argv[sys.argv.index('--bucket') + 1]}/numbers"
            spark.range(3).write.parquet(path)
            print("ROWS", spark.read.parquet(path).count())
            raise ValueError("at the end")
        """
        run = glue.run(glue.job(script), bucket=glue.bucket())
        assert "COUNT 1" in glue.output(run)
        assert "ROWS 3" in glue.output(run)
        assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "ValueError: at the end")
        bucket, job = glue.bucket(), glue.job(WRITER)
        cloud.faults.kill_process(Match(kind="job", name=job, action="PutObject"), nth=1, when="after")
        killed = glue.run(job, bucket=bucket)
        assert (killed["JobRunState"], killed["ErrorMessage"]) == ("FAILED", "the driver process was killed")
