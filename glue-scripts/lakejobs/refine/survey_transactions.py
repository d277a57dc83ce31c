"""The survey of objects that hold a table's records out of DMS's transaction files."""

from __future__ import annotations

from typing import Any

from lakejobs.refine.landed import Unreadable, get_version
from lakejobs.refine.transaction_text import NoCsv, records

# Such an object is read as a whole; those the lake makes have 8 MiB, or one record.
_MOST = 256 << 20


def survey_transactions(s3: Any, item: dict[str, Any], _form: dict[str, Any]) -> dict[str, Any]:
    """Reads an object to its end. Raises Unreadable."""
    if item["size"] > _MOST:
        raise Unreadable(f"has {item['size']} bytes; records of transaction files are read up to {_MOST}")
    try:
        return {"records": sum(1 for _ in records(get_version(s3, item).read()))}
    except NoCsv as fault:
        raise Unreadable(str(fault)) from fault
