"""What no source says of DMS: each is a switch, so that a rehearsal can be run under every setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Unverified:
    """Behaviours of DMS that are not documented, or documented as unpredictable.

    empty_sequence: what an "empty" header variable is in the Parquet of a full load. Default: `null`.
    before_image_at_load: whether LOAD files have the before-image columns, as NULL. Default: `null`.
    before_image_of_same_key: before-image columns of an update that leaves the key alone. Default: `value`.
    key_change: what becomes of an update of the primary key. The user guide calls it ignored in one place and
    unpredictable in another; `update` is one U row with the new key and the old one in the before-image columns.
    Default: `update`.
    unchanged_large_value: a value stored out of line that an update left alone, which the log does not carry:
    `null`, or `looked_up` (its present value is read from the table). Default: `null`.
    sequence_on_resume: whether rows that are delivered again carry the change sequence they had (`kept`) or new
    ones, higher than any before (`renumbered`). Default: `kept`.
    reload_deletes: what reload-target and a first start remove from a table's folder: `nothing`, `load_files`
    (LOAD files only) or `folder`. Default: `nothing`.
    zoned_timestamp: timestamps with time zone as UTC, or as local time of the source's TimeZone. Default: `utc`.
    timestamp_annotation: whether Parquet timestamps are annotated as UTC (as TIMESTAMP_MICROS is by definition) or as
    local. Default: `utc`.
    before_image_position: where the before-image columns stand in transaction files, which name no column: before the
    columns that rules add, or after them. Default: `before_added`.
    decimal_overflow: a numeric without precision that does not fit DECIMAL(28,6): `null`, or `error` (which
    DataErrorPolicy rules). Digits beyond the sixth are rounded. Default: `null`.
    """

    empty_sequence: Literal["null", "empty"] = "null"
    before_image_at_load: Literal["null", "absent"] = "null"
    before_image_of_same_key: Literal["value", "null"] = "value"
    key_change: Literal["update", "ignored"] = "update"
    unchanged_large_value: Literal["null", "looked_up"] = "null"
    sequence_on_resume: Literal["kept", "renumbered"] = "kept"
    reload_deletes: Literal["nothing", "load_files", "folder"] = "nothing"
    zoned_timestamp: Literal["utc", "source"] = "utc"
    timestamp_annotation: Literal["utc", "local"] = "utc"
    before_image_position: Literal["before_added", "after_added"] = "before_added"
    decimal_overflow: Literal["null", "error"] = "null"


OTHER = Unverified(
    empty_sequence="empty",
    before_image_at_load="absent",
    before_image_of_same_key="null",
    unchanged_large_value="looked_up",
    sequence_on_resume="renumbered",
    reload_deletes="folder",
    zoned_timestamp="source",
    timestamp_annotation="local",
    before_image_position="after_added",
)
"""Every switch the other way but the two whose other setting loses rows by itself (key_change, decimal_overflow): a
lake must come out the same under both."""
