"""What becomes of columns that are not the declared ones: reported, or refused where the dataset is strict."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake import Lake
from lakejobs.refine.json_text import texts
from parts import ID as PARTS_ID
from parts import PARTS, insert, part
from specs import column, dataset, parquet

ID = "sales.people"
PEOPLE = dataset("people", [column("id", "bigint", required=True), column("name"), column("age", "int")], ["id"])
STRICT = PEOPLE | {"drift": "strict"}


def packed(**columns: list) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


CSV_FILES = [b"name,age,id\na,1,1\n", b"id,name,age,more\n2,b,2,x\n", b"id,name\n3,c\n", b"id,more\n4,d\n"]
PARQUET_FILES = [packed(name=["a"], age=[1], id=[1]), packed(id=[2], name=["b"], age=[2], more=["x"]),
                 packed(id=[3], name=["c"]), packed(id=[4], more=["d"])]  # fmt: skip
REASONS = ["more not declared", "age missing", "more not declared; name, age missing"]


@pytest.mark.parametrize(
    ("form", "files", "suffix"), [(PEOPLE["format"], CSV_FILES, "csv"), (parquet(), PARQUET_FILES, "parquet")]
)
def test_objects_with_other_columns(lake: Lake, form: dict, files: list[bytes], suffix: str) -> None:
    lake.declare(STRICT | {"format": form})
    strict = lake.apply(ID, *files, suffix=suffix)
    assert (strict["state"], lake.counts(strict)) == ("applied", {"read": 1, "inserted": 1})
    wanted = [f"has other columns than the declared ones, and Drift is Strict: {reason}" for reason in REASONS]
    assert [u["reason"] for u in strict["unreadable"]] == wanted
    lake.declare(PEOPLE | {"format": form})
    mild = lake.apply(ID, *files, suffix=suffix)
    assert (lake.counts(mild), mild["undeclared"]) == ({"read": 4, "inserted": 3, "duplicate": 1}, ["more"])
    assert lake.rows(lake.cleaned(ID), "id", "name", "age")[1:] == [(2, "b", 2), (3, "c", None), (4, None, None)]


def test_records_with_other_members(lake: Lake) -> None:
    lake.declare(STRICT | {"format": parquet("json")})
    lines = ['{"id":1,"name":"a","age":1}', '{"id":2}', '{"id":3,"more":null}', '{"id":4,"Name":"d"}', "{"]
    record = lake.apply(ID, "\n".join(lines), suffix="json")
    assert lake.counts(record) == {"read": 5, "inserted": 2, "quarantined": 3}
    assert (record["reasons"], record["undeclared"]) == ({"malformed": 1, "undeclared": 2}, ["Name", "more"])
    keys = {r["record_key"] for r in lake.spark.table(lake.quarantine(ID)).collect()}
    assert keys == {'{"id":"3"}', '{"id":"4"}', None}


def test_lines_without_a_header_and_empty_objects_have_no_names_to_judge(lake: Lake) -> None:
    lake.declare(STRICT | {"format": PEOPLE["format"] | {"header": False}})
    record = lake.apply(ID, "1,a,1\n2,b\n", "")
    assert (lake.counts(record), record["reasons"]) == ({"read": 2, "inserted": 1, "quarantined": 1}, {"malformed": 1})


def test_a_strict_replicated_table_has_its_change_columns(lake: Lake) -> None:
    lake.declare(PARTS | {"drift": "strict"})
    fine = lake.changes(PARTS_ID, part(insert(1, 1, "a")))
    lake.refine([fine])
    assert lake.counts(lake.batch(fine)) == {"read": 1, "inserted": 1}
    lake.declare(PARTS | {"drift": "strict", "columns": PARTS["columns"][:2]})
    other = lake.changes(PARTS_ID, part(insert(2, 2, "b")))
    lake.refine([other])
    assert lake.batch(other)["code"] == "unreadable" and "price not declared" in lake.batch(other)["reason"]


def test_the_route_is_no_undeclared_member() -> None:
    read = texts([("id", "int")], "to", strict=True)
    assert read(b'{"id":1,"to":"a.b"}') == ["1", "a.b", None]
    assert read(b'{"id":1,"to":"a.b","x":1}') == ["1", "a.b", "undeclared"]
