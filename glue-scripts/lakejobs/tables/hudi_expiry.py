"""What of a Hudi table's past goes: replaced files, what dead writers have staged, and the beginning of the timeline.

Readers take a file whose instant is older than the timeline for committed. So what was staged goes before the timeline
is cut behind it, and the timeline goes from its beginning, one instant after the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property

from lakejobs.events import log
from lakejobs.lists import split_uri
from lakejobs.tables.hudi import HudiTable
from lakejobs.tables.hudi_commit import said
from lakejobs.tables.hudi_files import DataFile
from lakejobs.tables.hudi_timeline import COMMIT, HudiTimeline
from lakejobs.tables.interface import BATCH_PROPERTY, Fence, Limits, Removed

_AT_ONCE = 1000


def expire(table: HudiTable, limits: Limits, fence: Fence) -> Removed:
    """Removes it. Another writer's commit in between is not harmed: what it needs is not old enough to go."""
    past = _Past(table, limits)
    staged, replaced, cut = past.staged(), past.replaced, past.cut()
    fence()
    _remove(table.timeline, sorted(staged | replaced))
    for instant in past.dead:
        for name in table.listed.requested.get(instant, []):
            table.timeline.delete(name)
    fence()
    for instant in cut:
        for name in table.listed.requested.get(instant, []):
            table.timeline.delete(name)
        table.timeline.delete(f"{instant}.{table.listed.completed[instant]}")
    for name in past.decisions():
        table.timeline.delete(name)
    log("table expired", table=table.name, files=len(staged) + len(replaced), instants=len(cut))
    return Removed(snapshots=len(cut), staged=len(past.dead), orphans=len(staged))


class _Past:
    """What a table has beside the files and the instant that readers see, and from when each is not needed."""

    def __init__(self, table: HudiTable, limits: Limits) -> None:
        self._table, self._listed, self._needed = table, table.listed, limits.needed
        self._completed = table.listed.completed
        self._replaced_before = _moment(limits.replaced_before)
        self._unreferenced_before = _moment(limits.unreferenced_before)
        self._gone = table.replaced_groups()

    @cached_property
    def dead(self) -> list[str]:
        """Instants that were never completed, and reserved so long ago that whoever did so is gone."""
        return sorted(i for i, newest in self._uncommitted.items() if newest < self._unreferenced_before)

    def staged(self) -> set[str]:
        """Files of such instants."""
        return {name for name in self._table.stored_files if DataFile.parse(name).instant in self.dead}

    @cached_property
    def replaced(self) -> set[str]:
        """Files that a later version has taken the place of, long enough ago."""
        groups: dict[str, list[DataFile]] = {}
        for name in self._table.stored_files:
            file = DataFile.parse(name)
            if file.instant not in self._uncommitted:
                groups.setdefault(file.group, []).append(file)
        found = set()
        for group, slices in groups.items():
            slices.sort(key=lambda file: file.instant)
            later = [file.instant for file in slices[1:]] + ([self._gone[group]] if group in self._gone else [])
            found |= {file.name for file, by in zip(slices, later, strict=False) if self._is_old(by)}
        return found

    def cut(self) -> list[str]:
        """The instants at the beginning of the timeline that nobody looks for any more, oldest first."""
        found: list[str] = []
        if not self._table.tells_all:
            return found  # the newest commit is another writer's, so what the table is stands in earlier ones
        kept = {DataFile.parse(name).group for name in set(self._table.stored_files) - self.replaced}
        # Hudi's readers take the columns from no replacecommit that has only put rows together.
        newest = max(i for i, action in self._completed.items() if action == COMMIT)
        ends = min([newest, *(i for i in self._uncommitted if i not in self.dead)])
        for instant, action in self._completed.items():
            replaces_kept = any(group in kept for group, by in self._gone.items() if by == instant)
            if instant >= ends or not self._is_past(instant) or replaces_kept:
                break
            batch = said(self._table.timeline.metadata(instant, action)).get(BATCH_PROPERTY)
            if batch is not None and self._needed(batch):
                break
            found.append(instant)
        return found

    def decisions(self) -> list[str]:
        """Decisions that no late writer can be about to make once more."""
        return [name for name in self._listed.decided.values() if self._listed.names[name] < self._unreferenced_before]

    @cached_property
    def _uncommitted(self) -> dict[str, datetime]:
        """Instants that are not completed, each with the moment of what was put last for it."""
        first = min(self._completed)
        found: dict[str, datetime] = {}
        puts = [(i, self._listed.names[name]) for i, names in self._listed.requested.items() for name in names]
        puts += [(DataFile.parse(name).instant, at) for name, (_, at) in self._table.stored_files.items()
                 if DataFile.parse(name).instant > first]  # fmt: skip
        for instant, at in puts:
            if instant not in self._completed:
                found[instant] = max(at, found.get(instant, at))
        return found

    def _is_old(self, by: str) -> bool:
        """Whether what an instant replaced was replaced long enough ago; it was if the timeline begins after it."""
        return by not in self._completed or self._listed.completed_at(by) < self._replaced_before

    def _is_past(self, instant: str) -> bool:
        return self._listed.completed_at(instant) < min(self._replaced_before, self._unreferenced_before)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _remove(timeline: HudiTimeline, names: list[str]) -> None:
    bucket, folder = split_uri(timeline.location)
    for start in range(0, len(names), _AT_ONCE):
        keys = [{"Key": f"{folder}/{name}"} for name in names[start : start + _AT_ONCE]]
        answer = timeline.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if failed := answer.get("Errors"):
            raise RuntimeError(f"s3://{bucket}/{failed[0]['Key']} is not removed: {failed[0].get('Code')}")
