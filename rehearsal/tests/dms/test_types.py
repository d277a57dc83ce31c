"""docs/replication-types.md, row by row, against the real PostgreSQL."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rehearsal.tests.dms.conftest import Model, Replicating

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


def rows() -> list[Row]:
    """The rows of the table under `## Types`. A bar inside a cell would break the page as well."""
    section = PAGE.read_text().split("\n## Types\n")[1].split("\n## ")[0]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    assert {len(row) for row in cells} == {7}
    return [Row(*(cell.strip().strip("`") for cell in row[:4])) for row in cells]


@dataclass(frozen=True)
class Files:
    """The table's two rows as they came: by full load and as a change."""

    loaded: pa.Table
    changed: pa.Table


@pytest.fixture(scope="module")
def files(shared: Model) -> Iterator[Files]:
    """One table with a column per row of the page, its values inserted before the replication began and after."""
    shared.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE TYPE pair AS (a integer, b text)",
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
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
    yield Files(replicating.file("every_type", load), replicating.file("every_type", change))
    shared.end()


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(rows())), ids=[f"{row.type} {row.example}" for row in rows()]
)
def test_the_page_says_what_the_engine_writes(number: int, row: Row, files: Files) -> None:
    for table in (files.loaded, files.changed):
        column = table.column(f"c{number}")
        assert (name(column.type), shown(column[0])) == (row.parquet, row.value)


def test_the_page_grades_each_row() -> None:
    text = PAGE.read_text()
    found = [line.rsplit("|", 2)[1].strip() for line in text.splitlines() if re.match(r"\| (`|an? |TRUNC)", line)]
    assert len(found) == len(rows()) + 7
    assert set(found) == {"documented", "field", "unverified"}


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
