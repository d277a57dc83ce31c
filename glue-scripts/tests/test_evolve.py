"""Tables that follow their input: columns that nobody declared, and types that become too narrow."""

from __future__ import annotations

import decimal
import io
import itertools
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import every_format, soak_format
from lake import Lake
from lakejobs.lists import Object
from lakejobs.manifest import Manifest
from lakejobs.refine.evolve import _COLUMNS, gained
from lakejobs.refine.record import Readable
from lakejobs.refine.source import Source
from lakejobs.tables.iceberg import IcebergStore
from parts import ID as PARTS_ID
from parts import PARTS, delete, insert, part, update
from specs import column, dataset, parquet

ID = "sales.people"
COLUMNS = [column("id", "bigint", required=True), column("seq", "int", required=True), column("age", "int")]
PEOPLE = dataset("people", COLUMNS, ["id"], "seq", drift="evolve")
JSON = PEOPLE | {"format": parquet("json")}


def packed(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def people(lake: Lake, *names: str) -> list[tuple]:
    return lake.rows(lake.cleaned(ID), "id", *names)


def types(lake: Lake, dataset_id: str = ID) -> dict[str, str]:
    return {name: kind for name, kind in lake.stored(dataset_id).columns().items() if not name.startswith("_")}


@soak_format
def test_columns_of_csv_are_added_as_text_and_no_value_is_lost(lake: Lake) -> None:
    lake.declare(PEOPLE)
    first = lake.apply(ID, "id,seq,age\n1,1,10\n", "id,zip,age,seq\n2,08001,20,1\n3,,30,1\n")
    assert lake.counts(first) == {"read": 3, "inserted": 3}
    assert (first["undeclared"], types(lake)) == (
        ["zip"],
        {"id": "bigint", "seq": "int", "age": "int", "zip": "string"},
    )
    assert people(lake, "age", "zip") == [(1, 10, None), (2, 20, "08001"), (3, 30, None)]
    second = lake.apply(ID, "id,seq,area\n4,1,x\n1,2,y\n", "id,seq,age,zip\n2,2,21,08002\n")
    assert lake.counts(second) == {"read": 3, "inserted": 1, "updated": 2}
    assert second["undeclared"] == ["area"]
    assert list(types(lake)) == ["id", "seq", "age", "area", "zip"]
    assert people(lake, "age", "area", "zip") == [
        (1, None, "y", None), (2, 21, None, "08002"), (3, 30, None, None), (4, None, "x", None)
    ]  # fmt: skip
    lake.declare(PEOPLE | {"columns": [*PEOPLE["columns"], column("zip")]})
    declared = lake.apply(ID, "id,seq,zip\n5,1,a\n")
    assert lake.counts(declared) == {"read": 1, "inserted": 1}


@every_format
def test_types_are_widened_by_the_values_they_have_to_hold(lake: Lake) -> None:
    lake.declare(PEOPLE | {"columns": [*PEOPLE["columns"], column("price", "decimal(4,2)")]})
    header = "id,seq,age,price\n"
    lake.apply(ID, header + "1,1,2147483647,99.99\n")
    assert (types(lake)["age"], types(lake)["price"]) == ("int", "decimal(4,2)")
    wide = lake.apply(
        ID, header + "2,3000000000,2147483648,-12345.6\n3,1,x,1\n4,1,1,0.001\n5,1,9223372036854775808,1\n"
    )
    assert lake.counts(wide) == {"read": 4, "inserted": 1, "quarantined": 3}
    assert wide["reasons"] == {"type:age": 2, "type:price": 1}
    assert types(lake) == {"id": "bigint", "seq": "bigint", "age": "bigint", "price": "decimal(7,2)"}
    narrow = lake.apply(ID, header + "1,2,5,1\n")
    assert lake.counts(narrow) == {"read": 1, "updated": 1}
    assert people(lake, "age", "price") == [
        (1, 5, decimal.Decimal("1.00")),
        (2, 2147483648, decimal.Decimal("-12345.60")),
    ]


def test_columns_of_parquet_keep_their_types(lake: Lake) -> None:
    lake.declare(PEOPLE | {"format": parquet()})
    more = {"n": pa.array([7], pa.int32()), "f": [0.5], "d": pa.array([decimal.Decimal("1.5")]), "ok": [True]}
    fine = packed(id=[1], seq=[1], nothing=pa.nulls(1), **more)
    named = packed(id=[2], seq=[1], **{"Bad Name": ["x"]})
    nested = packed(id=[3], seq=[1], tags=[["a"]])
    unlike = packed(id=[4], seq=[1], n=[True])
    record = lake.apply(ID, fine, named, nested, unlike, suffix="parquet")
    assert lake.counts(record) == {"read": 1, "inserted": 1}
    told = [u["reason"].removeprefix("has columns that cannot be added to the table: ") for u in record["unreadable"]]
    assert sorted(told) == [
        "'Bad Name' is no name for a column; lower-case letters, digits and _ are",
        "its column tags is of type list<element: string>, which is not read",
        "n is boolean here and int in another object of the batch",
    ]
    wanted = {
        "id": "bigint",
        "seq": "int",
        "age": "int",
        "d": "decimal(2,1)",
        "f": "double",
        "n": "int",
        "ok": "boolean",
    }
    assert types(lake) == wanted
    wider = lake.apply(ID, packed(id=[5], seq=[1], n=[3_000_000_000], d=pa.array([decimal.Decimal("123.5")])),
                       packed(id=[6], seq=[1], n=["eight"], ok=["true"]), suffix="parquet")  # fmt: skip
    assert lake.counts(wider) == {"read": 2, "inserted": 1, "quarantined": 1}
    assert wider["reasons"] == {"type:n": 1}
    assert types(lake) == wanted | {"n": "bigint", "d": "decimal(4,1)"}
    other = lake.apply(ID, packed(id=[7], seq=[1], ok=[1.5]), suffix="parquet")
    assert "its column ok holds double, which cannot be read as boolean" in other["reason"]


def test_members_of_json(lake: Lake) -> None:
    lake.declare(JSON)
    lines = [
        '{"id":1,"seq":1,"tags":["a",1]}',
        '{"id":2,"seq":1,"Tags":1}',
        '{"id":3,"seq":1}',
        '{"id":4,"seq":1,"n":1e2}',
    ]
    record = lake.apply(ID, "\n".join(lines), suffix="json")
    assert lake.counts(record) == {"read": 4, "inserted": 3, "quarantined": 1}
    assert (record["reasons"], record["undeclared"]) == ({"undeclared": 1}, ["Tags", "n", "tags"])
    assert people(lake, "n", "tags") == [(1, None, '["a",1]'), (3, None, None), (4, "1e2", None)]


def test_names_without_end_make_no_columns_without_end(lake: Lake) -> None:
    lake.declare(JSON)
    many = "\n".join(f'{{"id":{i},"seq":1,"k{i:03d}":1}}' for i in range(_COLUMNS + 20))
    record = lake.apply(ID, many, suffix="json")
    assert lake.counts(record) == {"read": _COLUMNS + 20, "inserted": _COLUMNS, "quarantined": 20}
    assert len(types(lake)) == 3 + _COLUMNS
    lake.declare(PEOPLE)
    refused = lake.apply(ID, "id,seq,one_more\n900,1,x\n")
    assert "one_more would be one more than the 100 that can be added; declare some of them" in refused["reason"]


def test_any_order_of_objects_ends_in_the_same_rows(lake: Lake) -> None:
    """What is at one place in the order of changes is decided by the columns, whichever of them came first."""
    bodies = ["id,seq,b\n1,1,z\n2,1,p\n", "id,seq,a\n1,1,y\n", "id,seq,a,b\n2,1,,q\n1,1,x,zz\n"]
    ends = []
    for order in list(itertools.permutations(bodies))[::2]:
        lake.declare(PEOPLE | {"name": f"people{len(ends)}", "id": f"sales.people{len(ends)}"})
        for body in order:
            lake.apply(f"sales.people{len(ends)}", body)
        ends.append(lake.rows(lake.cleaned(f"sales.people{len(ends)}"), "id", "a", "b"))
    assert ends == [[(1, "y", None), (2, None, "q")]] * 3


def test_a_replicated_table_gains_columns(lake: Lake) -> None:
    lake.declare(PARTS | {"drift": "evolve", "columns": PARTS["columns"][:2]})
    lake.refine([lake.changes(PARTS_ID, part(insert(1, 1, "a"), insert(2, 2, "b")))])
    assert list(types(lake, PARTS_ID)) == ["id", "name", "price"]
    gone = lake.changes(PARTS_ID, part(delete(3, 1), update(4, 2, "c")))
    lake.refine([gone])
    assert lake.counts(lake.batch(gone)) == {"read": 2, "deleted": 1, "updated": 1}
    view = lake.glue.get_table(DatabaseName=lake.datasets[PARTS_ID]["cleaned_database"], Name="parts_current")
    assert "price" in str(view["Table"]["StorageDescriptor"]["Columns"])


def test_values_before_a_change_are_no_columns() -> None:
    spec = PARTS | {"drift": "evolve"}
    text = {
        "schema_version": 1,
        "lake": "l",
        "operations_database": "o",
        "datasets": [spec],
        "landing": [],
        "models": [],
    }
    parts = Manifest.from_json(json.dumps(text)).datasets[0]
    item = Object("b", "k", "v", 1, "e", "t")
    more = (("BI_name", "string"), ("zip", "string"), ("weight", "float"))
    read = Readable(item, 0, "s3://b/k", True, 1, None, 0, (), (), True, more=more)
    told = Source((read,), (), ())
    dataset, source = gained(parts, told)
    assert [(c.name, c.type) for c in dataset.columns[3:]] == [("weight", "double"), ("zip", "string")]
    assert source.readable[0].layout == (("zip", "string"), ("weight", "float"))
    of_json, source = gained(replace(parts, format=replace(parts.format, kind="json"), load="append"), told)
    assert (of_json.columns, source) == (dataset.columns, told), "records are not laid out, and are judged one by one"


def test_a_run_that_dies_between_two_steps_of_the_table_harms_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.declare(PEOPLE)
    lake.apply(ID, "id,seq\n1,1\n")
    changes = IcebergStore._changes
    for steps in (1, 2):
        monkeypatch.setattr(IcebergStore, "_changes", lambda *args, n=steps: [*changes(*args)[:n], "SELECT died"])
        dead = lake.freeze(ID, [lake.land(f"in/{steps}.csv", f"id,seq,new{steps},other{steps}\n2,{steps},x,y\n")])
        lake.refine([dead])
        assert lake.batch(dead)["state"] == "failed"
        monkeypatch.setattr(IcebergStore, "_changes", changes)
        assert lake.counts(lake.apply(ID, f"id,seq\n{steps + 2},1\n")) == {"read": 1, "inserted": 1}
        counts = lake.again(dead)["rerun"]["counts"]
        assert (counts["read"], counts["inserted"] + counts["updated"]) == (1, 1)
    assert people(lake, "new1", "other1", "new2", "other2")[1] == (2, None, None, "x", "y")


def test_an_added_column_is_declared_before_another_policy(lake: Lake) -> None:
    lake.declare(PEOPLE)
    lake.apply(ID, "id,seq,zip\n1,1,a\n")
    lake.declare({k: v for k, v in PEOPLE.items() if k != "drift"})
    refused = lake.apply(ID, "id,seq\n2,1\n")
    assert (refused["state"], refused["code"]) == ("failed", "schema")
    assert "zip is in the table but not declared: it was added from input" in refused["reason"]
    lake.declare({k: v for k, v in PEOPLE.items() if k != "drift"} | {"columns": [*PEOPLE["columns"], column("zip")]})
    assert lake.counts(lake.apply(ID, "id,seq\n2,1\n")) == {"read": 1, "inserted": 1}
