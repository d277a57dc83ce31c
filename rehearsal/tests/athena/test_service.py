"""Workgroups, result files, tables of files, limits and states."""

from __future__ import annotations

import gzip
import threading
import time
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from moto.athena.models import athena_backends

from rehearsal.cloud import Cloud
from rehearsal.cloud.athena import engine, files, tables
from rehearsal.cloud.athena.results import java_double
from rehearsal.tests.athena.conftest import ROWS, Query, iceberg, lines, table, wait

pytestmark = pytest.mark.cloud


def read(cloud: Cloud, uri: str) -> bytes:
    bucket, key = tables.split(uri)
    return cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def test_an_enforcing_workgroup_ignores_what_the_client_sets(cloud: Cloud, query: Query) -> None:
    got = query("SELECT k, s FROM t ORDER BY k", ResultConfiguration={"OutputLocation": "s3://lake/elsewhere/"})
    location = got.execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://results/enforced/{got.execution['QueryExecutionId']}.csv"
    assert read(cloud, location) == b'"k","s"\n"1","a"\n"2","b"\n"3",\n'
    assert got.execution["Statistics"]["DataScannedInBytes"] > 0


def test_another_workgroup_takes_what_the_client_sets(cloud: Cloud, query: Query) -> None:
    got = query("SELECT 'say \"hi\"' x", "primary", ResultConfiguration={"OutputLocation": "s3://results/own"})
    location = got.execution["ResultConfiguration"]["OutputLocation"]
    assert location.startswith("s3://results/own/")
    assert read(cloud, location) == b'"x"\n"say ""hi"""\n'
    with pytest.raises(ClientError, match="No output location provided"):
        query("SELECT 1", "primary")
    with pytest.raises(ClientError, match="WorkGroup does not exist"):
        query("SELECT 1", "nobody")


def test_results_are_encrypted_as_the_workgroup_says(cloud: Cloud, query: Query) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    results = {"OutputLocation": "s3://results/kms/", "EncryptionConfiguration": encryption}
    cloud.client("athena").create_work_group(Name="kms", Configuration={"ResultConfiguration": results})
    location = query("SELECT 1", "kms").execution["ResultConfiguration"]["OutputLocation"]
    bucket, path = tables.split(location)
    head = cloud.client("s3").head_object(Bucket=bucket, Key=path)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_the_scan_limit_cancels(cloud: Cloud, query: Query) -> None:
    scanned = query("SELECT s FROM t").execution["Statistics"]["DataScannedInBytes"]
    for name, limit, want in (("tight", scanned - 1, "CANCELLED"), ("wide", scanned, "SUCCEEDED")):
        configuration = {
            "ResultConfiguration": {"OutputLocation": "s3://results/limit/"},
            "BytesScannedCutoffPerQuery": 10_000_000,
        }
        cloud.client("athena").create_work_group(Name=name, Configuration=configuration)
        # The API takes no limit below 10,000,000 bytes; the table is smaller.
        group = lowered(cloud, name, limit)
        got = query("SELECT s FROM t", group)
        assert got.state == want
    assert query("SELECT s FROM t a", "tight").reason.startswith("Bytes scanned limit was exceeded")
    assert query("SELECT a.s FROM t a, t b", "wide").state == "CANCELLED", "a table read twice is scanned twice"


def lowered(cloud: Cloud, name: str, limit: int) -> str:
    athena_backends[cloud.account][cloud.region].work_groups[name].configuration["BytesScannedCutoffPerQuery"] = limit
    return name


def test_a_query_sees_the_current_snapshot_and_deleted_rows_are_gone(cloud: Cloud, query: Query) -> None:
    made = iceberg(cloud).create_table("db.moving", schema=pa.table(ROWS).schema, location="s3://lake/moving")
    assert query("SELECT count(*), sum(q) FROM moving").rows == [["0", None]]
    made.append(pa.table(ROWS))
    assert query("SELECT count(*) FROM moving").rows == [["3"]]
    made.delete("k = 2")
    assert query("SELECT k FROM moving ORDER BY k").rows == [["1"], ["3"]]


def test_json_tables(cloud: Cloud, query: Query) -> None:
    columns = {
        "batch": "string", "state": "string", "attempt": "int", "read": "bigint", "share": "decimal(10,4)",
        "unreadable": "string", "at": "date", "ok": "boolean", "ratio": "double", "tags": "array<string>",
    }  # fmt: skip
    first = {"Batch": "b1", "state": "applied", "attempt": 2, "read": "12", "share": 0.125, "ok": True, "ratio": 1}
    second = {"batch": "b2", "unreadable": [{"key": "k", "n": 1.5}], "at": "2024-02-29", "extra": 1, "tags": ["x"]}
    objects = {
        "1.json": lines(first).rstrip(b"\n"),
        "2.json.gz": gzip.compress(lines(second) + b"\n"),
        "_hidden.json": b"not json",
        "folder/.tmp": b"not json",
    }
    table(cloud, "batches", columns, files.OPENX, objects)
    got = query("SELECT * FROM batches ORDER BY batch")
    assert got.rows == [
        ["b1", "applied", "2", "12", "0.1250", None, None, "true", "1.0", None],
        ["b2", None, None, None, None, '[{"key":"k","n":1.5}]', "2024-02-29", None, None, "[x]"],
    ]
    assert query("SELECT batch FROM batches WHERE coalesce(unreadable, '') NOT IN ('', '[]')").rows == [["b2"]]


def test_an_empty_location_is_an_empty_table(cloud: Cloud, query: Query) -> None:
    table(cloud, "empty", {"a": "string", "n": "bigint"}, files.OPENX, {})
    assert query("SELECT count(*), sum(n), max(a) FROM empty").rows == [["0", None, None]]


def test_bad_json_fails_the_query(cloud: Cloud, query: Query) -> None:
    table(cloud, "bad_json", {"n": "bigint"}, files.OPENX, {"a": b'{"n": 1}\n{"n": '})
    reason = "HIVE_CURSOR_ERROR: Row is not a valid JSON Object: line 2 of s3://lake/bad_json/a"
    assert query("SELECT n FROM bad_json").reason == reason
    ignoring = {"settings": {"ignore.malformed.json": "true"}}
    table(cloud, "ignored_json", {"n": "bigint"}, files.OPENX, {"a": b'{"n": 1}\n{"n": '}, **ignoring)
    assert query("SELECT n FROM ignored_json ORDER BY n").rows == [["1"], [None]]
    table(cloud, "bad_value", {"n": "bigint"}, files.OPENX, {"a": b'{"n": "many"}'})
    assert query("SELECT n FROM bad_value").reason.startswith("HIVE_BAD_DATA: 'many' is no bigint in column n of s3://")


def test_csv_and_parquet_tables(cloud: Cloud, query: Query) -> None:
    columns = {"a": "string", "n": "int", "d": "date"}
    body = b'a,n,d\n"x, ""y""",1,2024-01-02\nz,,\n'
    table(cloud, "quoted", columns, files.OPEN_CSV, {"f.csv": body}, Parameters={"skip.header.line.count": "1"})
    assert query("SELECT * FROM quoted ORDER BY n").rows == [['x, "y"', "1", "2024-01-02"], ["z", None, None]]
    table(cloud, "plain", columns, files.LAZY, {"f": b"x|1|2024-01-02\n\\N|2\n"}, settings={"field.delim": "|"})
    assert query("SELECT * FROM plain ORDER BY n").rows == [["x", "1", "2024-01-02"], [None, "2", None]]
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"A": ["p"], "n": pa.array([3], pa.int32()), "d": [ROWS["d"][0].as_py()]}), sink)
    table(cloud, "columnar", columns, files.PARQUET, {"f.parquet": sink.getvalue().to_pybytes()})
    assert query("SELECT * FROM columnar").rows == [["p", "3", "1998-01-31"]]


def test_tables_that_are_not_handled(cloud: Cloud, query: Query) -> None:
    table(cloud, "avro", {"a": "string"}, "org.apache.hadoop.hive.serde2.avro.AvroSerDe", {})
    assert "the SerDe 'org.apache.hadoop.hive.serde2.avro.AvroSerDe'; handled" in query("SELECT a FROM avro").reason
    keys = [{"Name": "day", "Type": "date"}]
    table(cloud, "parts", {"a": "string"}, files.OPENX, {}, PartitionKeys=keys)
    assert "partitioned tables that are not Iceberg" in query("SELECT a FROM parts").reason
    table(cloud, "structs", {"a": "struct<b:int>"}, files.OPENX, {})
    assert "columns of type struct<b:int>" in query("SELECT a FROM structs").reason


def test_results_are_paged_with_the_header_first(cloud: Cloud, query: Query) -> None:
    got = query("SELECT k FROM t ORDER BY k")
    athena, pages, token = cloud.client("athena"), [], {}
    while True:
        identifier = got.execution["QueryExecutionId"]
        page = athena.get_query_results(QueryExecutionId=identifier, MaxResults=3, **token)
        pages.append([row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert pages == [["k", "1", "2"], ["3"]]


def test_states_and_stopping(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    athena, go = cloud.client("athena"), threading.Event()
    stock = engine.translate

    def slow(*given: Any) -> Any:
        go.wait(30)
        return stock(*given)

    monkeypatch.setattr(engine, "translate", slow)
    started = [athena.start_query_execution(QueryString="SELECT 1", WorkGroup="w") for _ in range(3)]
    ids = [answer["QueryExecutionId"] for answer in started]

    def states() -> list[str]:
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
        return [execution["Status"]["State"] for execution in found]

    deadline = time.monotonic() + 30
    while states() != ["RUNNING", "RUNNING", "QUEUED"]:
        assert time.monotonic() < deadline, states()
    assert len([line for line in cloud.busy() if line.startswith("query ")]) == 3
    with pytest.raises(ClientError, match="Query has not yet finished. Current state: RUNNING"):
        athena.get_query_results(QueryExecutionId=ids[0])
    athena.stop_query_execution(QueryExecutionId=ids[1])
    athena.stop_query_execution(QueryExecutionId=ids[2])
    go.set()
    cloud.wait_idle(30)
    assert states() == ["SUCCEEDED", "CANCELLED", "CANCELLED"]
    assert wait(athena, ids[1]).reason == "Query was cancelled by user"
    with pytest.raises(ClientError, match="Final query state: CANCELLED"):
        athena.get_query_results(QueryExecutionId=ids[1])
    with pytest.raises(ClientError, match="was not found"):
        athena.get_query_execution(QueryExecutionId="nothing")


def test_named_queries(cloud: Cloud, query: Query) -> None:
    athena = cloud.client("athena")
    sql = "SELECT count(*) FROM t"
    made = athena.create_named_query(Name="n", Database="db", QueryString=sql, WorkGroup="w")["NamedQueryId"]
    found = athena.batch_get_named_query(NamedQueryIds=[made, "none"])
    assert [item["QueryString"] for item in found["NamedQueries"]] == [sql]
    assert found["UnprocessedNamedQueryIds"] == [{"NamedQueryId": "none"}]
    assert query(found["NamedQueries"][0]["QueryString"]).rows == [["3"]]
    athena.delete_named_query(NamedQueryId=made)
    with pytest.raises(ClientError, match="was not found"):
        athena.delete_named_query(NamedQueryId=made)


@pytest.mark.parametrize(
    ("give", "want"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-0.001, "-0.001"),
        (0.00099, "9.9E-4"),
        (1e7, "1.0E7"),
        (9999999.5, "9999999.5"),
        (1.5e300, "1.5E300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_are_written_as_java_does(give: float, want: str) -> None:
    assert java_double(give) == want
