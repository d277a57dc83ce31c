"""Values on their way through the Parquet of DMS: read as declared, or refused with a reason."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from dms import parquet_bytes, seq
from lake import Lake
from lakejobs.declared_fields import dataset_of
from lakejobs.lists import FrozenList
from lakejobs.manifest import Landing
from lakejobs.refine.changes import conform_changes
from lakejobs.refine.rows import read_rows
from lakejobs.refine.source import settle, survey_source
from specs import column, replicated

T = datetime.datetime
INSTANT = pa.timestamp("us", "UTC")
# What the column holds in the file, the declared type, the value in the table (... for a refused row).
CASES: dict[str, tuple[pa.Array, str, Any]] = {
    "int2": (pa.array([7], pa.int16()), "int", 7),
    "int8": (pa.array([2**63 - 1], pa.int64()), "bigint", 2**63 - 1),
    "too_wide": (pa.array([2**31], pa.int64()), "int", ...),
    "real": (pa.array([0.5], pa.float32()), "double", 0.5),
    "nan": (pa.array([float("nan")], pa.float64()), "double", ...),
    "numeric": (pa.array([Decimal("1.500000")], pa.decimal128(28, 6)), "decimal(10,2)", Decimal("1.50")),
    "numeric_cut": (pa.array([Decimal("1.505000")], pa.decimal128(28, 6)), "decimal(10,2)", ...),
    "numeric_text": (pa.array(["1234567890123456789012345678901234567.8"]), "decimal(38,1)",
                     Decimal("1234567890123456789012345678901234567.8")),
    "bool_true": (pa.array(["true"]), "boolean", True),
    "bool_false": (pa.array(["false"]), "boolean", False),
    "bool_native": (pa.array([True]), "boolean", True),
    "bool_t": (pa.array(["t"]), "boolean", ...),
    "date": (pa.array([datetime.date(2024, 2, 29)]), "date", datetime.date(2024, 2, 29)),
    "time": (pa.array([45_296_789], pa.time32("ms")), "string", "12:34:56.789"),
    "time_whole": (pa.array([0], pa.time32("ms")), "string", "00:00:00"),
    "time_micros": (pa.array([86_399_999_999], pa.time64("us")), "string", "23:59:59.999999"),
    "stamp": (pa.array([T(2024, 1, 2, 3, 4, 5, 678901)], INSTANT), "timestamp", T(2024, 1, 2, 3, 4, 5, 678901)),
    "stamp_plain": (pa.array([T(2024, 1, 2, 3, 4, 5)], pa.timestamp("us")), "timestamp", T(2024, 1, 2, 3, 4, 5)),
    "infinity": (pa.array([T(9999, 12, 31, 23, 59, 59)], INSTANT), "timestamp", T(9999, 12, 31, 23, 59, 59)),
    "before_christ": (pa.array([-210_866_803_200_000_000], INSTANT), "timestamp", ...),
    "json": (pa.array(['{"a": 1.10}']), "string", '{"a": 1.10}'),
    "array": (pa.array(["{1,2}"]), "string", "{1,2}"),
    "empty": (pa.array([""]), "string", ""),
    "null": (pa.array([None], pa.string()), "string", None),
    "bytea": (pa.array([b"\xff\x00ab"]), "string", "\\xff006162"),
    "bytea_empty": (pa.array([b""]), "string", "\\x"),
    "bytea_null": (pa.array([None], pa.binary()), "string", None),
}  # fmt: skip


def test_values(lake: Lake) -> None:
    spec = replicated("typed", [column("id", "int", required=True), *(column(n, k) for n, (_, k, _) in CASES.items())],
                      ["id"])  # fmt: skip
    declared = dataset_of(spec, "test")
    columns = {"Op": pa.array(["I"]), "AR_H_CHANGE_SEQ": pa.array([seq(1)]), "id": pa.array([1], pa.int32())}
    body = parquet_bytes(pa.table({**columns, **{name: array for name, (array, _, _) in CASES.items()}}))
    landed = lake.land("erp/typed/20260101-000000001.parquet", body)
    landing = Landing("erp/typed/", declared.id, "Erp", 1)
    source = survey_source(lake.spark, declared, FrozenList("b", "test", declared.id, (landed,)), lambda _: landing)
    source = settle(lake.clients.s3, source, lake.buckets["artifacts"], "b")
    assert source.unreadable == ()
    (row,) = conform_changes(read_rows(lake.spark, declared, source.readable), declared, {}).collect()
    refused = sorted(f"type:{name}" for name, (_, _, want) in CASES.items() if want is ...)
    assert row["_reasons"] == refused
    for name, (_, _, want) in CASES.items():
        if want is not ...:
            assert row[name] == want, name
    raw = json.loads(bytes(row["_line"]))
    assert list(raw)[:4] == ["Op", "AR_H_CHANGE_SEQ", "BI_id", "id"]
    assert (raw["time"], raw["bytea"], raw["null"]) == ("12:34:56.789", "\\xff006162", None)


@pytest.mark.parametrize(
    ("array", "declared", "reason"),
    [
        (pa.array([Decimal("1.5")], pa.decimal128(28, 6)), "string", "decimal(28,6), which cannot be read as string"),
        (pa.array([1.5]), "decimal(5,2)", "holds double, which cannot be read as decimal(5,2)"),
        (pa.array([1], pa.time32("ms")), "timestamp", "holds time_millis, which cannot be read as timestamp"),
        (pa.array([b"1"]), "int", "holds binary, which cannot be read as int"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit(lake: Lake, array: pa.Array, declared: str, reason: str) -> None:
    dataset = dataset_of(replicated("odd", [column("id", "int", required=True), column("v", declared)], ["id"]), "test")
    table = {"Op": ["I"], "AR_H_CHANGE_SEQ": [seq(1)], "id": pa.array([1], pa.int32()), "v": array}
    landed = lake.land("erp/odd/20260101-000000001.parquet", parquet_bytes(pa.table(table)))
    source = survey_source(lake.spark, dataset, FrozenList("b", "test", dataset.id, (landed,)))
    assert reason in source.unreadable[0].reason
