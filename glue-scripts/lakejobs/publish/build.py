"""Builds one curated table after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from lakejobs.aws import Clients
from lakejobs.events import log
from lakejobs.iceberg import Table
from lakejobs.ledger import Lease, Ledger, Output
from lakejobs.manifest import Manifest, Model
from lakejobs.publish.models import Input, find_input, model_table, output_id, pinned, render
from lakejobs.publish.verify import check_plan, check_text
from lakejobs.replacement import Replacement
from lakejobs.tables.interface import Moved, StoredTable
from lakejobs.tables.stores import open_table

OUTPUT_PROPERTY = "strata.output-id"

_COMMIT_TRIES = 3

_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


class Waiting(Exception):
    """Inputs of the model hold no data yet."""

    def __init__(self, inputs: list[str]) -> None:
        super().__init__(f"no data yet in {', '.join(inputs)}")
        self.inputs = inputs


@dataclass(frozen=True)
class Pin:
    """What is read of an input: its rows as SQL refers to them, the snapshot that made them, its columns.

    Another snapshot is read after a compaction, which makes reading faster and nothing else.
    """

    rows: str
    content: str
    columns: tuple[str, ...]


def _pin_of(table: StoredTable | None) -> Pin | None:
    """None if there is no table, or nothing was ever written to it."""
    if table is None or table.main is None:
        return None
    content = table.content
    return None if content is None else Pin(table.at(table.main), content, tuple(table.columns()))


class Builder:
    """Publishes models against one set of input snapshots: each dataset is pinned when it is first read.

    `fence` raises if this run may no longer write.
    """

    def __init__(
        self,
        spark: SparkSession,
        clients: Clients,
        bucket: str,
        manifest: Manifest,
        ledger: Ledger,
        lease: Lease,
        fence: Callable[[], None],
    ) -> None:
        self._spark = spark
        self._clients = clients
        self._bucket = bucket
        self._manifest = manifest
        self._ledger = ledger
        self._lease = lease
        self._fence = fence
        self._pins: dict[str, Pin | None] = {}

    def build(self, model: Model) -> None:
        """Publishes the model unless it is up to date.

        Raises Waiting, ModelRefused, LeaseLost, Moved if other writers keep changing the table, or what Spark raises.
        """
        for tries_left in reversed(range(_COMMIT_TRIES)):
            try:
                self._attempt(model)
                return
            except Moved as moved:
                log("table changed while the model was built", model=model.id, reason=str(moved))
                if not tries_left:
                    raise

    def _attempt(self, model: Model) -> None:
        inputs = {name: find_input(self._manifest, name) for name in model.inputs}
        found = {name: self._pin(item) for name, item in inputs.items()}
        missing = sorted(name for name, pin in found.items() if pin is None)
        if missing:
            raise Waiting(missing)
        pins = {name: pin for name, pin in found.items() if pin is not None}
        snapshots = {name: pin.content for name, pin in pins.items()}
        identity = output_id(model, inputs, snapshots)
        if self._up_to_date(model, identity, snapshots):
            log("model is up to date", model=model.id, output_id=identity)
            return
        check_text(self._spark, model)
        frame = self._spark.sql(render(model, lambda name: pinned(inputs[name], pins[name].rows, pins[name].columns)))
        check_plan(frame)
        self._replace(model, frame, identity)
        self._record(model, identity, snapshots)

    def _pin(self, item: Input) -> Pin | None:
        if item.id not in self._pins:
            self._pins[item.id] = _pin_of(open_table(self._spark, self._clients, item.table_format, item.table))
        return self._pins[item.id]

    def _up_to_date(self, model: Model, identity: str, snapshots: dict[str, str]) -> bool:
        """Whether the table holds this output. Tells the ledger if a dead run could not."""
        table = Table.load(self._spark, model_table(model))
        commit = table.commit() if table else None
        if commit is None or commit.summary.get(OUTPUT_PROPERTY) != identity:
            return False
        self._pins[model.id] = _pin_of(table)
        recorded = self._ledger.output(model.id)
        if recorded is None or (recorded.output_id, recorded.snapshot) != (identity, commit.snapshot):
            self._record(model, identity, snapshots)
        return True

    def _replace(self, model: Model, frame: DataFrame, identity: str) -> None:
        """Replaces rows and schema in one commit. Raises Moved if another writer changes the table meanwhile.

        The replacement has begun when the lease is checked: what a run publishes that takes the lease over afterwards
        changes the table, so that this commit is refused.
        """
        location = f"s3://{self._bucket}/{model.domain}/{model.name}"
        properties = {**_PROPERTIES, **({"comment": model.doc} if model.doc else {})}
        replacement = Replacement(frame, model_table(model), location, properties)
        replacement.stage({OUTPUT_PROPERTY: identity})
        self._fence()
        replacement.publish()

    def _record(self, model: Model, identity: str, snapshots: dict[str, str]) -> None:
        table = Table.load(self._spark, model_table(model))
        commit = table.commit() if table else None
        if commit is None or commit.summary.get(OUTPUT_PROPERTY) != identity:
            raise RuntimeError(f"{model_table(model)}: another writer replaced the table that was just published")
        rows = int(commit.summary.get("total-records", "0"))
        self._pins[model.id] = _pin_of(table)
        self._ledger.put_output(model.id, Output(identity, snapshots, commit.snapshot, rows), self._lease)
        log("model published", model=model.id, output_id=identity, snapshot=commit.snapshot, rows=rows)
