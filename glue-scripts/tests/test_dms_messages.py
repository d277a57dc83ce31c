"""Messages of DMS as text, without Spark."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lakejobs.refine import survey
from lakejobs.refine.dms_messages import is_control, reader
from test_survey import run

READ = reader("public.parts", [("id", "bigint")], [("id", "bigint"), ("name", "string"), ("price", "decimal(10,2)")])
SEQ = "20260101000000000000000000000000007"


def message(operation: str = "insert", **more: Any) -> dict:
    return {
        "data": {"id": 1, "name": "a", "price": 1.50, "AR_H_CHANGE_SEQ": SEQ},
        "metadata": {
            "timestamp": "2026-01-01T00:00:00.000000Z", "record-type": "data", "operation": operation,
            "partition-key-type": "primary-key", "schema-name": "public", "table-name": "parts", "transaction-id": 7,
        },
    } | more  # fmt: skip


def read(value: Any) -> Any:
    return READ(json.dumps(value).encode())


def test_a_message_is_a_change() -> None:
    assert read(message()) == (False, ["I", SEQ, None, "1", "a", "1.5"])
    assert read(message("delete"))[1][0] == "D"
    assert read(message("load")) == (True, ["I", SEQ, None, "1", "a", "1.5"])
    moved = message("update") | {"before-image": {"id": 9, "name": "old"}}
    assert read(moved)[1][:4] == ["U", SEQ, "9", "1"]
    assert read(message("update") | {"before-image": None})[1][:3] == ["U", SEQ, None]


def test_a_sequence_that_is_a_number_keeps_its_digits() -> None:
    line = json.dumps(message()).replace(f'"{SEQ}"', SEQ)
    assert READ(line.encode())[1][1] == SEQ


def test_what_is_no_change_of_the_table() -> None:
    other = message()["metadata"] | {"table-name": "orders"}
    for value in (message(metadata=other), {"data": {}}, message(data=[1]), message() | {"before-image": "x"}, {}):
        assert read(value) == (False, None)
    for line in (b"[]", b"nothing", b'{"data":{},"data":{}}', json.dumps(message())[:-1].encode()):
        assert READ(line) is None
    assert read(message("truncate"))[1][0] == "truncate"
    without = message(data={"id": 1})
    assert read(without) == (False, ["I", None, None, "1", None, None])


@pytest.mark.parametrize("given", [None, {}, {"metadata": []}, {"metadata": {"record-type": "data"}}])
def test_other_messages_are_not_control(given: Any) -> None:
    assert not is_control(given)


def test_the_survey_leaves_control_messages_out() -> None:
    control = {"metadata": {"record-type": "control", "operation": "create-table", "table-name": "parts"}}
    data = message(data={"id": 1, "name": "control", "more": 1, "AR_H_CHANGE_SEQ": SEQ})
    lines = [control, data, message(), {"x": "control"}]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines) + b'no json with "control"\n'
    form = {"kind": "dms_json", "header": None, "delimiter": None, "needed": ("Op", "AR_H_CHANGE_SEQ"),
            "columns": [("Op", "string"), ("AR_H_CHANGE_SEQ", "string"), ("BI_id", "bigint"), ("id", "bigint"),
                        ("name", "string"), ("price", "decimal(10,2)")]}  # fmt: skip
    found = run(body, form, key="a/b.json")
    assert (found["error"], found["records"], found["names"]) == (None, 4, ["more"])
    assert survey.SHIPPED[0].__name__.endswith("dms_messages")


def test_csv_needs_the_change_columns() -> None:
    form = {"kind": "dms_csv", "header": True, "delimiter": ",", "columns": [], "needed": ("Op", "AR_H_CHANGE_SEQ")}
    assert run(b"Op,id,AR_H_CHANGE_SEQ\nI,1,\n", form)["error"] is None
    assert "has no column AR_H_CHANGE_SEQ, which the changes" in run(b"Op,id\nI,1\n", form)["error"]
