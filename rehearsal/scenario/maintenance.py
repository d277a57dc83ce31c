"""The maintenance of a lake's tables, asked for as an operator does, and what must come of it."""

from __future__ import annotations

import json
from typing import Any

import duckdb

from rehearsal.scenario.checks import Check
from rehearsal.scenario.lake import Lake

Digest = tuple[int, int]
"""How many rows a table has, and a sum over all of them that does not depend on their order."""

STATEMENT = "forced maintenance changes no row and builds no model anew, and leaves fewer files"


def start(lake: Lake) -> None:
    """Starts the state machine, so that whatever has two files is compacted."""
    machine = lake.machine("Declared")
    lake.cloud.client("stepfunctions").start_execution(stateMachineArn=machine, input='{"force": true}')


def digests(lake: Lake) -> dict[str, Digest]:
    """By `database.table`."""
    found = {}
    for database, table in lake.tables():
        held = lake.table(database, table)
        if held is None:
            continue
        query = "SELECT count(*), coalesce(sum(hash(held)::HUGEINT), 0) FROM held"
        (found[f"{database}.{table}"],) = duckdb.from_arrow(held).query("held", query).fetchall()
    return found


def results(lake: Lake) -> list[dict[str, Any]]:
    """The rows of every run of maintenance so far."""
    s3, found = lake.cloud.client("s3"), []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=lake.artifacts_bucket, Prefix="maintenance/"):
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=lake.artifacts_bucket, Key=item["Key"])["Body"].read()
            found += [json.loads(line) for line in body.splitlines()]
    return found


def judge(
    before: dict[str, Digest],
    after: dict[str, Digest],
    curated: dict[str, list[int]],
    curated_after: dict[str, list[int]],
    rows: list[dict[str, Any]],
) -> Check:
    """`curated` are the snapshots of curated tables before and after maintenance and another publication."""
    findings = [
        f"{name}: {after.get(name, ('no',))[0]} rows, {before.get(name, ('no',))[0]} before, or other ones"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    findings += [f"{name} was built anew" for name in curated_after if curated_after[name] != curated.get(name)]
    findings += [f"{r['owner']}: {r['state']}, {r['detail']}" for r in rows if r["state"] != "done"]
    files = [sum(r[f"files_{when}"] + r[f"delete_files_{when}"] for r in rows) for when in ("before", "after")]
    if not files[1] < files[0]:
        findings.append(f"{files[1]} files, {files[0]} before: nothing was compacted")
    return Check("maintenance", f"{STATEMENT} ({files[0]} before, {files[1]} after)", tuple(findings))
