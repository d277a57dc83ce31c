"""The steps of a scenario with sources that live: databases that are replicated, and streams of events."""

from __future__ import annotations

import gzip
import hashlib
import io
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

from rehearsal.data import events
from rehearsal.data.declared import Dataset
from rehearsal.data.encode import RecordId
from rehearsal.data.events import Event
from rehearsal.data.operations import Operations
from rehearsal.data.parcels import Parcel, Sent
from rehearsal.data.tpch import Batch, DataError
from rehearsal.dms import Database, Dms
from rehearsal.scenario.lake import Lake

STOP_SECONDS = 60
DELIVERY_SECONDS = 60
PUT_RECORDS = 400
"""Records of one PutRecordBatch; the service takes 500."""


@dataclass
class Live:
    """What the steps with live sources act on, and what they sent. databases: by the name the scenario gives them."""

    cloud: Any
    dms: Dms
    databases: dict[str, Database]
    workdir: Path
    say: Callable[[str], None]
    operations: dict[str, Operations] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def load(self, spec: dict[str, Any]) -> None:
        """Make and fill the tables of a database."""
        database = self._database(spec["name"])
        made = Operations(database.connect, tuple(spec["tables"]))
        self.operations[spec["name"]] = made
        rows = made.load(spec["scale"], self.workdir / "tpch")
        self.say(f"database {spec['name']}: {rows:,} rows in {len(spec['tables'])} tables")

    def change(self, spec: dict[str, Any]) -> None:
        """Commit random transactions."""
        name = spec["name"]
        if name not in self.operations:
            raise DataError(f"change: the database {name} has no tables yet; a database step makes them")
        done = self.operations[name].change(spec["transactions"], spec["seed"])
        self.say(f"database {name}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(done.items())))

    def execute(self, spec: dict[str, Any]) -> None:
        """Run SQL of the scenario's own."""
        with self._database(spec["name"]).connect() as connection:
            try:
                connection.execute(spec["text"])
            except psycopg.Error as error:
                raise DataError(f"sql: {spec['text']}: {error}") from error
        self.say(f"database {spec['name']}: {spec['text']}")

    def disturb(self, spec: dict[str, Any]) -> None:
        """Trouble on the way: a restart of the engine, files that come late and in another order."""
        running = [arn for arn, replication in self.dms.registry.replications.items() if replication.task]
        if not running:
            raise DataError("disturb: no replication has been started; a replicate step starts them")
        for arn in running:
            if spec.get("restart"):
                self._delivered(arn)
                self.dms.interrupt(arn)
            if spec.keys() & {"delay_seconds", "held"}:
                self._delivered(arn)
                self.dms.delay_files(arn, spec.get("delay_seconds", 0), spec.get("seed", 0), spec.get("held", 0))
            if spec.get("let_go"):
                self.dms.let_go(arn)
        self.say(f"disturbed {len(running)} replications: " + ", ".join(f"{k} {v}" for k, v in spec.items()))

    def _delivered(self, arn: str) -> None:
        """Wait until what was committed so far is in files: a disturbance begins with what comes after it."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while what := self.dms.under_way(arn):
            if time.monotonic() > deadline:
                raise RuntimeError(f"disturb: {arn} does not deliver within {DELIVERY_SECONDS} s: {what}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop every replication, as an operator does before the stack is deleted: a running one cannot be."""
        client = self.cloud.client("dms")
        running = {arn: r for arn, r in self.dms.registry.replications.items() if r.at_work}
        for arn in running:
            client.stop_replication(ReplicationConfigArn=arn)
        deadline = time.monotonic() + STOP_SECONDS
        while any(r.at_work for r in running.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"replications do not stop within {STOP_SECONDS} s: {', '.join(running)}")
            time.sleep(0.1)

    def send(self, spec: dict[str, Any], lake: Lake) -> None:
        """Put events into the stream of their dataset."""
        dataset = lake.datasets.get(spec["dataset"])
        if dataset is None:
            known = ", ".join(lake.datasets)
            raise DataError(f"events: the app declares no dataset {spec['dataset']!r}; it declares {known}")
        made = events.make(dataset, spec["count"], spec["seed"], spec.get("faults", {}))
        stream, client = lake.stream(dataset), self.cloud.client("firehose")
        for i in range(0, len(made), PUT_RECORDS):
            part = made[i : i + PUT_RECORDS]
            answer = client.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": e.line} for e in part])
            if answer["FailedPutCount"]:
                raise RuntimeError(f"events: {answer['FailedPutCount']} records were not taken by {stream}")
        self.events[dataset.id] += made
        self.say(f"put {len(made):,} events for {dataset.id}")

    def rows(self, dataset: Dataset) -> list[tuple[Any, ...]] | None:
        """What a dataset must hold: the table's rows, or the clean events; None for a dataset of neither."""
        columns = [c.name for c in dataset.columns]
        if dataset.load == "cdc":
            schema, table = dataset.prefix.rstrip("/").split("/")[-2:]
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            with self._source_of(table).connect() as connection:
                query = sql.SQL("SELECT {} FROM {}").format(listed, sql.Identifier(schema, table))
                return connection.execute(query).fetchall()
        if dataset.id in self.events:
            return [event.row for event in self.events[dataset.id] if event.row is not None]
        return None

    def batches(self, lake: Lake) -> list[Batch]:
        """`rows` of every live dataset, as an oracle loads them."""
        found = [(dataset, self.rows(dataset)) for dataset in lake.datasets.values()]
        return [Batch("live", dataset, rows) for dataset, rows in found if rows is not None]

    def sent(self, lake: Lake) -> list[Sent]:
        """What the sources' services have landed, counted here from the objects themselves."""
        found, folders = [], set()
        for landing in lake.manifest["landing"]:
            dataset = lake.datasets[landing["dataset"]]
            if dataset.load == "cdc":
                read = _changes
                folders.add(landing["prefix"].rsplit("/", 3)[0] + "/cdc-transactions/")
            elif dataset.id in self.events:
                read = _Lines(self.events[dataset.id])
            else:
                continue
            for key, version, body in lake.versions(landing["prefix"]):
                found.append(Sent(read(dataset, key, body), version))
        for folder in sorted(folders):
            for key, version, body in lake.versions(folder):
                found.append(Sent(Parcel("live", key, body, "split"), version))
        return found

    def _database(self, name: str) -> Database:
        if name not in self.databases:
            known = ", ".join(self.databases) or "none: name it under databases"
            raise DataError(f"the scenario has no database {name!r}; it has {known}")
        return self.databases[name]

    def _source_of(self, table: str) -> Database:
        for name, made in self.operations.items():
            if table in made.tables:
                return self.databases[name]
        raise DataError(f"no database of the scenario has a table {table}; a database step makes it")


def _changes(dataset: Dataset, key: str, body: bytes) -> Parcel:
    """A file of DMS; what becomes of its rows is judged by the table alone."""
    if key.endswith(".csv"):  # records of transaction files: lines that end outside of quotes
        rows = sum(outside.count(b"\n") for outside in body.split(b'"')[::2])
    else:
        rows = pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
    return Parcel("live", key, body, "readable", dataset.id, rows)


class _Lines:
    """Reads objects of a stream and recognises the records that were put."""

    def __init__(self, made: list[Event]):
        self._planted = {event.line: event.reasons for event in made if event.fate == "quarantined"}
        self._seen: set[bytes] = set()

    def __call__(self, dataset: Dataset, key: str, body: bytes) -> Parcel:
        plain = gzip.decompress(body) if key.endswith(".gz") else body
        lines = plain.removesuffix(b"\n").split(b"\n") if plain else []
        fates: Counter[str] = Counter()
        bad: list[RecordId] = []
        occurrences: Counter[str] = Counter()
        for line in lines:
            name = hashlib.sha256(line).hexdigest()
            occurrences[name] += 1
            if line in self._planted:
                bad.append(RecordId(name, occurrences[name], self._planted[line]))
                fates["quarantined"] += 1
            else:
                fates["duplicate" if line in self._seen else "inserted"] += 1
                self._seen.add(line)
        return Parcel("live", key, body, "readable", dataset.id, len(lines), fates, tuple(bad))
