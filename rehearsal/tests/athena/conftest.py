"""A stand-in with queries and alarms, and a short way to run SQL."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

from rehearsal.cloud import Cloud, services
from rehearsal.cloud.services import Services

D = Decimal
ROWS = {
    "k": pa.array([1, 2, 3], pa.int64()),
    "i": pa.array([7, -7, 0], pa.int32()),
    "q": pa.array([D("1.00"), D("2.00"), D("4.00")], pa.decimal128(15, 2)),
    "p": pa.array([D("10.05"), D("20.15"), None], pa.decimal128(15, 2)),
    "disc": pa.array([D("0.05"), D("0.06"), D("0.07")], pa.decimal128(4, 2)),
    "d": pa.array([datetime.date(1998, 1, 31), datetime.date(1998, 9, 2), datetime.date(1999, 1, 1)]),
    "s": pa.array(["a", "b", None]),
    "f": pa.array([1.5, 2.5, 1e10], pa.float64()),
    "b": pa.array([True, False, None]),
    "ts": pa.array([datetime.datetime(2024, 1, 1, 1, 2, 3, 456000)] * 3, pa.timestamp("us", "UTC")),
    "rs": pa.array([["x", "y"], [], None], pa.list_(pa.string())),
}


@dataclass(frozen=True)
class Result:
    state: str
    reason: str
    names: list[str]
    types: list[str]
    rows: list[list[str | None]]
    execution: dict[str, Any]


Query = Callable[..., Result]


@pytest.fixture(scope="package")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Services]]:
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    attached = services.install(cloud)
    with cloud:
        _fill(cloud)
        yield cloud, attached


@pytest.fixture(scope="package")
def cloud(parts: tuple[Cloud, Services]) -> Cloud:
    return parts[0]


def _fill(cloud: Cloud) -> None:
    s3, glue, athena = cloud.client("s3"), cloud.client("glue"), cloud.client("athena")
    place = {"LocationConstraint": cloud.region}
    for bucket in ("lake", "results"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    glue.create_database(DatabaseInput={"Name": "db"})
    results = {"ResultConfiguration": {"OutputLocation": "s3://results/enforced/"}}
    athena.create_work_group(Name="w", Configuration={**results, "EnforceWorkGroupConfiguration": True})
    table = iceberg(cloud).create_table("db.t", schema=pa.table(ROWS).schema, location="s3://lake/t")
    table.append(pa.table(ROWS).slice(0, 2))
    table.append(pa.table(ROWS).slice(2))


def iceberg(cloud: Cloud) -> Any:
    keys = cloud.client("s3")._request_signer._credentials
    settings = {"endpoint": cloud.endpoint, "region": cloud.region}
    settings |= {"access-key-id": keys.access_key, "secret-access-key": keys.secret_key, "session-token": keys.token}
    named = {f"{service}.{key}": value for service in ("glue", "s3") for key, value in settings.items() if value}
    return load_catalog("test", **{"type": "glue", "s3.force-virtual-addressing": "false", **named})


@pytest.fixture(scope="package")
def query(cloud: Cloud) -> Query:
    def run(sql: str, workgroup: str = "w", database: str | None = "db", **more: Any) -> Result:
        athena = cloud.client("athena")
        context = {"QueryExecutionContext": {"Database": database}} if database else {}
        started = athena.start_query_execution(QueryString=sql, WorkGroup=workgroup, **context, **more)
        return wait(athena, started["QueryExecutionId"])

    return run


def wait(athena: Any, identifier: str) -> Result:
    deadline = time.monotonic() + 60
    while True:
        execution = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        status = execution["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        assert time.monotonic() < deadline, execution
        time.sleep(0.01)
    if status["State"] != "SUCCEEDED":
        return Result(status["State"], status["StateChangeReason"], [], [], [], execution)
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=identifier))
    info = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for p in pages for row in p["ResultSet"]["Rows"]]
    assert rows[0] == [column["Name"] for column in info]
    types = [f"decimal({c['Precision']},{c['Scale']})" if c["Type"] == "decimal" else c["Type"] for c in info]
    return Result("SUCCEEDED", "", rows[0], types, rows[1:], execution)


def table(cloud: Cloud, name: str, columns: dict[str, str], serde: str, files: dict[str, bytes], **more: Any) -> None:
    """A table over files in `lake/<name>/`."""
    for key, body in files.items():
        cloud.client("s3").put_object(Bucket="lake", Key=f"{name}/{key}", Body=body)
    storage = {
        "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
        "Location": f"s3://lake/{name}/",
        "SerdeInfo": {"SerializationLibrary": serde, "Parameters": more.pop("settings", {})},
    }
    given = {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, **more}
    cloud.client("glue").create_table(DatabaseName="db", TableInput=given)


def lines(*records: dict[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()
