"""What maintenance did: one row for each table, and the sums as metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakejobs.aws import Clients
from lakejobs.tables.interface import Figures, Removed

DONE, POSTPONED, FAILED = "done", "postponed", "failed"

_NAMESPACE = "Strata"


@dataclass(frozen=True)
class Result:
    """One table's row. `owner` is the dataset, model or vault; sizes are of the version that readers see."""

    owner: str
    database: str
    table: str
    state: str
    detail: str = ""
    before: Figures = Figures()
    after: Figures = Figures()
    removed: Removed = Removed()
    tombstones: int = 0
    seconds: float = 0.0

    def row(self, maintenance: str, started_at: str) -> dict[str, Any]:
        """The row as the table `maintenance_results` has it."""
        return {
            "maintenance": maintenance,
            "started_at": started_at,
            "owner": self.owner,
            "database_name": self.database,
            "table_name": self.table,
            "state": self.state,
            "detail": self.detail,
            **{f"{name}_before": value for name, value in asdict(self.before).items()},
            **{f"{name}_after": value for name, value in asdict(self.after).items()},
            "snapshots_expired": self.removed.snapshots,
            "staged_removed": self.removed.staged,
            "orphans_removed": self.removed.orphans,
            "tombstones_removed": self.tombstones,
            "seconds": round(self.seconds, 3),
        }


def write_results(clients: Clients, bucket: str, maintenance: str, started_at: str, results: Sequence[Result]) -> None:
    """Puts the rows where Athena reads them, as JSON Lines."""
    lines = [json.dumps(r.row(maintenance, started_at), separators=(",", ":")) + "\n" for r in results]
    key = f"maintenance/results/{maintenance}.json"
    clients.s3.put_object(Bucket=bucket, Key=key, Body="".join(lines).encode())


def put_metrics(clients: Clients, lake: str, results: Sequence[Result]) -> None:
    """Adds the sums to the lake's metrics."""
    done = [r for r in results if r.state == DONE]
    sums = {
        "MaintainedTables": len(done),
        "PostponedTables": sum(r.state == POSTPONED for r in results),
        "TableFilesBefore": sum(r.before.files + r.before.delete_files for r in done),
        "TableFilesAfter": sum(r.after.files + r.after.delete_files for r in done),
        "TableBytes": sum(r.after.bytes for r in done),
        "ExpiredSnapshots": sum(r.removed.snapshots + r.removed.staged for r in done),
        "RemovedOrphans": sum(r.removed.orphans for r in done),
    }
    data = [
        {"MetricName": name, "Dimensions": [{"Name": "Lake", "Value": lake}], "Value": float(value),
         "Unit": "Bytes" if name == "TableBytes" else "Count"}
        for name, value in sums.items()
    ]  # fmt: skip
    clients.cloudwatch.put_metric_data(Namespace=_NAMESPACE, MetricData=data)
