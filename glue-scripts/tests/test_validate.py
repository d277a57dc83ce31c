"""Validation against a real PostgreSQL over JDBC: what is equal is said to be, and what is not is found and listed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from conftest import ROOT
from formats import soak_format
from lake import Lake
from lakejobs.errors import JobFailed
from lakejobs.shapes import ShapeError
from lakejobs.validate import one_dataset
from lakejobs.validate.metrics import Metric
from parts import ID, PARTS, delete, insert, part, update
from sources import Source, Validation
from specs import column, replicated

TABLES = json.loads((ROOT / "constructs/catalog/job_tables.json").read_bytes())
DEFINITION = "id bigint PRIMARY KEY, name text, price numeric(10,2)"
ROWS = [(1, "a", 1), (2, "b", 2), (3, "", None)]


def parts(lake: Lake, source: Source, rows: list[tuple] = ROWS, **more: Any) -> Validation:
    """The source's table of parts, and the lake's declaration of it."""
    lake.declare(PARTS)
    return Validation(lake, source, {ID: source.table(DEFINITION, rows)}, more=more)


def copied(lake: Lake) -> None:
    rows = (insert(1, 1, "a"), insert(2, 2, "b", 2), insert(3, 3, "", None), insert(4, 4, "x"))
    lake.apply_changes(ID, part(*rows, delete(5, 4)))


@soak_format
def test_a_copy_is_equal_until_a_value_is_not(lake: Lake, source: Source) -> None:
    validation = parts(lake, source)
    copied(lake)
    assert validation.run() == {
        "validation": "v", "outcome": "equal", "told": "1 of 1 datasets are equal", "datasets": {ID: "equal"}
    }  # fmt: skip
    results = validation.read("results")
    assert {r["outcome"] for r in results} == {"equal"} and validation.read("mismatches") == []
    assert source.front.encrypted and not source.front.plain

    source.sql.execute(f"UPDATE {validation.tables[ID]} SET name = 'B' WHERE id = 2")
    source.sql.execute(f"DELETE FROM {validation.tables[ID]} WHERE id = 3")
    ended = validation.run("w", datasets=[ID])
    assert ended["outcome"] == "different"
    assert "1 keys only in the lake, 1 keys with other values" in ended["told"]
    assert [(m["kind"], m["row_key"], m["column_name"], m["source_value"], m["lake_value"])
            for m in validation.read("mismatches", "w")] == [
        ("changed", '{"id":"2"}', "name", "B", "b"), ("only_in_lake", '{"id":"3"}', "", None, None),
    ]  # fmt: skip
    assert validation.measure("checksum", "name", "w")["differing"] == 1
    different = [r for r in validation.read("results", "w") if r["outcome"] == "different"]
    assert {(r["measure"], r["column_name"]) for r in different} == {
        ("dataset", ""), ("only_in_lake", ""), ("changed", ""), ("rows", ""), ("size", ""),
        ("checksum", "id"), ("checksum", "name"), ("checksum", "price"), ("completeness", "price"),
        ("maximum", "id"), ("mean", "id"),
    }  # fmt: skip
    for kind in ("results", "mismatches"):
        columns = [name for name, _ in TABLES[f"validation_{kind}"]]
        assert all(sorted(row) == sorted(columns) for row in validation.read(kind, "w"))


def test_a_checksum_is_what_the_source_itself_says(lake: Lake, source: Source) -> None:
    """Of a column that is not protected the server can add up the same."""
    validation = parts(lake, source, [(n, f"ä{n}" if n % 3 else None, n * 10**5) for n in range(50)])
    validation.run()
    key = "length(id::text) || ':' || id::text"
    value = "coalesce(length(name) || ':' || name, 'n')"
    sql = f"SELECT sum(('x' || substr(md5({key} || {value}), 1, 15))::bit(60)::bigint) FROM {validation.tables[ID]}"
    assert validation.measure("checksum", "name")["source_value"] == str(source.sql.execute(sql).fetchone()[0])
    assert validation.measure("only_in_source")["differing"] == 50, "the lake has no table yet"
    assert validation.measure("rows")["lake_value"] == "0"


def test_empty_tables_are_equal(lake: Lake, source: Source) -> None:
    assert parts(lake, source, []).run()["outcome"] == "equal"


class Late:
    """A lake that follows its source while a validation waits; `steps` are what happens in each pause."""

    def __init__(self, *steps: Any) -> None:
        self.steps, self.slept = list(steps), 0

    def __call__(self, seconds: float) -> None:
        assert seconds == 60
        self.slept += 1
        if self.steps:
            self.steps.pop(0)()


def test_what_the_lake_is_late_with_is_looked_at_again(lake: Lake, source: Source) -> None:
    validation = parts(lake, source, look_again=3)
    copied(lake)
    name, sql = validation.tables[ID], source.sql
    sql.execute(f"UPDATE {name} SET name = 'late' WHERE id = 1")
    sql.execute(f"INSERT INTO {name} VALUES (9, 'new', 9)")
    sql.execute(f"DELETE FROM {name} WHERE id = 2")
    late = Late(
        lambda: lake.apply_changes(ID, part(update(6, 1, "late"), delete(7, 2))),
        lambda: lake.apply_changes(ID, part(insert(8, 9, "new", 9))),
    )
    ended = validation.run(sleep=late)
    assert (ended["outcome"], late.slept) == ("equal", 2)
    row = validation.measure("dataset")
    assert (row["looks"], row["detail"]) == (
        3, "3 rows are the same; 3 keys differed at first and were settled in 3 looks"
    )  # fmt: skip
    rows = validation.measure("rows")
    assert (rows["source_value"], rows["lake_value"]) == ("3", "3"), "each key counts as it was last seen"
    assert {r["outcome"] for r in validation.read("results") if r["measure"] == "checksum"} == {"equal"}
    assert validation.measure("size")["outcome"] == "told"


def test_what_goes_on_changing_is_unsettled_and_what_stays_is_different(lake: Lake, source: Source) -> None:
    validation = parts(lake, source, look_again=2)
    copied(lake)
    name, sql = validation.tables[ID], source.sql

    def change(text: str) -> Any:
        return lambda: sql.execute(f"UPDATE {name} SET name = '{text}' WHERE id = 1")

    change("one")()
    sql.execute(f"INSERT INTO {name} VALUES (9, 'stays', 9)")
    assert validation.run(sleep=Late(change("two"), change("three")))["outcome"] == "different"
    listed = {(m["kind"], m["row_key"]): (m["source_value"], m["lake_value"]) for m in validation.read("mismatches")}
    assert listed == {("unsettled", '{"id":"1"}'): ("three", "a"), ("only_in_source", '{"id":"9"}'): (None, None)}
    validation.more = {"look_again": 1}
    sql.execute(f"DELETE FROM {name} WHERE id = 9")
    ended = validation.run("w", sleep=Late(change("four")))
    assert (ended["outcome"], ended["datasets"]) == ("unsettled", {ID: "unsettled"})
    assert validation.measure("checksum", "name", "w")["outcome"] == "unsettled"


def test_a_list_is_bounded_and_values_can_be_left_out(lake: Lake, source: Source) -> None:
    validation = parts(lake, source, [(n, "longer" * 100, 5) for n in range(1, 4)], mismatches=3, values="false")
    copied(lake)
    validation.run()
    listed = validation.read("mismatches")
    assert len(listed) == 3 and {m["source_value"] for m in listed} == {None}
    assert validation.measure("changed")["differing"] == 3
    validation.more = {"mismatches": 1000}
    validation.run("w")
    (first, *_) = [m for m in validation.read("mismatches", "w") if m["column_name"] == "name"]
    assert first["source_value"] == ("longer" * 100)[:200] + "… (600 characters)"


def test_a_validation_is_done_once_and_one_that_failed_is_done_anew(lake: Lake, source: Source) -> None:
    validation = parts(lake, source, [(1, "other", 1)])
    copied(lake)
    lake.declare(replicated("absent", PARTS["columns"], ["id"]))
    validation.tables["sales.absent"] = "absent"
    with pytest.raises(JobFailed, match="not compared: sales.absent: erp has no table public.absent"):
        validation.run()
    before = validation.read("results")
    assert {(r["dataset"], r["outcome"]) for r in before if r["measure"] == "dataset"} == {
        (ID, "different"), ("sales.absent", "failed"),
    }  # fmt: skip
    del validation.tables["sales.absent"]
    validation.run()
    after = validation.read("results")
    assert len(after) == len(before) - 1, "rows of the same validation are replaced"
    source.sql.execute(f"DELETE FROM {validation.tables[ID]}")
    validation.run()
    assert validation.read("results") == after, "what has ended is not done again"


def test_metrics_that_contradict_are_a_difference(lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    validation = parts(lake, source)
    copied(lake)
    monkeypatch.setattr(one_dataset, "metrics", lambda *_: [Metric("mean", "price", 1.0, 1.1)])
    ended = validation.run()
    assert ended["outcome"] == "different" and "metrics of the sides do" in ended["told"]


def test_a_request_is_for_known_datasets(lake: Lake, source: Source) -> None:
    validation = parts(lake, source)
    with pytest.raises(ShapeError) as error:
        validation.run(datasets=["sales.orders", ID, "sales.x"])
    assert str(error.value) == (
        "request: datasets[0] is 'sales.orders'; datasets[2] is 'sales.x'; allowed: sales.parts, or no datasets for all"
    )
    with pytest.raises(ShapeError, match="unknown fields tables"):
        validation.run(tables=[])


def test_every_fault_of_tables_is_told_at_once(lake: Lake, source: Source) -> None:
    other = lake.declare(replicated("others", [*PARTS["columns"], column("more"), column("most")], ["id"]))["id"]
    closed = lake.declare(replicated("closed", PARTS["columns"], ["id"]))["id"]
    validation = parts(lake, source)
    secret = source.table(DEFINITION)
    with source.database.admin() as admin:
        admin.execute(f"ALTER TABLE {secret} OWNER TO postgres")
        admin.execute(f"REVOKE ALL ON {secret} FROM PUBLIC, replicator")
    validation.tables = {ID: "nothing", other: validation.tables[ID], closed: secret}
    with pytest.raises(JobFailed) as error:
        validation.run()
    assert str(error.value) == (
        f"not compared: sales.closed: 'replicator' may not read id, name, price of public.{secret}; grant USAGE on the"
        f" schema and SELECT on the table; sales.others: public.{validation.tables[other]} has no column more, most; it"
        " has id, name, price; sales.parts: erp has no table public.nothing, or its user may not see it; say in Tables"
        " which table is the dataset's"
    )


@pytest.mark.parametrize(
    ("changes", "ssl", "told"),
    [
        ({"password": "wrong"}, "require", "password authentication failed.*28P01.*'replicator' may not"),
        ({"host": "nowhere.invalid"}, "require", "at nowhere.invalid:.*08001.*the job has to reach the server"),
        ({"port": 1}, "require", ":1: Connection to 127.0.0.1:1 refused.*08001"),
        ({"dbname": "x", "port": None, "username": ""}, "require", "port is missing; username is missing"),
        ({"host": "a b?sslmode=disable", "port": "many"}, "require", "port is no number.*host is no name"),
    ],
)
def test_a_source_that_cannot_be_asked(lake: Lake, source: Source, changes: dict, ssl: str, told: str) -> None:
    validation = parts(lake, source)
    with pytest.raises(JobFailed, match=f"(?s){told}") as error:
        validation.run(secret=source.secret(**changes))
    assert source.database.password not in str(error.value) and "wrong" not in str(error.value)


def test_encryption_is_asked_for_unless_it_is_declined(lake: Lake, source: Source) -> None:
    validation = parts(lake, source, [])
    plainly = source.secret(port=source.database.port)
    with pytest.raises(JobFailed, match="SSL.*takes no encrypted connection: let it, or declare SSL"):
        validation.run(secret=plainly)
    assert replace(validation, ssl="none").run("w", secret=plainly)["outcome"] == "equal"
