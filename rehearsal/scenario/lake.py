"""The deployed lake as an operator sees it: its buckets, functions, ledger, tables and queries."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from boto3.dynamodb.types import TypeDeserializer
from pyiceberg.catalog import Catalog, load_catalog

from rehearsal.cloud.athena import delta, hudi
from rehearsal.data.declared import Dataset, read_manifest

ROLES = {
    "dispatch": {"STATE_MACHINE_ARN", "MAX_BATCH_OBJECTS"},
    "reconcile": {"NOTICE_QUEUE_URL", "RAW_BUCKET"},
}
"""A function of the lake is known by the environment only it reads."""
CONTROLLER = "REPLICATION_SOURCE"
"""The variable by which a replication's controller is known."""


class NoLake(ValueError):
    """The app deploys no lake, or more than one."""


@dataclass(frozen=True)
class Query:
    """A named query of the stack."""

    name: str
    sql: str
    workgroup: str


class Lake:
    """The one lake of a deployment. Raises NoLake."""

    def __init__(self, cloud: Any, deployment: Any):
        self.cloud, self._deployment = cloud, deployment
        self._environments = {
            r.physical_id: r.properties.get("Environment", {}).get("Variables", {})
            for r in deployment.of_type("AWS::Lambda::Function")
        }
        environment = self._environments[self._function("dispatch")]
        self.name = environment["LAKE"]
        self.ledger_table = environment["LEDGER_TABLE"]
        self.artifacts_bucket = environment["ARTIFACTS_BUCKET"]
        self.raw_bucket = self._environments[self._function("reconcile")]["RAW_BUCKET"]
        body = cloud.client("s3").get_object(Bucket=environment["MANIFEST_BUCKET"], Key=environment["MANIFEST_KEY"])
        self.manifest = json.loads(body["Body"].read())
        self.datasets: dict[str, Dataset] = read_manifest(json.dumps(self.manifest))

    def _function(self, role: str) -> str:
        found = [name for name, env in self._environments.items() if ROLES[role] <= set(env)]
        if len(found) != 1:
            raise NoLake(f"the app deploys {len(found)} {role} functions; a scenario needs exactly one lake")
        return found[0]

    def invoke(self, role: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Invoke a function of the lake as an operator does. Raises RuntimeError with its error."""
        return self._invoke(self._function(role), payload)

    def _invoke(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = self.cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise RuntimeError(f"{name} {json.dumps(payload)}: {json.dumps(body)}")
        return body if isinstance(body, dict) else {"answer": body}

    def invoke_controllers(self) -> int:
        """One tick of every replication's controller, as its schedule has it; how many there are."""
        names = [name for name, env in self._environments.items() if CONTROLLER in env]
        for name in names:
            self._invoke(name, {"action": "reconcile"})
        return len(names)

    def stream(self, dataset: Dataset) -> str:
        """The delivery stream that lands a dataset's records. Raises NoLake."""
        source = dataset.prefix.split("/")[0] + "/"
        for resource in self._deployment.of_type("AWS::KinesisFirehose::DeliveryStream"):
            target = resource.properties["ExtendedS3DestinationConfiguration"]
            if target["Prefix"].startswith(source):
                return resource.physical_id
        raise NoLake(f"no delivery stream of the app writes under {source}, where {dataset.id} lands")

    def versions(self, prefix: str) -> list[tuple[str, str, bytes]]:
        """(key, version, body) of every object version below a prefix of the raw zone."""
        s3 = self.cloud.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=self.raw_bucket, Prefix=prefix)
        listed = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", [])]
        read = lambda k, v: s3.get_object(Bucket=self.raw_bucket, Key=k, VersionId=v)["Body"].read()  # noqa: E731
        return [(key, version, read(key, version)) for key, version in listed]

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the raw zone; its version."""
        return self.cloud.client("s3").put_object(Bucket=self.raw_bucket, Key=key, Body=body)["VersionId"]

    def ledger(self) -> Ledger:
        pages = (
            self.cloud.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.ledger_table, ConsistentRead=True)
        )
        read = TypeDeserializer().deserialize
        return Ledger([{k: read(v) for k, v in item.items()} for page in pages for item in page["Items"]])

    def machine(self, first: str) -> str:
        """The state machine that starts with the state of that name. Raises NoLake."""
        for resource in self._deployment.of_type("AWS::StepFunctions::StateMachine"):
            if json.loads(resource.properties["DefinitionString"])["StartAt"] == first:
                return resource.physical_id
        raise NoLake(f"no state machine of the app starts with {first}")

    def executions(self) -> int:
        """How many executions the lake's state machines have had."""
        states = self.cloud.client("stepfunctions")
        machines = self._deployment.of_type("AWS::StepFunctions::StateMachine")
        pages = [
            page
            for machine in machines
            for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine.physical_id)
        ]
        return sum(len(page["executions"]) for page in pages)

    def queries(self) -> dict[str, Query]:
        found = [r.properties for r in self._deployment.of_type("AWS::Athena::NamedQuery")]
        return {p["Name"]: Query(p["Name"], p["QueryString"], p.get("WorkGroup", "primary")) for p in found}

    def alarms(self) -> dict[str, str]:
        """State by metric name (for dead-letter queues: by alarm name)."""
        names = [r.physical_id for r in self._deployment.of_type("AWS::CloudWatch::Alarm")]
        if not names:
            return {}
        found = self.cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        own = lambda a: a["MetricName"] if a["Namespace"] == "Strata" else a["AlarmName"]  # noqa: E731
        return {own(a): a["StateValue"] for a in found}

    def catalog(self) -> Catalog:
        """The Glue catalog through pyiceberg, as the administrator: a reader that shares no code with the jobs."""
        credentials = self.cloud.client("s3")._request_signer._credentials
        return load_catalog(
            "rehearsal",
            **{
                "type": "glue",
                "glue.endpoint": self.cloud.endpoint,
                "glue.region": self.cloud.region,
                "glue.access-key-id": credentials.access_key,
                "glue.secret-access-key": credentials.secret_key,
                "s3.endpoint": self.cloud.endpoint,
                "s3.region": self.cloud.region,
                "s3.access-key-id": credentials.access_key,
                "s3.secret-access-key": credentials.secret_key,
                "s3.force-virtual-addressing": "false",
            },
        )

    def tables(self) -> list[tuple[str, str]]:
        """(database, table) of every Iceberg, Delta and Hudi table in the lake's databases."""
        glue = self.cloud.client("glue")
        found = []
        for page in glue.get_paginator("get_databases").paginate():
            for database in (d["Name"] for d in page["DatabaseList"] if d["Name"].startswith(self.name + "_")):
                for tables in glue.get_paginator("get_tables").paginate(DatabaseName=database):
                    found += [(database, t["Name"]) for t in tables["TableList"] if _is_table(t)]
        return sorted(found)

    def snapshots(self) -> dict[str, list[int]]:
        """Snapshot ids, versions of Delta, or instants of Hudi, of every table, by `database.table`."""
        return {f"{d}.{t}": self._versions(d, t) for d, t in self.tables()}

    def rows(self, database: str, table: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
        """Every row of a table; an empty list when the table does not exist."""
        found = self._read(database, table, columns)
        return found.to_pylist() if found is not None else []

    def count(self, database: str, table: str, where: str = "true") -> int:
        """Rows of a table; 0 when it does not exist."""
        found = self._read(database, table)
        if found is None:
            return 0
        ((number,),) = duckdb.from_arrow(found).filter(where).count("*").fetchall()
        return number

    def table(self, database: str, table: str) -> pa.Table | None:
        """All of a table; None when it does not exist."""
        return self._read(database, table)

    def columns(self, database: str, table: str) -> list[str]:
        """Columns of a table; none when it does not exist."""
        at = self._folder(database, table)
        if at is not None:
            return list(at.snapshot().columns)
        catalog = self.catalog()
        known = catalog.table_exists((database, table))
        return list(catalog.load_table((database, table)).schema().column_names) if known else []

    def _folder(self, database: str, table: str) -> delta.Folder | hudi.Folder | None:
        """The folder of a table in Delta or Hudi, None for any other and for none."""
        glue = self.cloud.client("glue")
        try:
            entry = glue.get_table(DatabaseName=database, Name=table)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None
        if hudi.is_hudi(entry):
            return hudi.folder(entry, self.cloud.client("s3"))
        return delta.folder(entry, self.cloud.client("s3")) if delta.is_delta(entry) else None

    def _versions(self, database: str, table: str) -> list[int]:
        at = self._folder(database, table)
        if at is not None:
            return at.snapshot().versions
        return [s.snapshot_id for s in self.catalog().load_table((database, table)).snapshots()]

    def _read(self, database: str, table: str, columns: list[str] | None = None) -> pa.Table | None:
        at = self._folder(database, table)
        if at is not None:
            snapshot = at.snapshot()
            return at.read(snapshot, tuple(columns or snapshot.columns))
        catalog = self.catalog()
        if not catalog.table_exists((database, table)):
            return None
        fields = tuple(columns) if columns else ("*",)
        return catalog.load_table((database, table)).scan(selected_fields=fields).to_arrow()

    def secrets(self) -> dict[str, bytes]:
        """The keys of hashed and tokenised columns by name, as the jobs are told of them: the lake's own has the empty
        one, that of a vault `vault <name>`."""
        told = [r.properties["DefaultArguments"] for r in self._deployment.of_type("AWS::Glue::Job")]
        refine = next(arguments for arguments in told if "--hash_secret" in arguments)
        named = [entry.partition("=")[::2] for entry in refine["--hash_keys"].split(",") if entry != "none"]
        arns = {"": refine["--hash_secret"]} if refine["--hash_secret"] != "none" else {}
        tokens = [entry.partition("=")[::2] for entry in refine["--token_keys"].split(",") if entry != "none"]
        named += [(f"vault {vault}", arn) for vault, arn in tokens]
        client = self.cloud.client("secretsmanager")
        return {
            name: client.get_secret_value(SecretId=arn)["SecretString"].encode()
            for name, arn in {**arns, **dict(named)}.items()
        }


def _is_table(table: dict[str, Any]) -> bool:
    return _iceberg(table) or delta.is_delta(table) or hudi.is_hudi(table)


def _iceberg(table: dict[str, Any]) -> bool:
    return table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"


class Ledger:
    """One reading of the whole ledger."""

    def __init__(self, items: list[dict[str, Any]]):
        self._items = items

    def batches(self) -> list[dict[str, Any]]:
        """Batch records, oldest first."""
        found = [i for i in self._items if i["pk"].startswith("batch#")]
        return sorted(found, key=lambda b: (b["frozen_at"], b["pk"]))

    def runs(self) -> list[dict[str, Any]]:
        return [i for i in self._items if i["pk"].startswith("run#")]

    def objects(self) -> list[dict[str, Any]]:
        """Object records of the inboxes, the unroutable and ignored among them."""
        return [i for i in self._items if i["pk"].startswith("inbox#") and i["sk"].startswith("object#")]

    def open(self) -> list[str]:
        """What is not finished: pending pointers, open batches, live runs, held leases."""
        found = [i["sk"] for i in self._items if i["sk"].startswith("pending#") or i["pk"] in ("open", "live")]
        return found + [i["pk"] for i in self._items if i["pk"].startswith("lease#") and i.get("state") == "held"]

    def loads(self) -> dict[str, list[str]]:
        """The states of the full loads of each dataset, by generation."""
        found: dict[str, list[str]] = defaultdict(list)
        loads = [i for i in self._items if i["pk"].startswith("load#") and i["sk"].isdigit()]
        for item in sorted(loads, key=lambda i: i["sk"]):
            found[item["pk"].removeprefix("load#")].append(item["state"])
        return dict(found)

    def counts(self) -> dict[str, dict[str, int]]:
        """The counts of all batches by dataset."""
        total: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for batch in self.batches():
            for name, n in (batch.get("counts") or {}).items():
                total[batch["dataset"]][name] += int(n)
        return {dataset: dict(counts) for dataset, counts in total.items()}
