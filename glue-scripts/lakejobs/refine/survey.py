"""The survey: every object is read to its end, apart from Spark's own readers, before its batch is.

It tells which objects are whole, how many records each holds, how each is laid out, and which are still the newest
version of their key (Spark reads no other). The functions run in executors, where this package may be missing; they
are shipped by value, with all they use of it (`SHIPPED`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3

from lakejobs.refine import json_text, landed, survey_lines, survey_parquet
from lakejobs.refine.landed import Unreadable, is_current
from lakejobs.refine.survey_lines import survey_lines as read_lines
from lakejobs.refine.survey_parquet import survey_parquet as read_parquet

SHIPPED = (json_text, landed, survey_lines, survey_parquet)


def survey_object(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Surveys one object: {"bucket", "key", "version", "size"}. `form` is {"kind", "header", "delimiter", "columns",
    "needed"}: columns as (name, declared type), and columns without which a Parquet file is unreadable.

    Returns {"current", "records", "header", "repeats", "names", "layout", "utf8", "error"}; with an error the rest says
    nothing.
    Raises on anything that is not the object's fault.
    """
    result: dict[str, Any] = {"current": False, "records": 0, "header": None, "repeats": 0, "names": [], "layout": []}
    result |= {"error": None, "utf8": True}
    try:
        result["current"] = is_current(s3, item["bucket"], item["key"], item["version"])
        read = read_parquet if form["kind"] in ("parquet", "dms_parquet") else read_lines
        result |= read(s3, item, form)
    except Unreadable as fault:
        result["error"] = str(fault)
    return result


def survey_partition(settings: dict[str, str], form: dict[str, Any], items: Iterator[Any]) -> Iterator[Any]:
    """Surveys (position, object) pairs in an executor."""
    s3 = boto3.session.Session().client("s3", **settings)
    for position, item in items:
        yield position, survey_object(s3, item, form)
