"""Transaction files: the changes of all tables in one folder, in commit order, as CSV."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.dms.conftest import BUCKET, Model, Replicating

pytestmark = pytest.mark.cloud

NULL = "~null~"
ORDERED = {"PreserveTransactions": True, "CdcPath": "cdc", "CsvNullValue": NULL}
PAGE = Path(__file__).parents[3] / "docs" / "transactions.md"


def files(replicating: Replicating) -> dict[str, str]:
    """The transaction files by their names."""
    s3, prefix = replicating.cloud.client("s3"), f"{replicating.folder}/cdc/"
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read().decode()
        for item in found
    }


def records(replicating: Replicating) -> list[list[str]]:
    """Their records, in the order of the files' names."""
    text = "".join(body for _, body in sorted(files(replicating).items()))
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def started(model: Model, *tables: str, **target: Any) -> Replicating:
    replicating = model.replication(*tables, target={**ORDERED, **target})
    replicating.start()
    replicating.settle()
    return replicating


def test_the_changes_of_all_tables_in_commit_order(model: Model) -> None:
    model.execute("CREATE TABLE ta (id int PRIMARY KEY, v text)", "CREATE TABLE tb (id int PRIMARY KEY, v text)")
    model.execute("INSERT INTO ta VALUES (1, 'x')", "INSERT INTO tb VALUES (1, 'x')")
    replicating = started(model, "ta", "tb")
    assert replicating.keys("ta") == replicating.keys("tb") == ["LOAD00000001.parquet"]
    assert files(replicating) == {}
    first, second = model.database.connect(), model.database.connect()
    first.execute("BEGIN; INSERT INTO ta VALUES (2, '')")
    second.execute("BEGIN; INSERT INTO tb VALUES (2, NULL); INSERT INTO ta VALUES (3, E'a,\"b\"\\n')")
    second.execute("COMMIT")
    first.execute("UPDATE tb SET id = 9 WHERE id = 1; COMMIT")
    model.execute("DELETE FROM ta WHERE id = 1")
    replicating.settle()
    found = records(replicating)
    assert [row[:-1] for row in found] == [
        ["I", "tb", "public", "2", NULL, NULL],
        ["I", "ta", "public", "3", 'a,"b"\n', NULL],
        ["I", "ta", "public", "2", "", NULL],
        ["U", "tb", "public", "9", "x", "1"],
        ["D", "ta", "public", "1", NULL, NULL],
    ]
    sequences = [row[-1] for row in found]
    assert sequences == sorted(set(sequences))
    assert all(re.fullmatch("[0-9]{35}", sequence) for sequence in sequences)
    assert all(re.fullmatch(r"CDC_TXN-[0-9]{17}\.csv", name) for name in files(replicating))
    assert replicating.keys("ta") == ["LOAD00000001.parquet"], "no change is in a table's own folder"
    assert replicating.tables()["ta"]["Inserts"] == 2
    first.close()
    second.close()


def test_a_restart_delivers_again(model: Model) -> None:
    model.execute("CREATE TABLE tr_a (id int PRIMARY KEY)", "CREATE TABLE tr_b (id int PRIMARY KEY)")
    replicating = started(model, "tr_a", "tr_b")
    for number in range(2):
        model.execute(f"BEGIN; INSERT INTO tr_a VALUES ({number}); INSERT INTO tr_b VALUES ({number}); COMMIT")
        replicating.settle()
    model.dms.interrupt(replicating.arn)
    replicating.settle()
    found = [tuple(row) for row in records(replicating)]
    assert len(set(found)) == 4 < len(found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PreserveTransactions": True}, "Feature PreserveTransactions requires cdcPath setting"),
        ({**ORDERED, "DatePartitionEnabled": True}, "S3Settings.DatePartitionEnabled: true: cannot be used with"),
        ({**ORDERED, "AddColumnName": True}, "S3Settings.AddColumnName: true: cannot be used with"),
        ({**ORDERED, "GlueCatalogGeneration": True}, "S3Settings.GlueCatalogGeneration: true: cannot be used with"),
        ({**ORDERED, "CdcInsertsOnly": True}, "S3Settings.CdcInsertsOnly: true: cannot be used with"),
        ({"CdcPath": "cdc"}, "modelled: with PreserveTransactions"),
    ],
)
def test_what_cannot_be_combined_is_refused(model: Model, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=re.escape(message)) as refused:
        model.target("g", **settings)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterCombinationException"


def rows() -> list[list[str]]:
    """The rows of the page's table: type, example, text in the file."""
    section = PAGE.read_text().split("\n## Values\n")[1].split("\n## ")[0]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in row[:3]] for row in cells]


def test_the_page_says_what_the_engine_writes(model: Model) -> None:
    model.execute("CREATE TYPE ordered_mood AS ENUM ('sad', 'happy')")
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(rows()))
    model.execute(f"CREATE TABLE every_text (id integer PRIMARY KEY, {columns})")
    replicating = started(model, "every_text", CsvNullValue="~strata.null~")
    model.execute(f"INSERT INTO every_text VALUES (1, {', '.join(example for _, example, _ in rows())})")
    replicating.settle()
    (body,) = files(replicating).values()
    found = re.findall(r'(?:^|,)("(?:[^"]|"")*"|[^",\n]*)', body.removesuffix("\n"))[4:-2]
    assert dict(enumerate(found)) == {n: text.replace("⏎", "\n") for n, (_, _, text) in enumerate(rows())}
