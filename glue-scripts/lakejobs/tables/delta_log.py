"""The log of a Delta table in S3: what its entries hold, and the conditional put that makes an entry the next one.

Delta's own writer on S3 checks that an entry is absent and then puts it, which keeps apart only the writers of one
process. An entry is put here under the condition that its key is not taken, which S3 itself decides.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lakejobs.lists import split_uri
from lakejobs.tables.conditional import put_absent
from lakejobs.tables.interface import Commit, Moved

# Operations whose entry changes no row.
CREATE, SET_PROPERTIES, ADD_COLUMNS, CHANGE_COLUMN, OPTIMIZE = UNCHANGING = (
    "CREATE TABLE", "SET TBLPROPERTIES", "ADD COLUMNS", "CHANGE COLUMN", "OPTIMIZE"
)  # fmt: skip
WRITE, MERGE = "WRITE", "MERGE"

_READ_AT_ONCE = 16


@dataclass(frozen=True)
class Entry:
    """What one log entry does: its operation, its actions (a line of JSON each), and what its commit carries."""

    operation: str
    actions: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeltaLog:
    """The log of the table at `location`, an s3:// URI without a slash at its end."""

    s3: Any
    location: str

    def put(self, version: int, entry: Entry) -> None:
        """Makes the entry that of `version`. Raises Moved if that version has another entry."""
        body = "\n".join((_commit_info(version, entry), *entry.actions)).encode()
        bucket, key = self._place(version)
        if put_absent(self.s3, bucket, key, body):
            return
        # A put whose answer was lost is sent again, and then finds its own entry.
        if self._body(version) != body:
            raise Moved(f"{self.location}: another writer has made version {version}")

    def history(self, newest: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Versions from `newest` down with the first action of their entries, as far back as these are kept."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            # Most often the newest entry is the one that is looked for.
            starts = [newest, *range(newest - 1, -1, -_READ_AT_ONCE)]
            for start, end in zip(starts, [*starts[1:], -1], strict=True):
                versions = range(start, end, -1)
                for version, info in zip(versions, pool.map(self._info, versions), strict=True):
                    if info is None:
                        return
                    yield version, info

    def commits(self, newest: int) -> Iterator[Commit]:
        """The same as commits, with the properties that ours carry."""
        for version, info in self.history(newest):
            yield Commit(str(version), carried(info))

    def _place(self, version: int) -> tuple[str, str]:
        bucket, folder = split_uri(self.location)
        return bucket, f"{folder}/_delta_log/{version:020d}.json"

    def _body(self, version: int) -> bytes:
        bucket, key = self._place(version)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def _info(self, version: int) -> dict[str, Any] | None:
        bucket, key = self._place(version)
        try:
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except self.s3.exceptions.NoSuchKey:
            return None
        try:
            return json.loads(next(body.iter_lines()))
        finally:
            body.close()


def carried(info: Mapping[str, Any]) -> dict[str, str]:
    """The properties that a commit of ours carries; none of another writer's."""
    text = info.get("commitInfo", {}).get("userMetadata")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def changes_rows(info: Mapping[str, Any]) -> bool:
    return info.get("commitInfo", {}).get("operation") not in UNCHANGING


def action(kind: str, content: Mapping[str, Any]) -> str:
    """An action as a line of the log."""
    return json.dumps({kind: content}, separators=(",", ":"))


def protocol() -> str:
    """The oldest protocol, which every reader of Delta tables knows."""
    return action("protocol", {"minReaderVersion": 1, "minWriterVersion": 2})


def metadata(
    table_id: str, created: int, doc: str, schema: Sequence[Mapping[str, Any]], configuration: Mapping[str, str]
) -> str:
    """The action that says what the table is. `created` is in milliseconds since 1970; `schema` lists its fields."""
    content = {
        "id": table_id,
        **({"description": doc} if doc else {}),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": list(schema)}, separators=(",", ":")),
        "partitionColumns": [],
        "configuration": dict(configuration),
        "createdTime": created,
    }
    return action("metaData", content)


def _commit_info(version: int, entry: Entry) -> str:
    content = {
        "timestamp": int(time.time() * 1000),
        "operation": entry.operation,
        "operationParameters": {},
        **({"readVersion": version - 1} if version else {}),
        "isolationLevel": "Serializable",
        "isBlindAppend": False,
        "operationMetrics": {},
        **({"userMetadata": json.dumps(dict(entry.properties), separators=(",", ":"))} if entry.properties else {}),
        "engineInfo": "Strata",
        "txnId": str(uuid.uuid4()),
    }
    return action("commitInfo", content)
