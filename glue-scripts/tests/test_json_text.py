"""The text of JSON members: exact, or the line is malformed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial

import pytest
from conftest import ROOT
from lakejobs.refine import line_rows, source, survey
from lakejobs.refine.json_text import read_object, texts
from pyspark import cloudpickle


def of(line: bytes | str, kind: str = "string") -> str | None:
    """The text of member `v`."""
    found = texts([("v", kind)])(line.encode() if isinstance(line, str) else line)
    assert found is not None, "malformed"
    return found[0]


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"null", b"1", b'"v"', b"[]", b'[{"v":1}]', b"{", b'{"v":1', b'{"v":1}{', b'{"v":1} x', b"{'v':1}",
        b'{v:1}', b'{"v":01}', b'{"v":1.}', b'{"v":.5}', b'{"v":+1}', b'{"v":NaN}', b'{"v":-Infinity}', b'{"v":tru}',
        b'{"v":"a\tb"}', b'{"v":"\\x41"}', b'{"v":1,}', b'{"v":1,"v":1}', b'{"v":{"a":1,"a":2}}', b'{"v":"\xff"}',
        b'{"v":"\\ud800"}', b'{"v":["\\udc00x"]}', b'{"\\ud800":1}', b'\xef\xbb\xbf{"v":1}', b'{"v":1}\x00',
        b'{"v":' + b"[" * 101 + b"]" * 101 + b"}", b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)  # fmt: skip
def test_malformed_lines(line: bytes) -> None:
    assert texts([("v", "string")])(line) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", None), ('""', ""), ('"null"', "null"), ("true", "true"), ("false", "false"), ('" a "', " a "),
        ('"\\u00e4\\ud83d\\ude00\\n\\/"', "ä😀\n/"), ("1", "1"), ("-0", "-0"), ("1.50", "1.50"), ("1E+2", "1E+2"),
        ("12345678901234567890123", "12345678901234567890123"), ("0.10000000000000000000001",) * 2,
        ("[ ]", "[]"), ("{ }", "{}"), ('{"b" : 1.10 , "a":[null,true,"\\u00e4\\"", {"x":1e5}]}',
                                      '{"b":1.10,"a":[null,true,"ä\\"",{"x":1e5}]}'),
        ('{"":"\\u0000\\t"}', '{"":"\\u0000\\t"}'),
    ],
)  # fmt: skip
def test_text_columns_keep_what_is_written(value: str, text: str | None) -> None:
    assert of(f'  {{"w":0, "v" : {value} }}  ') == text


@pytest.mark.parametrize("kind", ["int", "bigint", "decimal(38,10)"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("9007199254740993", "9007199254740993"), ("1.0", "1"), ("1.50", "1.5"), ("1e3", "1000"), ("1.5E-3", "0.0015"),
        ("-2.500e2", "-250"), ("-0.0", "-0"), ("0e999999999", "0"), ("12345678901234567890.1230000000",
                                                                     "12345678901234567890.123"),
        ("1e999999999", "1e999999999"), ("1E-999999999", "1E-999999999"), ('"1e3"', "1e3"), ("true", "true"),
    ],
)  # fmt: skip
def test_exact_numbers_are_written_plainly(kind: str, value: str, text: str) -> None:
    assert of(f'{{"v":{value}}}', kind) == text


def test_other_numbers_stay_as_written() -> None:
    for kind in ("double", "date", "timestamp", "boolean"):
        assert of('{"v":1.50e1}', kind) == "1.50e1"


def test_names_match_exactly_and_missing_is_null() -> None:
    assert of('{"V":1}') is None
    assert of("{}") is None
    assert read_object(b'{"a":1,"A":2}') == {"a": "1", "A": "2"}


def test_numbers_of_any_length() -> None:
    digits = "9" * 100_000
    assert of(f'{{"v":{digits}}}', "bigint") == digits


def test_the_code_travels_to_executors_that_lack_the_package() -> None:
    """Readers and survey are shipped with all they use: importing what uses them sees to that."""
    assert line_rows and source
    form = {"kind": "json", "header": None, "delimiter": None, "columns": [], "needed": ()}
    survey_nothing = partial(survey.survey_partition, {"region_name": "eu-west-1"}, form, iter([]))
    script = (
        "import importlib.util, pickle, sys; assert importlib.util.find_spec('lakejobs') is None\n"
        "read, survey = pickle.load(sys.stdin.buffer)\n"
        "print(read(bytearray(b'{\"v\":1e2}')), list(survey()))"
    )
    shipped = cloudpickle.dumps((texts([("v", "bigint")]), survey_nothing))
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=shipped,
        capture_output=True,
        env={"PATH": "/usr/bin"},
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == "['100'] []"


CORPUS = json.loads((ROOT / "lambda/internal/transform/testdata/routes.json").read_bytes())


@pytest.mark.parametrize("record", CORPUS, ids=[r["record"] for r in CORPUS])
def test_routes_are_read_as_the_transformation_reads_them(record: dict[str, str]) -> None:
    """What the stream's function sent to a dataset by its name, the job takes for its record, and nothing else."""
    found = texts([], "d")(record["record"].encode())
    assert found is None if record.get("malformed") else found is not None
    if found is not None:
        well_formed = re.fullmatch(r"[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}", found[0] or "")
        assert (found[0] if well_formed else "") == record["route"]
