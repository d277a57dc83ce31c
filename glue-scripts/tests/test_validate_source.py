"""What is asked of PostgreSQL, by PostgreSQL's own answer; and what a validation may show of a key."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake import Lake
from lakejobs.declared import Column
from lakejobs.shapes import ShapeError
from lakejobs.validate.rendering import among, as_text, findable, literal, ranges
from lakejobs.validate.shown import row_key
from lakejobs.validate.source import Login, url
from lakejobs.validate.source import Source as Declared
from sources import Source, Validation
from specs import column, replicated


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**40), st.integers(1, 64))
def test_ranges_leave_no_number_out_and_none_twice(low: int, span: int, parts: int) -> None:
    high = min(low + span, 2**63 - 1)
    found = ranges("n", str(low), str(high), parts)
    assert 1 <= len(found) <= parts
    for n in {low, high, (low + high) // 2, low - 1, high + 1}:
        assert sum(eval(_python(one), {"n": n}) for one in found) == 1, (n, found)
    assert sum("IS NULL" in one or one == "true" for one in found) == 1, "NULL is in one of them"


def _python(condition: str) -> str:
    """The condition in Python, of a number that is there."""
    plain = condition.replace('"n" IS NULL', "False").replace('"n"', "n").replace("true", "True")
    return plain.replace(" AND ", " and ").replace(" OR ", " or ")


def test_a_table_is_read_whole_in_ranges(source: Source) -> None:
    rng = random.Random(7)
    for kind, values in {
        "numeric": [None, "1.5", "-3", "1e20", "7.25", "0.0001"],
        "bigint": [None, *(rng.randrange(-(2**63), 2**63) for _ in range(40))],
        "smallint": [3, 3, 3],
        "integer": [],
    }.items():
        name = source.table(f"k {kind}", [[v] for v in values] or ())
        low, high = source.sql.execute(f"SELECT min(k)::text, max(k)::text FROM {name}").fetchone()
        found = [source.sql.execute(f"SELECT count(*) FROM {name} WHERE {c}").fetchone()[0]
                 for c in ranges("k", low, high, 5)]  # fmt: skip
        assert sum(found) == len(values), (kind, found)


def test_keys_are_found_whatever_their_text(source: Source) -> None:
    texts = ["", "a", "it's", 'q"q', "back\\slash", "ä𝄞", "a,b", "x' OR 'x' = 'x", "$$"]
    name = source.table('"Id" bigint, k text', [[n, text] for n, text in enumerate(texts)])
    key = [("Id", "int8", "bigint"), ("k", "text", "string")]
    for n, text in enumerate(texts):
        asked = among(key, [(str(n), text), ("99", "none")])
        found = source.sql.execute(f"SELECT k FROM {name} WHERE {asked}".replace("%", "%%")).fetchall()
        assert found == [(text,)]
    other = source.table("d date, u uuid, n numeric(6,3), s smallint")
    kinds = [("d", "date", "date"), ("u", "uuid", "string"), ("n", "numeric", "decimal(9,2)"), ("s", "int2", "bigint")]
    assert all(findable(kind, declared) for _, kind, declared in kinds)
    source.sql.execute(f"INSERT INTO {other} VALUES ('2024-02-29', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1.5, 7)")
    keys = [
        ("2024-02-29", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1.50", "7"),
        ("2024-03-01", "no uuid", "2.00", "99999"),
    ]
    assert source.sql.execute(f"SELECT count(*) FROM {other} WHERE {among(kinds, keys)}").fetchone() == (1,)
    assert not findable("text", "bigint") and not findable("timestamptz", "timestamp"), "one value has many texts"


def test_values_are_written_as_the_lake_takes_them(source: Source) -> None:
    source.sql.execute("SET TIME ZONE 'UTC'; SET lc_monetary = 'C'")
    for value, kind, want in [
        ("'2024-02-29 10:11:12.5+02'", "timestamptz", "2024-02-29 08:11:12.5"),
        ("'2024-02-29 10:11:12'", "timestamp", "2024-02-29 10:11:12"),
        ("true", "bool", "true"), ("'ab'", "bpchar(5)", "ab"), ("'$1,234.50'", "money", "1234.50"),
        ("1.50", "numeric", "1.50"), ("'\\x00ff'", "bytea", "\\x00ff"), ("'NaN'", "float8", "NaN"),
    ]:  # fmt: skip
        sql = f"SELECT {as_text('v', kind.split('(')[0])} FROM (SELECT {value}::{kind} AS v) AS t"
        assert source.sql.execute(sql).fetchone()[0] == want


def test_a_source_is_read_strictly() -> None:
    told = {"name": "Erp", "database": "a b/c", "schema": "s", "ssl": "require", "connections": 1, "tables": {}}
    login = Login("::1", 5432, "u", "secret")
    assert url(Declared.parse(json.dumps(told)), login).startswith(
        "jdbc:postgresql://[::1]:5432/a%20b%2Fc?sslmode=require&"
    )
    assert "sslmode=disable" in url(Declared.parse(json.dumps(told | {"ssl": "none"})), login)
    assert "secret" not in repr(login) + url(Declared.parse(json.dumps(told)), login)
    with pytest.raises(ShapeError, match="source.connections: is 65; allowed: 1 to 64"):
        Declared.parse(json.dumps(told | {"connections": 65}))
    with pytest.raises(ShapeError, match="source.ssl: is 'prefer'"):
        Declared.parse(json.dumps(told | {"ssl": "prefer"}))
    assert literal("a'b") == "'a''b'"


@pytest.mark.parametrize(
    ("protect", "text", "shown"),
    [
        ("none", "x" * 300, "x" * 200 + "… (300 characters)"),
        ("hash", "0f" * 32, "0f" * 32),
        ("hash", "ann@example.org", "(not shown)"),
        ("null", "anything", "(not shown)"),
        ("none", None, None),
    ],
)
def test_a_key_shows_no_more_than_its_protection_leaves(protect: str, text: str | None, shown: Any) -> None:
    key = Column("k", "string", "", True, "internal", protect, ())
    assert json.loads(row_key([key], [text])) == {"k": shown}


def test_a_hashed_key_is_compared_and_looked_at_again(lake: Lake, source: Source) -> None:
    """The source cannot be asked for a hash, so it is read again as a whole."""
    lake.secret = lake.clients.secrets.create_secret(Name=f"hash{lake.n}", SecretString="pepper")["ARN"]
    people = lake.declare(
        replicated("people", [column("mail", required=True, protect="hash"), column("age", "int")], ["mail"])
    )
    name = source.table("mail text PRIMARY KEY, age smallint", [("ann@x", 1), ("bob@x", 2)])
    validation = Validation(lake, source, {people["id"]: name}, more={"look_again": 1})
    slept: list[float] = []
    assert validation.run(sleep=slept.append)["outcome"] == "different" and slept == [60]
    hashed = {hmac.new(b"pepper", text, hashlib.sha256).hexdigest() for text in (b"ann@x", b"bob@x")}
    listed = validation.read("mismatches")
    assert {json.loads(m["row_key"])["mail"] for m in listed} == hashed
    assert {m["kind"] for m in listed} == {"only_in_source"}


def test_a_key_under_another_secret_is_told(lake: Lake, source: Source) -> None:
    people = lake.declare(replicated("people", [column("mail", required=True, protect="hash")], ["mail"]))
    validation = Validation(lake, source, {people["id"]: source.table("mail text")})
    with pytest.raises(Exception, match="without the secret of the own key of the lake"):
        validation.run()
