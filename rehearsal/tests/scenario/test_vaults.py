"""The check of vaults against what landed."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from rehearsal.data.declared import Column, Dataset
from rehearsal.scenario.vaults import due, vaults

KEY = b"key"


def token(text: str) -> str:
    return "tok_" + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


def column(name: str, kind: str, protect: str, **form: str) -> Column:
    return Column(name, kind, False, protect, (), tuple(form.items()))


PEOPLE = Dataset(
    id="d.people", name="people", domain="d", load="append", keys=("id",), sequence=None, kind="csv", header=True,
    delimiter=",", null_value="", unique_key=False, max_quarantined_share=None, cleaned_database="c",
    quarantine_database="q", prefix="p/", stamp=None,
    columns=(column("id", "int", "tokenise", vault="ids"), column("mail", "string", "tokenise", vault="mail"),
             column("boss", "int", "tokenise", vault="ids"), column("card", "string", "hash")),
)  # fmt: skip


def test_every_token_is_due_with_its_text() -> None:
    secrets = {"": b"own", "vault ids": KEY, "vault mail": KEY}
    found = due([(1, "a@x", 2, "c"), (2, None, None, "c")], PEOPLE, secrets)
    assert found == {"ids": {token("1"): "1", token("2"): "2"}, "mail": {token("a@x"): "a@x"}}


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([("1", "1")], None),
        ([("1", "1"), ("9", "9")], None),
        ([("1", "2")], "stands for 2, not 1"),
        ([("9", "9")], "stands for nothing, not 1"),
        ([("1", "1"), ("1", "1")], "1 tokens are there more than once"),
    ],
)
def test_a_vault_has_each_token_once_with_its_value(rows: list[tuple[str, str]], finding: str | None) -> None:
    held = [{"token": token(t), "value": v} for t, v in rows]
    check = vaults({"ids": {token("1"): "1"}}, {"ids": held})
    assert check.ok == (finding is None)
    assert finding is None or finding in check.findings[0]
