"""What DMS writes of changes: order, keys, what the log does not carry, overlap with the load, truncation, LOBs."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from rehearsal.tests.dms.conftest import BEFORE_RULE, BUCKET, SEQUENCE_RULE, Model, selection

pytestmark = pytest.mark.cloud

BIG = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) AS n)"
"""A text of 12,800 characters that does not compress, so that it is stored out of line."""


def operations(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [(row["Op"], *(row[name] for name in columns)) for row in rows]


def test_sequences_have_35_digits_and_rise_over_all_tables(model: Model) -> None:
    model.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    replicating = model.replication("a", "b")
    replicating.start()
    replicating.settle()
    assert replicating.keys("a") == [], "a table without rows has no folder"
    for number in range(5):
        model.execute(f"BEGIN; INSERT INTO a VALUES ({number}); INSERT INTO b VALUES ({number}); COMMIT")
    replicating.settle()
    found = {table: [row["AR_H_CHANGE_SEQ"] for row in replicating.changed(table)] for table in "ab"}
    merged = [value for pair in zip(found["a"], found["b"], strict=True) for value in pair]
    assert merged == sorted(merged)
    assert len(set(merged)) == 10
    assert {len(value) for value in merged} == {35}
    year = model.sql.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24')").fetchone()
    assert merged[-1].startswith(str(year[0]) if year else "?")


def test_a_deleted_row_has_its_key_only(model: Model) -> None:
    model.execute("CREATE TABLE d (id int PRIMARY KEY, v text)", "INSERT INTO d VALUES (1, 'x')")
    replicating = model.replication("d")
    replicating.start()
    replicating.settle()
    model.execute("DELETE FROM d")
    replicating.settle()
    assert operations(replicating.changed("d"), "id", "v", "BI_id") == [("D", 1, None, None)]


def test_full_identity_carries_the_whole_row(model: Model) -> None:
    model.execute("CREATE TABLE f (id int PRIMARY KEY, v text)", "ALTER TABLE f REPLICA IDENTITY FULL")
    model.execute("INSERT INTO f VALUES (1, 'x')")
    replicating = model.replication("f")
    replicating.start()
    replicating.settle()
    model.execute("UPDATE f SET v = 'y'", "UPDATE f SET id = 2", "DELETE FROM f")
    replicating.settle()
    want = [("U", 1, "y", 1), ("U", 2, "y", 1), ("D", 2, "y", None)]
    assert operations(replicating.changed("f"), "id", "v", "BI_id") == want


def test_a_key_change_is_one_update_with_the_old_key(model: Model) -> None:
    model.execute("CREATE TABLE k (a int, b varchar(9), v int, PRIMARY KEY (a, b))", "INSERT INTO k VALUES (1, 'x', 7)")
    replicating = model.replication("k")
    replicating.start()
    replicating.settle()
    model.execute("UPDATE k SET b = 'y'", "UPDATE k SET v = 8")
    replicating.settle()
    found = operations(replicating.changed("k"), "a", "b", "v", "BI_a", "BI_b")
    assert found == [("U", 1, "y", 7, 1, "x"), ("U", 1, "y", 8, 1, "y")]
    (loaded,) = replicating.loaded("k")
    assert (loaded["Op"], loaded["AR_H_CHANGE_SEQ"], loaded["BI_a"]) == ("I", None, None)


def test_a_key_that_is_a_large_object_has_no_before_image(model: Model) -> None:
    """The old row stays in the lake when such a key changes: keys are to be varchar(n), not text."""
    model.execute("CREATE TABLE kt (id text PRIMARY KEY)", "INSERT INTO kt VALUES ('x')")
    replicating = model.replication("kt")
    replicating.start()
    replicating.settle()
    model.execute("UPDATE kt SET id = 'y'")
    replicating.settle()
    (row,) = replicating.changed("kt")
    assert row.keys() == {"Op", "id", "AR_H_CHANGE_SEQ"}


def test_updates_and_deletes_without_a_primary_key_are_ignored(model: Model) -> None:
    model.execute("CREATE TABLE n (v int)", "INSERT INTO n VALUES (1)")
    replicating = model.replication("n")
    replicating.start()
    replicating.settle()
    model.execute("INSERT INTO n VALUES (2)", "UPDATE n SET v = 3", "DELETE FROM n")
    replicating.settle()
    assert operations(replicating.changed("n"), "v") == [("I", 2)]


def test_an_unchanged_large_value_is_null(model: Model) -> None:
    model.execute("CREATE TABLE t (id int PRIMARY KEY, v int, large text)", f"INSERT INTO t VALUES (1, 1, {BIG})")
    replicating = model.replication("t")
    replicating.start()
    replicating.settle()
    assert len(replicating.loaded("t")[0]["large"]) == 12_800
    model.execute("UPDATE t SET v = 2")
    replicating.settle()
    assert operations(replicating.changed("t"), "v", "large") == [("U", 2, None)]


def test_truncate_is_not_captured(model: Model) -> None:
    model.execute("CREATE TABLE tr (id int PRIMARY KEY)", "INSERT INTO tr VALUES (1)")
    replicating = model.replication("tr")
    replicating.start()
    replicating.settle()
    model.execute("TRUNCATE tr", "INSERT INTO tr VALUES (2)")
    replicating.settle()
    assert operations(replicating.changed("tr"), "id") == [("I", 2)]
    assert replicating.keys("tr")[0] == "LOAD00000001.parquet"


def test_changes_during_the_load_are_in_both(model: Model) -> None:
    """What commits after the snapshot is captured; what commits between the start and the snapshot is in both."""
    model.execute("CREATE TABLE o (id int PRIMARY KEY)", "INSERT INTO o SELECT generate_series(1, 10)")
    model.dms.faults.during_load("public", "o", 5, lambda: model.execute("INSERT INTO o VALUES (11)"))
    replicating = model.replication("o")
    replicating.start()
    replicating.settle()
    assert [row["id"] for row in replicating.loaded("o")] == list(range(1, 11))
    assert operations(replicating.changed("o"), "id") == [("I", 11)]


def test_a_transaction_open_at_the_load_is_not_lost(model: Model) -> None:
    """The slot waits for it; what it writes is in the load, once."""
    model.execute("CREATE TABLE w (id int PRIMARY KEY)")
    open_one = model.database.connect()
    open_one.execute("BEGIN; INSERT INTO w VALUES (1)")
    replicating = model.replication("w")
    replicating.start()
    model.execute("INSERT INTO w VALUES (2)")
    open_one.execute("COMMIT")
    open_one.close()
    replicating.settle()
    rows = replicating.loaded("w") + replicating.changed("w")
    assert sorted(row["id"] for row in rows) == [1, 2]


def test_values_longer_than_the_limit_are_cut(model: Model) -> None:
    model.execute("CREATE TABLE l (id int PRIMARY KEY, t text, b bytea)")
    model.execute("INSERT INTO l VALUES (1, repeat('ü', 600), decode(repeat('00', 2000), 'hex'))")
    replicating = model.replication("l", settings={"TargetMetadata": {"LobMaxSize": 1}})
    replicating.start()
    replicating.settle()
    (row,) = replicating.loaded("l")
    assert (len(row["t"]), len(row["b"])) == (512, 1024)
    group = f"dms-serverless-replication-{replicating.arn.rsplit(':', 1)[-1]}"
    assert "W: public.l: 2 values were cut" in model.cloud.log_lines(group)


def test_an_added_column_is_in_the_files_from_then_on(model: Model) -> None:
    model.execute("CREATE TABLE ac (id int PRIMARY KEY)")
    replicating = model.replication("ac")
    replicating.start()
    replicating.settle()
    model.execute(
        "INSERT INTO ac VALUES (1)", "ALTER TABLE ac ADD COLUMN v numeric(5,1)", "INSERT INTO ac VALUES (2, 3)"
    )
    replicating.settle()
    first, second = (replicating.file("ac", key) for key in sorted(replicating.keys("ac")))
    assert [str(field.type) for field in second.schema][:3] == ["string", "int32", "decimal128(5, 1)"]
    assert "v" not in first.column_names
    assert replicating.tables()["ac"]["Ddls"] == 1


def test_load_files_are_numbered_in_hexadecimal(model: Model) -> None:
    model.execute("CREATE TABLE h (id int PRIMARY KEY, v text)")
    model.execute("INSERT INTO h SELECT n, repeat('x', 1023) FROM generate_series(1, 17) AS n")
    replicating = model.replication("h", target={"MaxFileSize": 1})
    replicating.start()
    replicating.settle()
    keys = sorted(replicating.keys("h"))
    assert [keys[0], keys[9], keys[16]] == [f"LOAD{n}.parquet" for n in ("00000001", "0000000A", "00000011")]
    assert sorted(row["id"] for row in replicating.loaded("h")) == list(range(1, 18))


@pytest.mark.parametrize(
    ("include", "only_inserts", "load", "changes"),
    [
        (False, False, None, ["I", "U", "D"]),
        (True, False, "I", ["I", "U", "D"]),
        (True, True, "I", ["I"]),
        (False, True, None, [None]),
    ],
)
def test_the_operation_column(
    model: Model, include: bool, only_inserts: bool, load: str | None, changes: list[str | None]
) -> None:
    table = f"op_{include}_{only_inserts}".lower()
    model.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v int)", f"INSERT INTO {table} VALUES (1, 1)")
    replicating = model.replication(table, target={"IncludeOpForFullLoad": include, "CdcInsertsOnly": only_inserts})
    replicating.start()
    replicating.settle()
    model.execute(
        f"INSERT INTO {table} VALUES (2, 2)",
        f"UPDATE {table} SET v = 3 WHERE id = 2",
        f"DELETE FROM {table} WHERE id = 1",
    )
    replicating.settle()
    assert [row.get("Op") for row in replicating.loaded(table)] == [load]
    assert [row.get("Op") for row in replicating.changed(table)] == changes


def test_wildcards_select_and_exclude(model: Model) -> None:
    model.execute("CREATE SCHEMA s", *(f"CREATE TABLE s.{name} (id int PRIMARY KEY)" for name in ("t_1", "tx1", "u")))
    rules = [
        selection(1, "t%", "s", "include"),
        selection(2, "t[_]1", "s", "exclude"),
    ]
    replicating = model.replication(rules=json.dumps({"rules": rules}))
    replicating.start()
    replicating.settle()
    assert set(replicating.tables()) == {"tx1"}


def test_objects_are_encrypted_as_the_endpoint_says(model: Model) -> None:
    key = model.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    model.execute("CREATE TABLE e (id int PRIMARY KEY)", "INSERT INTO e VALUES (1)")
    target = {"EncryptionMode": "sse-kms", "ServerSideEncryptionKmsKeyId": key}
    replicating = model.replication("e", kind="full-load", target=target)
    replicating.start()
    replicating.settle()
    name = f"{replicating.folder}/public/e/LOAD00000001.parquet"
    found = model.cloud.client("s3").head_object(Bucket=BUCKET, Key=name)
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
    uses = {(role, action) for role, action, _, _ in model.cloud.uses}
    assert {(model.role, "s3:PutObject"), (model.role, "secretsmanager:GetSecretValue")} <= uses


@pytest.mark.parametrize(
    ("policy", "state", "status", "rows", "errors"),
    [
        ("LOG_ERROR", "Table completed", "running", [1], 1),
        ("SUSPEND_TABLE", "Table error", "running", [], 0),
        ("STOP_TASK", "Full load", "failed", [], 0),
    ],
)
def test_rows_that_cannot_be_written(
    model: Model, policy: str, state: str, status: str, rows: list[int], errors: int
) -> None:
    """The time 24:00 is one: it is no time of day in Parquet."""
    table = f"de_{policy.lower()}"
    model.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, t time)")
    model.execute(f"INSERT INTO {table} VALUES (1, '23:59'), (2, '24:00')")
    replicating = model.replication(table, settings={"ErrorBehavior": {"DataErrorPolicy": policy}})
    replicating.start()
    replicating.settle()
    found = replicating.tables()[table]
    assert (found["TableState"], found["FullLoadErrorRows"]) == (state, errors)
    assert replicating.described()["Status"] == status
    assert [row["id"] for row in replicating.loaded(table)] == rows


def test_a_value_that_would_be_cut_fails_where_the_endpoint_says_so(model: Model) -> None:
    model.execute("CREATE TABLE ft (id int PRIMARY KEY, t text)", "INSERT INTO ft VALUES (1, repeat('x', 600))")
    limit = {"TargetMetadata": {"LobMaxSize": 1}}
    replicating = model.replication("ft", settings=limit, source={"FailTasksOnLobTruncation": True})
    replicating.start()
    replicating.settle()
    assert replicating.described()["FailureMessages"] == ["Last Error public.ft: 1 values are longer than LobMaxSize"]


def test_a_batch_ends_at_its_size_too(model: Model) -> None:
    model.execute("CREATE TABLE sz (id int PRIMARY KEY, v varchar(2000))")
    replicating = model.replication("sz", target={"CdcMinFileSize": 1, "CdcMaxBatchInterval": 86_400})
    replicating.start()
    replicating.settle()
    model.execute("INSERT INTO sz VALUES (1, repeat('x', 2000))")
    replicating.settle()
    assert operations(replicating.changed("sz"), "id") == [("I", 1)]


def test_other_header_variables(model: Model) -> None:
    names = ("AR_H_OPERATION", "AR_H_STREAM_POSITION", "AR_H_COMMIT_TIMESTAMP")
    rules = [
        {**SEQUENCE_RULE, "rule-id": str(n), "rule-name": name, "value": name.lower(), "expression": f"${name}"}
        for n, name in enumerate(names, 2)
    ]
    model.execute("CREATE TABLE hv (id int PRIMARY KEY)", "INSERT INTO hv VALUES (1)")
    replicating = model.replication(rules=json.dumps({"rules": [selection(1, "hv"), *rules]}))
    replicating.start()
    replicating.settle()
    model.execute("DELETE FROM hv")
    replicating.settle()
    (loaded,), (changed,) = replicating.loaded("hv"), replicating.changed("hv")
    assert (loaded["ar_h_operation"], changed["ar_h_operation"]) == ("INSERT", "DELETE")
    assert (loaded["ar_h_stream_position"], changed["ar_h_stream_position"].count("/")) == (None, 1)
    assert changed["ar_h_commit_timestamp"] >= loaded["ar_h_commit_timestamp"]


def test_before_images_of_every_column_need_the_full_identity(model: Model) -> None:
    rule = {**BEFORE_RULE, "before-image-def": {"column-prefix": "", "column-suffix": "_old", "column-filter": "all"}}
    model.execute("CREATE TABLE bi (id int PRIMARY KEY, v int)", "INSERT INTO bi VALUES (1, 1)")
    replicating = model.replication(rules=json.dumps({"rules": [selection(1, "bi"), rule]}))
    replicating.start()
    replicating.settle()
    model.execute("UPDATE bi SET v = 2", "ALTER TABLE bi REPLICA IDENTITY FULL", "UPDATE bi SET v = 3")
    replicating.settle()
    assert operations(replicating.changed("bi"), "id_old", "v_old") == [("U", 1, None), ("U", 1, 2)]


def test_files_can_be_compressed(model: Model) -> None:
    model.execute("CREATE TABLE gz (id int PRIMARY KEY)", "INSERT INTO gz VALUES (1)")
    replicating = model.replication("gz", kind="full-load", target={"CompressionType": "gzip", "RowGroupLength": 5})
    model.execute("INSERT INTO gz SELECT generate_series(2, 12)")
    replicating.start()
    replicating.settle()
    key = f"{replicating.folder}/public/gz/LOAD00000001.parquet"
    body = model.cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    found = pq.ParquetFile(io.BytesIO(body)).metadata
    assert (found.num_row_groups, found.row_group(0).column(0).compression) == (3, "GZIP")
