"""Searches landed objects for records about somebody, with the readers by which refine takes them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.aws import Clients
from lakejobs.declared import Dataset
from lakejobs.erase.landed_versions import Version
from lakejobs.erase.subjects import Subjects
from lakejobs.lists import FrozenList
from lakejobs.manifest import Manifest
from lakejobs.refine.reading import Damaged, Overwritten, reading
from lakejobs.refine.record import OBJECT, before, raw_line, text_column
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import Source, not_in_place, settle, survey_source, without

_AT_ONCE = 1000
_READ_TRIES = 4

RecordId = tuple[str, str, str]
"""Object key and version, SHA-256 of the raw line."""


@dataclass
class Findings:
    """What was found: records by object version and subject (keyed hash), and what could not be searched, and why."""

    counts: Counter[tuple[Version, str]] = field(default_factory=Counter)
    records: dict[RecordId, str] = field(default_factory=dict)
    unread: list[tuple[Version, str]] = field(default_factory=list)
    searched: set[tuple[str, str]] = field(default_factory=set)
    """Key and version of all that was looked at."""

    @property
    def read(self) -> set[tuple[str, str]]:
        """Key and version of all that could be searched."""
        return self.searched - {(v.object.key, v.object.version) for v, _ in self.unread}

    @property
    def holders(self) -> set[Version]:
        """The versions that hold a record of theirs."""
        return {version for version, _ in self.counts}


@dataclass(frozen=True)
class Search:
    """The search for one dataset. `folder` is where copies of versions go that Spark cannot read in place."""

    spark: SparkSession
    clients: Clients
    manifest: Manifest
    dataset: Dataset
    subjects: Subjects
    artifacts: str
    folder: str

    def into(self, findings: Findings, versions: Sequence[Version]) -> None:
        """Searches the versions that were not searched before."""
        new = [v for v in versions if (v.object.key, v.object.version) not in findings.searched]
        for start in range(0, len(new), _AT_ONCE):
            self._part(findings, new[start : start + _AT_ONCE])
        findings.searched |= {(v.object.key, v.object.version) for v in new}

    def _part(self, findings: Findings, versions: Sequence[Version]) -> None:
        by_id = {(v.object.key, v.object.version): v for v in versions}
        # Whether a delivery has a place among others, or other columns, says nothing of whom it is about.
        dataset = replace(self.dataset, drift=None, delivery=None)
        listed = FrozenList(self.folder, self.manifest.lake, dataset.id, tuple(v.object for v in versions))
        source = survey_source(self.spark, dataset, listed, self.manifest.landing_of)
        for _ in range(_READ_TRIES):
            source = settle(self.clients.s3, source, self.artifacts, self.folder)
            try:
                found = reading(self.spark, self.clients.s3, source, lambda s=source: self._hits(dataset, s))
                break
            except Overwritten as moved:
                source = not_in_place(source, moved.positions)
            except Damaged as damage:
                source = without(source, damage.faults)
        else:
            raise RuntimeError(f"{dataset.id}: its objects were overwritten again and again while they were searched")
        places = {r.position: by_id[r.object.key, r.object.version] for r in source.readable}
        for position, digest, subject in found:
            version = places[position]
            findings.counts[version, subject] += 1
            findings.records[version.object.key, version.object.version, digest] = subject
        for item in source.unreadable:
            findings.unread.append((by_id[item.object.key, item.object.version], item.reason))

    def _hits(self, dataset: Dataset, source: Source) -> list[tuple[int, str, str]]:
        """Position of the object, SHA-256 of the raw line and subject of each record of theirs."""
        rows = read_rows(self.spark, dataset, source.readable)
        if rows is None or not self.subjects.names:
            return []
        named = self.subjects.named(rows, texts_of(dataset, rows), "_whose").where(F.col("_whose").isNotNull())
        found = named.select(OBJECT, F.sha2(raw_line(dataset), 256), "_whose").collect()
        return [tuple(row) for row in found]


def texts_of(dataset: Dataset, rows: DataFrame) -> list[str]:
    """The columns of text in rows that were read that identify a subject: after a change of the key and before it."""
    column = dataset.subject.column
    names = [text_column(column)]
    if dataset.is_cdc and column in dataset.keys:
        names.append(text_column(before(column)))
    return [name for name in names if name in rows.columns]
