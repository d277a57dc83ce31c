"""From bytes to judged rows: lines, fields, types, rules, protection."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import hmac
import io
import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake import Lake
from lakejobs.declared import Dataset
from lakejobs.declared_fields import dataset_of
from lakejobs.lists import FrozenList, Object
from lakejobs.refine.conform import conform
from lakejobs.refine.protect import HashKey, HashKeys
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import settle, survey_source
from specs import column, dataset, parquet

KEY = HashKey(b"a secret", "1")
KEYS = {"": KEY}


def judged(lake: Lake, spec: dict, *objects: Object, keys: HashKeys = MappingProxyType({})) -> tuple[Any, list]:
    """The survey and the rows of one batch, in the order of object and line."""
    declared: Dataset = dataset_of(spec, "test")
    source = survey_source(lake.spark, declared, FrozenList("batch", "test", declared.id, objects))
    source = settle(lake.clients.s3, source, lake.buckets["artifacts"], "batch")
    rows = read_rows(lake.spark, declared, source.readable)
    if rows is None:
        return source, []
    frame = conform(rows, declared, keys)
    return source, sorted(frame.collect(), key=lambda r: (r["_object"], bytes(r["_line"])))


PAIR = dataset("pair", [column("a"), column("b")], ["a"])

LINES = [
    (b"1,2", ("1", "2")),
    (b"1,", ("1", None)),
    (b",", (None, None)),
    (b'"",""', ("", "")),
    (b'"x,y","a ""b"""', ("x,y", 'a "b"')),
    (b' 1 ,"2"', (" 1 ", "2")),
    ("ä,😀".encode(), ("ä", "😀")),
    (b"1\r2,\t", ("1\r2", "\t")),
    (b"\\,\\n", ("\\", "\\n")),
    (b'"","', None),
    (b'1,2"', None),
    (b'"1"2,3', None),
    (b"1", None),
    (b"1,2,3", None),
    (b'"1', None),
    (b'1,"2', None),
    (b'""",2', None),
    (b"\xff,2", None),
    (b"1,\xed\xa0\x80", None),
    (b"a,b", ("a", "b")),
    (b'"' + b"x" * 100_000 + b'","' + b'""' * 50_000 + b'"', ("x" * 100_000, '"' * 50_000)),
]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("zipped", [False, True])
def test_lines_and_fields(lake: Lake, ending: bytes, zipped: bool) -> None:
    """Every line is a record of its own, with its own bytes, whatever its neighbours are."""
    body = b"\xef\xbb\xbfa,b" + ending + ending.join(line for line, _ in LINES) + ending + ending
    landed = lake.land("in/lines.csv.gz", gzip.compress(body)) if zipped else lake.land("in/lines.csv", body)
    source, rows = judged(lake, PAIR, landed)
    assert source.records == len(LINES) == len(rows)
    wanted = sorted(LINES)
    assert [bytes(r["_line"]) for r in rows] == [line for line, _ in wanted]
    found = [None if r["_reasons"] == ["malformed"] else (r["a"], r["b"]) for r in rows]
    assert found == [fields for _, fields in wanted]


def test_other_dialects(lake: Lake) -> None:
    form = {"kind": "csv", "header": False, "delimiter": "|", "null_value": "\\N", "route_by": None}
    landed = lake.land("in/x.tbl", b'a|b\n\\N|"\\N"\n|\na|b\n"|"|,\n')
    _, rows = judged(lake, PAIR | {"format": form}, landed)
    assert [(r["a"], r["b"]) for r in rows] == [("|", ","), (None, "\\N"), ("a", "b"), ("a", "b"), ("", "")]
    for delimiter in ("\t", ".", "^", "*", ";"):
        landed = lake.land("in/y.csv", f"a{delimiter}b\n1{delimiter}2\n".encode())
        _, rows = judged(lake, PAIR | {"format": form | {"delimiter": delimiter, "header": True}}, landed)
        assert [(r["a"], r["b"]) for r in rows] == [("1", "2")]


def test_headers_map_by_name_per_object(lake: Lake) -> None:
    objects = [
        lake.land("in/1.csv", "a,b\n1,2\na,b\na,b\n"),
        lake.land("in/2.csv", "b,x,a\n4,?,3\n"),
        lake.land("in/3.csv", "b\n5\n"),
        lake.land("in/4.csv", "a,b"),
        lake.land("in/5.csv", ""),
        lake.land("in/6.csv", "a,b\n7,8\n"),
        lake.land("in/7.csv", "A,b\n9,10\n"),
    ]
    source, rows = judged(lake, PAIR, *objects)
    found = [(r["_object"], r["a"], r["b"]) for r in rows]
    assert sorted(found, key=str) == [
        (0, "1", "2"), (0, "a", "b"), (0, "a", "b"), (1, "3", "4"), (2, None, "5"), (5, "7", "8"), (6, None, "10"),
    ]  # fmt: skip
    assert source.undeclared == ("A", "x")
    assert source.records == len(rows)


def test_keys_and_versions_of_any_kind(lake: Lake) -> None:
    """Old versions and keys that file system clients would change are read from copies."""
    old = lake.land("in/k.csv", "a,b\nold,1\n")
    new = lake.land("in/k.csv", "a,b\nnew,2\n")
    gone = lake.land("in/gone.csv", "a,b\ngone,3\n")
    lake.s3.delete_object(Bucket=lake.buckets["raw"], Key="in/gone.csv")
    odd = [
        lake.land(key, f"a,b\nodd,{i}\n")
        for i, key in enumerate(
            ["in//x.csv", "in/x y+z%20(ä).csv", "in/{a,b}[1]*?.csv", "in/d=1/p.csv", "in/ä/_x.csv", "in/a:b#c.csv"]
        )
    ]
    source, rows = judged(lake, PAIR, new, old, gone, *odd)
    assert sorted((r["a"], r["b"]) for r in rows) == [
        ("gone", "3"), ("new", "2"), *[("odd", str(i)) for i in range(len(odd))], ("old", "1")
    ]  # fmt: skip
    assert {r.object.key for r in source.readable if r.direct} == {"in/k.csv", "in/d=1/p.csv"}
    order = [(r.object.key, r.object.version) for r in source.readable]
    assert order == sorted(order)


D, T = datetime.date, datetime.datetime
TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"true": True, "FALSE": False, "True": True, "1": None, "t": None, " true": None},
    "int": {"0": 0, "-0": 0, "+7": 7, "007": 7, "2147483647": 2**31 - 1, "-2147483648": -(2**31), "2147483648": None,
            "1e3": None, " 12": None, "12 ": None, "1.0": None, "1_0": None, "٣": None, "-": None, "12\r": None},
    "bigint": {"9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63), "9223372036854775808": None},
    "double": {"1": 1.0, "-1.5e-3": -0.0015, ".5": 0.5, "5.": 5.0, "1E5": 1e5, "-0": 0.0, "1.7976931348623157e308":
               1.7976931348623157e308, "1e309": None, "NaN": None, "Infinity": None, "1d": None, "0x1p3": None,
               ".": None},
    "decimal(5,2)": {"1": Decimal("1.00"), "-999.99": Decimal("-999.99"), "1000": None, "1.005": None, ".5":
                     Decimal("0.50"), "5.": Decimal("5.00"), "1.2500": Decimal("1.25"), "1e2": None, ".": None,
                     "": None, "+0.10": Decimal("0.10")},
    "decimal(38,10)": {"1234567890123456789012345678.0123456789": Decimal("1234567890123456789012345678.0123456789"),
                       "12345678901234567890123456789": None, "0.0000000001": Decimal("0.0000000001")},
    "decimal(3,0)": {"999": Decimal("999"), "1.0": Decimal("1"), "0.5": None},
    "date": {"2024-02-29": D(2024, 2, 29), "2023-02-29": None, "2024-1-1": None, "0001-01-01": D(1, 1, 1),
             "0000-01-01": None, "9999-12-31": D(9999, 12, 31), "2024-01-01 ": None, "10000-01-01": None,
             "2024-01-01T00:00:00": None},
    "timestamp": {"2024-01-02 03:04:05": T(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05.123456Z":
                  T(2024, 1, 2, 3, 4, 5, 123456), "2024-01-02 03:04:05.1+02:00": T(2024, 1, 2, 1, 4, 5, 100000),
                  "2024-01-02": None, "2024-01-02 03:04": None, "2024-01-02 24:00:00": None,
                  "2024-01-02 03:04:05.1234567": None, "2024-01-02 03:04:05 UTC": None, "2024-13-02 03:04:05": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_types_are_strict(lake: Lake, kind: str) -> None:
    spec = dataset("typed", [column("n"), column("v", kind)], ["n"])
    cases = {text: value for text, value in TYPES[kind].items() if text}
    body = "n,v\n" + "".join(f'{i:03d},"{text}"\n' for i, text in enumerate(cases))
    _, rows = judged(lake, spec, lake.land("in/t.csv", body))
    found = {text: None if r["_reasons"] else r["v"] for text, r in zip(cases, rows, strict=True)}
    assert found == cases
    assert {r["_reasons"][0] for r in rows if r["_reasons"]} <= {"type:v"}
    assert not any(str(r["v"]).startswith("-0.0") for r in rows if isinstance(r["v"], float) and r["v"] == 0)


def test_rules(lake: Lake) -> None:
    whole = [{"kind": "range", "min": "2", "max": None}, {"kind": "set", "values": ["1", "2"]}]
    spec = dataset(
        "ruled",
        [
            column("n", required=True),
            column("d", "decimal(10,2)", rules=[{"kind": "range", "min": "0.005", "max": "9.99"}]),
            column("i", "int", rules=whole),
            column("t", "timestamp", rules=[{"kind": "range", "min": "2024-01-01T00:00:00", "max": None}]),
            column("x", "date", rules=[{"kind": "range", "min": None, "max": "2024-01-31"}]),
            column("s", rules=[{"kind": "pattern", "regex": "^[A-Z]+$"}, {"kind": "pattern", "regex": "Z"},
                               {"kind": "set", "values": ["AZ", "Z", ""]}]),
            column("f", "double", rules=[{"kind": "range", "min": "-0.5", "max": "0.1"}]),
        ],
        ["n"],
    )  # fmt: skip
    cases = {
        "1,,,,,,": [],
        "2,0.01,2,2024-01-01 00:00:00,2024-01-31,AZ,0.1": [],
        "3,0.00,1,2023-12-31 23:59:59.999999,2024-02-01,AA,0.10000000000000001": ["pattern:s", "range:d", "range:i",
                                                                                  "range:t", "range:x", "set:s"],
        "4,9.991,3,,,,": ["set:i", "type:d"],
        '5,,,,,"",': ["pattern:s"],
        ",10,x,x,x,,x": ["range:d", "required:n", "type:f", "type:i", "type:t", "type:x"],
    }  # fmt: skip
    body = "n,d,i,t,x,s,f\n" + "\n".join(cases)
    _, rows = judged(lake, spec, lake.land("in/r.csv", body))
    assert {bytes(r["_line"]).decode(): r["_reasons"] for r in rows} == cases


def test_protection(lake: Lake) -> None:
    """Hashes are those of Python's hmac over the value's one text; dropped columns are judged, then gone."""
    spec = dataset(
        "people",
        [
            column("id", "bigint", required=True, protect="hash"),
            column("name", protect="hash"),
            column("born", "date", protect="hash"),
            column("paid", "decimal(20,8)", protect="hash"),
            column("seen", "timestamp", protect="hash"),
            column("pin", "int", protect="drop", rules=[{"kind": "range", "min": "0", "max": None}]),
        ],
        ["id"],
    )
    body = "id,name,born,paid,seen,pin\n+07,ä😀,2024-01-02,-.5,2024-01-02T03:04:05.100Z,1\n8,,,0,,1\n9,x,,,,-1\n"
    for secret in (b"short", b"x" * 64, b"y" * 200):
        _, rows = judged(lake, spec, lake.land("in/p.csv", body), keys={"": HashKey(secret, "1")})

        def mac(text: str, secret: bytes = secret) -> str:
            return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()

        found = {bytes(r["_line"])[:2]: r for r in rows}
        seven, eight = found[b"+0"], found[b"8,"]
        texts = ["7", "ä😀", "2024-01-02", "-0.50000000", "2024-01-02 03:04:05.1"]
        assert [seven[c] for c in ("id", "name", "born", "paid", "seen")] == [mac(t) for t in texts]
        assert [eight[c] for c in ("id", "name", "paid")] == [mac("8"), None, mac("0.00000000")]
        assert found[b"9,"]["_reasons"] == ["range:pin"]
        assert "pin" not in rows[0].asDict()


def test_hash_key_stays_out_of_plans(lake: Lake) -> None:
    spec = dataset_of(dataset("p", [column("id", protect="hash")], ["id"]), "test")
    landed = lake.land("in/p.csv", "id\n1\n")
    source = survey_source(lake.spark, spec, FrozenList("b", "test", spec.id, (landed,)))
    frame = conform(read_rows(lake.spark, spec, source.readable), spec, KEYS)
    plan = frame._jdf.queryExecution().toString()
    assert frame.count() == 1
    for pad in KEY.pads:
        assert pad.hex().lower()[:20] not in plan.lower()
    assert "a secret" not in repr(KEY)


def test_parquet_rows(lake: Lake) -> None:
    columns = [
        column("k", "bigint", required=True), column("s"), column("d", "decimal(10,2)"), column("f", "double"),
        column("t", "timestamp"), column("x", "date"), column("b", "boolean"), column("missing", "int"),
        column("tiny", "decimal(20,10)"),
    ]  # fmt: skip
    spec = dataset("pq", columns, ["k"], format=parquet())
    table = pa.table(
        {
            "extra": ["?", "?", "?"],
            "x": pa.array([D(2024, 1, 2), None, None]),
            "k": pa.array([1, 2, 3], pa.int16()),
            "s": ['ä"\\\n', None, ""],
            "d": pa.array([Decimal("1.2300"), Decimal("1.2345"), None], pa.decimal128(12, 4)),
            "f": pa.array([0.1, float("nan"), None], pa.float32()),
            "t": pa.array([T(2024, 1, 2, 3, 4, 5, 120000), None, None], pa.timestamp("us")),
            "b": [True, False, None],
            "tiny": pa.array([Decimal("0.0000000001"), Decimal(0), Decimal(-2)], pa.decimal128(20, 10)),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    source, rows = judged(lake, spec, lake.land("in/d/x=1/a.parquet", sink.getvalue()))
    by_key = {r["_key"]["k"]: r for r in rows}
    one = by_key["1"]
    assert one["_reasons"] == []
    assert (one["k"], one["s"], one["d"], one["f"]) == (1, 'ä"\\\n', Decimal("1.23"), 0.1)
    assert (one["t"], one["x"], one["b"], one["missing"]) == (T(2024, 1, 2, 3, 4, 5, 120000), D(2024, 1, 2), True, None)
    record = {"k": "1", "s": 'ä"\\\n', "d": "1.23", "f": "0.1", "t": "2024-01-02 03:04:05.12", "x": "2024-01-02",
              "b": "true", "missing": None, "tiny": "0.0000000001"}  # fmt: skip
    assert bytes(one["_line"]).decode() == json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    assert by_key["2"]["_reasons"] == ["type:d", "type:f"]
    assert json.loads(bytes(by_key["2"]["_line"]))["d"] == "1.2345"
    assert (by_key["3"]["s"], by_key["3"]["tiny"]) == ("", Decimal("-2.0000000000"))
    assert source.undeclared == ("extra",)


def test_parquet_without_declared_columns(lake: Lake) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"other": [1, 2]}), sink)
    spec = dataset("pq2", [column("k", "bigint", required=True)], ["k"], format=parquet())
    _, rows = judged(lake, spec, lake.land("in/o.parquet", sink.getvalue()))
    assert [r["_reasons"] for r in rows] == [["required:k"], ["required:k"]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_many_small_objects_share_tasks(lake: Lake, kind: str) -> None:
    """Spark adds files up until one more would be worth a task of its own; no object costs one because it is small."""
    form = {} if kind == "csv" else {"format": parquet()}
    declared: Dataset = dataset_of(PAIR | form, "test")
    body = b"a,b\n1,2\n"
    if kind == "parquet":
        out = io.BytesIO()
        pq.write_table(pa.table({"a": ["1"], "b": ["2"]}), out)
        body = out.getvalue()
    objects = tuple(lake.land(f"in/{n:03}.{kind}", body) for n in range(96))
    source = survey_source(lake.spark, declared, FrozenList("batch", "test", declared.id, objects))
    rows = read_rows(lake.spark, declared, source.readable)
    assert rows.rdd.getNumPartitions() <= 4
    assert rows.count() == 96
