"""Changes out of transaction files through refine, on Spark: they end in the table that Parquet gives."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from dms import parquet_bytes, seq
from lake import Lake
from lakejobs.declared_fields import dataset_of
from lakejobs.lists import FrozenList
from lakejobs.manifest import Landing
from lakejobs.refine.changes import conform_changes
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import Source, settle, survey_source
from parts import insert, part
from specs import column, dataset

NULL = "~strata.null~"
KIND = {"kind": "dms_transactions", "header": None, "delimiter": None, "null_value": NULL, "route_by": None}
ID = "sales.parts"


def transactional(name: str, columns: list[dict], keys: list[str], **more: Any) -> dict:
    return dataset(name, columns, keys, load="cdc", format=KIND, **more)


PARTS = transactional(
    "parts", [column("id", "bigint", required=True), column("name"), column("price", "decimal(10,2)")], ["id"]
)


def row(op: str, n: int, id: int, name: str, price: str = "1.00", old: str = NULL, table: str = "parts") -> str:
    return f"{op},{table},public,{id},{name},{price},{old},{seq(n)}\n"


def test_changes_of_transaction_files(lake: Lake) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(None, 1, "a"), insert(None, 2, "b"), insert(None, 3, "c")), load=True)
    item = lake.changes(
        ID,
        (
            row("U", 10, 1, '"two\nlines, ""quoted"""', old="1")
            + row("D", 11, 2, NULL, NULL)
            + row("U", 12, 30, "", old="3")  # a change of the key
            + row("I", 13, 4, NULL, NULL)
            + row("X", 14, 5, "e")
            + row("I", 15, 6, "f", "1.005")
        ).encode()
        + b"I,parts,public,7,\xff,1.00," + f"{NULL},{seq(16)}\n".encode()
        + row("I", 17, 8, "g,new").encode()
        + row("I", 18, 9, "h", table="items").encode()
        + row("I", 13, 4, NULL, NULL).encode().removesuffix(b"\n"),
        suffix="csv",
    )  # fmt: skip
    lake.refine([item])
    record = lake.batch(item)
    assert record["state"] == "applied", record.get("reason")
    assert lake.counts(record) == {
        "read": 10, "updated": 2, "deleted": 1, "inserted": 1, "duplicate": 1, "quarantined": 5
    }  # fmt: skip
    assert record["reasons"] == {"type:Op": 1, "type:price": 1, "malformed": 1, "layout": 2}
    assert lake.live(ID) == [
        (1, 'two\nlines, "quoted"', Decimal("1.00")), (4, None, None), (30, "", Decimal("1.00"))
    ]  # fmt: skip
    held = [(r["record_key"], r["raw"]) for r in lake.spark.table(lake.quarantine(ID)).collect()]
    assert ('{"id":"6"}', row("I", 15, 6, "f", "1.005").removesuffix("\n")) in held
    assert [key for key, _ in held].count(None) == 3


def test_both_kinds_in_a_batch_and_objects_that_cannot_be_read(lake: Lake) -> None:
    """The ending of a key says how the object is read; the sequence may stand before the key."""
    lake.declare(PARTS)
    folder = "erp/g1/public/parts"
    other = f"U,parts,public,2,csv,1.00,{seq(2)},1\n".encode()
    objects = [
        lake.land(f"{folder}/20260101-000000001.parquet", part(insert(1, 1, "parquet"))),
        lake.land(f"{folder}/CDC_TXN-1-a.csv", other),
        lake.land(f"{folder}/CDC_TXN-2-a.csv", b'I,parts,public,"1\n'),
        lake.land(f"{folder}/CDC_TXN-3-a.txt", b""),
        lake.land(f"{folder}/CDC_TXN-4-a.csv", row("I", 3, 3, "new,4.00").encode()),
    ]
    item = lake.freeze(ID, objects)
    lake.refine([item])
    record = lake.batch(item)
    assert (lake.counts(record), record["reasons"]) == (
        {"read": 3, "superseded": 1, "updated": 1, "quarantined": 1},
        {"layout": 1},
    )
    assert {u["key"].rsplit("/", 1)[1]: u["reason"] for u in record["unreadable"]} == {
        "CDC_TXN-2-a.csv": "is no CSV from byte 0 on: a quote is misplaced or never closed",
        "CDC_TXN-3-a.txt": "ends neither in .parquet, as loads do, nor in .csv, as changes do",
    }
    assert lake.live(ID) == [(2, "csv", Decimal("1.00"))]


def test_an_added_column_waits_for_its_declaration(lake: Lake) -> None:
    lake.declare(PARTS)
    item = lake.changes(ID, (row("I", 1, 1, "old") + row("I", 2, 2, "new", "1.00,kg")).encode(), suffix="csv")
    lake.refine([item])
    assert lake.batch(item)["reasons"] == {"layout": 1}
    lake.declare(PARTS | {"columns": [*PARTS["columns"], column("unit")]})
    again = lake.again(item | {"manifest": lake.pin()})
    assert again["state"] == "applied"
    assert lake.live(ID) == [(1, "old", Decimal("1.00"), None), (2, "new", Decimal("1.00"), "kg")]


CASES: dict[str, tuple[str, str, Any]] = {
    "int8": ("9223372036854775807", "bigint", 2**63 - 1),
    "real": ("0.5", "double", 0.5),
    "nan": ("nan", "double", ...),
    "numeric": ("1.500000", "decimal(10,2)", Decimal("1.50")),
    "bool_true": ("true", "boolean", True),
    "bool_t": ("t", "boolean", ...),
    "date": ("2024-02-29", "date", datetime.date(2024, 2, 29)),
    "time": ("12:34:56.789", "string", "12:34:56.789"),
    "stamp": ("2024-01-02 03:04:05.678901", "timestamp", datetime.datetime(2024, 1, 2, 3, 4, 5, 678901)),
    "json": ('"{""a"": 1.10}"', "string", '{"a": 1.10}'),
    "array": ('"{1,2}"', "string", "{1,2}"),
    "empty": ("", "string", ""),
    "null": (NULL, "string", None),
    "null_number": (NULL, "int", None),
    "word": ("NULL", "string", "NULL"),
}


def surveyed(lake: Lake, spec: dict, name: str, body: bytes) -> Source:
    declared = dataset_of(spec, "test")
    landed = lake.land(f"erp/g1/public/{declared.name}/{name}", body)
    landing = Landing(f"erp/g1/public/{declared.name}/", declared.id, "Erp", 1)
    source = survey_source(lake.spark, declared, FrozenList("b", "test", declared.id, (landed,)), lambda _: landing)
    return settle(lake.clients.s3, source, lake.buckets["artifacts"], "b")


def test_values(lake: Lake) -> None:
    columns = [column("id", "int", required=True), *(column(n, kind) for n, (_, kind, _) in CASES.items())]
    spec = transactional("typed", columns, ["id"])
    line = f"I,typed,public,1,{','.join(text for text, _, _ in CASES.values())},{NULL},{seq(1)}"
    source = surveyed(lake, spec, "CDC_TXN-1.csv", line.encode() + b"\n")
    (found,) = conform_changes(
        read_rows(lake.spark, dataset_of(spec, "test"), source.readable), dataset_of(spec, "test"), {}
    ).collect()
    assert found["_reasons"] == sorted(f"type:{name}" for name, (_, _, want) in CASES.items() if want is ...)
    assert {n: found[n] for n in CASES} == {n: None if want is ... else want for n, (_, _, want) in CASES.items()}
    assert bytes(found["_line"]) == line.encode()


def test_a_load_with_bytes_is_refused_unless_they_are_dropped(lake: Lake) -> None:
    """How DMS writes bytes as text is not known, so that a change could not be told from what was loaded."""
    table = pa.table({"Op": ["I"], "AR_H_CHANGE_SEQ": pa.array([None], pa.string()), "id": [1], "photo": [b"\x00"]})
    for protect, refused in (("none", True), ("drop", False)):
        spec = transactional(
            "photos", [column("id", "bigint", required=True), column("photo", protect=protect)], ["id"]
        )
        source = surveyed(lake, spec, "LOAD00000001.parquet", parquet_bytes(table))
        reasons = [item.reason for item in source.unreadable]
        assert ["its column photo holds bytes" in reason and "Protect: Drop" in reason for reason in reasons] == [
            True
        ] * refused
