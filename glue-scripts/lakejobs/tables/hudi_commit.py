"""What a commit of a Hudi table says: the files it wrote, as Hudi tells of them, and what the table is from then on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakejobs.tables.hudi_files import DataFile, Written
from lakejobs.tables.hudi_schema import avro_schema
from lakejobs.tables.interface import Staged

# What a commit of ours says of the table beside its own properties.
TABLE_PROPERTIES, CONTENT, REPLACED_FILES = "strata.properties", "strata.content", "strata.replaced-files"
SCHEMA = "schema"
# Hudi's names of what a commit does.
ALTER, INSERT, UPSERT, CLUSTER = "ALTER_SCHEMA", "INSERT", "UPSERT", "CLUSTER"
CHANGES_ROWS = (INSERT, UPSERT)
FILE_BEFORE, _INSTANT_BEFORE = "prevBaseFile", "prevCommit"


@dataclass(frozen=True)
class HudiStaged(Staged):
    """Files that lie in the table's folder named after an instant that is reserved, and what its commit would say."""

    operation: str
    files: tuple[Written, ...]
    carried: Mapping[str, str]


def said(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What a commit carries beside its files."""
    return metadata.get("extraMetadata") or {}


def table_said(name: str, columns: Mapping[str, str], properties: Mapping[str, str]) -> dict[str, str]:
    """What each commit says of the table `name` as it is from then on."""
    schema = avro_schema(name.split(".")[2], columns)
    return {SCHEMA: schema, TABLE_PROPERTIES: json.dumps(dict(properties), separators=(",", ":"))}


def stats_of(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a commit says of each file it wrote."""
    return [stat for stats in (metadata.get("partitionToWriteStats") or {}).values() for stat in stats]


def commit_metadata(staged: HudiStaged, extra: Mapping[str, str], replaced: Sequence[str] = ()) -> dict[str, Any]:
    """A commit as Hudi writes it."""
    stats = [_stat(file) for file in staged.files]
    groups = sorted(DataFile.parse(name).group for name in replaced)
    return {
        "partitionToWriteStats": {"": stats} if stats else {},
        "compacted": False,
        "extraMetadata": dict(extra),
        "operationType": staged.operation,
        **({"partitionToReplaceFileIds": {"": groups}} if groups else {}),
    }


def _stat(written: Written) -> dict[str, Any]:
    before = DataFile.parse(written.before) if written.before else None
    return {
        "fileId": DataFile.parse(written.name).group,
        "path": written.name,
        "partitionPath": "",
        _INSTANT_BEFORE: before.instant if before else "null",
        FILE_BEFORE: written.before,
        "numWrites": written.rows,
        "numInserts": 0 if before else written.rows,
        "numUpdateWrites": 0,
        "numDeletes": written.gone,
        "totalWriteBytes": written.bytes,
        "fileSizeInBytes": written.bytes,
        "totalWriteErrors": 0,
    }
