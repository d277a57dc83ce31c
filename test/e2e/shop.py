"""The small lake of the end-to-end tests: deployed once, emptied between tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.table.snapshots import Operation

from rehearsal.cloud import Cloud
from rehearsal.deploy import Assembly, Deployment
from rehearsal.scenario import athena
from rehearsal.scenario.lake import Lake

SPEED = 60.0
"""The app's window is 60 seconds, so here it is one."""
ITEMS = "files/shop/items/"
COLUMNS = ["id", "change_seq", "kind", "price"]


@dataclass(frozen=True)
class State:
    """Everything a rerun must leave the same, free of ids that differ from run to run."""

    items: tuple[tuple[Any, ...], ...]
    quarantine: tuple[tuple[Any, ...], ...]
    curated: tuple[tuple[Any, ...], ...]
    batches: tuple[tuple[Any, ...], ...]
    objects: tuple[tuple[str, str], ...]
    unfinished: tuple[str, ...]


class Shop:
    """The deployed app with what tests do to it. `first` and `mended` are the app before and after the fix."""

    def __init__(self, cloud: Cloud, deployment: Deployment, first: Assembly, mended: Assembly):
        self.cloud, self.deployment, self.first, self.mended = cloud, deployment, first, mended
        self.lake = Lake(cloud, deployment)

    def declare(self, assembly: Assembly) -> None:
        """Update the deployed stack to another declaration of the app.

        A declaration may change the manifest asset, and with it the functions' environment and the policies that name
        the asset. Raises AssertionError for any other difference.
        """
        self.shorten_redelivery(None)  # an update reads every property back
        updated = self.deployment.update(assembly)
        others = [c for c in updated.changed if not ("AWS::Lambda::Function" in c or "AWS::IAM::Policy" in c)]
        assert not (updated.made or updated.removed or updated.retained or others), updated
        self.shorten_redelivery()

    def shorten_redelivery(self, seconds: float | None = SPEED) -> None:
        """Deliver the messages of a killed function again after a second: waiting longer proves nothing more. None
        is what the template says."""
        queues = self.cloud.client("sqs")
        for queue in self.deployment.of_type("AWS::SQS::Queue"):
            declared = queue.properties.get("VisibilityTimeout", 30)
            value = str(int(declared if seconds is None else seconds))
            queues.set_queue_attributes(QueueUrl=queue.physical_id, Attributes={"VisibilityTimeout": value})

    def query(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of one of the stack's named queries."""
        return athena.run(self.cloud.client("athena"), self.lake.queries()[name])

    def metric(self, name: str) -> float:
        """The sum of one of the lake's metrics."""
        now = datetime.now(UTC)
        found = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="Strata",
            MetricName=name,
            Dimensions=[{"Name": "Lake", "Value": "shop"}],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(days=1),
            Period=86_400,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    def replay(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry a replay to its end by the state machine, as from the console; the execution as it ended."""
        states = self.cloud.client("stepfunctions")
        machines = self.deployment.of_type("AWS::StepFunctions::StateMachine")
        (machine,) = [m for m in machines if "begin" in m.properties["DefinitionString"]]
        arn = states.start_execution(stateMachineArn=machine.physical_id, input=json.dumps(request))["executionArn"]
        self.settle()
        return states.describe_execution(executionArn=arn)

    def put(self, key: str, text: str | bytes) -> str:
        return self.lake.put(key, text.encode() if isinstance(text, str) else text)

    def settle(self, seconds: float = 120) -> None:
        self.cloud.wait_idle(seconds)

    def recover(self, rounds: int = 8) -> int:
        """Sweep until nothing is unfinished, as the schedule would; leases are aged instead of waited for.

        Returns the number of sweeps. Raises AssertionError naming what stays unfinished.
        """
        for done in range(rounds):
            self.settle()
            if not self.lake.ledger().open():
                return done
            self.age_leases()
            self.sweep()
        self.settle()
        left = self.lake.ledger().open()
        assert not left, f"after {rounds} sweeps: {left}"
        return rounds

    def sweep(self) -> None:
        """What the schedule does. The sweep may be the very call that a test kills; the next one follows."""
        try:
            self.lake.invoke("dispatch", {"action": "sweep"})
        except RuntimeError as error:
            if "Runtime.ExitError" not in str(error):
                raise

    def age_leases(self) -> None:
        """Let every lease expire now, as if its time had passed."""
        table = self.cloud.client("dynamodb")
        for item in table.scan(TableName=self.lake.ledger_table, ConsistentRead=True)["Items"]:
            if item["pk"]["S"].startswith("lease#") and item.get("state", {}).get("S") == "held":
                table.update_item(
                    TableName=self.lake.ledger_table,
                    Key={"pk": item["pk"], "sk": item["sk"]},
                    UpdateExpression="SET expires = :past",
                    ExpressionAttributeValues={":past": {"N": "1"}},
                )

    def lease(self, dataset: str) -> dict[str, Any]:
        key = {"pk": {"S": f"lease#{dataset}"}, "sk": {"S": "lease"}}
        found = self.cloud.client("dynamodb").get_item(TableName=self.lake.ledger_table, Key=key, ConsistentRead=True)
        return found["Item"]

    def state(self) -> State:
        ledger = self.lake.ledger()

        def rows(database: str, table: str, columns: list[str]) -> tuple[tuple[Any, ...], ...]:
            found = self.lake.rows(database, table, columns)
            return tuple(sorted(tuple(str(r[c]) for c in columns) for r in found))

        return State(
            items=rows("shop_shop_cleaned", "items", COLUMNS),
            quarantine=rows("shop_shop_quarantine", "items", ["object_key", "record_sha256", "occurrence", "reasons"]),
            curated=rows("shop_shop_curated", "price_list", ["kind", "items", "total"]),
            batches=tuple(
                sorted(
                    (b["dataset"], b["state"], json.dumps({k: int(v) for k, v in b["counts"].items()}, sort_keys=True))
                    for b in ledger.batches()
                )
            ),
            objects=tuple(sorted((o["key"], o["state"]) for o in ledger.objects())),
            unfinished=tuple(ledger.open()),
        )

    def reset(self) -> None:
        """Forget all data: ledger, tables, objects, planned faults."""
        self.cloud.faults.clear()
        dynamodb, glue, s3 = (self.cloud.client(s) for s in ("dynamodb", "glue", "s3"))
        for page in dynamodb.get_paginator("scan").paginate(TableName=self.lake.ledger_table, ConsistentRead=True):
            for item in page["Items"]:
                dynamodb.delete_item(TableName=self.lake.ledger_table, Key={"pk": item["pk"], "sk": item["sk"]})
        for database, table in self.lake.tables():
            glue.delete_table(DatabaseName=database, Name=table)
        for bucket in self.deployment.of_type("AWS::S3::Bucket"):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket.physical_id):
                for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    s3.delete_object(Bucket=bucket.physical_id, Key=version["Key"], VersionId=version["VersionId"])

    def main_snapshots(self, database: str, table: str) -> list[int]:
        """Snapshot ids on the table's main branch that changed rows, oldest first: compaction changes none. Empty when
        there is no table."""
        catalog = self.lake.catalog()
        if not catalog.table_exists((database, table)):
            return []
        metadata = catalog.load_table((database, table)).metadata
        snapshots = {s.snapshot_id: s for s in metadata.snapshots}
        found, at = [], snapshots.get(metadata.current_snapshot_id)
        while at is not None:
            if at.summary is None or at.summary.operation != Operation.REPLACE:
                found.append(at.snapshot_id)
            at = snapshots.get(at.parent_snapshot_id)
        return found[::-1]
