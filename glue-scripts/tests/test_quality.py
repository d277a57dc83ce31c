"""Quality rules: each fails where it should and nowhere else, and a batch is blocked, warned of or applied by it."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from conftest import ROOT
from dms import change, file
from lake import Lake
from lakejobs.declared_fields import dataset_of
from lakejobs.refine.conform import REASONS, conform
from lakejobs.refine.outcome import Tally
from lakejobs.refine.quality import measure
from lakejobs.refine.quality.judge import Quality, Result
from lakejobs.refine.quality.measure import Measures
from pyspark.sql import functions as F
from specs import column, dataset, replicated

TABLES = json.loads((ROOT / "constructs/catalog/job_tables.json").read_bytes())
COLUMNS = [name for name, _ in TABLES["quality_results"]]
FROZEN = "2026-01-10T12:00:00.000000Z"


def rule(kind: str, policy: str = "block", **more: Any) -> dict:
    given = {"range": {"min": None, "max": None}, "freshness": {}, "row_count": {}}
    threshold = {} if kind in ("freshness", "row_count", "query") else {"threshold": None}
    return {"kind": kind, **given.get(kind, {}), "policy": policy, **threshold, **more}


def table(*rules: dict, name: str = "measured", **columns: list[dict]) -> dict:
    kinds = {"id": "bigint", "size": "int", "text": "string", "day": "date", "at": "timestamp"}
    declared = [column(n, kind, required=n == "id", rules=columns.get(n, ())) for n, kind in kinds.items()]
    declared.append(column("secret", protect="drop", rules=columns.get("secret", ())))
    return dataset(name, declared, ["id"], rules=list(rules))


NAMES = ("id", "size", "text", "day", "at", "secret")
HEADER = ",".join(NAMES) + "\n"


def stored(lake: Lake, record: dict, folder: str) -> list[dict]:
    key = f"quality/{folder}/{record['pk'].removeprefix('batch#')}.json"
    body = lake.s3.get_object(Bucket=lake.buckets["artifacts"], Key=key)["Body"].read().decode()
    return [json.loads(line) for line in body.splitlines()]


def results(lake: Lake, record: dict) -> dict[str, dict]:
    """The stored results of a batch, by rule."""
    rows = stored(lake, record, "results")
    assert len({r["rule"] for r in rows}) == len(rows)
    assert all(list(r) == COLUMNS for r in rows), "as the table in Athena reads them"
    return {r["rule"]: r for r in rows}


def apply(lake: Lake, spec: dict, *lines: str, frozen_at: str = FROZEN) -> dict:
    lake.declare(spec)
    n = next(_BATCH)
    objects = [lake.land(f"in/q{n}.csv", HEADER + "".join(f"{line}\n" for line in lines))]
    item = lake.freeze(spec["id"], objects, frozen_at=frozen_at)
    lake.refine([item])
    return lake.batch(item)


_BATCH = iter(range(1, 10_000))

# Rules, lines of which they fail, the rule's id, what is observed and how many rows fail.
FAILING = [
    ({"text": [rule("completeness", threshold=0.75)]}, ["1,,x,,,", "2,,,,,", "3,,y,,,"], "completeness:text", 2 / 3, 1),
    ({"secret": [rule("completeness", threshold=1)]}, ["1,,,,,x", "2,,,,,"], "completeness:secret", 0.5, 1),
    ({"size": [rule("range", min="1", max="5")]}, ["1,1,,,,", "2,6,,,,", "3,,,,,"], "range:size", 2 / 3, 1),
    ({"size": [rule("range", min="1", threshold=0.6)]}, ["1,1,,,,", "2,0,,,,"], "range:size", 0.5, 1),
    ({"text": [rule("set", values=["a", "b"])]}, ["1,,a,,,", "2,,c,,,"], "set:text", 0.5, 1),
    ({"text": [rule("pattern", regex="^[a-z]$")]}, ["1,,a,,,", "2,,ab,,,"], "pattern:text", 0.5, 1),
    ({"at": [rule("freshness", seconds=3600)]}, ["1,,,,2026-01-10 10:59:59.5,"], "freshness:at", 3600.5, 0),
    (
        {"day": [rule("freshness", seconds=43_199)]},
        ["1,,,2026-01-09,,", "2,,,2026-01-08,,"],
        "freshness:day",
        43_200,
        0,
    ),
    ({"day": [rule("freshness", seconds=3600)]}, ["1,,,,,"], "freshness:day", None, 0),
]
PASSING = [
    ({"text": [rule("completeness", threshold=0.5)]}, ["1,,x,,,", "2,,,,,"], "completeness:text", 0.5, 1),
    ({"text": [rule("completeness", threshold=1)]}, ["1,,x,,,", "x,,,,,"], "completeness:text", 1, 0),
    ({"text": [rule("completeness", threshold=1)]}, [], "completeness:text", None, 0),
    ({"size": [rule("range", min="1", max="5")]}, ["1,1,,,,", "2,5,,,,", "3,,,,,"], "range:size", 1, 0),
    ({"size": [rule("range", min="1", threshold=0.5)]}, ["1,1,,,,", "2,0,,,,"], "range:size", 0.5, 1),
    ({"at": [rule("freshness", seconds=3600)]}, ["1,,,,2026-01-10 11:00:00,", "2,,,,,"], "freshness:at", 3600, 0),
    ({"day": [rule("freshness", seconds=43_200)]}, ["1,,,2026-01-09,,"], "freshness:day", 43_200, 0),
    ({"day": [rule("freshness", seconds=60)]}, ["1,,,2026-01-11,,"], "freshness:day", -129_600, 0),
    ({"at": [rule("freshness", seconds=60)]}, [], "freshness:at", None, 0),
]  # fmt: skip


def judged(lake: Lake, spec: dict, *lines: str) -> Result:
    """The result of the one rule in a batch that is measured, and not applied."""
    declared = dataset_of(spec, "test")
    quality = Quality(
        declared,
        "batch",
        "manifest",
        FROZEN,
        load=False,
        history=lambda _: (),
        values=lambda *_: None,
        store=lambda *_: None,
    )
    measures = Measures()
    if lines:
        texts = [[text or None for text in line.split(",")] for line in lines]
        kinds = "_object int, _line binary, _malformed boolean, " + ", ".join(f"_text_{n} string" for n in NAMES)
        rows = lake.spark.createDataFrame([(0, b"", False, *fields) for fields in texts], kinds)
        figures = measure.figures(quality.checks, F.size(REASONS) == 0)
        measures = measure.measured(quality.checks, conform(rows, declared, {}).agg(*figures).first())
    (result,) = quality.judge(measures, Tally({"read": len(lines)}, {}))
    return result


@pytest.mark.parametrize("passed", [False, True])
def test_each_rule_where_it_fails_and_where_it_holds(lake: Lake, passed: bool) -> None:
    for columns, lines, name, observed, failed in PASSING if passed else FAILING:
        result = judged(lake, table(**columns), *lines)
        assert (result.check.id, result.passed, result.rows_failed) == (name, passed, failed), (columns, lines)
        assert result.observed == (observed if observed is None else pytest.approx(observed)), (columns, lines)
        assert result.reason.startswith(f"rule {name}: observed ") and ", expected " in result.reason


def test_a_failing_rule_blocks(lake: Lake) -> None:
    spec = table(size=[rule("range", max="5")], at=[rule("freshness", seconds=3600)])
    good = apply(lake, spec, "1,1,,,2026-01-10 11:30:00,", "2,5,,,,")
    assert (good["state"], good["rules_failed"]) == ("applied", 0)
    before = lake.snapshots(lake.cleaned(spec["id"]))
    record = apply(lake, spec, "3,1,,,2026-01-10 09:00:00,", "4,,,,,", "x,,,,,")
    assert (record["state"], record["code"], record["rules_failed"]) == ("blocked", "gate", 1)
    assert record["reason"] == "rule freshness:at: observed 10800, expected newest value at most 3600 seconds old"
    assert lake.counts(record) == {"read": 3, "blocked": 3}
    found = {name: (r["passed"], r["rows_judged"]) for name, r in results(lake, record).items()}
    assert found == {"range:size": (True, 2), "freshness:at": (False, 2)}
    assert lake.rows(lake.cleaned(spec["id"]), "id") == [(1,), (2,)], "nothing of it is on main"
    assert lake.snapshots(lake.cleaned(spec["id"])) == before
    assert not lake.spark.catalog.tableExists(lake.quarantine(spec["id"]))


def test_warnings_are_told_and_applied(lake: Lake) -> None:
    spec = table(
        rule("sql", "warn", name="small", condition="size < 10 AND text <> 'x'"),
        rule("sql", "quarantine", name="sane", condition="size <> 13"),
        rule("sql", "quarantine", name="secretive", condition="secret IS NULL OR length(secret) < 3"),
        name="warned",
        size=[rule("range", "quarantine", max="90"), rule("range", "warn", max="50"), rule("range", "warn", max="5")],
        text=[rule("completeness", "warn", threshold=0.9)],
    )
    lines = ["1,1,a,,,", "2,20,,,,", "3,60,x,,,", "4,91,a,,,", "5,13,a,,,", "6,,a,,,", "7,1,a,,,long"]
    record = apply(lake, spec, *lines)
    assert lake.counts(record) == {"read": 7, "inserted": 4, "quarantined": 3}
    assert record["reasons"] == {"range:size": 1, "sql:sane": 1, "sql:secretive": 1}
    assert (record["rules_failed"], record["rules_warned"]) == (0, 4)
    found = {
        name: (r["policy"], r["passed"], r["rows_judged"], r["rows_failed"])
        for name, r in results(lake, record).items()
    }
    assert found == {
        "range:size": ("quarantine", False, 7, 1), "range:size:2": ("warn", False, 4, 1),
        "range:size:3": ("warn", False, 4, 2), "completeness:text": ("warn", False, 4, 1),
        "sql:small": ("warn", False, 4, 2), "sql:sane": ("quarantine", False, 7, 1),
        "sql:secretive": ("quarantine", False, 7, 1),
    }  # fmt: skip
    again = lake.again({"batch": record["pk"].removeprefix("batch#"), "dataset": spec["id"], "token": 0,
                        "list_uri": record["list_uri"], "manifest": record["manifest"]})  # fmt: skip
    assert results(lake, again) == results(lake, record), "twice is once"


def test_what_is_blocked_once_mended(lake: Lake) -> None:
    """Every blocking rule that fails is named, beside the gate; a replay's results take the place of those before."""
    spec = table(name="mended", size=[rule("range", max="5")], text=[rule("completeness", threshold=1)])
    record = apply(lake, spec | {"gate": {"max_quarantined_share": 0.1, "min_rows": None}}, "1,6,,,,", "x,1,a,,,")
    assert record["rules_failed"] == 2
    for part in ("1 of 2 rows quarantined", "rule range:size: observed 0, ", "rule completeness:text: observed 0, "):
        assert part in record["reason"]
    item = {"batch": record["pk"].removeprefix("batch#"), "dataset": spec["id"], "list_uri": record["list_uri"]}
    lake.declare(table(name="mended", size=[rule("range", max="6")]))
    lake.put(record["pk"], "batch", {**{k: v for k, v in record.items() if k not in ("pk", "sk")}, "state": "frozen"})
    lake.refine([item | {"manifest": lake.pin(), "token": 0, "force": False}])
    mended = lake.batch(item)
    assert (mended["state"], mended["rules_failed"]) == ("applied", 0)
    assert [r["passed"] for r in results(lake, mended).values()] == [True]


def test_row_counts_are_compared_with_those_before(lake: Lake) -> None:
    spec = table(rule("row_count", factor=2.0, batches=2), name="counted")
    before = [(1, "applied", {}), (9, "empty", {}), (11, "applied", {}), (500, "applied", {"load": 1}),
              (70, "blocked", {}), (70, "failed", {}), (10, "frozen", {"prior_state": "applied"})]  # fmt: skip
    for hour, (read, state, more) in enumerate(before):
        item = {"dataset": spec["id"], "state": state, "counts": {"read": read}, **more}
        lake.put(f"batch#{hour}", "batch", item | {"frozen_at": f"2026-01-10T{hour:02}:00:00.000000Z"})

    def batch(rows: int, hour: float) -> tuple[str, float | None]:
        lines = [f"{next(ids)},,,,," for _ in range(rows)]
        record = apply(lake, spec, *lines, frozen_at=f"2026-01-10T{hour:02}:30:00.000000Z")
        (row,) = results(lake, record).values()
        assert row["passed"] == (record["state"] == "applied")
        return f"{record['state']} {record['reason']}".strip(), row["observed"]

    ids = iter(range(1, 1000))
    expected = "to 21 rows: within a factor of 2 of the mean of the last 2 batches"
    assert batch(1, 0) == ("applied", None), "there is one before it"
    assert batch(3, 1) == ("applied", 3), "what was frozen before it has 9 rows and 1, whatever came since"
    assert batch(5, 10) == (f"blocked rule row_count: observed 5, expected 5.25 {expected}", 5)
    assert batch(6, 11) == ("applied", 6)


def test_of_changes_deletes_are_not_judged(lake: Lake) -> None:
    spec = replicated(
        "parcels",
        [column("id", "bigint", required=True), column("note", rules=[rule("completeness", threshold=1)])],
        ["id"],
        rules=[rule("sql", "quarantine", name="noted", condition="note <> 'bad'")],
    )
    lake.declare(spec)
    types = {"id": pa.int64(), "note": pa.string()}
    moved = change("U", 2, {"id": 1}, id=2, note="b")
    rows = [change("I", 1, id=1, note="a"), moved, change("D", 3, id=2), change("I", 4, id=3, note="bad")]
    record = lake.apply_changes("sales.parcels", file(rows, types))
    assert (record["state"], record["reasons"]) == ("applied", {"sql:noted": 1})
    assert results(lake, record)["completeness:note"]["rows_judged"] == 2
    record = lake.apply_changes("sales.parcels", file([change("I", 5, id=4)], types))
    assert (record["state"], record["rules_failed"]) == ("blocked", 1)


@pytest.mark.parametrize(
    "condition", ["nosuch > 1", "size", "sum(size) > 1", "size > (", "lag(size) OVER (ORDER BY id) > 1"]
)
def test_a_condition_that_is_none_fails_the_batch(lake: Lake, condition: str) -> None:
    record = apply(lake, table(rule("sql", name="wrong", condition=condition), name="wrong"), "1,1,,,,")
    assert (record["state"], record["code"]) == ("failed", "error")
    assert "sql:wrong" in record["reason"] and condition in record["reason"]


def test_profiles(lake: Lake) -> None:
    spec = table(name="profiled") | {"profile": True}
    spec["columns"] += [
        column("price", "decimal(20,10)"), column("ratio", "double"), column("ok", "boolean"),
        column("who", protect="hash"), column("none", "bigint"),
    ]  # fmt: skip
    lake.secret = lake.clients.secrets.create_secret(Name="profiled", SecretString="s")["ARN"]
    lake.declare(spec)
    body = "id,size,text,day,at,price,ratio,ok,who\n1,-5,a,2026-01-02,2026-01-02 10:00:00.5,0.0000000001,0.5,true,x\n"
    body += "2,7,,2025-12-31,,12.5,1.5,true,x\n3,7,häuser,,,,,,y\nx,99,zzzzzzzzz,,,,,,\n"
    record = lake.apply("sales.profiled", body)
    rows = stored(lake, record, "profiles")
    assert [list(r) for r in rows] == [[name for name, _ in TABLES["quality_profiles"]]] * 10
    found = {r["column_name"]: [r["nulls"], r["distinct_approx"], r["min"], r["max"], r["mean"], r["min_length"],
                                r["max_length"]] for r in rows}  # fmt: skip
    no = [None] * 3
    assert {r["rows_judged"] for r in rows} == {3}
    assert found == {
        "id": [0, 3, "1", "3", 2, None, None], "size": [0, 2, "-5", "7", 3, None, None],
        "text": [1, 2, *no, 1, 6], "day": [1, 2, "2025-12-31", "2026-01-02", *no],
        "at": [2, 1, "2026-01-02 10:00:00.5", "2026-01-02 10:00:00.5", *no],
        "price": [1, 2, "0.0000000001", "12.5000000000", pytest.approx(6.25), None, None],
        "ratio": [1, 2, "0.5", "1.5", 1, None, None], "ok": [1, 1, *no, None, None], "who": [0, 2, *no, None, None],
        "none": [3, 0, *no, None, None],
    }  # fmt: skip
