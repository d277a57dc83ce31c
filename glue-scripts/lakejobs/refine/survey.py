"""The survey: every object is read to its end, apart from Spark's own readers, before its batch is.

It tells which objects are whole, how many records each holds, how each is laid out, and which are still the newest
version of their key (Spark reads no other). The functions run in executors, where this package may be missing; they
are shipped by value, with all they use of it (`SHIPPED`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3

from lakejobs.refine import (
    dms_messages,
    json_text,
    landed,
    survey_lines,
    survey_parquet,
    survey_transactions,
    transaction_text,
)
from lakejobs.refine.landed import Unreadable, is_current
from lakejobs.refine.survey_lines import survey_lines as read_lines
from lakejobs.refine.survey_parquet import survey_parquet as read_parquet
from lakejobs.refine.survey_transactions import survey_transactions as read_transactions

SHIPPED = (dms_messages, json_text, landed, survey_lines, survey_parquet, survey_transactions, transaction_text)


def survey_object(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Surveys one object: {"bucket", "key", "version", "size"}. `form` is {"kind", "header", "delimiter", "columns",
    "needed", "no_bytes", "evolves"}: columns as (name, declared type), columns without which a Parquet file is
    unreadable, columns that it may not hold as bytes, and whether types of undeclared columns are asked for.

    Returns {"current", "records", "header", "repeats", "names", "layout", "more", "utf8", "error"}; with an error the
    rest says nothing. `more` are undeclared columns with their types, None where they have none of their own.
    Raises on anything that is not the object's fault.
    """
    result: dict[str, Any] = {"current": False, "records": 0, "header": None, "repeats": 0, "names": [], "layout": []}
    result |= {"error": None, "utf8": True, "more": None}
    try:
        result["current"] = is_current(s3, item["bucket"], item["key"], item["version"])
        result |= _reader(form["kind"], item["key"])(s3, item, form)
    except Unreadable as fault:
        result["error"] = str(fault)
    return result


def _reader(kind: str, key: str) -> Callable[..., dict[str, Any]]:
    """What reads an object of a format's kind. Of a replication with transaction files the key's ending tells."""
    if kind == "dms_transactions":
        kind = {"parquet": "dms_parquet", "csv": kind}.get(key.rsplit(".", 1)[-1], "")
        if not kind:
            raise Unreadable("ends neither in .parquet, as loads do, nor in .csv, as changes do")
    readers = {"parquet": read_parquet, "dms_parquet": read_parquet, "dms_transactions": read_transactions}
    return readers.get(kind, read_lines)


def probe_partition(settings: dict[str, str], items: Iterator[Any]) -> Iterator[Any]:
    """Finds damage in (position, object) pairs of Parquet in an executor."""
    s3 = boto3.client("s3", **settings)
    for position, item in items:
        yield position, survey_parquet.damage(s3, item)


def survey_partition(settings: dict[str, str], form: dict[str, Any], items: Iterator[Any]) -> Iterator[Any]:
    """Surveys (position, object) pairs in an executor."""
    s3 = boto3.client("s3", **settings)
    for position, item in items:
        yield position, survey_object(s3, item, form)
