"""Changes in CSV and in messages end in the same table as changes in Parquet."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from dms import Change, seq
from lake import Lake
from parts import ID, PARTS, TYPES, delete, insert, part, state, update

CSV = {"kind": "dms_csv", "header": True, "delimiter": ";", "null_value": "NULL"}
JSON = {"kind": "dms_json", "header": None, "delimiter": None, "null_value": None, "table": "public.parts"}
NAMES = list(TYPES)
OPERATIONS = {"I": "insert", "U": "update", "D": "delete"}
CONTROL = {"metadata": {"record-type": "control", "operation": "create-table", "schema-name": "", "table-name": "x"}}


def csv_file(*changes: Change) -> bytes:
    def field(value: Any) -> str:
        if value is None:
            return "NULL"
        return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)

    lines = [";".join(["Op", *NAMES, "AR_H_CHANGE_SEQ", "BI_id"])]
    for op, n, before, values in changes:
        fields = [op, *(field(values.get(name)) for name in NAMES), seq(n) or "NULL", field(before.get("id"))]
        lines.append(";".join(fields))
    return "".join(f"{line}\n" for line in lines).encode()


def json_file(*changes: Change) -> bytes:
    lines: list[Any] = [CONTROL]
    for op, n, before, values in changes:
        metadata = {"record-type": "data", "operation": OPERATIONS[op] if n is not None else "load",
                    "schema-name": "public", "table-name": "parts", "transaction-id": 1}  # fmt: skip
        data = {k: v for k, v in values.items() if v is not None} | ({"AR_H_CHANGE_SEQ": seq(n)} if n else {})
        lines.append({"data": data, "metadata": metadata} | ({"before-image": before} if before else {}))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


FORMATS = {"parquet": (PARTS, part, "parquet"), "csv": (PARTS | {"format": CSV}, csv_file, "csv"),
           "json": (PARTS | {"format": JSON}, json_file, "json")}  # fmt: skip

LOAD = [insert(None, 1, "one"), insert(None, 2, "two; three"), insert(None, 3, None), insert(None, 4, 'fo"ur')]
CHANGES = [
    update(10, 1, "uno"),
    delete(20, 2),
    insert(30, 2, "NULL"),
    delete(40, 3),
    update(50, 5, "moved", old=4),
    insert(60, 6, "six", price=-1),
    update(70, 1, None, price=None),
    insert(80, 7, "seven"),
    delete(90, 7),
]


@pytest.fixture(scope="module")
def wanted() -> dict[int, tuple]:
    return {
        1: (1, 70, None),
        2: (1, 30, "NULL"),
        3: (1, 40, "-"),
        4: (1, 50, "-"),
        5: (1, 50, "moved"),
        7: (1, 90, "-"),
    }


@pytest.mark.parametrize("name", [pytest.param("parquet", marks=pytest.mark.soak), "csv", "json"])
def test_every_format_gives_the_same_table(lake: Lake, name: str, wanted: dict[int, tuple]) -> None:
    declared, write, suffix = FORMATS[name]
    lake.declare(declared)
    rng = random.Random(5)
    changes = rng.sample(CHANGES, len(CHANGES))
    files = [write(*changes[i : i + 4]) for i in range(0, len(changes), 4)]
    late = lake.changes(ID, *files, suffix=suffix)
    loaded = lake.freeze(ID, [lake.land(f"erp/g1/public/parts/LOAD0000000{n}.{suffix}", write(*rows))
                              for n, rows in enumerate((LOAD[:2], LOAD[2:]), 1)])  # fmt: skip
    again = lake.changes(ID, *files, suffix=suffix)
    lake.refine([late, loaded, again])
    first = lake.batch(late)
    counts = {"read": 9, "inserted": 2, "superseded": 3, "deleted": 2, "updated": 1, "quarantined": 1}
    assert (first["state"], lake.counts(first), first["reasons"]) == ("applied", counts, {"range:price": 1})
    assert lake.counts(lake.batch(loaded)) == {"read": 4, "stale": 4}
    assert lake.batch(again)["state"] == "empty"
    assert state(lake) == wanted


def test_what_cannot_be_ordered_is_refused(lake: Lake) -> None:
    lake.declare(PARTS | {"format": JSON})
    messages = [
        json.loads(line) for line in json_file(insert(1, 1, "a"), insert(2, 2, "b"), insert(3, 3, "c")).splitlines()
    ]
    del messages[1]["data"]["AR_H_CHANGE_SEQ"]
    messages[2]["data"]["AR_H_CHANGE_SEQ"] = "7"
    messages.append(messages[3] | {"metadata": messages[3]["metadata"] | {"table-name": "others"}})
    body = "".join(json.dumps(m) + "\n" for m in messages).encode() + b"{\n"
    item = lake.changes(ID, body, suffix="json")
    lake.refine([item])
    record = lake.batch(item)
    assert lake.counts(record) == {"read": 5, "inserted": 1, "quarantined": 4}
    assert record["reasons"] == {"layout": 1, "malformed": 1, "required:AR_H_CHANGE_SEQ": 1, "type:AR_H_CHANGE_SEQ": 1}
    lake.declare(PARTS | {"format": CSV})
    lacking = lake.changes(ID, b"Op;id;name;price\nI;1;a;1\n", suffix="csv")
    lake.refine([lacking])
    assert (lake.batch(lacking)["state"], lake.batch(lacking)["code"]) == ("failed", "unreadable")
    assert "has no column AR_H_CHANGE_SEQ" in lake.batch(lacking)["reason"]
