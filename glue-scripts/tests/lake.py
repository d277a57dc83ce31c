"""A small lake for tests: it lands objects, freezes batches and runs the jobs as the pipeline would."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from datetime import timedelta
from typing import Any

from account import Account
from lakejobs.arguments import EraseArguments, MaintainArguments, PublishArguments, RefineArguments
from lakejobs.clock import utc_now
from lakejobs.erase.job import erase
from lakejobs.iceberg import Table
from lakejobs.lists import FrozenList, Object
from lakejobs.maintain.job import maintain
from lakejobs.manifest import Manifest
from lakejobs.publish.job import publish
from lakejobs.refine.job import refine
from lakejobs.refine.target import layout
from lakejobs.tables.delta import DeltaTable
from lakejobs.tables.delta_log import changes_rows
from lakejobs.tables.hudi import HudiTable
from lakejobs.tables.hudi_commit import CHANGES_ROWS
from lakejobs.tables.interface import Store, StoredTable
from lakejobs.tables.stores import open_store
from pyspark.sql import DataFrame, SparkSession

_NUMBERS = itertools.count(1)
GENERATIONS = (1, 2, 3, 4)


class Lake(Account):
    """Everything of one lake; its number keeps its tables apart from those of other tests."""

    def __init__(self, spark: SparkSession, table_format: str = "iceberg") -> None:
        """`table_format` is that of datasets that do not say."""
        self.spark = spark
        self.table_format = table_format
        super().__init__(next(_NUMBERS))
        self.secret, self.hash_keys, self.token_keys = "none", "none", "none"
        self.erasure_secret = "none"
        self.datasets: dict[str, dict] = {}
        self.models: list[dict] = []
        self.runs = itertools.count(1)

    def declare(self, spec: dict) -> dict:
        """Adds or changes a dataset, in databases of this lake."""
        suffix = f"_{self.n}"
        own = (
            {"table_format": self.table_format}
            | spec
            | {
                "cleaned_database": spec["cleaned_database"].removesuffix(suffix) + suffix,
                "quarantine_database": spec["quarantine_database"].removesuffix(suffix) + suffix,
            }
        )
        for name in (own["cleaned_database"], own["quarantine_database"]):
            self.make_database(name)
        for c in own["columns"]:
            if isinstance(c["protect"], dict) and c["protect"]["kind"] == "tokenise":
                self.make_database(f"test_{c['protect']['vault']}_vault_{self.n}")
        self.datasets[own["id"]] = own
        return own

    def model(self, name: str, sql: str, inputs: list[str]) -> None:
        database = f"test_sales_curated_{self.n}"
        self.make_database(database)
        self.models = [m for m in self.models if m["name"] != name]
        self.models.append(
            {"id": f"sales.{name}", "domain": "sales", "name": name, "doc": "A model.", "database": database,
             "sql": sql, "inputs": sorted(inputs)}
        )  # fmt: skip

    def vaults(self) -> list[str]:
        """The names of the vaults that columns are tokenised for."""
        protections = [c["protect"] for d in self.datasets.values() for c in d["columns"]]
        return sorted({p["vault"] for p in protections if isinstance(p, dict) and p["kind"] == "tokenise"})

    def vault(self, name: str) -> str:
        """The table of a vault."""
        return f"glue_catalog.test_{name}_vault_{self.n}.tokens"

    def manifest(self) -> bytes:
        """The manifest of what is declared now."""
        landing = [
            {"prefix": f"erp/g{g}/public/{d['name']}/", "dataset": d["id"], "source": "Erp", "generation": g}
            for d in self.datasets.values() if d["load"] == "cdc" for g in GENERATIONS
        ]  # fmt: skip
        landing += [
            {"prefix": f"files/sales/{d['name']}/", "dataset": d["id"], "source": "Files", "generation": None}
            for d in self.datasets.values() if d["load"] == "snapshot" or ("subject" in d and d["load"] != "cdc")
        ]  # fmt: skip
        manifest = {
            "schema_version": 1, "lake": "test", "operations_database": "test_operations",
            "datasets": [self.datasets[k] for k in sorted(self.datasets)], "landing": landing, "models": self.models,
        }  # fmt: skip
        if self.vaults():
            manifest["vaults"] = [{"name": name, "database": f"test_{name}_vault_{self.n}"} for name in self.vaults()]
        return json.dumps(manifest, separators=(",", ":")).encode()

    def pin(self) -> str:
        """Stores the manifest and returns its hash."""
        text = self.manifest()
        digest = hashlib.sha256(text).hexdigest()
        self.s3.put_object(Bucket=self.buckets["artifacts"], Key=f"manifests/{digest}.json", Body=text)
        return digest

    def freeze(
        self, dataset_id: str, objects: list[Object], force: bool = False, load: int | None = None, **record: Any
    ) -> dict:
        """Makes a batch of the objects, as dispatch would, and returns its entry for a run."""
        ids = "".join(f"{o.key}\0{o.version}\n" for o in sorted(objects, key=lambda o: (o.key, o.version)))
        ids += f"\0load\0{load}\n" if load else ""
        batch = hashlib.sha256(f"test\n{dataset_id}\n{ids}".encode()).hexdigest()[:32]
        uri = f"s3://{self.buckets['artifacts']}/batches/{batch}.json"
        content = {"schema_version": 1, "batch": batch, "lake": "test", "dataset": dataset_id,
                   "objects": [vars(o) for o in objects], "load": load and {"generation": load}}  # fmt: skip
        self.s3.put_object(Bucket=self.buckets["artifacts"], Key=f"batches/{batch}.json", Body=json.dumps(content))
        manifest = self.pin()
        item = {"dataset": dataset_id, "state": "frozen", "list_uri": uri, "manifest": manifest, "attempt": 0,
                "force": force, "marked": True, "frozen_at": "2026-01-01T00:00:00.000000Z"}  # fmt: skip
        self.put(f"batch#{batch}", "batch", item | record)
        self.put("open", f"{dataset_id}#{batch}", {"batch": batch, "dataset": dataset_id})
        for o in objects:
            values = {"key": o.key, "version": o.version, "state": "claimed", "batch": batch}
            self.put(f"inbox#{dataset_id}", f"object#{o.hash}", values)
        return {
            "batch": batch,
            "dataset": dataset_id,
            "list_uri": uri,
            "manifest": manifest,
            "token": 0,
            "force": force,
        }

    def lease(self, dataset_id: str, run: str) -> int:
        """Gives the dataset's lease to a run, one token up."""
        held = self.get(f"lease#{dataset_id}", "lease")
        token = int(held["token"]) + 1 if held else 1
        self.put(
            f"lease#{dataset_id}", "lease", {"state": "held", "run": run, "token": token, "expires": 4_000_000_000}
        )
        return token

    def start(self, batches: list[dict]) -> RefineArguments:
        """Writes a run's list and takes its leases."""
        run, attempt = f"run{next(self.runs)}", 1
        tokens = {d: self.lease(d, f"{run}-{attempt}") for d in {b["dataset"] for b in batches}}
        content = {"schema_version": 1, "run": run, "attempt": attempt, "manifest": self.pin(),
                   "batches": [b | {"token": tokens[b["dataset"]]} for b in batches]}  # fmt: skip
        key = f"runs/{run}-{attempt}.json"
        self.s3.put_object(Bucket=self.buckets["artifacts"], Key=key, Body=json.dumps(content))
        artifacts = self.buckets["artifacts"]
        return RefineArguments("test", f"s3://{artifacts}/{key}", self.ledger_table, artifacts, self.buckets["cleaned"],
                               self.buckets["quarantine"], self.secret, self.hash_keys, self.buckets["vault"],
                               self.token_keys, self.erasure_secret, 60)  # fmt: skip

    def refine(self, batches: list[dict]) -> None:
        refine(self.spark, self.start(batches), self.clients)

    def apply(self, dataset_id: str, *bodies: bytes | str, suffix: str = "csv") -> dict:
        """Lands each body under a key of its own, refines them as one batch, and returns its record."""
        objects = [self.land(f"in/{next(_NUMBERS):05d}.{suffix}", body) for body in bodies]
        batch = self.freeze(dataset_id, objects)
        self.refine([batch])
        return self.batch(batch)

    def changes(
        self, dataset_id: str, *bodies: bytes, generation: int = 1, load: bool = False, suffix: str = "parquet"
    ) -> dict:
        """Makes a batch of files as DMS names them, and returns its entry for a run."""
        name = dataset_id.split(".")[1]
        objects = []
        for body in bodies:
            n = next(_NUMBERS)
            base = f"LOAD{n:08X}" if load else f"20260101-{n:09d}"
            objects.append(self.land(f"erp/g{generation}/public/{name}/{base}.{suffix}", body))
        return self.freeze(dataset_id, objects, load=generation if load else None)

    def apply_changes(self, dataset_id: str, *bodies: bytes, **more: Any) -> dict:
        """Refines such a batch and returns its record."""
        item = self.changes(dataset_id, *bodies, **more)
        self.refine([item])
        return self.batch(item)

    def again(self, item: dict) -> dict:
        """Runs a batch with an outcome once more by force, and returns its record."""
        record = self.get(f"batch#{item['batch']}", "batch")
        reopened = record | {"state": "frozen", "force": True, "prior_state": record["state"], "attempt": 0}
        self.put(record["pk"], "batch", {k: v for k, v in reopened.items() if k not in ("pk", "sk")})
        self.refine([item | {"force": True}])
        return self.batch(item)

    def correct(self, item: dict, *fixes: tuple[str, dict], occurrence: int = 1) -> list[dict]:
        """Replays a batch under a file that corrects records of its first object, each named by its raw line; returns
        what became of all its corrections, in order."""
        landed = self.objects_of(item)[0]
        lines = [
            {"batch_id": item["batch"], "object_key": landed.key, "object_version": landed.version,
             "record_sha256": hashlib.sha256(line.encode()).hexdigest(), "occurrence": occurrence, "set": values}
            for line, values in fixes
        ]  # fmt: skip
        file = self.land(f"corrections/fix{next(_NUMBERS)}.jsonl", "\n".join(json.dumps(x) for x in lines) + "\n")
        self.reopen(item, file)
        self.refine([item])
        return self.verdicts(item)

    def reopen(self, item: dict, *files: Object) -> None:
        """Freezes a batch with an outcome again, as a replay would, with further files of corrections."""
        record = self.get(f"batch#{item['batch']}", "batch")
        more = [{"bucket": f.bucket, "key": f.key, "version": f.version} for f in files]
        reopened = record | {"state": "frozen", "attempt": 0, "corrections": record.get("corrections", []) + more,
                             "history": ["replayed"], "manifest": self.pin()}  # fmt: skip
        if record["state"] in ("applied", "empty"):
            reopened |= {"force": True, "prior_state": record["state"]}
        item["manifest"] = reopened["manifest"]
        self.put(record["pk"], "batch", {k: v for k, v in reopened.items() if k not in ("pk", "sk")})
        self.put("open", f"{item['dataset']}#{item['batch']}", {"batch": item["batch"], "dataset": item["dataset"]})

    def verdicts(self, item: dict) -> list[dict]:
        """What is kept of a batch's corrections."""
        body = self.s3.get_object(Bucket=self.buckets["artifacts"], Key=f"corrections/{item['batch']}.json")["Body"]
        return [json.loads(line) for line in body.read().decode().splitlines()]

    def live(self, dataset_id: str) -> list[tuple]:
        """The declared columns of the rows that are not deleted."""
        names = [c["name"] for c in self.datasets[dataset_id]["columns"] if c["protect"] != "drop"]
        frame = self.frame(self.cleaned(dataset_id)).where("NOT _is_deleted")
        return sorted(tuple(r) for r in frame.select(*names).collect())

    def publish(self, batches: list[dict] | None = None, **more: Any) -> None:
        started = self.start(batches or [])
        arguments = PublishArguments("test", started.run_uri, self.ledger_table, self.buckets["artifacts"],
                                     self.buckets["curated"], 60)  # fmt: skip
        publish(self.spark, arguments, self.clients, **more)

    def maintenance(self, **request: Any) -> MaintainArguments:
        """What the job is started with, as the pipeline would."""
        artifacts, manifest = self.buckets["artifacts"], f"manifests/{self.pin()}.json"
        queue = self.sqs.create_queue(QueueName=f"wake-{self.n}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        return MaintainArguments("test", f"s3://{artifacts}/{manifest}", self.ledger_table, artifacts,
                                 self.buckets["cleaned"], queue, 60, 60, json.dumps(request))  # fmt: skip

    def maintain(self, later: timedelta = timedelta(), sleep: Any = time.sleep, **request: Any) -> dict[str, dict]:
        """Maintains the tables as if so much time had gone by. Returns the rows of the results by table."""
        self.end_runs()
        before = self._results()
        maintain(self.spark, self.maintenance(**request), self.clients, lambda: utc_now() + later, sleep)
        (made,) = self._results() - before
        for name in [
            *map(self.cleaned, self.datasets), *(self.curated(m["name"]) for m in self.models),
            *map(self.vault, self.vaults()),
        ]:  # fmt: skip
            if self.spark.catalog.tableExists(name):  # the job has sessions of its own; this one remembers
                self.spark.sql(f"REFRESH TABLE {name}")
        body = self.clients.read(f"s3://{self.buckets['artifacts']}/{made}")
        rows = [json.loads(line) for line in body.splitlines()]
        return {f"{row['database_name']}.{row['table_name']}": row for row in rows}

    def erasing(self, erasure: str, subject: str, *values: str, **more: Any) -> EraseArguments:
        """What the job is started with, its request in place."""
        if self.erasure_secret == "none":
            self.erasure_secret = self.clients.secrets.create_secret(Name=f"erase{self.n}", SecretString="e")["ARN"]
        b, artifacts = self.buckets, self.buckets["artifacts"]
        request = f"erasures/requests/{erasure}.json"
        body = json.dumps({"subject": subject, "values": values} | more)
        self.s3.put_object(Bucket=artifacts, Key=request, Body=body)
        maintenance = self.maintenance()
        return EraseArguments("test", erasure, maintenance.manifest_uri, request, self.ledger_table, b["raw"],
                              artifacts, b["cleaned"], b["quarantine"], b["curated"], self.secret, self.hash_keys,
                              b["vault"], self.token_keys,
                              self.erasure_secret, maintenance.wake_queue_url, 60, 86400, 60)  # fmt: skip

    def erase(self, erasure: str, subject: str, *values: str, sleep: Any = time.sleep, **more: Any) -> list[dict]:
        """Erases, and returns the rows of the report."""
        self.end_runs()
        erase(self.spark, self.erasing(erasure, subject, *values, **more), self.clients, sleep=sleep)
        for name in self.datasets:
            for table in (self.cleaned(name), self.quarantine(name)):
                if self.spark.catalog.tableExists(table):
                    self.spark.sql(f"REFRESH TABLE {table}")
        for name in self.vaults():
            self.spark.sql(f"REFRESH TABLE {self.vault(name)}")
        return self.report(erasure)

    def report(self, erasure: str, kind: str = "results") -> list[dict]:
        body = self.clients.read(f"s3://{self.buckets['artifacts']}/erasures/{kind}/{erasure}.json")
        return [json.loads(line) for line in body.splitlines()]

    def end_runs(self) -> None:
        """Frees the leases of runs, as record does when they have ended."""
        for name in self.datasets:
            held = self.get(f"lease#{name}", "lease")
            if held and str(held["run"]).startswith("run"):
                values = {k: v for k, v in held.items() if k not in ("pk", "sk")}
                self.put(f"lease#{name}", "lease", values | {"state": "free"})

    def _results(self) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=self.buckets["artifacts"], Prefix="maintenance/results/")
        return {o["Key"] for o in listed.get("Contents", [])}

    def batch(self, item: dict) -> dict:
        return self.get(f"batch#{item['batch']}", "batch")

    def objects_of(self, item: dict) -> tuple[Object, ...]:
        """What a batch lists."""
        return FrozenList.from_json(self.clients.read(item["list_uri"])).objects

    def cleaned(self, dataset_id: str) -> str:
        spec = self.datasets[dataset_id]
        return f"glue_catalog.{spec['cleaned_database']}.{spec['name']}"

    def quarantine(self, dataset_id: str) -> str:
        spec = self.datasets[dataset_id]
        return f"glue_catalog.{spec['quarantine_database']}.{spec['name']}"

    def curated(self, name: str) -> str:
        return f"glue_catalog.test_sales_curated_{self.n}.{name}"

    def stored(self, dataset_id: str) -> StoredTable | None:
        """The dataset's table, None if there is none."""
        return self.store(dataset_id).load()

    def store(self, dataset_id: str, spark: SparkSession | None = None) -> Store:
        """The place of its table. Default of `spark`: this lake's session."""
        dataset = Manifest.from_json(self.manifest()).dataset(dataset_id)
        place = layout(dataset, self.buckets["cleaned"])
        return open_store(spark or self.spark, self.clients, dataset.table_format, place)

    @property
    def table_class(self) -> type:
        """The class of cleaned tables in this lake's format."""
        return {"iceberg": Table, "delta": DeltaTable, "hudi": HudiTable}[self.table_format]

    def frame(self, table: str) -> DataFrame:
        """The rows of a table, as readers see them."""
        other = self._other(table)
        if other is None:
            return self.spark.table(table)
        stored = self.stored(other)
        return stored.read(stored.main)

    def now(self, table: str, reader: SparkSession | None = None) -> DataFrame | None:
        """The rows of a table as it is, whatever the session remembers of it; None if there is none.

        `reader` is the session of somebody else who reads it. Default: this lake's.
        """
        spark, other = reader or self.spark, self._other(table)
        if other is not None:
            found = self.store(other, spark).load()
            return None if found is None else found.read(found.main)
        if not spark.catalog.tableExists(table):
            return None
        spark.sql(f"REFRESH TABLE {table}")
        return spark.table(table)

    def rows(self, table: str, *columns: str) -> list[tuple]:
        frame = self.frame(table)
        return sorted(tuple(r) for r in frame.select(*(columns or frame.columns)).collect())

    def exists(self, table: str) -> bool:
        other = self._other(table)
        return self.spark.catalog.tableExists(table) if other is None else self.stored(other) is not None

    def snapshots(self, table: str) -> list[int]:
        """The versions that changed rows, oldest first."""
        if not self.exists(table):
            return []
        other = self._other(table)
        if other is not None:
            stored = self.stored(other)
            if isinstance(stored, HudiTable):
                return sorted(int(instant) for instant, what in stored.commits() if what in CHANGES_ROWS)
            return sorted(v for v, info in stored.log.history(stored.version) if changes_rows(info))
        self.spark.sql(f"REFRESH TABLE {table}")
        found = self.spark.table(f"{table}.history").where("is_current_ancestor").orderBy("made_current_at").collect()
        return [r["snapshot_id"] for r in found]

    def _other(self, table: str) -> str | None:
        """The dataset whose table that is in another format than Iceberg, None for any other table."""
        for name, spec in self.datasets.items():
            if spec["table_format"] != "iceberg" and self.cleaned(name) == table:
                return name
        return None

    def counts(self, record: dict) -> dict[str, int]:
        """The counts that are not zero."""
        return {k: int(v) for k, v in record["counts"].items() if v}

    def clear(self) -> None:
        self.spark.catalog.clearCache()
