"""Where a batch's bytes are read from: its objects surveyed, and copies made of versions that are no longer current."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from lakejobs.aws import executor_settings
from lakejobs.declared import DMS_JSON, DMS_TRANSACTIONS, Dataset
from lakejobs.ledger import Outcome, Unreadable
from lakejobs.lists import FrozenList, Object
from lakejobs.manifest import Landing
from lakejobs.refine import landed, survey
from lakejobs.refine.delivery import stamp_of
from lakejobs.refine.landed import is_current
from lakejobs.refine.outcome import Tally
from lakejobs.refine.record import CHANGE_SEQUENCE, OPERATION, Readable, change_columns

# Keys that every file system client passes on unchanged; others are read from a copy.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._=-]+(?:/[A-Za-z0-9._=-]+)*")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")
_THREADS = 16
_GZIP_RATIO = 5
# Names of undeclared columns that a batch's record tells; it has a place for no end of them.
_UNDECLARED_KEPT = 200
_COLUMNS_TOLD = 20

for module in (survey, *survey.SHIPPED):
    cloudpickle.register_pickle_by_value(module)


def _nowhere(key: str) -> None:
    """No landing."""


@dataclass(frozen=True)
class Source:
    """What was found of a frozen list. Objects are in the order of key and version."""

    readable: tuple[Readable, ...]
    unreadable: tuple[Unreadable, ...]
    undeclared: tuple[str, ...]

    @property
    def records(self) -> int:
        """Records in readable objects, counted apart from Spark's readers."""
        return sum(item.records for item in self.readable)

    @property
    def volume(self) -> int:
        """Bytes of readable objects, about as many as they are unpacked."""
        objects = [item.object for item in self.readable]
        return sum(o.size * (_GZIP_RATIO if o.key.endswith(".gz") else 1) for o in objects)

    def outcome(self, state: str, found: Tally, **more: Any) -> Outcome:
        """The batch's outcome with what the survey found."""
        return Outcome(
            state=state,
            counts=found.counts,
            objects_read=len(self.readable),
            unreadable=self.unreadable,
            undeclared=self.undeclared,
            reasons=found.reasons,
            absent=found.absent,
            **({"reason": found.remark} | more),
        )


def survey_source(
    spark: SparkSession, dataset: Dataset, frozen: FrozenList, landing_of: Callable[[str], Landing | None] = _nowhere
) -> Source:
    """Surveys every object of the list in the executors. `landing_of` tells the landing that claims a key."""
    objects = sorted(frozen.objects, key=lambda o: (o.key.encode(), o.version.encode()))
    form = {
        "kind": dataset.format.kind,
        "header": dataset.format.header,
        "delimiter": dataset.format.delimiter,
        "columns": [*change_columns(dataset), *((c.name, c.type) for c in dataset.columns)],
        "evolves": dataset.evolves,
        "needed": (OPERATION, CHANGE_SEQUENCE) if dataset.is_cdc else (),
        "no_bytes": [c.name for c in dataset.stored] if dataset.format.kind == DMS_TRANSACTIONS else (),
    }
    found = _in_executors(spark, enumerate(objects), partial(survey.survey_partition, executor_settings(), form))
    declared = {c.name for c in dataset.columns} | {name for name, _ in change_columns(dataset)}
    declared.add(dataset.format.route_by or "")
    readable, unreadable, undeclared = [], [], set()
    for position, item in enumerate(objects):
        result = found[position]
        if result["error"]:
            unreadable.append(Unreadable(item, result["error"]))
            continue
        try:
            place = _place(dataset, item.key, landing_of(item.key))
        except landed.Unreadable as fault:
            unreadable.append(Unreadable(item, str(fault)))
            continue
        differs = _drift(dataset, result, declared)
        if differs is not None:
            unreadable.append(Unreadable(item, differs))
            continue
        undeclared.update(n for n in result["names"] if n not in declared)
        readable.append(replace(_readable(item, position, result), more=_more(dataset, result, declared), **place))
    return Source(tuple(readable), tuple(unreadable), tuple(sorted(undeclared)[:_UNDECLARED_KEPT]))


def _more(dataset: Dataset, result: dict[str, Any], known: set[str]) -> tuple[tuple[str, str], ...]:
    """Columns of an object that a dataset may gain, with their types: those that Parquet tells, else text."""
    if not dataset.evolves:
        return ()
    if result["more"] is not None:
        return tuple((name, kind) for name, kind in result["more"])
    return tuple((name, "string") for name in result["names"] if name not in known)


def _drift(dataset: Dataset, result: dict[str, Any], known: set[str]) -> str | None:
    """Why a strict dataset refuses an object as a whole: its columns are others. None for what names no columns."""
    names = result["names"]
    if not dataset.strict or not names or dataset.format.kind in ("json", DMS_JSON):
        return None
    more = [n for n in names if n not in known]
    less = [c.name for c in dataset.columns if c.name not in names]
    found = [f"{', '.join(more[:_COLUMNS_TOLD])} not declared"] if more else []
    found += [f"{', '.join(less[:_COLUMNS_TOLD])} missing"] if less else []
    return f"has other columns than the declared ones, and Drift is Strict: {'; '.join(found)}" if found else None


def _in_executors(spark: SparkSession, objects: Iterable[tuple[int, Object]], work: Any) -> dict[int, Any]:
    """What the work on partitions of (position, object) says of each position."""
    items = [(i, {"bucket": o.bucket, "key": o.key, "version": o.version, "size": o.size}) for i, o in objects]
    context = spark.sparkContext
    slices = max(1, min(len(items), 2 * context.defaultParallelism))
    return dict(context.parallelize(items, slices).mapPartitions(work).collect())


def damaged(spark: SparkSession, source: Source) -> dict[int, str]:
    """By position, the Parquet objects that are not whole inside, and why. Reads all of each."""
    suspects = [(r.position, r.object) for r in source.readable if r.layout and r.records]
    if not suspects:
        return {}
    found = _in_executors(spark, suspects, partial(survey.probe_partition, executor_settings()))
    return {position: reason for position, reason in found.items() if reason}


def without(source: Source, faults: dict[int, str]) -> Source:
    """The source with these objects, by position, set aside as unreadable."""
    set_aside = [Unreadable(r.object, faults[r.position]) for r in source.readable if r.position in faults]
    kept = tuple(r for r in source.readable if r.position not in faults)
    return replace(source, readable=kept, unreadable=(*source.unreadable, *set_aside))


def _place(dataset: Dataset, key: str, landing: Landing | None) -> dict[str, Any]:
    """What the key says of an object whose place among others matters. Raises Unreadable if it says nothing."""
    if not dataset.is_cdc and dataset.delivery is None:
        return {}
    if landing is None or landing.dataset != dataset.id or (dataset.is_cdc and landing.generation is None):
        raise landed.Unreadable(f"lies under no landing of {dataset.id} in the manifest of its batch")
    if dataset.delivery is None:
        return {"generation": landing.generation}
    stamp = stamp_of(dataset.delivery, key.removeprefix(landing.prefix))
    if stamp is None:
        raise landed.Unreadable(
            "its key holds no time where Deliveries.Stamp says that there is one, so nothing tells which delivery it"
            " is: land it under a key that does"
        )
    return {"stamp": stamp}


def _readable(item: Object, position: int, result: dict[str, Any]) -> Readable:
    return Readable(
        object=item,
        position=position,
        uri=f"s3://{item.bucket}/{item.key}",
        direct=result["current"] and bool(_PLAIN_KEY.fullmatch(item.key)) and not _DOTS.search(item.key),
        records=result["records"],
        header=result["header"],
        repeats=result["repeats"],
        names=tuple(result["names"]) if result["header"] is not None else (),
        layout=tuple((name, kind) for name, kind in result["layout"]),
        utf8=result["utf8"],
    )


def settle(s3: Any, source: Source, bucket: str, batch: str) -> Source:
    """Copies what cannot be read in place to the batch's folder in the artifacts bucket, by version id.

    A version that is gone since the survey is set aside.
    """
    gone: dict[int, str] = {}

    def place(item: Readable) -> Readable:
        if item.direct or not item.records:
            return item
        key = f"batches/{batch}/objects/{item.object.hash}/{_safe_name(item.object.key)}"
        origin = {"Bucket": item.object.bucket, "Key": item.object.key, "VersionId": item.object.version}
        # Tags would be copied as well, which needs permissions of its own on both objects.
        try:
            s3.copy(origin, bucket, key, ExtraArgs={"TaggingDirective": "REPLACE"})
        except ClientError as error:
            if landed.code_of(error) not in ("404", "NoSuchVersion", "NoSuchKey"):
                raise
            gone[item.position] = "this version has gone from the raw bucket since it was surveyed"
        return replace(item, uri=f"s3://{bucket}/{key}")

    placed = replace(source, readable=tuple(_each(place, source.readable)))
    return without(placed, gone)


def _safe_name(key: str) -> str:
    """The key's base name in plain characters. Spark skips names that start with _ or a dot."""
    name = re.sub(r"[^A-Za-z0-9._=-]", "_", key.rsplit("/", 1)[-1])
    return name if name[:1] not in ("", "_", ".") else f"x{name}"


def overwritten(s3: Any, source: Source) -> set[int]:
    """Positions of objects read in place whose listed version is no longer the current one."""

    def moved(item: Readable) -> bool:
        if not item.direct or not item.records:
            return False
        return not is_current(s3, item.object.bucket, item.object.key, item.object.version)

    flags = _each(moved, source.readable)
    return {item.position for item, flag in zip(source.readable, flags, strict=True) if flag}


def not_in_place(source: Source, positions: Iterable[int]) -> Source:
    """The source with these objects to be read from copies."""
    away = set(positions)
    items = [replace(r, direct=False) if r.position in away else r for r in source.readable]
    return replace(source, readable=tuple(items))


def _each(work: Any, items: Sequence[Readable]) -> list[Any]:
    if not items:
        return []
    with ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        return list(pool.map(work, items))
