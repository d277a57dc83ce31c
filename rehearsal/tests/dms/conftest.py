"""A running Cloud with a source database, and short ways to replicate from it."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rehearsal.cloud import Cloud
from rehearsal.dms import Database, Dms, Unverified, install

BUCKET = "raw"
DEFAULT = Unverified()
SEQUENCE_RULE = {
    "rule-type": "transformation",
    "rule-id": "90",
    "rule-name": "sequence",
    "rule-target": "column",
    "object-locator": {"schema-name": "%", "table-name": "%"},
    "rule-action": "add-column",
    "value": "AR_H_CHANGE_SEQ",
    "expression": "$AR_H_CHANGE_SEQ",
    "data-type": {"type": "string", "length": 35},
}
BEFORE_RULE = {
    "rule-type": "transformation",
    "rule-id": "91",
    "rule-name": "before",
    "rule-target": "column",
    "object-locator": {"schema-name": "%", "table-name": "%"},
    "rule-action": "add-before-image-columns",
    "before-image-def": {"column-prefix": "BI_", "column-suffix": "", "column-filter": "pk-only"},
}


def selection(number: int, table: str, schema: str = "public", action: str = "explicit") -> dict[str, Any]:
    return {
        "rule-type": "selection",
        "rule-id": str(number),
        "rule-name": f"{schema}.{table} {number}",
        "object-locator": {"schema-name": schema, "table-name": table},
        "rule-action": action,
    }


def mappings(*tables: str) -> str:
    """The mapping document of a replication of tables of schema public."""
    rules = [selection(number, table) for number, table in enumerate(tables, 1)]
    return json.dumps({"rules": [*rules, SEQUENCE_RULE, BEFORE_RULE]})


@dataclass
class Replicating:
    """One replication: its ARN and folder, and the model it runs on."""

    arn: str
    folder: str
    cloud: Cloud
    dms: Dms

    def start(self, how: str = "start-replication") -> None:
        self.client.start_replication(ReplicationConfigArn=self.arn, StartReplicationType=how)

    def stop(self) -> None:
        self.client.stop_replication(ReplicationConfigArn=self.arn)
        self.cloud.wait_idle(120)

    def settle(self) -> None:
        """Wait until everything committed is delivered."""
        self.cloud.wait_idle(120)

    @property
    def client(self) -> Any:
        return self.cloud.client("dms")

    def described(self) -> dict[str, Any]:
        given = [{"Name": "replication-config-arn", "Values": [self.arn]}]
        return self.client.describe_replications(Filters=given)["Replications"][0]

    def tables(self) -> dict[str, dict[str, Any]]:
        found = self.client.describe_replication_table_statistics(ReplicationConfigArn=self.arn)
        return {table["TableName"]: table for table in found["ReplicationTableStatistics"]}

    def keys(self, table: str) -> list[str]:
        """The files of a table without their folder: LOAD files, then change files by their names."""
        prefix = f"{self.folder}/public/{table}/"
        found = self.cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        names = [item["Key"].removeprefix(prefix) for item in found]
        return sorted(names, key=lambda name: (not name.startswith("LOAD"), name))

    def put(self, table: str) -> list[str]:
        """The names under which files of a table were put, in the order of the puts."""
        start = f"arn:aws:s3:::{BUCKET}/{self.folder}/public/{table}/"
        calls = [call for call in self.cloud.faults.calls if call.action == "PutObject"]
        return [call.resource.removeprefix(start) for call in calls if call.resource.startswith(start)]

    def file(self, table: str, name: str) -> pa.Table:
        key = f"{self.folder}/public/{table}/{name}"
        body = self.cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return pq.ParquetFile(io.BytesIO(body)).read()

    def loaded(self, table: str) -> list[dict[str, Any]]:
        return [
            row for name in self.keys(table) if name.startswith("LOAD") for row in self.file(table, name).to_pylist()
        ]

    def changed(self, table: str) -> list[dict[str, Any]]:
        """The rows of the change files, by their names."""
        return [
            row
            for name in self.keys(table)
            if not name.startswith("LOAD")
            for row in self.file(table, name).to_pylist()
        ]


@dataclass
class Model:
    """A Cloud, a source and what a replication needs of both."""

    cloud: Cloud
    database: Database
    dms: Dms
    made: list[Replicating] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.sql = self.database.connect()
        services = ["dms.amazonaws.com", f"dms.{self.cloud.region}.amazonaws.com"]
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam = self.cloud.client("iam")
        self.role = iam.create_role(RoleName="dms", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        place = {"LocationConstraint": self.cloud.region}
        self.cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        self.cloud.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        secret = self.database.secret_string()
        self.secret = self.cloud.client("secretsmanager").create_secret(Name="erp", SecretString=secret)["ARN"]

    def name(self, stem: str) -> str:
        return f"{stem}{next(self._numbers)}"

    def reconnect(self) -> None:
        """A new connection of the application, after the server was gone."""
        self.sql = self.database.connect()

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.sql.execute(statement)

    def source(self, **settings: Any) -> str:
        given = {"SecretsManagerSecretId": self.secret, "SecretsManagerAccessRoleArn": self.role, **settings}
        return self.cloud.client("dms").create_endpoint(
            EndpointIdentifier=self.name("source"),
            EndpointType="source",
            EngineName="postgres",
            DatabaseName="erp",
            PostgreSQLSettings=given,
        )["Endpoint"]["EndpointArn"]

    def target(self, folder: str, **settings: Any) -> str:
        given = {
            "ServiceAccessRoleArn": self.role,
            "BucketName": BUCKET,
            "BucketFolder": folder,
            "DataFormat": "parquet",
            "IncludeOpForFullLoad": True,
            **settings,
        }
        return self.cloud.client("dms").create_endpoint(
            EndpointIdentifier=self.name("target"), EndpointType="target", EngineName="s3", S3Settings=given
        )["Endpoint"]["EndpointArn"]

    def replication(
        self,
        *tables: str,
        kind: str = "full-load-and-cdc",
        settings: dict[str, Any] | None = None,
        target: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        rules: str = "",
    ) -> Replicating:
        """A configuration that has not been started."""
        folder = self.name("g")
        arn = self.cloud.client("dms").create_replication_config(
            ReplicationConfigIdentifier=self.name("replication"),
            SourceEndpointArn=self.source(**(source or {})),
            TargetEndpointArn=self.target(folder, **(target or {})),
            ComputeConfig={"MaxCapacityUnits": 4},
            ReplicationType=kind,
            TableMappings=rules or mappings(*tables),
            ReplicationSettings=json.dumps(settings or {}),
        )["ReplicationConfig"]["ReplicationConfigArn"]
        made = Replicating(arn, folder, self.cloud, self.dms)
        self.made.append(made)
        return made

    def end(self) -> None:
        """Stop and delete every replication: its slot and publications would stay in the way of later tests."""
        for replicating in self.made:
            if replicating.described()["Status"] in ("running",):
                replicating.stop()
            replicating.client.delete_replication_config(ReplicationConfigArn=replicating.arn)
        self.made.clear()


def _model(folder: Path, unverified: Unverified, enforce: bool = False) -> tuple[Cloud, Callable[[], Model]]:
    cloud, database = Cloud(folder, speed=300, enforce=enforce), Database()
    dms = install(cloud, database, unverified=unverified)
    return cloud, lambda: Model(cloud, database, dms)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    cloud, make = _model(tmp_path_factory.mktemp("cloud"), Unverified())
    with cloud:
        yield make()
        problems = cloud.problems
    assert not problems


@pytest.fixture
def model(shared: Model) -> Iterator[Model]:
    """The module's model; replications made by a test end with it."""
    yield shared
    if not shared.database.up:
        shared.database.come_back()
        shared.reconnect()
    shared.end()


@pytest.fixture
def model_with(tmp_path: Path) -> Iterator[Callable[..., Model]]:
    """A model of the test's own with other settings of what is unverified. Not to be used beside `model`."""
    clouds: list[Cloud] = []

    def make(unverified: Unverified = DEFAULT, *, enforce: bool = False) -> Model:
        cloud, build = _model(tmp_path / str(len(clouds)), unverified, enforce)
        clouds.append(cloud.start())
        return build()

    yield make
    for cloud in clouds:
        cloud.stop()
        assert not cloud.problems
