"""Files of corrections that are about somebody: they name records, and hold values of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lakejobs.declared import Dataset
from lakejobs.erase.landed_versions import Version, list_versions
from lakejobs.erase.request import identifier
from lakejobs.erase.search import RecordId
from lakejobs.erase.subjects import Subjects
from lakejobs.refine.landed import Unreadable, get_version


def search_corrections(
    s3: Any, bucket: str, dataset: Dataset, subjects: Subjects, records: Mapping[RecordId, str]
) -> tuple[Counter[tuple[Version, str]], list[tuple[Version, str]]]:
    """How many lines of each file are about whom, and the files that could not be read, and why.

    A line is about whoever the record is about that it names, as it landed or as the line has it.
    """
    counts: Counter[tuple[Version, str]] = Counter()
    unread: list[tuple[Version, str]] = []
    for version in list_versions(s3, bucket, f"corrections/{dataset.domain}/{dataset.name}/"):
        of = version.object
        try:
            body = get_version(s3, {"bucket": of.bucket, "key": of.key, "version": of.version}).read()
        except Unreadable as fault:
            unread.append((version, str(fault)))
            continue
        for line in body.splitlines():
            whose = _whose(line, subjects, records)
            if whose is not None:
                counts[version, whose] += 1
    return counts, unread


def _whose(line: bytes, subjects: Subjects, records: Mapping[RecordId, str]) -> str | None:
    try:
        found = json.loads(line)
        record = (found["object_key"], found["object_version"], found["record_sha256"])
        given = found["set"].get(subjects.column)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # dispatch has refused the file, and nothing ever reads it
    if record in records:
        return records[record]
    text = identifier(given, subjects.kind) if isinstance(given, str) else None
    return None if text is None else subjects.names.get(text)
