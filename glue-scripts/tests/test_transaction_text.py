"""The text of transaction files: records are the file's bytes, and no value is taken for another column's."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakejobs.refine import source, survey, transaction_rows
from lakejobs.refine.transaction_text import NoCsv, fields, reader, records, texts
from pyspark import cloudpickle

SEQ = "2026112119150012" + "0" * 18 + "7"
NULL = "~null~"
TABLE = ["public", "parts"]


def laid_out(*values: str, columns: int = 2, keys: int = 1) -> list[str | None] | None:
    return texts(["U", "parts", "public", *values], TABLE, columns, keys, NULL)


@given(st.lists(st.lists(st.text(st.sampled_from('a,"\n\r;é\0')), min_size=1, max_size=5), max_size=5))
def test_records_are_what_python_writes(rows: list[list[str]]) -> None:
    """As RFC 4180 quotes it: read back, record by record, and byte for byte."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerows(rows)
    content = written.getvalue().encode()
    found = list(records(content))
    assert b"".join(record + b"\n" for record in found) == content
    # Python quotes the one field of a row that is empty, so that no row is an empty line.
    assert [fields(record) for record in found] == rows


@pytest.mark.parametrize(
    ("content", "at"), [(b'a,"b', 0), (b'a\n"b"c\n', 2), (b'a\nb"c\n', 2), (b'ok,"\n\n"\nx,y"', 8)]
)
def test_what_is_no_csv(content: bytes, at: int) -> None:
    with pytest.raises(NoCsv, match=f"from byte {at} on"):
        list(records(content))


def test_the_last_record_may_have_no_end() -> None:
    assert list(records(b"a,b\nc,")) == [b"a,b", b"c,"]


def test_the_sequence_tells_where_the_key_before_stands() -> None:
    assert laid_out("1", "a", "9", SEQ) == ["U", SEQ, "9", "1", "a"]
    assert laid_out("1", "a", SEQ, "9") == ["U", SEQ, "9", "1", "a"]
    assert laid_out("1", NULL, NULL, SEQ) == ["U", SEQ, None, "1", None]
    assert laid_out("1", "x", "a", "7", "8", SEQ, columns=3, keys=2) == ["U", SEQ, "7", "8", "1", "x", "a"]
    assert laid_out("1", "x", "a", SEQ, "7", "8", columns=3, keys=2) == ["U", SEQ, "7", "8", "1", "x", "a"]


@pytest.mark.parametrize(
    "values",
    [
        ("1", "a", SEQ),  # no key before
        ("1", "a", "new", "1", SEQ),  # a column that is not declared
        ("1", "1", SEQ),  # one column less
        ("1", "a", "1", ""),  # no sequence
        ("1", SEQ, "a", "1"),  # a sequence at neither place
        ("1", "a", SEQ, SEQ),  # at both
        ("1", "a", "1", SEQ[1:]),
        ("1", "a", "1", SEQ + "\n"),
    ],
)
def test_another_layout_is_refused(values: tuple[str, ...]) -> None:
    assert laid_out(*values) is None


def test_an_insert_has_no_key_before() -> None:
    assert texts(["I", "parts", "public", "1", "a", "b", SEQ], TABLE, 2, 1, NULL) is None
    assert texts(["I", "parts", "public", "1", "a", NULL, SEQ], TABLE, 2, 1, NULL) == ["I", SEQ, None, "1", "a"]
    assert texts(["I", "other", "public", "1", "a", NULL, SEQ], TABLE, 2, 1, NULL) is None
    assert texts(["I", "parts", "shop", "1", "a", NULL, SEQ], TABLE, 2, 1, NULL) is None


def test_null_and_the_empty_text() -> None:
    """A quoted marker is one too: nobody says whether DMS puts it in quotes."""
    read = reader(TABLE, 4, 1, NULL)
    line = f'U,parts,public,1,,"",{NULL},"{NULL}",{SEQ}'.encode()
    assert read(line) == [(line, False, ["U", SEQ, None, "1", "", "", None])]
    assert read(b"U,parts,\xff") == [(b"U,parts,\xff", True, None)]


def test_what_runs_in_executors_needs_nothing_of_the_package() -> None:
    assert transaction_rows.__name__ and source.__name__  # they register what is shipped
    shipped = cloudpickle.dumps((survey.survey_object, reader(TABLE, 1, 1, NULL)))
    code = "import pickle, sys; pickle.load(sys.stdin.buffer); print([m for m in sys.modules if 'lakejobs' in m])"
    done = subprocess.run([sys.executable, "-c", code], input=shipped, capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
