"""docs/replication-types.md, row by row, against the real PostgreSQL."""

from __future__ import annotations

import datetime
import importlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from rehearsal.dms.types import DataError, Options, SourceType, target_type
from rehearsal.tests.dms import test_changes
from rehearsal.tests.dms.conftest import BUCKET, Model, Replicating

pytestmark = pytest.mark.cloud

PAGE = Path(__file__).parents[3] / "docs" / "replication-types.md"
NAMES = {
    pa.int16(): "INT16",
    pa.int32(): "INT32",
    pa.int64(): "INT64",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "STRING",
    pa.binary(): "BINARY",
    pa.date32(): "DATE32",
    pa.time32("ms"): "TIME32",
    pa.timestamp("us", "UTC"): "TIMESTAMP",
}


@dataclass(frozen=True)
class Row:
    """One row of the page's first table."""

    type: str
    example: str
    parquet: str
    value: str
    declared: str


def rows() -> list[Row]:
    """The rows of the table under `## Types`. A bar inside a cell would break the page as well."""
    section = PAGE.read_text().split("\n## Types\n")[1].split("\n## ")[0]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    assert {len(row) for row in cells} == {7}
    return [Row(*(cell.strip().strip("`") for cell in row[:5])) for row in cells]


@dataclass(frozen=True)
class Files:
    """The table's two rows as they came: by full load and as a change."""

    loaded: pa.Table
    changed: pa.Table
    item: dict[str, Any]
    s3: Any


@pytest.fixture(scope="module")
def files(shared: Model) -> Iterator[Files]:
    """One table with a column per row of the page, its values inserted before the replication began and after."""
    shared.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE TYPE pair AS (a integer, b text)",
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
        "CREATE DOMAIN label AS varchar(20)",
    )
    columns = ", ".join(f"c{number} {row.type}" for number, row in enumerate(rows()))
    values = ", ".join(row.example for row in rows())
    shared.execute(
        f"CREATE TABLE every_type (id integer PRIMARY KEY, {columns})",
        f"INSERT INTO every_type VALUES (1, {values})",
    )
    replicating: Replicating = shared.replication("every_type")
    replicating.start()
    replicating.settle()
    shared.execute(f"INSERT INTO every_type VALUES (2, {values})")
    replicating.settle()
    load, change = replicating.keys("every_type")
    s3, key = shared.cloud.client("s3"), f"{replicating.folder}/public/every_type/{load}"
    head = s3.head_object(Bucket=BUCKET, Key=key)
    item = {"bucket": BUCKET, "key": key, "version": head["VersionId"], "size": head["ContentLength"]}
    yield Files(replicating.file("every_type", load), replicating.file("every_type", change), item, s3)
    shared.end()


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(rows())), ids=[f"{row.type} {row.example}" for row in rows()]
)
def test_the_page_says_what_the_engine_writes(number: int, row: Row, files: Files) -> None:
    for table in (files.loaded, files.changed):
        column = table.column(f"c{number}")
        assert (name(column.type), shown(column[0])) == (row.parquet, row.value)


def test_the_job_reads_the_declared_types(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PAGE.parents[1] / "glue-scripts"))
    survey = importlib.import_module("lakejobs.refine.survey_parquet").survey_parquet
    declared = [(f"c{number}", row.declared.split("`")[0]) for number, row in enumerate(rows())]
    found = survey(files.s3, files.item, {"needed": ["Op", "AR_H_CHANGE_SEQ"], "columns": declared})
    assert [name for name, _ in found["layout"]] == [name for name, _ in declared]


DECLARED = ("string", "boolean", "int", "bigint", "double", "decimal(38,6)", "date", "timestamp")


def test_the_job_accepts_the_declarations_of_the_page_and_no_others(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PAGE.parents[1] / "glue-scripts"))
    survey = importlib.import_module("lakejobs.refine.survey_parquet").survey_parquet
    unreadable = importlib.import_module("lakejobs.refine.landed").Unreadable
    accepted: dict[str, set[str]] = {}
    for number, row in enumerate(rows()):
        fits = set()
        for declared in DECLARED:
            try:
                survey(files.s3, files.item, {"needed": [], "columns": [(f"c{number}", declared)]})
            except unreadable as error:
                assert f"its column c{number} holds" in str(error)
            else:
                fits.add(declared.split("(")[0])
        assert accepted.setdefault(row.parquet.split("(")[0], fits) == fits
    section = PAGE.read_text().split("\n## What may be declared\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")][1:]
    assert {parquet.strip(): set(re.findall(r"`(\w+)`", types)) for parquet, types, _ in cells} == accepted


@pytest.mark.parametrize("given", ["'<a/>'::xml", "'a=>1'::hstore"])
def test_what_the_page_calls_not_testable_cannot_be_written(given: str, shared: Model) -> None:
    with pytest.raises(psycopg.Error, match='unsupported XML feature|type "hstore" does not exist'):
        shared.execute(f"CREATE TABLE untestable AS SELECT {given} AS value")
    with pytest.raises(psycopg.Error, match="hstore"):
        shared.execute("CREATE EXTENSION hstore")


def test_types_that_are_not_modelled_are_refused() -> None:
    section = PAGE.read_text().split("A column of any other type is not modelled")[1].split("\n\n")[0]
    names = re.findall(r"`(\w+)`", section)
    assert len(names) == 8
    for name in names:
        with pytest.raises(DataError, match=name):
            target_type(SourceType(name), Options())


def test_the_page_grades_each_row_and_names_tests_that_exist() -> None:
    first, _, second = PAGE.read_text().split("\n## Types\n")[1].split("\n## ")
    lines = [line for part in (first, second) for line in part.splitlines() if line.startswith("| ")]
    grades = {line.rsplit("|", 2)[1].strip() for line in lines}
    assert grades == {"grade", "documented", "field", "unverified"}
    named = re.findall(r"`(test_\w+)`", second)
    assert len(named) == len([line for line in second.splitlines() if line.startswith("| ")]) - 1
    assert all(callable(getattr(test_changes, name)) for name in named)


def name(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return NAMES[kind]


def shown(scalar: pa.Scalar) -> str:
    """A value in the form the page uses."""
    value: Any = scalar.as_py()
    match value:
        case None:
            return "NULL"
        case str():
            return f'"{value}"'
        case bytes():
            return f"0x{value.hex()}"
        case float():
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if math.isnan(value) else str(value))
        case datetime.datetime():
            return f"{value:%Y-%m-%d %H:%M:%S.%f}"
        case datetime.time():
            return value.isoformat(timespec="milliseconds")
        case Decimal() | int() | datetime.date():
            return str(value)
    raise AssertionError(f"no form for {value!r}")
