"""What is not documented of DMS, the other way round than by default; and roles as they are enforced."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace

import pyarrow as pa
import pytest

from rehearsal.dms import OTHER, Unverified
from rehearsal.tests.dms.conftest import BUCKET, Model
from rehearsal.tests.dms.test_changes import BIG
from rehearsal.tests.dms.test_transactions import records, started

pytestmark = pytest.mark.cloud

EVERY_SWITCH = replace(OTHER, key_change="ignored", decimal_overflow="error")


def test_no_switch_is_left_out() -> None:
    default = Unverified()
    assert [f.name for f in fields(default) if getattr(default, f.name) == getattr(EVERY_SWITCH, f.name)] == []


def test_every_switch_the_other_way(model_with: Callable[..., Model]) -> None:
    """One walk through all of them, so that PostgreSQL starts once."""
    model = model_with(EVERY_SWITCH)
    with model.database.admin() as admin:
        admin.execute("ALTER SYSTEM SET timezone = 'Asia/Tokyo'")
        admin.execute("SELECT pg_reload_conf()")
    model.reconnect()
    model.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int, large text, at timestamptz, n numeric)",
        f"INSERT INTO t VALUES (1, 1, {BIG}, '2024-01-01 00:00:00+00', 1)",
        "INSERT INTO t VALUES (2, 1, '', NULL, 1e30)",
    )
    replicating = model.replication("t", settings={"ErrorBehavior": {"DataErrorPolicy": "LOG_ERROR"}})
    replicating.start()
    replicating.settle()
    (loaded,) = replicating.loaded("t")
    assert loaded["AR_H_CHANGE_SEQ"] == ""
    assert "BI_id" not in loaded
    assert f"{loaded['at']}" == "2024-01-01 09:00:00"
    assert replicating.file("t", "LOAD00000001.parquet").schema.field("at").type == pa.timestamp("us")
    assert replicating.tables()["t"]["FullLoadErrorRows"] == 1, "a decimal that does not fit is an error"

    model.execute("UPDATE t SET v = 2 WHERE id = 1")
    replicating.settle()
    model.execute("UPDATE t SET id = 3 WHERE id = 1")
    replicating.settle()
    (changed,) = replicating.changed("t")
    assert (changed["v"], len(changed["large"]), changed["BI_id"]) == (2, 12_800, None)

    model.execute("UPDATE t SET v = 3 WHERE id = 3")
    replicating.settle()
    model.dms.interrupt(replicating.arn)
    replicating.settle()
    _, first, again = replicating.changed("t")
    assert {**first, "AR_H_CHANGE_SEQ": ""} == {**again, "AR_H_CHANGE_SEQ": ""}
    assert first["AR_H_CHANGE_SEQ"] < again["AR_H_CHANGE_SEQ"]

    replicating.stop()
    model.execute("DELETE FROM t WHERE id = 2")
    replicating.start("reload-target")
    replicating.settle()
    assert replicating.keys("t") == ["LOAD00000001.parquet"], "change files are gone"


def test_the_place_of_the_key_before_is_a_switch(model_with: Callable[..., Model]) -> None:
    model = model_with(Unverified(before_image_position="after_added"))
    model.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    replicating = started(model, "t")
    model.execute("UPDATE t SET id = 2")
    replicating.settle()
    (row,) = records(replicating)
    assert (row[:4], row[5], len(row[4])) == (["U", "t", "public", "2"], "1", 35)


def test_a_role_without_the_right_fails_and_says_so(model_with: Callable[..., Model]) -> None:
    model = model_with(enforce=True)
    model.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    replicating = model.replication("t")
    replicating.start()
    replicating.settle()
    (message,) = replicating.described()["FailureMessages"]
    assert "secretsmanager:GetSecretValue" in message
    assert "assumed-role/dms" in message

    grant(model, "secretsmanager:GetSecretValue", model.secret)
    replicating.start("resume-processing")
    replicating.settle()
    assert "s3:ListBucket" in replicating.described()["FailureMessages"][0]

    grant(model, "s3:ListBucket", f"arn:aws:s3:::{BUCKET}")
    grant(model, "s3:PutObject", f"arn:aws:s3:::{BUCKET}/*")
    replicating.start("resume-processing")
    replicating.settle()
    assert [row["id"] for row in replicating.loaded("t")] == [1]
    assert {denial.action for denial in model.cloud.denials} == {"secretsmanager:GetSecretValue", "s3:ListBucket"}


def grant(model: Model, action: str, resource: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = action.replace(":", "-")
    model.cloud.client("iam").put_role_policy(RoleName="dms", PolicyName=name, PolicyDocument=document)
