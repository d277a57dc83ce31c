"""Columns that are tokenised, and the vaults that turn their tokens back."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from formats import every_format, soak_format
from lake import Lake
from lakejobs.errors import JobFailed
from lakejobs.iceberg import Table
from lakejobs.refine.job import refine
from lakejobs.tables.interface import Moved
from parts import AT_LEAST_ZERO, ID, PARTS, delete, insert, part, update
from snapshots import DAY
from specs import column, dataset, upkeep
from vaults import MAIL, token, vault, with_keys

PEOPLE = dataset(
    "people",
    [column("mail", required=True, protect=MAIL), column("seq", "bigint", required=True),
     column("other", protect=MAIL), column("age", "int", rules=[{"kind": "range", "min": "0", "max": None}])],
    ["mail"],
    "seq",
)  # fmt: skip
HEADER = "mail,seq,other,age\n"


def stored(lake: Lake, name: str, *columns: str) -> set[str]:
    """The tokens that a table holds."""
    return {value for row in lake.rows(lake.cleaned(name), *columns) for value in row if value is not None}


@every_format
def test_tokens_are_turned_back(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(PEOPLE)
    first = lake.apply("sales.people", HEADER + "a@x,1,b@x,1\nc@x,1,,2\nz@x,1,bad@x,-1\na@x,0,old@x,1\n")
    assert lake.counts(first) == {"read": 4, "inserted": 2, "quarantined": 1, "superseded": 1}
    assert vault(lake) == {token(v): v for v in ("a@x", "b@x", "c@x")}, "what no table has is in no vault"
    assert lake.rows(lake.cleaned("sales.people"), "mail", "seq", "other", "age") == sorted(
        [(token("a@x"), 1, token("b@x"), 1), (token("c@x"), 1, None, 2)]
    )
    before = lake.snapshots(lake.vault("mail"))
    second = lake.apply("sales.people", HEADER + "a@x,2,c@x,5\n")
    assert lake.counts(second) == {"read": 1, "updated": 1}
    assert lake.snapshots(lake.vault("mail")) == before, "a batch without new values writes nothing"
    (row,) = [r for r in lake.now(lake.vault("mail")).collect() if r["value"] == "a@x"]
    assert row["first_batch"] == first["pk"].removeprefix("batch#") and row["first_seen"] is not None


def test_a_blocked_batch_keeps_no_values(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(PEOPLE | {"gate": {"max_quarantined_share": 0.1, "min_rows": None}})
    blocked = lake.apply("sales.people", HEADER + "a@x,1,,1\nb@x,1,,-1\n")
    assert blocked["state"] == "blocked"
    assert vault(lake) == {}


def test_vaults_are_apart_and_shared(lake: Lake) -> None:
    """Datasets of one vault have one token for a value, which joins; another vault's key makes another one."""
    with_keys(lake, "mail", "sms")
    other = lake.clients.secrets.create_secret(Name=f"other{lake.n}", SecretString="else")["ARN"]
    lake.token_keys = lake.token_keys.split(",")[0] + f",sms={other}"
    lake.declare(PEOPLE)
    orders = dataset("orders", [column("id", "int"), column("mail", protect=MAIL),
                                column("phone", "bigint", protect=MAIL | {"vault": "sms"})], ["id"])  # fmt: skip
    lake.declare(orders)
    lake.apply("sales.people", HEADER + "a@x,1,,1\n")
    lake.apply("sales.orders", "id,mail,phone\n1,a@x,7\n2,b@x,7\n")
    assert vault(lake) == {token("a@x"): "a@x", token("b@x"): "b@x"}
    ((phone, text),) = vault(lake, "sms").items()
    assert text == "7" and phone != token("7") and stored(lake, "sales.orders", "phone") == {phone}


def moments(r: random.Random) -> datetime:
    return datetime(1, 1, 1) + timedelta(microseconds=r.randrange(9_000 * 365 * 86_400_000_000))


def written(value: Any) -> str:
    """Without an exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


TYPES: dict[str, tuple[Callable[[random.Random], Any], Callable[[str], Any]]] = {
    "string": (lambda r: "".join(r.choices("aZ0 äß漢😀\u0301-;'\\", k=r.randint(1, 6))), str),
    "boolean": (lambda r: r.random() < 0.5, lambda t: {"true": True, "false": False}[t]),
    "int": (lambda r: r.randint(-(1 << 31), (1 << 31) - 1), int),
    "bigint": (lambda r: r.choice([r.randint(-(1 << 63), (1 << 63) - 1), r.randint(-3, 3)]), int),
    "double": (lambda r: r.choice([r.uniform(-1e9, 1e9), float(r.randint(-3, 3)), 1e300, 1e-300]) + 0.0, float),
    "decimal(12,2)": (lambda r: Decimal(r.randint(-(10**12) + 1, 10**12 - 1)).scaleb(-2), Decimal),
    "decimal(38,20)": (lambda r: Decimal(r.randint(-(10**15), 10**15)).scaleb(-20), Decimal),
    "date": (lambda r: date(1, 1, 1) + timedelta(days=r.randrange(3_650_000)), date.fromisoformat),
    "timestamp": (moments, datetime.fromisoformat),
}
"""Of each type how a value is drawn, and how the text that a vault gives back is read."""


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(1 << 32)])
def test_every_value_comes_back(lake: Lake, seed: int) -> None:
    """Tokens are equal where values are, and a vault gives each back. The seed of a failure is in the test's name."""
    r = random.Random(seed)
    with_keys(lake, *[f"v{i}" for i in range(len(TYPES))])
    columns = [column(f"c{i}", kind, protect={"kind": "tokenise", "vault": f"v{i}"}) for i, kind in enumerate(TYPES)]
    lake.declare(dataset("kinds", [column("id", "int", required=True), *columns], ["id"]))
    pools = [[draw(r) for _ in range(40)] for draw, _ in TYPES.values()]
    rows = [[None if r.random() < 0.1 else r.choice(pool) for pool in pools] for _ in range(120)]
    lines = [",".join([str(i), *("" if v is None else f'"{written(v)}"' for v in row)]) for i, row in enumerate(rows)]
    record = lake.apply("sales.kinds", "\n".join([",".join(["id", *(c["name"] for c in columns)]), *lines]) + "\n")
    assert lake.counts(record) == {"read": 120, "inserted": 120}
    found = lake.rows(lake.cleaned("sales.kinds"), "id", *(c["name"] for c in columns))
    for i, (_, read) in enumerate(TYPES.values()):
        kept, values = vault(lake, f"v{i}"), [row[i] for row in rows]
        tokens = [row[i + 1] for row in found]
        assert [None if t is None else read(kept[t]) for t in tokens] == values
        pairs = {(t, v) for t, v in zip(tokens, values, strict=True) if v is not None}
        assert len({t for t, _ in pairs}) == len({v for _, v in pairs}) == len(pairs) == len(kept)


@soak_format
@pytest.mark.parametrize("victim", ["vault", "table", "ledger"])
def test_a_killed_run_leaves_no_token_without_its_value(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """Killed before or after each commit, and run again: what a table shows is in the vault at every moment, once."""
    with_keys(lake, "mail")
    lake.declare(PEOPLE)
    lake.apply("sales.people", HEADER + "a@x,1,,1\n")

    def sound() -> None:
        assert stored(lake, "sales.people", "mail", "other") <= set(vault(lake))

    for n, after in enumerate((False, True)):
        item = lake.freeze(
            "sales.people", [lake.land(f"in/{victim}{n}.csv", HEADER + f"a@x,{n + 2},b{n}@x,1\nc{n}@x,1,,1\n")]
        )
        kill(monkeypatch, lake, victim, after)
        with pytest.raises(JobFailed, match="killed"):
            refine(lake.spark, lake.start([item]), lake.clients)
        monkeypatch.undo()
        sound()
        lake.refine([item])
        assert lake.batch(item)["state"] == "applied"
        sound()
    values = ["a@x", *(f"{c}{n}@x" for c in "bc" for n in range(2))]
    assert vault(lake) == {token(v): v for v in values}
    assert stored(lake, "sales.people", "mail", "other") == {token(v) for v in values} - {token("b0@x")}


def kill(monkeypatch: pytest.MonkeyPatch, lake: Lake, victim: str, after: bool) -> None:
    """Has the run die right before or after a commit of the vault, of the table, or of the ledger."""
    if victim == "ledger":
        from lakejobs.ledger import Ledger

        holder, name = Ledger, "finish"
    else:
        holder, name = (Table if victim == "vault" else lake.table_class), "publish"
    real = getattr(holder, name)

    def die(self: Any, *asked: Any, **more: Any) -> Any:
        ours = victim == "ledger" or (self.name.endswith(".tokens") == (victim == "vault"))
        ours = ours and (victim == "ledger" or "quarantine" not in self.name)
        if not ours:
            return real(self, *asked, **more)
        if after:
            real(self, *asked, **more)
        raise ConnectionError("killed")

    monkeypatch.setattr(holder, name, die)


def test_runs_at_once_keep_a_value_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the search of the vault and the append, another run keeps the same value."""
    with_keys(lake, "mail")
    lake.declare(PEOPLE)
    lake.declare(PEOPLE | {"id": "sales.staff", "name": "staff"})
    lake.apply("sales.people", HEADER + "a@x,1,,1\n")
    real, asleep, met = Table.publish, [], []

    def overtaken(self: Table, *asked: Any) -> None:
        if self.name.endswith(".tokens") and not asleep:
            asleep.append(self)
            met.append(lake.apply("sales.staff", HEADER + "b@x,1,c@x,1\n"))
            with pytest.raises(Moved):
                real(self, *asked)
            raise Moved("late")
        real(self, *asked)

    monkeypatch.setattr(Table, "publish", overtaken)
    record = lake.apply("sales.people", HEADER + "b@x,1,d@x,1\n")
    assert met[0]["state"] == record["state"] == "applied"
    assert vault(lake) == {token(v): v for v in ("a@x", "b@x", "c@x", "d@x")}


def test_datasets_of_one_run_share_a_vault(lake: Lake) -> None:
    with_keys(lake, "mail")
    names = ["people", "staff", "guests"]
    items = []
    for name in names:
        lake.declare(PEOPLE | {"id": f"sales.{name}", "name": name})
        body = HEADER + "".join(f"{i}@x,1,{name}@x,1\n" for i in range(30))
        items.append((f"sales.{name}", lake.land(f"in/{name}.csv", body)))
    batches = [lake.freeze(name, [landed]) for name, landed in items]
    lake.refine(batches)
    assert [lake.batch(b)["state"] for b in batches] == ["applied"] * 3
    assert set(vault(lake).values()) == {f"{i}@x" for i in [*range(30), *names]}


def test_keys_of_changes_are_turned_back(lake: Lake) -> None:
    """Tombstones, and the old key of a change of keys, have tokens too."""
    with_keys(lake, "ids")
    columns = [c | ({"protect": {"kind": "tokenise", "vault": "ids"}, "class": "personal"} if c["name"] == "id" else {})
               for c in PARTS["columns"]]  # fmt: skip
    lake.declare(PARTS | {"columns": columns})
    lake.apply_changes(ID, part(insert(1, 1, "a"), insert(2, 2, "b")))
    record = lake.apply_changes(ID, part(delete(3, 7), update(4, 3, "b", old=2), delete(5, 1)))
    assert record["state"] == "applied"
    rows = lake.rows(lake.cleaned(ID), "id", "_is_deleted")
    assert set(rows) == {(token("1"), True), (token("2"), True), (token("3"), False), (token("7"), True)}
    assert vault(lake, "ids") == {token(str(n)): str(n) for n in (1, 2, 3, 7)}


def test_every_load_has_its_tokens_turned_back(lake: Lake) -> None:
    """Snapshots, rows without a key, and corrections: of each the vault has what the table shows, and no more."""
    with_keys(lake, "mail")
    people = [column("mail", required=True, protect=MAIL), column("age", "int", rules=AT_LEAST_ZERO)]

    def turned_back(item: dict, wanted: list[tuple]) -> None:
        name, kept = item["dataset"], vault(lake)
        found = [(kept[t], age) for t, age in lake.rows(lake.cleaned(name), "mail", "age")]
        assert lake.batch(item)["state"] == "applied" and sorted(found) == wanted

    whole = {"load": "snapshot", "delivery": {"stamp": DAY}}
    whole |= {"gate": {"max_quarantined_share": None, "min_rows": None, "max_deleted_share": 1}}
    for name, keys, more in (("whole", ["mail"], whole), ("loose", [], whole), ("events", [], {})):
        lake.declare(dataset(name, people, keys, **more))
        for day, lines in enumerate((f"{name}1@x,1\n{name}2@x,-1\n", f"{name}1@x,2\n{name}3@x,3\n"), 1):
            key = f"files/sales/{name}/2026-01-0{day}.csv"
            item = lake.freeze(f"sales.{name}", [lake.land(key, "mail,age\n" + lines)])
            lake.refine([item])
            rows = [(f"{name}1@x", 1)] if day == 1 or not more else []
            turned_back(item, rows + ([(f"{name}1@x", 2), (f"{name}3@x", 3)] if day == 2 else []))
    assert set(vault(lake).values()) == {f"{n}{i}@x" for n in ("whole", "loose", "events") for i in (1, 3)}

    lake.declare(dataset("fixed", people, ["mail"]))
    item = lake.freeze("sales.fixed", [lake.land("in/fixed.csv", "mail,age\nfixed1@x,-1\nfixed2@x,1\n")])
    lake.refine([item])
    (row,) = lake.correct(item, ("fixed1@x,-1", {"age": "5", "mail": "fixed3@x"}))
    assert row["outcome"] == "inserted", row
    turned_back(item, [("fixed2@x", 1), ("fixed3@x", 5)])
    assert "fixed1@x" not in vault(lake).values()


def test_the_key_of_a_vault_is_pinned(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(PEOPLE)
    lake.apply("sales.people", HEADER + "a@x,1,,1\n")
    lake.clients.secrets.put_secret_value(SecretId=lake.token_keys.partition("=")[2], SecretString="new")
    refused = lake.apply("sales.people", HEADER + "b@x,1,,1\n")
    assert refused["code"] == "schema"
    assert (
        "mail, other is protected with version" in refused["reason"]
        and "the key of the vault 'mail'" in refused["reason"]
    )
    lake.token_keys = "none"
    missing = lake.apply("sales.people", HEADER + "b@x,1,,1\n")
    assert "mail, other under the key of the vault 'mail'" in missing["reason"]
    lake.declare(
        PEOPLE
        | {"columns": [*PEOPLE["columns"][:2], column("other", protect=MAIL | {"vault": "m2"}), PEOPLE["columns"][3]]}
    )
    with_keys(lake, "mail", "m2")
    moved = lake.apply("sales.people", HEADER + "b@x,1,,1\n")
    assert moved["code"] == "schema" and "the protection of other has changed" in moved["reason"]
    assert vault(lake) == {token("a@x"): "a@x"}


def test_vaults_are_maintained(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(PEOPLE | upkeep(snapshot_seconds=86400))
    for n in range(3):
        lake.apply("sales.people", HEADER + f"{n}@x,1,,1\n")
    before = vault(lake)
    row = lake.maintain(force=True)[f"test_mail_vault_{lake.n}.tokens"]
    assert (row["owner"], row["state"]) == ("vault mail", "done")
    assert (row["files_before"], row["files_after"]) == (3, 1)
    assert vault(lake) == before and len(before) == 3
    later = lake.maintain(timedelta(days=8))[f"test_mail_vault_{lake.n}.tokens"]
    assert later["snapshots_expired"] == 3 and vault(lake) == before
    assert lake.get("lease#vault/mail", "lease")["state"] == "free"
    assert f"test_mail_vault_{lake.n}.tokens" not in lake.maintain(dataset="sales.people")
    lake.apply("sales.people", HEADER + "9@x,1,,1\n")
    assert len(vault(lake)) == 4
