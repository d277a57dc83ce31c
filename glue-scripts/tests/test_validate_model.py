"""Validation against a model in plain Python: random rows, and differences of every kind planted between the sides."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import random
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from dms import change, file
from formats import every_format, soak_format
from lake import Lake
from lakejobs.declared import Dataset
from lakejobs.manifest import Manifest
from pyspark.sql import types as T
from sources import Source, Validation
from specs import column, replicated

ID = "sales.deals"
SECRET = "pepper"
DEALS = replicated(
    "deals",
    [
        column("id", "bigint", required=True),
        column("region", required=True),
        column("note"),
        column("kind", rules=[{"kind": "set", "values": ["a", "b"]}]),
        column("amount", "decimal(12,3)"),
        column("ratio", "double"),
        column("at", "timestamp"),
        column("day", "date"),
        column("open", "boolean"),
        column("mail", protect="hash"),
        column("phone", protect={"kind": "mask", "first": 0, "last": 2, "rest": "*"}),
        column("gone", protect="drop"),
        column("hidden", protect="null"),
    ],
    ["id", "region"],
)
DEFINITION = (
    "id bigint, region text, note text, kind text, amount numeric, ratio double precision, at timestamptz,"
    " day date, open boolean, mail text, phone text, gone text, hidden text"
)
NAMES = [c["name"] for c in DEALS["columns"]]
STORED = [name for name in NAMES if name != "gone"]
TEXTS = [None, "", " ", "a", "A", "ä", "a\u0308", "𝄞", "a,b", 'q"q', "\\N", "null", "x" * 300]
ZONES = [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))]


def random_row(rng: random.Random, number: int) -> dict[str, Any]:
    """A row of the source. Few of its values break the declaration."""
    digits = rng.choice(["1", "1.5", "1.50000", "0", "-0.001", "123456789.123", "0.1"])
    when = datetime(2026, 1, 1, tzinfo=rng.choice(ZONES)) + timedelta(microseconds=rng.randrange(10**14))
    return {
        "id": number,
        "region": rng.choice(["", "eu", "é", "EU"]),
        "note": rng.choice(TEXTS),
        "kind": "z" if rng.random() < 0.03 else rng.choice(["a", "b", None]),
        "amount": None if rng.random() < 0.1 else Decimal("1.0001") if rng.random() < 0.03 else Decimal(digits),
        "ratio": math.nan if rng.random() < 0.03 else rng.choice([None, 0.0, -0.0, 0.1, 1e300, -5e-324, 3.0, 1e16]),
        "at": None if rng.random() < 0.1 else when,
        "day": rng.choice([None, date(1, 1, 1), date(1582, 10, 10), date(2024, 2, 29), date(9999, 12, 31)]),
        "open": rng.choice([None, True, False]),
        "mail": rng.choice([None, "", "ann@example.org", "böb@example.org"]),
        "phone": rng.choice([None, "", "1", "12", "0041 22 33", "𝄞𝄞𝄞"]),
        "gone": rng.choice(TEXTS),
        "hidden": rng.choice(TEXTS),
    }


def refusal(row: dict[str, Any]) -> bool:
    """Whether the declaration refuses the row."""
    amount = row["amount"]
    unfit = amount is not None and amount != amount.quantize(Decimal("0.001"))
    return row["kind"] == "z" or unfit or (row["ratio"] is not None and not math.isfinite(row["ratio"]))


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the lake has it."""
    mail, phone = row["mail"], row["phone"]
    return {
        **{name: row[name] for name in STORED},
        "mail": None if mail is None else hmac.new(SECRET.encode(), mail.encode(), hashlib.sha256).hexdigest(),
        "phone": None if phone is None else masked(phone),
        "hidden": None,
    }


def masked(text: str) -> str:
    return "*" * len(text) if len(text) <= 2 else "*" * (len(text) - 2) + text[-2:]


def meaning(row: dict[str, Any]) -> dict[str, Any]:
    """Values that are equal exactly where they mean the same."""
    found = dict(row)
    if row["amount"] is not None:
        found["amount"] = row["amount"].quantize(Decimal("0.001"))
    if row["ratio"] is not None:
        found["ratio"] = "NaN" if math.isnan(row["ratio"]) else row["ratio"] + 0.0
    if row["at"] is not None:
        found["at"] = row["at"].astimezone(UTC)
    return found


MUTATIONS = {
    "note": lambda v: {None: "", "": None}.get(v, f"{v}."),
    "kind": lambda v: "b" if v == "a" else "a",
    "amount": lambda v: Decimal("7.777") if v is None else v + Decimal("0.001"),
    "ratio": lambda v: math.nan if v in (None, 0.1, 3.0) else 2.5,
    "at": lambda v: None if v is not None else datetime(2026, 1, 1, tzinfo=UTC),
    "day": lambda v: date(2020, 1, 1),
    "open": lambda v: not v,
    "mail": lambda v: "0" * 64,
    "phone": lambda v: "plain 0041 22 33",
    "hidden": lambda v: "not hidden",
}


def sides(rng: random.Random, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The source's rows and the lake's: a copy in which some rows are missing, more, changed or twice."""
    source = [random_row(rng, n) for n in range(count)]
    lake = []
    for row in source:
        if refusal(row) and rng.random() < 0.7 or rng.random() < 0.05:
            continue
        # What the lake holds of a refused row is what was accepted before.
        fit = {"kind": "a", "amount": Decimal(1), "ratio": 1.0} if refusal(row) else {}
        copy = stored(row | fit)
        if rng.random() < 0.2:
            for name in rng.sample(sorted(MUTATIONS), rng.choice([1, 1, 2])):
                copy[name] = MUTATIONS[name](copy[name])
        lake.append(copy)
    lake += [stored(random_row(rng, count + n)) for n in range(3)]
    for row in lake[-3:]:
        row.update(kind="a", amount=None, ratio=None)
    for row in rng.sample(source, 3):
        source.append(row | {"note": "again"})
    return source, lake


class Expected:
    """What the model finds."""

    def __init__(self, source: list[dict[str, Any]], lake: list[dict[str, Any]]) -> None:
        ours, theirs = defaultdict(list), defaultdict(list)
        for row in source:
            ours[row["id"], row["region"]].append(row)
        for row in lake:
            theirs[row["id"], row["region"]].append(row)
        self.kinds: dict[tuple[int, str], str] = {}
        self.columns: dict[str, int] = dict.fromkeys(STORED, 0)
        self.changed: set[tuple[tuple[int, str], str]] = set()
        for key in {*ours, *theirs}:
            self._judge(key, ours[key], theirs[key])

    def _judge(self, key: tuple[int, str], ours: list[dict], theirs: list[dict]) -> None:
        if len(ours) > 1 or len(theirs) > 1:
            self.kinds[key] = "duplicated"
            return
        differ = []
        if ours and theirs:
            # A value that the declaration refuses is none.
            fit = ours[0] | ({"amount": None} if _unfit(ours[0]) else {}) | ({"ratio": None} if _nan(ours[0]) else {})
            one, other = meaning(stored(fit)), meaning(theirs[0])
            differ = [name for name in STORED if one[name] != other[name]]
            for name in differ:
                self.columns[name] += 1
        if ours and refusal(ours[0]):
            self.kinds[key] = "refused"
        elif not theirs:
            self.kinds[key] = "only_in_source"
        elif not ours:
            self.kinds[key] = "only_in_lake"
        elif differ:
            self.kinds[key] = "changed"
            self.changed |= {(key, name) for name in differ}


def _unfit(row: dict[str, Any]) -> bool:
    return row["amount"] is not None and row["amount"] != row["amount"].quantize(Decimal("0.001"))


def _nan(row: dict[str, Any]) -> bool:
    return row["ratio"] is not None and math.isnan(row["ratio"])


def declared(lake: Lake) -> Dataset:
    return Manifest.from_json(lake.manifest()).dataset(ID)


def plant(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """Makes the table as refine does, then puts these rows there, and a tombstone that nobody sees."""
    if lake.secret == "none":
        lake.secret = lake.clients.secrets.create_secret(Name=f"hash{lake.n}", SecretString=SECRET)["ARN"]
    lake.declare(DEALS)
    gone = [change(op, n, id=-1, region="gone") for n, op in enumerate("ID", 1)]
    lake.apply_changes(ID, file(gone, {"id": pa.int64(), "region": pa.string()}, ("id", "region")))
    table = lake.stored(ID)
    own = {"_batch_id": "b", "_generation": 1, "_sequence": "0" * 35, "_is_deleted": False}
    schema = T.StructType([T.StructField(n, T._parse_datatype_string(k)) for n, k in table.columns().items()])
    held = [tuple((row | own)[f.name] for f in schema) for row in rows]
    frame = lake.spark.createDataFrame(held, schema)
    table.publish(table.write(frame.coalesce(1), None, "planted", {}), table.main)
    if lake.spark.catalog.tableExists(lake.cleaned(ID)):
        lake.spark.sql(f"REFRESH TABLE {lake.cleaned(ID)}")


def check(lake: Lake, source: Source, seed: int, count: int) -> None:
    rng = random.Random(seed)
    ours, theirs = sides(rng, count)
    plant(lake, theirs)
    table = source.table(DEFINITION, [[row[name] for name in NAMES] for row in ours])
    validation = Validation(lake, source, {ID: table})
    ended = validation.run()
    want = Expected(ours, theirs)
    listed = validation.read("mismatches")
    found = {tuple(_key(m)): m["kind"] for m in listed}
    assert found == want.kinds, f"SEED={seed}"
    changed = {(tuple(_key(m)), m["column_name"]) for m in listed if m["kind"] == "changed"}
    assert changed == want.changed, f"SEED={seed}"
    assert ended["outcome"] == ("different" if want.kinds else "equal"), f"SEED={seed}"
    rows = validation.measure("rows")
    assert (rows["source_value"], rows["lake_value"]) == (str(len(ours)), str(len(theirs))), f"SEED={seed}"
    for name in STORED:
        measure = validation.measure("checksum", name)
        assert measure["differing"] == want.columns[name], f"SEED={seed}: {name}"
        assert measure["outcome"] == "equal" or want.kinds, f"SEED={seed}: {name}"
    assert validation.measure("checksum", "gone")["outcome"] == "not_compared"
    shown = [m["lake_value"] for m in listed] + [m["source_value"] for m in listed]
    assert not {"plain 0041 22 33", "not hidden", "0" * 64} & set(shown), f"SEED={seed}"
    assert not re.search("@example.org|0041", "".join(map(str, listed))), f"SEED={seed}"


def _key(mismatch: dict[str, Any]) -> list[Any]:
    key = json.loads(mismatch["row_key"])
    return [int(key["id"]), key["region"]]


@soak_format
def test_what_a_model_finds_is_found(lake: Lake, source: Source) -> None:
    check(lake, source, int(os.environ.get("SEED", random.randrange(10**6))), 80)


@pytest.mark.soak
@every_format
def test_soak(lake: Lake, source: Source) -> None:
    start = int(os.environ.get("SEED", random.randrange(10**6)))
    for seed in range(start, start + 20):
        lake.datasets.clear()
        made = Lake(lake.spark, lake.table_format)
        check(made, source, seed, 200)
        made.clear()


def test_the_model_finds_what_is_planted() -> None:
    """The model itself: sides that are equal have nothing, and one value makes one difference."""
    row = random_row(random.Random(1), 1) | {"kind": "a", "amount": Decimal("1.50"), "ratio": -0.0}
    same = stored(row) | {"amount": Decimal("1.500"), "ratio": 0.0}
    assert Expected([row], [same]).kinds == {}
    assert Expected([row], [same | {"open": "other"}]).changed == {((1, row["region"]), "open")}
    assert Expected([row, row], [same]).kinds == {(1, row["region"]): "duplicated"}
    assert Expected([row | {"ratio": math.nan}], [same]).kinds == {(1, row["region"]): "refused"}
