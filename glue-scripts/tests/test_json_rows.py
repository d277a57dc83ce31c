"""JSON Lines through reading, judging and a whole batch."""

from __future__ import annotations

import gzip
from decimal import Decimal

from lake import Lake
from specs import column, dataset
from test_rows import judged

FORM = {"kind": "json", "header": None, "delimiter": None, "null_value": None, "route_by": None}
EVENTS = dataset(
    "events",
    [
        column("id", "bigint", required=True), column("what"), column("price", "decimal(38,18)"),
        column("ok", "boolean"), column("at", "timestamp"), column("day", "date"), column("ratio", "double"),
    ],
    ["id"],
    format=FORM,
)  # fmt: skip

GOOD = {
    '{"id":9007199254740993,"what":"\\u00e4","price":12345678901234567890.123456789012345678,"ok":true}':
        (9007199254740993, "ä", Decimal("12345678901234567890.123456789012345678"), True),
    '{"id":1e3,"what":{"b":[1.10,null]},"price":1.5E-3}': (1000, '{"b":[1.10,null]}', Decimal("0.0015"), None),
    '{"id":"7","what":1.50,"price":"2","ok":"FALSE"}': (7, "1.50", Decimal(2), False),
    '{"what":"","id":2.0,"more":1}': (2, "", None, None),
    '{"id":-3,"what":false}': (-3, "false", None, None),
}  # fmt: skip
BAD = {
    "{": ["malformed"], "[]": ["malformed"], '{"id":1,"id":1}': ["malformed"], '{"id":1}{}': ["malformed"],
    "{}": ["required:id"], '{"id":1.5,"ok":1}': ["type:id", "type:ok"], '{"id":true}': ["type:id"],
    '{"id":1,"price":1e-19,"day":20240101,"at":0}': ["type:at", "type:day", "type:price"],
    '{"id":1,"ratio":1e999,"what":null}': ["type:ratio"], '{"id":[1],"price":{}}': ["type:id", "type:price"],
}  # fmt: skip


def test_lines_become_rows(lake: Lake) -> None:
    body = "\n".join([*GOOD, "", *BAD]).encode() + b'\n{"id":4,"what":"\xff"}\r\n'
    for landed in (lake.land("in/e.json", body), lake.land("in/e.jsonl.gz", gzip.compress(body))):
        source, rows = judged(lake, EVENTS, landed)
        assert source.records == len(rows) == len(GOOD) + len(BAD) + 1
        assert source.undeclared == ("more",)
        found = {bytes(r["_line"]): r for r in rows}
        for line, want in GOOD.items():
            r = found[line.encode()]
            assert (r["_reasons"], (r["id"], r["what"], r["price"], r["ok"])) == ([], want)
        assert {line: found[line.encode()]["_reasons"] for line in BAD} == BAD
        assert found[b'{"id":4,"what":"\xff"}']["_reasons"] == ["malformed"]


ROUTED = EVENTS | {"format": FORM | {"route_by": "d"}}
ROUTES = {
    '{"d":"sales.events","id":1}': [], '{"id":1,"d":"sales.events","x":{"d":"a.b"}}': [],
    '{"\\u0064":"sales.\\u0065vents","id":1}': [], '{"d":"sales.events"}': ["required:id"],
    '{"d":"sales.event","id":1}': ["route:d"], '{"d":"Sales.events","id":1}': ["route:d"], '{"id":1}': ["route:d"],
    '{"d":null,"id":1}': ["route:d"], '{"d":["sales.events"],"id":1}': ["route:d"], '{"D":"sales.events"}': ["route:d"],
    '{"d":"sales.events ","id":"x"}': ["route:d"], '{"d":7,"id":1}': ["route:d"],
    '{"x":{"d":"sales.events"}}': ["route:d"],
    '{"d":"sales.events","d":"sales.events","id":1}': ["malformed"], "[]": ["malformed"],
}  # fmt: skip


def test_records_that_name_their_dataset(lake: Lake) -> None:
    source, rows = judged(lake, ROUTED, lake.land("in/r.json", "\n".join(ROUTES).encode()))
    assert {bytes(r["_line"]).decode(): r["_reasons"] for r in rows} == ROUTES
    assert source.undeclared == ("D", "x"), "the route is no undeclared member"
    named = ROUTED | {"columns": [*ROUTED["columns"], column("d")]}
    _, rows = judged(lake, named, lake.land("in/r.json", "\n".join(ROUTES).encode()))
    assert {bytes(r["_line"]).decode(): r["_reasons"] for r in rows} == ROUTES, "a column may hold it as well"


def test_a_batch_of_routed_json(lake: Lake) -> None:
    lake.declare(ROUTED)
    record = lake.apply(
        "sales.events", '{"id":1,"d":"sales.events"}\n{"id":2,"d":"sales.others"}\n{"id":3}\n', suffix="json"
    )
    assert lake.counts(record) == {"read": 3, "inserted": 1, "quarantined": 2}
    assert record["reasons"] == {"route:d": 2}
    assert lake.rows(lake.quarantine("sales.events"), "reasons", "record_key") == [
        (["route:d"], '{"id":"2"}'), (["route:d"], '{"id":"3"}'),
    ]  # fmt: skip


def test_a_batch_of_json(lake: Lake) -> None:
    lake.declare(EVENTS)
    record = lake.apply("sales.events", '{"id":1,"at":"2024-01-02T03:04:05Z","x":1}\nno\n{"id":1}\n', suffix="json")
    assert lake.counts(record) == {"read": 3, "inserted": 1, "stale": 1, "quarantined": 1}
    assert (record["undeclared"], record["reasons"]) == (["x"], {"malformed": 1})
    assert lake.rows(lake.quarantine("sales.events"), "raw", "record_key") == [("no", None)]
