"""From a scenario's `generate` step to the parcels of each delivery and the clean rows an oracle may load."""

from __future__ import annotations

import datetime as dt
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.data import tpch
from rehearsal.data.declared import Dataset
from rehearsal.data.encode import Record
from rehearsal.data.faults import Field, plant
from rehearsal.data.parcels import Draft, Parcel, parcels
from rehearsal.data.tpch import Batch, DataError


@dataclass(frozen=True)
class Plan:
    """deliveries: parcels by delivery, in order. clean: the generator's rows and their changes, before any fault."""

    deliveries: dict[str, list[Parcel]]
    clean: list[Batch]
    faults: list[dict[str, Any]]


def make(spec: dict[str, Any], datasets: dict[str, Dataset], folder: Path) -> Plan:
    """Generate, cut into files, plant faults and encode. The same spec and datasets give the same bytes."""
    unknown = [f"{table}: {name}" for table, name in spec["tables"].items() if name not in datasets]
    unknown += [
        f"faults/{i}: {f['dataset']}"
        for i, f in enumerate(spec["faults"])
        if f.get("dataset", "") not in {*datasets, ""}
    ]
    if unknown:
        raise DataError(f"the app declares no such dataset: {', '.join(unknown)}; it declares {', '.join(datasets)}")
    tables = tpch.generate(spec["scale"], folder)
    by_table = {table: datasets[name] for table, name in spec["tables"].items()}
    clean = tpch.history(tables, by_table, spec["increments"], spec["seed"])
    deliveries = list(dict.fromkeys([b.delivery for b in clean] + [f["delivery"] for f in spec["faults"]]))
    drafts = [d for batch in clean for d in _files(batch, spec)]
    field = Field(drafts, deliveries, random.Random(f"{spec['seed']}/faults"), set())
    strays = plant(field, spec["faults"])
    _stay_below_gates(drafts)
    made = parcels(sorted(drafts, key=lambda d: deliveries.index(d.delivery))) + strays
    return Plan({name: [p for p in made if p.delivery == name] for name in deliveries}, clean, spec["faults"])


def _files(batch: Batch, spec: dict[str, Any]) -> list[Draft]:
    """The batch's rows dealt to files of neighbouring rows."""
    if not batch.rows:
        return []
    dataset = batch.dataset
    compress = dataset.kind == "csv" and dataset.id in spec.get("gzip", [])
    initial = spec.get("files", {}).get(dataset.id, 1)
    count = min(len(batch.rows), initial if batch.delivery == "initial" else spec.get("files_per_increment", 2))
    count = 1 if dataset.whole else count
    size = -(-len(batch.rows) // count)
    suffix = {"parquet": ".parquet", "csv": ".csv.gz" if compress else ".csv"}[dataset.kind]
    return [
        Draft(
            delivery=batch.delivery,
            dataset=dataset,
            key=f"{dataset.prefix}{_folder(batch)}/{dataset.name}-{i + 1:02d}{suffix}",
            records=[Record(row) for row in batch.rows[i * size : (i + 1) * size]],
            compress=compress,
        )
        for i in range(count)
    ]


def _folder(batch: Batch) -> str:
    """The folder of a delivery's files; of snapshots with a stamp it is a day, one after the other."""
    if batch.dataset.stamp is None:
        return batch.delivery
    day = dt.date(2026, 1, 1) + dt.timedelta(days=int(batch.delivery.partition("-")[2] or 0))
    if not re.search(batch.dataset.stamp, f"{day}/"):
        raise DataError(f"{batch.dataset.id}: the generator stamps deliveries as 2026-01-01; declare time.DateOnly")
    return str(day)


def _stay_below_gates(drafts: list[Draft]) -> None:
    """However the pipeline batches these files, no gate may block: each file alone must pass its dataset's gate."""
    for draft in drafts:
        limit = draft.dataset.max_quarantined_share
        bad = sum(r.fate == "quarantined" for r in draft.records)
        if limit is not None and draft.cut is None and draft.records and bad / len(draft.records) > limit:
            raise DataError(
                f"{draft.key} has {bad} faulty of {len(draft.records)} records, but the gate of {draft.dataset.id} "
                f"accepts a share of {limit}: plant fewer faults, or more rows"
            )
