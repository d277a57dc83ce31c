"""What DMS writes of changes: order, keys, what the log does not carry, overlap with the load, truncation, LOBs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.tests.dms.conftest import BUCKET, Model, selection

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
