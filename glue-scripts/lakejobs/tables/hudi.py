"""A dataset's table in Hudi's open layout (table version 6): copy-on-write, without Hudi's library.

A version is an instant. The table's files at it are, of each file group, the newest slice of a completed instant; a
group that a replacecommit has taken away has none. Table properties are carried from commit to commit, since Hudi's
own properties file cannot change together with the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakejobs.aws import executor_settings
from lakejobs.lists import split_uri
from lakejobs.tables.hudi_commit import (
    ALTER,
    CHANGES_ROWS,
    CONTENT,
    FILE_BEFORE,
    INSERT,
    REPLACED_FILES,
    SCHEMA,
    TABLE_PROPERTIES,
    UPSERT,
    HudiStaged,
    commit_metadata,
    said,
    stats_of,
    table_said,
)
from lakejobs.tables.hudi_files import META, RECORD_KEY, DataFile, Place
from lakejobs.tables.hudi_schema import columns_of, record_key
from lakejobs.tables.hudi_timeline import COMMIT, NOTHING, REPLACE, Decision, HudiTimeline, Listed
from lakejobs.tables.hudi_writing import files_anew, new_files
from lakejobs.tables.interface import BATCH_PROPERTY, Commit, Figures, Staged, check_unmoved
from lakejobs.tables.places import FILE, POSITION, Replaced


class HudiTable:
    """A table that exists, as it was when it was loaded."""

    def __init__(
        self, spark: SparkSession, name: str, timeline: HudiTimeline, listed: Listed, keys: Sequence[str]
    ) -> None:
        self.spark = spark
        self.name = name
        self.timeline = timeline
        self.listed = listed
        self.keys = keys
        self.version = listed.head

    @classmethod
    def load(
        cls, spark: SparkSession, name: str, timeline: HudiTimeline, keys: Sequence[str] = (), settle: bool = True
    ) -> HudiTable | None:
        """The table as its timeline has it now, None if it has none. By `keys` rows of its files are put in order.

        `settle` completes what a dead writer has decided. Without it the table is what readers see.
        """
        listed = timeline.settled() if settle else timeline.listed()
        return None if listed.head == NOTHING else cls(spark, name, timeline, listed, keys)

    @property
    def main(self) -> str | None:
        return self.version

    @property
    def tells_all(self) -> bool:
        """Whether the newest commit says what the table is; another writer's does not."""
        return TABLE_PROPERTIES in self._said

    @property
    def content(self) -> str | None:
        if self.tells_all:
            return self._said.get(CONTENT)
        # Another writer's commit tells no more than that there are rows.
        return self.version

    @cached_property
    def properties(self) -> dict[str, str]:
        return json.loads(self._newest(TABLE_PROPERTIES, self.version) or "{}")

    @cached_property
    def _said(self) -> dict[str, str]:
        return said(self.timeline.metadata(self.version, self.listed.completed[self.version]))

    @property
    def size(self) -> int:
        return sum(self.files.values())

    @property
    def figures(self) -> Figures:
        return Figures(len(self.files), 0, self.size)

    @property
    def has_past(self) -> bool:
        return set(self.stored_files) != set(self.files)

    def columns(self) -> dict[str, str]:
        return self._columns_at(self.version)

    def _columns_at(self, version: str) -> dict[str, str]:
        schema = self._newest(SCHEMA, version)
        if schema is None:
            raise RuntimeError(f"{self.name}: no commit up to version {version} says what its columns are")
        return columns_of(schema)

    def _newest(self, what: str, version: str) -> str | None:
        """What the newest commit up to that version says of it that says anything; each of ours does."""
        if version == self.version and what in self._said:
            return self._said[what]
        older = {i: action for i, action in self.listed.completed.items() if i <= version}
        return next((found for _, m in self.timeline.history(older) if (found := said(m).get(what))), None)

    @cached_property
    def stored_files(self) -> dict[str, tuple[int, Any]]:
        """All data files in the table's folder by name, with bytes and the moment at which each was put."""
        bucket, folder = split_uri(self.timeline.location)
        pages = self.timeline.s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{folder}/", Delimiter="/"
        )
        objects = ((o["Key"].removeprefix(f"{folder}/"), o) for page in pages for o in page.get("Contents", []))
        return {name: (o["Size"], o["LastModified"]) for name, o in objects if DataFile.parse(name)}

    @cached_property
    def files(self) -> dict[str, int]:
        """The files of this version by name, with their bytes, as Hudi's readers find them."""
        completed = self.listed.completed
        first, newest = min(completed), {}
        for name in self.stored_files:
            file = DataFile.parse(name)
            # What is older than the timeline was completed once, or it would be gone.
            if (file.instant in completed or file.instant < first) and (
                file.group not in newest or newest[file.group].instant < file.instant
            ):
                newest[file.group] = file
        gone = self.replaced_groups()
        return {f.name: self.stored_files[f.name][0] for f in newest.values() if f.group not in gone}

    def replaced_groups(self) -> dict[str, str]:
        """File groups that were taken away, each with the instant that did so."""
        replacing = {i: action for i, action in self.listed.completed.items() if action == REPLACE}
        taken = ((i, m.get("partitionToReplaceFileIds") or {}) for i, m in self.timeline.history(replacing))
        return {group: instant for instant, parts in taken for groups in parts.values() for group in groups}

    def files_at(self, version: str) -> list[str]:
        """The files of an earlier version: those of this one, with every commit since then undone."""
        names = set(self.files)
        since = {i: action for i, action in self.listed.completed.items() if i > version}
        for _, metadata in self.timeline.history(since):
            for stat in stats_of(metadata):
                names.discard(stat["path"])
                names |= {stat[FILE_BEFORE]} if stat.get(FILE_BEFORE) else set()
            names |= set(json.loads(said(metadata).get(REPLACED_FILES, "[]")))
        missed = sorted(names - set(self.stored_files))
        if version not in self.listed.completed or missed:
            raise RuntimeError(f"{self.name}: version {version} is no longer kept; it is at {self.version}")
        return sorted(names)

    def read(self, version: str, placed: bool = False) -> DataFrame:
        names = sorted(self.files) if version == self.version else self.files_at(version)
        frame = self.read_files(names, self._columns_at(version))
        if not placed:
            return frame
        if not names:
            return frame.select("*", F.lit(None).cast("string").alias(FILE), F.lit(None).cast("bigint").alias(POSITION))
        place = (F.col("_metadata.file_path").alias(FILE), F.col("_metadata.row_index").alias(POSITION))
        return frame.select("*", *place)

    def at(self, version: str) -> str:
        view = f"hudi_{self.name.replace('.', '_')}_{version}"
        self.read(version).createOrReplaceTempView(view)
        return f"`{view}`"

    def read_files(self, names: Sequence[str], columns: Mapping[str, str]) -> DataFrame:
        """These columns of the rows of these files alone; of a file without one of them it is NULL."""
        schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        if not names:
            return self.spark.createDataFrame([], schema)
        return self.spark.read.schema(schema).parquet(*[f"{self.timeline.location}/{name}" for name in names])

    def published(self, batch: str) -> Commit | None:
        for instant, metadata in self.timeline.history(self.listed.completed):
            if said(metadata).get(BATCH_PROPERTY) == batch:
                return Commit(instant, said(metadata))
        return None

    def commits(self) -> list[tuple[str, str]]:
        """The instants on the timeline with what they do, newest first."""
        return [(i, m.get("operationType", "UNKNOWN")) for i, m in self.timeline.history(self.listed.completed)]

    def write(self, rows: DataFrame | None, replaced: Replaced | None, tag: str, properties: dict[str, str]) -> Staged:
        instant = self.timeline.reserve(self.version, COMMIT)
        place, columns, written = self.place(instant), self.columns(), []
        if replaced is not None:
            name = F.substring_index(FILE, "/", -1).alias("name")
            touched = replaced.rows.groupBy(name).agg(F.collect_set(POSITION).alias("positions"))
            written += files_anew(touched, columns, place)
        if rows is not None:
            keyed = rows.select(record_key(self.keys, columns).alias(RECORD_KEY), *columns)
            written += new_files(keyed.sortWithinPartitions(*self.keys), place)
        lost = {file.before for file in written if file.before} - set(self.files)
        if lost:
            raise RuntimeError(f"{self.name}: version {self.version} has rows of {sorted(lost)[0]}, but not the file")
        return HudiStaged(instant, INSERT if replaced is None else UPSERT, tuple(written), properties)

    def publish(
        self,
        staged: Staged | None,
        expected: str | None,
        properties: dict[str, str] | None = None,
        guard: dict[str, str | None] | None = None,
    ) -> None:
        check_unmoved(self, expected, guard)
        if staged is None and not properties:
            return
        self.commit(staged or HudiStaged(self.timeline.reserve(self.version, COMMIT), ALTER, (), {}), properties or {})

    def commit(
        self, staged: HudiStaged, properties: Mapping[str, str], columns: Mapping[str, str] | None = None,
        replaced: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Makes the staged files part of the table, and takes away the groups of the `replaced` ones. Raises Moved if
        another writer has come first. `columns` are those of the table from now on, if they change.
        """
        said_of_table = table_said(self.name, columns or self.columns(), {**self.properties, **properties})
        extra = {**said_of_table, **staged.carried}
        content = staged.version if staged.operation in CHANGES_ROWS else self.content
        if content is not None:
            extra[CONTENT] = content
        if replaced:
            extra[REPLACED_FILES] = json.dumps(sorted(replaced))
        metadata = commit_metadata(staged, extra, replaced)
        self.timeline.decide(self.version, Decision(staged.version, REPLACE if replaced else COMMIT, metadata))

    def place(self, instant: str) -> Place:
        """Where that instant's files go."""
        bucket, folder = split_uri(self.timeline.location)
        # Without it readers by Spark would have to be told how dates before 1582 are meant.
        marks = {"org.apache.spark.version": self.spark.version}
        return Place(bucket, folder, instant, marks, executor_settings())

    def with_meta(self, names: Sequence[str]) -> DataFrame:
        """The rows of these files with what Hudi keeps of each."""
        return self.read_files(names, {**dict.fromkeys(META, "string"), **self.columns()})
