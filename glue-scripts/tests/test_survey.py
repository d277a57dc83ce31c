"""The survey of single objects, without Spark."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from lakejobs.refine import survey

CSV = {"kind": "csv", "header": True, "delimiter": ",", "columns": [], "needed": ()}
BARE = CSV | {"header": False}
PARQUET = {"kind": "parquet", "header": None, "delimiter": None, "needed": ()}


class Versions:
    """The two S3 calls of a survey, over one version of one key."""

    def __init__(self, body: bytes, current: bool = True) -> None:
        self.body, self.current, self.reads = body, current, 0

    def head_object(self, **_: Any) -> dict:
        return {"VersionId": "v1" if self.current else "v2"}

    def get_object(self, Bucket: str, Key: str, VersionId: str, Range: str | None = None) -> dict:
        if VersionId != "v1":
            raise ClientError({"Error": {"Code": "NoSuchVersion"}}, "GetObject")
        self.reads += 1
        if Range is None:
            return {"Body": io.BytesIO(self.body)}
        first, last = Range.removeprefix("bytes=").split("-")
        return {"Body": io.BytesIO(self.body[int(first) : int(last) + 1])}


def run(body: bytes, form: dict = CSV, key: str = "a/b.csv", version: str = "v1", current: bool = True) -> dict:
    item = {"bucket": "raw", "key": key, "version": version, "size": len(body)}
    return survey.survey_object(Versions(body, current), item, form)


@pytest.mark.parametrize(
    ("body", "with_header", "without"),
    [
        (b"", 0, 0),
        (b"\xef\xbb\xbf", 0, 0),
        (b"a,b", 0, 1),
        (b"a,b\n", 0, 1),
        (b"a,b\n1,2", 1, 2),
        (b"a,b\n1,2\n", 1, 2),
        (b"a,b\r\n1,2\r\n", 1, 2),
        (b"a,b\n\n1,2\n\r\n\n", 1, 2),
        (b"a,b\n1,2\n1,2\r3\n", 2, 3),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", 1, 2),
        (b"a,b\n" + b"1,2\n" * 1_000_000 + b"x", 1_000_001, 1_000_002),
    ],
)
def test_records_are_lines_that_are_not_empty(body: bytes, with_header: int, without: int) -> None:
    found = run(body)
    assert (found["error"], found["records"]) == (None, with_header)
    assert run(body, BARE)["records"] == without
    zipped = run(gzip.compress(body), key="a/b.csv.gz")
    assert (zipped["error"], zipped["records"]) == (None, with_header)


def test_header_is_read_without_mark_and_line_end() -> None:
    found = run(b'\xef\xbb\xbfa,"b ""x""",c\r\n1,2,3\r\na,"b ""x""",c\r\n')
    assert found["header"] == b'a,"b ""x""",c'
    assert found["names"] == ["a", 'b "x"', "c"]
    assert found["repeats"] == 1
    assert found["records"] == 2


def test_long_header_spans_chunks() -> None:
    names = [f"c{i}" for i in range(300_000)]
    found = run(",".join(names).encode() + b"\n1,2\n")
    assert found["names"] == names
    assert found["records"] == 1


PACKED = gzip.compress(b"a,b\n" + bytes(range(32, 127)) * 1000 + b"\n")


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        (b"\na,b\n", "k.csv", "is empty"),
        (b"a,b\r1,2\r", "k.csv", "lone carriage returns"),
        (b"a,a\n1,2\n", "k.csv", "columns twice: a"),
        (b"a,\xff\n", "k.csv", "names no columns"),
        (b'a,"b\n1,2\n', "k.csv", "names no columns"),
        (PACKED, "k.csv", "does not end in .gz"),
        (b"", "k.csv.gz", "is no gzip"),
        (b"a,b\n1,2\n", "k.csv.gz", "damaged or truncated gzip"),
        (PACKED[: len(PACKED) // 2], "k.csv.gz", "damaged or truncated gzip"),
        (PACKED[:-4], "k.csv.gz", "damaged or truncated gzip"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "k.csv.gz", "CRC check failed"),
        (b"a\n1\n", "k.csv.bz2", "gzip (.gz) or none"),
    ],
)
def test_objects_that_cannot_be_read(body: bytes, key: str, message: str) -> None:
    assert message in run(body, key=key)["error"]


def test_members_of_gzip_are_all_read() -> None:
    assert run(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"), key="k.gz")["records"] == 2


def test_versions() -> None:
    assert run(b"a\n1\n")["current"] is True
    assert run(b"a\n1\n", current=False)["current"] is False
    assert "no longer exists" in run(b"a\n1\n", version="v0")["error"]


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_parquet_layout() -> None:
    table = pa.table(
        {
            "i": pa.array([1], pa.int16()),
            "d": pa.array([1], pa.decimal128(12, 4)),
            "t": pa.array([1], pa.timestamp("us")),
            "z": pa.array([1], pa.timestamp("us", "UTC")),
            "b": pa.array([b"x"], pa.binary()),
            "extra": [1],
        }
    )
    kinds = {"i": "bigint", "d": "decimal(10,2)", "t": "timestamp", "z": "timestamp", "b": "string", "n": "int"}
    declared = list(kinds.items())
    found = run(parquet_bytes(table), PARQUET | {"columns": declared})
    assert found["error"] is None
    assert found["layout"] == [("i", "smallint"), ("d", "decimal(12,4)"), ("t", "timestamp_ntz"), ("z", "timestamp"),
                               ("b", "binary")]  # fmt: skip
    assert found["records"] == 1
    assert "extra" in found["names"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[: len(b) // 2], "no whole Parquet file"),
        (lambda b: b[:-1], "no whole Parquet file"),
        (lambda b: b"", "no whole Parquet file"),
        (lambda b: b"a,b\n1,2\n", "no whole Parquet file"),
    ],
)
def test_damaged_parquet(change: Any, message: str) -> None:
    whole = parquet_bytes(pa.table({"a": list(range(1000))}))
    form = PARQUET | {"columns": [("a", "bigint")]}
    assert message in run(change(whole), form)["error"]


@pytest.mark.parametrize(
    ("array", "declared", "message"),
    [
        (pa.array([[1]]), "int", "is of type list"),
        (pa.array([1.5]), "int", "holds double, which cannot be read as int"),
        (pa.array([1], pa.timestamp("ns")), "timestamp", "is of type timestamp[ns]"),
    ],
)
def test_parquet_types_that_do_not_fit(array: pa.Array, declared: str, message: str) -> None:
    form = PARQUET | {"columns": [("a", declared)]}
    assert message in run(parquet_bytes(pa.table({"a": array})), form)["error"]


def test_large_parquet_is_read_by_its_end() -> None:
    body = parquet_bytes(pa.table({"a": pa.array(range(2_000_000))}), compression="none", use_dictionary=False)
    store = Versions(body)
    form = PARQUET | {"columns": [("a", "bigint")]}
    found = survey.survey_object(store, {"bucket": "r", "key": "k", "version": "v1", "size": len(body)}, form)
    assert found["records"] == 2_000_000
    assert store.reads < 5


LINES = {"kind": "json", "header": None, "delimiter": None, "columns": [("a", "int"), ("b", "string")], "needed": ()}


def test_json_lines_are_counted_and_undeclared_members_told() -> None:
    body = b'\xef\xbb\xbf{"a":1,"c":2}\n\n{"b":{"d":1}}\r\nno json\n[{"e":1}]\n{"f":1,"f":2}\n{"\xc3\xa4":1}'
    for found in (run(body, LINES), run(gzip.compress(body), LINES, key="a/b.json.gz")):
        assert (found["error"], found["records"], found["header"]) == (None, 6, None)
        assert found["names"] == ["c", "\u00e4"]
    assert "damaged or truncated gzip" in run(gzip.compress(body)[:-9], LINES, key="k.gz")["error"]


def test_names_of_undeclared_members_have_an_end() -> None:
    body = b"".join(b'{"id_%d_%s":1}\n' % (i, b"x" * 300) for i in range(2000))
    found = run(body, LINES)
    assert found["records"] == 2000
    assert 200 <= len(found["names"]) <= 2000
    assert {len(name) for name in found["names"]} == {255}


DMS = PARQUET | {
    "kind": "dms_parquet",
    "needed": ("Op", "AR_H_CHANGE_SEQ"),
    "columns": [("Op", "string"), ("AR_H_CHANGE_SEQ", "string"), ("BI_id", "bigint"), ("id", "bigint")],
}


def test_change_columns_are_needed_and_typed() -> None:
    plain = {"AR_H_CHANGE_SEQ": [""], "id": [1]}
    assert run(parquet_bytes(pa.table({"Op": ["I"], **plain})), DMS)["error"] is None
    assert "has no column Op, which the changes" in run(parquet_bytes(pa.table(plain)), DMS)["error"]
    both = "has no column Op and no column AR_H_CHANGE_SEQ"
    assert both in run(parquet_bytes(pa.table({"op": ["I"], "id": [1]})), DMS)["error"]
    twice = pa.table({"Op": ["I"], "op": ["x"], **plain})
    assert "has columns that differ in case only: Op, op" in run(parquet_bytes(twice), DMS)["error"]
    odd = pa.table({"Op": ["U"], "BI_id": [1.5], **plain})
    assert "its column BI_id holds double, which cannot be read as bigint" in run(parquet_bytes(odd), DMS)["error"]


def test_times_of_day_are_laid_out_as_such() -> None:
    table = pa.table({"t": pa.array([1], pa.time32("ms")), "u": pa.array([1], pa.time64("us"))})
    form = PARQUET | {"columns": [("t", "string"), ("u", "string")]}
    assert run(parquet_bytes(table), form)["layout"] == [("t", "time_millis"), ("u", "time_micros")]
    wrong = PARQUET | {"columns": [("t", "timestamp")]}
    assert "holds time_millis, which cannot be read as timestamp" in run(parquet_bytes(table), wrong)["error"]
