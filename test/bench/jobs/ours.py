"""Our way to apply changes: the refine job's own steps, on a table that it would have made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data import VALUES
from lake import Lake
from lakejobs.heartbeat import Heartbeat
from lakejobs.ledger import Lease, Ledger
from lakejobs.lists import FrozenList, Run
from lakejobs.manifest import Manifest
from lakejobs.refine import target
from lakejobs.refine.apply import Application, Conformed
from lakejobs.refine.batch import BatchWork, Workshop
from lakejobs.refine.source import settle, survey_source
from lakejobs.session import size_shuffles
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from specs import column, replicated

ID = "sales.people"


def declare(lake: Lake, name: str = ID) -> None:
    lake.declare(replicated(name.split(".")[1], [column("id", "bigint", required=True), *map(_column, VALUES)], ["id"]))


def _column(name: str) -> dict[str, Any]:
    return column(name, VALUES[name])


def create(lake: Lake, rows: DataFrame) -> None:
    """Makes the table hold the rows, as the load of generation 1 left them."""
    store = lake.store(ID)
    dataset = Manifest.from_json(lake.manifest()).dataset(ID)
    table = store.bring_up_to_date(None, target.plan_schema(None, dataset, {}), lambda: None)
    own = {"_batch_id": F.lit("load"), "_generation": F.lit(1), "_sequence": F.lit(""), "_is_deleted": F.lit(False)}
    staged = table.write(rows.withColumns(own), None, "load", {})
    table.publish(staged, None, {target.LOADED_PROPERTY: "1"})


@dataclass(frozen=True)
class Batch:
    """A batch of changes whose rows are read and judged, and cached as the job caches them."""

    application: Application
    conformed: Conformed

    @classmethod
    def of(cls, lake: Lake, body: bytes) -> Batch:
        item = lake.changes(ID, body)
        arguments = lake.start([item])
        run = Run.from_json(lake.clients.read(arguments.run_uri))
        lease = Lease(ID, run.name, run.batches[0].token)
        ledger = Ledger(lake.dynamodb, arguments.ledger_table, arguments.lease_seconds)
        manifest = Manifest.from_json(lake.manifest())
        heartbeat = Heartbeat(ledger, [lease], arguments.lease_seconds)
        shop = Workshop(lake.spark, arguments, lake.clients, ledger, heartbeat, manifest)
        dataset = manifest.dataset(ID)
        frozen = FrozenList.from_json(lake.clients.read(item["list_uri"]))
        record = ledger.start(item["batch"], lease)
        work = BatchWork(shop, manifest, dataset, frozen, lease, record, item["manifest"])
        source = survey_source(lake.spark, dataset, frozen, manifest.landing_of)
        source = settle(lake.clients.s3, source, arguments.artifacts_bucket, frozen.batch)
        store = shop.store(dataset)
        size_shuffles(lake.spark, source.volume + store.load().size)
        application = work.application(store, source, {})
        return cls(application, application.conform())

    def apply(self) -> None:
        outcome = self.application.attempt(self.conformed)
        if outcome.state != "applied":
            raise RuntimeError(f"the batch is {outcome.state}: {outcome.reason}")

    def close(self) -> None:
        self.conformed.drop()
