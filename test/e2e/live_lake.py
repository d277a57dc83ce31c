"""The small lake of the tests on sources that fail: a database that is replicated and a stream, deployed once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import Assembly, Deployment
from rehearsal.dms import Database
from rehearsal.scenario import athena
from rehearsal.scenario.lake import Lake, Query

SPEED = 60.0
"""The app's window is 60 seconds, so here it is one; so are Firehose's shortest buffers."""
SECRET = "erp/replicator"
TABLES = {"products": ("id", "name", "price"), "notes": ("id", "body")}
"""The replicated tables of schema public, each a dataset of the domain shop."""


class Live:
    """The deployed app with what tests do to it, and what its operators look at."""

    def __init__(self, cloud: Cloud, parts: services.Services, database: Database, deployment: Deployment):
        self.cloud, self.parts, self.database, self.deployment = cloud, parts, database, deployment
        self.sql = database.connect()
        self.records: list[bytes] = []
        """What Firehose has accepted, in order."""
        self._deployed: Assembly | None = None

    @property
    def lake(self) -> Lake:
        """As it is deployed now."""
        return Lake(self.cloud, self.deployment)

    def settle(self, seconds: float = 120) -> None:
        self.cloud.wait_idle(seconds)

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.sql.execute(statement)

    def reconnect(self) -> None:
        self.sql = self.database.connect()

    def deploy(self, assembly: Assembly) -> None:
        """Deploy another declaration, once: what refuses to go is a configuration that still runs, and nothing else."""
        if assembly is self._deployed:
            return
        self._deployed = assembly
        updated = self.deployment.update(assembly)
        assert all("ReplicationConfig" in left or "AWS::DMS::Endpoint" in left for left in updated.left), updated.left

    # What an operator does.

    def command(self, output: str, **more: str) -> dict[str, Any]:
        """Run the one command of the stack's outputs whose name holds `output`; its answer."""
        (line,) = [value for name, value in self.deployment.outputs.items() if output in name]
        words = shlex.split(line)
        payload = {**json.loads(words[words.index("--payload") + 1]), **more}
        function = words[words.index("--function-name") + 1]
        answer = self.cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload))
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise RuntimeError(f"{output}: {body['errorMessage']}")
        return body

    def status(self) -> dict[str, Any]:
        """What the replication's controller says, and does: a tick of its schedule does the same."""
        return self.command("ErpStatusCommand")

    def tick(self) -> None:
        """What the controller's schedule does: an event that nobody waits for."""
        (controller,) = [found for found in self.functions() if "Controller" in found]
        client = self.cloud.client("lambda")
        client.invoke(FunctionName=controller, InvocationType="Event", Payload=json.dumps({"action": "reconcile"}))

    def resume(self) -> dict[str, Any]:
        return self.command("ErpResumeCommand")

    def functions(self) -> list[str]:
        return [function.physical_id for function in self.deployment.of_type("AWS::Lambda::Function")]

    def tell_secret(self, **changes: Any) -> None:
        """What the secret holds from now on: how to connect, with some of it changed."""
        text = json.dumps({**self.database.secret(), **changes})
        self.cloud.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)

    def end(self) -> None:
        """Stop the replications: a running one cannot be deleted."""
        client = self.cloud.client("dms")
        for arn, replication in self.parts.dms.registry.replications.items():
            if replication.at_work:
                client.stop_replication(ReplicationConfigArn=arn)
        self.settle()

    # What befalls the source.

    @property
    def replication(self) -> str:
        """The ARN of the newest configuration."""
        return list(self.parts.dms.registry.replications)[-1]

    def load_in_files_of(self, kilobytes: int) -> None:
        """Files of the newest configuration's load are as large; the service's own 1 GiB is more than a test loads."""
        registry = self.parts.dms.registry
        endpoint = registry.replications[self.replication].given["TargetEndpointArn"]
        registry.endpoints[endpoint].settings["MaxFileSize"] = kilobytes

    def age_load(self, minutes: int) -> None:
        """Let so many minutes pass since the loads under way have got on."""
        past = datetime.now(UTC) - timedelta(minutes=minutes)
        self.cloud.client("dynamodb").update_item(
            TableName=self.lake.ledger_table,
            Key={"pk": {"S": "replication#Erp"}, "sk": {"S": "state"}},
            UpdateExpression="SET progress_at = :past",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":past": {"S": f"{past:%Y-%m-%dT%H:%M:%S.%fZ}"}},
        )

    @contextmanager
    def without(self, role: str, action: str) -> Iterator[None]:
        """A role has lost an action, by a part of the role's name, and gets it back."""
        iam, changed = self.cloud.client("iam"), []
        for policy in self.deployment.of_type("AWS::IAM::Policy"):
            name, document = policy.properties["PolicyName"], policy.properties["PolicyDocument"]
            (holder,) = policy.properties["Roles"]
            rest = [s for s in document["Statement"] if action not in s["Action"]]
            if role in holder and len(rest) < len(document["Statement"]):
                changed.append((holder, name, document))
                less = json.dumps({**document, "Statement": rest})
                iam.put_role_policy(RoleName=holder, PolicyName=name, PolicyDocument=less)
        assert changed, f"no policy gives {action} to {role}"
        try:
            yield
        finally:
            for holder, name, document in changed:
                iam.put_role_policy(RoleName=holder, PolicyName=name, PolicyDocument=json.dumps(document))

    @contextmanager
    def crashing(self, name: str) -> Iterator[None]:
        """A function, by a part of its name, ends as soon as it starts: it has lost its environment."""
        functions = self.cloud.client("lambda")
        (function,) = [found for found in self.functions() if name in found]
        environment = functions.get_function_configuration(FunctionName=function)["Environment"]
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": {}})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=function, Environment=environment)

    # What an operator sees.

    def replicate(self, ticks: int = 10) -> dict[str, Any]:
        """Tick until it runs and every load of the declared generation is complete and merged; the controller's answer.

        A small load may be done while the controller asks, between the state, which comes first, and the loads.
        """
        for _ in range(ticks):
            answer = self.status()
            self.settle()
            loaded = set(answer["loads"].values()) == {"complete"}
            if loaded and answer["status"] == "running" and not self.lake.ledger().open():
                return answer
        raise AssertionError(f"not replicated after {ticks} ticks: {answer}; open: {self.lake.ledger().open()}")

    def alarms(self) -> set[str]:
        """The last parts of the names of the alarms in ALARM: metrics of the lake, alarms of a source."""
        found = self.cloud.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        return {_alarm(alarm["AlarmName"]) for alarm in found}

    def told(self) -> dict[str, str]:
        """What the alarm topic was told since the alarms were reset: alarm → its description."""
        messages = [
            json.loads(m.message) for m in self.parts.alarms.published()[self._told :] if "AlarmName" in m.message
        ]
        return {_alarm(m["AlarmName"]): m["AlarmDescription"] for m in messages if m["NewStateValue"] == "ALARM"}

    _told = 0

    def quiet(self) -> None:
        """Periods have passed without a data point: every alarm is as good as new."""
        self.parts.alarms.reset()
        self.parts.alarms.evaluate()
        self._told = len(self.parts.alarms.published())

    def lines(self, group: str) -> list[str]:
        """The lines of a log group, by a part of its name."""
        groups = self.deployment.of_type("AWS::Logs::LogGroup")
        (found,) = [g.physical_id for name, g in self.deployment.resources.items() if g in groups and group in name]
        return self.cloud.log_lines(found)

    def log(self, function: str) -> list[dict[str, Any]]:
        """The JSON lines that a function has logged."""
        return [json.loads(line) for line in self.lines(f"{function}Log") if line.startswith("{")]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer of Athena in the lake's workgroup."""
        workgroup = next(iter(self.lake.queries().values())).workgroup
        return athena.run(self.cloud.client("athena"), Query("ad hoc", sql, workgroup))

    def source_rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.sql.execute(f"SELECT {', '.join(TABLES[table])} FROM {table} ORDER BY id").fetchall()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """What users see of a replicated table."""
        columns = ", ".join(TABLES[table])
        return self.query(f"SELECT {columns} FROM live_shop_cleaned.{table}_current ORDER BY id")

    def equals_the_source(self) -> None:
        for table in TABLES:
            assert self.rows(table) == self.source_rows(table)

    def history(self, table: str) -> dict[int, tuple[int, bool]]:
        """Generation and tombstone of every row, deleted ones among them."""
        found = self.query(f"SELECT id, _generation, _is_deleted FROM live_shop_cleaned.{table}")
        return {row[0]: (row[1], row[2]) for row in found}

    # The stream.

    @property
    def stream(self) -> str:
        (found,) = self.deployment.of_type("AWS::KinesisFirehose::DeliveryStream")
        return found.physical_id

    def put(self, *records: bytes) -> None:
        """Put records as producers do; all of them are to be accepted."""
        client, at, batch = self.cloud.client("firehose"), 0, 500
        while at < len(records):
            part = records[at : at + batch]
            while sum(map(len, part)) > 4 * 1024 * 1024:
                part = part[: len(part) // 2]
            answer = client.put_record_batch(DeliveryStreamName=self.stream, Records=[{"Data": r} for r in part])
            assert answer["FailedPutCount"] == 0
            at += len(part)
        self.records += records

    def landed(self) -> dict[bytes, set[str]]:
        """Where each record that was put is in the end: its bytes → datasets whose table has its row, `quarantine` with
        the reasons, `unroutable` or `failed`. Of rows the event_id is compared."""
        rows = {name: self._ids(name) for name in ("clicks", "signups", "trials")}
        refused = dict(self._rows("live_web_quarantine", "clicks", "record_sha256, array_join(reasons, ' ')"))
        lines = {
            state: {line for o in self.objects(state) for line in self._lines(o)} for state in ("unroutable", "failed")
        }
        found: dict[bytes, set[str]] = {}
        for record in self.records:
            name = _id_of(record)
            places = {dataset for dataset, ids in rows.items() if name in ids}
            if reasons := refused.get(hashlib.sha256(record).hexdigest()):
                places.add(f"quarantine {reasons}")
            found[record] = places | {state for state, held in lines.items() if record in held}
        return found

    def _ids(self, dataset: str) -> set[str]:
        return {row[0] for row in self._rows("live_web_cleaned", dataset, "event_id")}

    def _rows(self, database: str, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Rows of a table that is made with its first ones."""
        known = (database, table) in self.lake.tables()
        return self.query(f"SELECT {columns} FROM {database}.{table}") if known else []

    def _lines(self, record: dict[str, Any]) -> list[bytes]:
        body = self.body(record)
        lines = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).split(b"\n")
        if record["state"] == "failed":
            return [base64.b64decode(json.loads(line)["rawData"]) for line in lines if line]
        return lines

    def objects(self, state: str) -> list[dict[str, Any]]:
        """The ledger's records of objects in a state."""
        return [o for o in self.lake.ledger().objects() if o["state"] == state]

    def body(self, record: dict[str, Any]) -> bytes:
        """The bytes of an object of the ledger."""
        where = {"Bucket": record["bucket"], "Key": record["key"], "VersionId": record["version"]}
        return self.cloud.client("s3").get_object(**where)["Body"].read()


def _id_of(record: bytes) -> str | None:
    try:
        return json.loads(record)["event_id"]
    except (ValueError, KeyError):
        return None


def _alarm(name: str) -> str:
    """LiveLakeErpReplicationErrors1A2B3C4D-XYZ → ErpReplicationErrors."""
    found = re.search(r"Lake(?:Alarms)?([A-Za-z]+?)[0-9A-F]{8}", name)
    return found[1] if found else name


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
