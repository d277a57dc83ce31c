"""Erasure reaches the vaults: what no row has any more is in none, and what a row has is."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from dms import change, file
from erasures import batch_of, next_second, of, put
from formats import every_format
from lake import Lake
from lakejobs.erase.job import erase
from lakejobs.errors import JobFailed
from lakejobs.iceberg import Table
from specs import column, dataset, replicated
from vaults import MAIL, token, vault, with_keys

PHONE = {"kind": "tokenise", "vault": "phone"}
PEOPLE = dataset(
    "people",
    [column("mail", required=True, protect=MAIL), column("seq", "bigint", required=True),
     column("phone", "bigint", protect=PHONE)],
    ["mail"],
    "seq",
    subject={"name": "person", "column": "mail"},
)  # fmt: skip
ORDERS = dataset(
    "orders",
    [column("id", "bigint", required=True), column("seq", "bigint", required=True), column("mail", protect=MAIL),
     column("phone", "bigint", protect=PHONE)],
    ["id"],
    "seq",
    subject={"name": "person", "column": "mail"},
)  # fmt: skip
LETTERS = dataset("letters", [column("id", "bigint"), column("mail", protect=MAIL)], ["id"])


def tokens_of(lake: Lake) -> dict[str, set[str]]:
    """The tokens that rows have, by vault."""
    found: dict[str, set[str]] = {"mail": set(), "phone": set()}
    for name in lake.datasets:
        table = lake.now(lake.cleaned(name))
        for vault_name in found if table is not None else ():
            if vault_name in table.columns:
                found[vault_name] |= {r[0] for r in table.select(vault_name).collect() if r[0] is not None}
    return found


def in_files(lake: Lake, name: str, folder: Path) -> set[str]:
    """What the vault's files hold, whatever readers are shown of them."""
    found = set()
    for (path,) in lake.spark.sql(f"SELECT file_path FROM {lake.vault(name)}.data_files").collect():
        local = folder / path.rsplit("/", 1)[-1]
        local.write_bytes(lake.clients.read(path))
        found |= {value for (value,) in duckdb.sql(f"SELECT value FROM '{local}'").fetchall()}
    return found


@every_format
def test_what_no_row_has_is_in_no_vault(lake: Lake, tmp_path: Path) -> None:
    with_keys(lake, "mail", "phone")
    for spec in (PEOPLE, ORDERS, LETTERS):
        lake.declare(spec)
    people = batch_of(lake, "sales.people", put(lake, "1.csv", "mail,seq,phone\na@x,1,11\nb@x,1,22\n", "people"))
    first = "id,seq,mail,phone\n1,1,a@x,33\n2,1,b@x,11\n3,1,c@x,44\n"
    orders = batch_of(lake, "sales.orders", put(lake, "1.csv", first, "orders"))
    batch_of(lake, "sales.orders", put(lake, "2.csv", "id,seq,mail,phone\n1,2,a@x,55\n3,2,a@x,44\n", "orders"))
    batch_of(lake, "sales.letters", put(lake, "1.csv", "id,mail\n1,c@x\n", "letters"))
    assert set(vault(lake, "phone").values()) == {"11", "22", "33", "44", "55"}, "33 is of nobody any more"

    rows = lake.erase("e1", "person", "a@x")
    assert set(vault(lake).values()) == {"b@x", "c@x"}, "another dataset still writes to c@x"
    assert set(vault(lake, "phone").values()) == {"11", "22"}, "what another row has stays"
    assert {name: set(vault(lake, name)) for name in ("mail", "phone")} == tokens_of(lake)
    assert in_files(lake, "phone", tmp_path) == {"11", "22"}
    told = {(r["dataset"], r["action"]): r for r in rows if r["zone"] == "vault" and r["dataset"]}
    assert told["vault mail", "erased"]["row_count"] == 1 and told["vault phone", "erased"]["row_count"] == 3
    assert told["vault phone", "verified"]["row_count"] == 0
    assert told["vault phone", "erased"]["version_before"] != told["vault phone", "erased"]["version_after"]
    assert "earlier states are removed 7 days after" in told["vault mail", "remains"]["rule"]
    assert [r["detail"] for r in rows if r["zone"] == "vault" and not r["dataset"]] == [
        "results of queries that turned tokens back: not searched"]  # fmt: skip

    for item in (people, orders):
        lake.again(item)
    assert set(vault(lake).values()) == {"b@x", "c@x"}, "no replay brings them back"
    batch_of(lake, "sales.people", put(lake, "3.csv", "mail,seq,phone\nd@x,1,33\n", "people"))
    assert vault(lake)[token("d@x")] == "d@x" and vault(lake, "phone")[token("33")] == "33", "somebody else's"
    again = lake.erase("e2", "person", "a@x", expire_history=True)
    assert [r["row_count"] for r in again if r["zone"] == "vault" and r["action"] == "erased"] == [0, 0]
    assert {r["rule"].split(";")[0] for r in of(again, "remains", "vault", "vault mail")} == {
        "earlier states were removed now"}  # fmt: skip
    assert len(list(Table.load(lake.spark, lake.vault("mail")).loaded.snapshots())) == 1


def test_the_keys_of_deleted_rows(lake: Lake) -> None:
    """A tombstone has a token and no value, and a replay of what was erased brings no value."""
    with_keys(lake, "mail")
    cards = replicated(
        "cards",
        [column("id", "bigint", required=True, protect=MAIL), column("owner"), column("note", protect=MAIL)],
        ["id"],
        subject={"name": "person", "column": "owner"},
    )
    lake.declare(cards)
    columns = {"id": pa.int64(), "owner": pa.string(), "note": pa.string()}
    item = lake.changes("sales.cards", file([
        change("I", 1, id=1, owner="a", note="n1"), change("I", 2, id=2, owner="b", note="n2"),
        change("I", 3, id=3, owner="b", note="n3"), change("D", 4, id=3)], columns))  # fmt: skip
    lake.refine([item])
    assert set(vault(lake).values()) == {"1", "2", "3", "n1", "n2"}
    waiting = lake.changes("sales.cards", file([
        change("U", 5, id=1, owner="a", note="n5"), change("I", 6, id=6, owner="a", note="n6")], columns))  # fmt: skip
    lake.erase("e1", "person", "a")
    assert set(vault(lake).values()) == {"2", "n2"}
    assert len(lake.rows(lake.cleaned("sales.cards"), "id")) == 3, "the order of changes is kept"
    lake.refine([waiting])
    assert lake.counts(lake.batch(waiting))["erased"] == 2
    assert lake.counts(lake.again(item)["rerun"])["erased"] == 1
    assert len(lake.rows(lake.cleaned("sales.cards"), "id")) == 4
    assert set(vault(lake).values()) == {"2", "n2"}
    next_second()
    later = lake.changes("sales.cards", file([change("U", 9, id=1, owner="a", note="n9")], columns))
    lake.refine([later])
    assert {"1", "n9"} <= set(vault(lake).values()), "what is delivered anew is theirs to give"


def test_what_a_dataset_has_brought_that_is_declared_no_more(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(ORDERS | {"columns": ORDERS["columns"][:3]})
    lake.declare(LETTERS)
    batch_of(lake, "sales.letters", put(lake, "1.csv", "id,mail\n1,l@x\n2,m@x\n", "letters"))
    batch_of(lake, "sales.orders", put(lake, "1.csv", "id,seq,mail\n1,1,a@x\n2,1,m@x\n", "orders"))
    del lake.datasets["sales.letters"]
    rows = lake.erase("e1", "person", "a@x", "m@x")
    assert set(vault(lake).values()) == {"l@x", "m@x"}
    (told,) = of(rows, "unsearched", "vault", "vault mail")
    assert (told["row_count"], told["until"]) == (2, "never")
    assert told["detail"] == "were brought by sales.letters, which is declared no more"


def test_what_a_batch_has_brought_that_the_ledger_does_not_know(lake: Lake) -> None:
    """A ledger that was restored has forgotten it. Where else its values are cannot be told: they stay."""
    with_keys(lake, "mail")
    lake.declare(ORDERS | {"columns": ORDERS["columns"][:3]})
    lost = batch_of(lake, "sales.orders", put(lake, "1.csv", "id,seq,mail\n1,1,a@x\n2,1,b@x\n"))
    batch_of(lake, "sales.orders", put(lake, "2.csv", "id,seq,mail\n1,2,c@x\n2,2,d@x\n"))
    batch_of(lake, "sales.orders", put(lake, "3.csv", "id,seq,mail\n1,3,e@x\n"))
    key = {"pk": {"S": f"batch#{lost['batch']}"}, "sk": {"S": "batch"}}
    lake.dynamodb.delete_item(TableName=lake.ledger_table, Key=key)
    rows = lake.erase("e1", "person", "d@x")
    assert set(vault(lake).values()) == {"a@x", "b@x", "e@x"}
    (told,) = of(rows, "unsearched", "vault", "vault mail")
    assert (told["row_count"], told["until"]) == (2, "never")
    assert told["detail"] == f"were brought by batch {lost['batch']}, which the ledger does not know"


def test_a_column_that_is_declared_no_more(lake: Lake) -> None:
    """Batches are refused until it is declared again; until then its tokens are rows' still."""
    with_keys(lake, "mail")
    both = [*LETTERS["columns"], column("other", protect=MAIL)]
    lake.declare(ORDERS | {"columns": ORDERS["columns"][:3]})
    lake.declare(LETTERS | {"columns": both})
    batch_of(lake, "sales.letters", put(lake, "1.csv", "id,mail,other\n1,l@x,o@x\n", "letters"))
    lake.declare(LETTERS)
    batch_of(lake, "sales.orders", put(lake, "1.csv", "id,seq,mail\n1,1,a@x\n", "orders"))
    lake.erase("e1", "person", "a@x")
    assert set(vault(lake).values()) == {"l@x", "o@x"}


def test_a_dataset_that_writes_to_the_vault_is_waited_for(lake: Lake) -> None:
    with_keys(lake, "mail")
    lake.declare(ORDERS | {"columns": ORDERS["columns"][:3]})
    lake.declare(LETTERS)
    batch_of(lake, "sales.orders", put(lake, "1.csv", "id,seq,mail\n1,1,a@x\n2,1,b@x\n", "orders"))
    lake.end_runs()
    lake.lease("sales.letters", f"{'a' * 32}-1")
    arguments = lake.erasing("e1", "person", "a@x")
    with pytest.raises(JobFailed, match=r"Busy: others held the lease sales\.letters"):
        erase(lake.spark, arguments, lake.clients, sleep=lambda _: None)
    assert set(vault(lake).values()) == {"a@x", "b@x"}
    lake.put("lease#sales.letters", "lease", {"state": "free", "run": "x", "token": 9, "expires": 0})
    erase(lake.spark, arguments, lake.clients)
    assert set(vault(lake).values()) == {"b@x"}
