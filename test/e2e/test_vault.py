"""A vault in the deployed lake: killed runs leave no token without its value, and who may turn tokens back."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from effects import effect, named
from shop import Shop

from rehearsal.cloud.faults import When
from rehearsal.scenario import athena
from rehearsal.scenario.lake import Query

pytestmark = [pytest.mark.cloud, pytest.mark.spark]

SELLERS = "files/shop/sellers/"
HEADER = "tax_id,change_seq,stands_in_for,since\n"
EFFECTS = ["refine: vault data", "refine: UpdateTable vault", "refine: UpdateTable vault #2"]
FRESH = ["refine: CreateTable vault", "refine: UpdateTable vault #3"]

DETOKENISE = """
SELECT CAST(v.value AS bigint), CAST(w.value AS bigint), s.since
FROM shop_shop_cleaned.sellers s
JOIN shop_sellers_vault.tokens v ON v.token = s.tax_id
LEFT JOIN shop_sellers_vault.tokens w ON w.token = s.stands_in_for
"""


def stored(shop: Shop) -> set[str]:
    rows = shop.lake.rows("shop_shop_cleaned", "sellers", ["tax_id", "stands_in_for"])
    return {token for row in rows for token in row.values() if token is not None}


def vault(shop: Shop) -> dict[str, str]:
    rows = shop.lake.rows("shop_sellers_vault", "tokens")
    assert len({row["token"] for row in rows}) == len(rows), "a token is there twice"
    return {row["token"]: row["value"] for row in rows}


def land(shop: Shop, n: int) -> None:
    """A new seller, who stands in for another new one; and seller 1, who does so from now on."""
    shop.put(f"{SELLERS}{n}.csv", HEADER + f"1,{n},{n}01,2026-01-01\n{n}00,1,{n}01,2026-01-02\n")


def killed(shop: Shop, n: int, name: str, when: When) -> None:
    base, _, number = name.partition(" #")
    plan = shop.cloud.faults.kill(lambda call: effect(call) == base, nth=int(number or 1), when=when)
    land(shop, n)
    for _ in range(8):
        shop.settle()
        assert stored(shop) <= set(vault(shop)), f"after a kill {when} {name}"
        if not shop.lake.ledger().open():
            break
        shop.age_leases()
        shop.sweep()
    assert plan.call is not None, f"no call was {name}"
    shop.cloud.faults.clear()
    assert not shop.lake.ledger().open()


EVERY = [(name, when) for name in (*FRESH[:1], *EFFECTS) for when in ("before", "after")]


@pytest.mark.parametrize("points", [EVERY[1::6], pytest.param(EVERY, marks=pytest.mark.soak)], ids=["two", "every"])
def test_killed_runs_leave_no_token_without_its_value(shop: Shop, points: list[tuple[str, When]]):
    """The first batch makes the vault, later ones add to it; each is killed at an effect on it."""
    emptied = 1
    for n, (name, when) in enumerate(points, 1):
        if name in FRESH:
            shop.reset()
            emptied = n
        killed(shop, n, name, when)
    batches = [b["state"] for b in shop.lake.ledger().batches()]
    assert set(batches) == {"applied"}
    landed = range(emptied, len(points) + 1)
    numbers = {1, *(100 * n for n in landed), *(100 * n + 1 for n in landed)}
    assert sorted(map(int, vault(shop).values())) == sorted(numbers)


def test_the_effects_on_a_vault_are_named(shop: Shop):
    for n, expected in enumerate(([*FRESH, *EFFECTS], EFFECTS), 1):
        shop.cloud.faults.clear()
        land(shop, n)
        shop.settle()
        found = [name for name in named(shop.cloud.faults.calls) if " vault" in name]
        assert sorted(found) == sorted(expected)
        order = named(shop.cloud.faults.calls)
        last = max(i for i, name in enumerate(order) if name.startswith("refine: UpdateTable vault"))
        assert last < max(i for i, name in enumerate(order) if name.startswith("refine: UpdateTable cleaned"))


def test_who_may_turn_tokens_back(shop: Shop):
    land(shop, 1)
    shop.settle()
    (secret,) = [
        arn
        for r in shop.deployment.of_type("AWS::Glue::Job")
        if (told := r.properties["DefaultArguments"]).get("--token_keys", "none") != "none"
        for arn in [told["--token_keys"].partition("=")[2]]
    ]
    key = shop.cloud.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"].encode()
    tokens = {"tok_" + hmac.new(key, v.encode(), hashlib.sha256).hexdigest()[:32]: v for v in ("1", "100", "101")}
    assert vault(shop) == tokens and stored(shop) == set(tokens)

    def ask(role: str, sql: str, workgroup: str) -> list[tuple]:
        (made,) = [r for r in shop.deployment.of_type("AWS::IAM::Role") if role in r.logical_id]
        arn = shop.cloud.client("iam").get_role(RoleName=made.physical_id)["Role"]["Arn"]
        return athena.run(shop.cloud.client("athena", arn), Query(role, sql, workgroup))

    lookup = "SELECT token, value FROM shop_sellers_vault.tokens"
    assert dict(ask("Clerk", lookup, "shop-vault-sellers")) == tokens
    found = sorted(ask("Auditor", DETOKENISE, "shop-vault-sellers"))
    assert [(a, b, str(c)) for a, b, c in found] == [(1, 101, "2026-01-01"), (100, 101, "2026-01-02")]
    cleaned = "SELECT tax_id FROM shop_shop_cleaned.sellers"
    assert {row[0] for row in ask("Analyst", cleaned, "shop")} < set(tokens)
    for role, sql, workgroup in [
        ("Analyst", lookup, "shop"),
        ("Analyst", cleaned, "shop-vault-sellers"),
        ("Clerk", cleaned, "shop-vault-sellers"),
        ("Clerk", lookup, "shop"),
        ("Auditor", "SELECT batch FROM shop_operations.batches", "shop-vault-sellers"),
    ]:
        with pytest.raises(Exception) as refused:
            ask(role, sql, workgroup)
        denied = [d for d in shop.cloud.denials if role in d.role]
        assert denied, f"{role} was refused {sql} in {workgroup} for another reason: {refused.value}"
        shop.cloud.clear_denials()
    bucket = next(b for b in shop.deployment.of_type("AWS::S3::Bucket") if "Vault" in b.logical_id).physical_id
    listed = shop.cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    results = [o["Key"] for o in listed if not o["Key"].startswith("vault/")]
    assert results and all(key.startswith("athena/shop-vault-sellers/") for key in results)
