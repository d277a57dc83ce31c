"""DynamoDB: conditions and transactions under concurrency."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


@pytest.fixture
def table(account: Account) -> str:
    name = account.name("table")
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    account.dynamodb.create_table(
        TableName=name,
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def key(pk: str, sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def number(account: Account, table: str, pk: str) -> int | None:
    item = account.dynamodb.get_item(TableName=table, Key=key(pk), ConsistentRead=True).get("Item")
    return int(item["n"]["N"]) if item else None


def together(tasks: list[Callable[[], None]]) -> list[BaseException]:
    """Run tasks at once; the errors."""
    errors: list[BaseException] = []

    def body(task: Callable[[], None]) -> None:
        try:
            task()
        except ClientError as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_of_many_conditional_puts_one_wins(account: Account, table: str) -> None:
    def put(n: int) -> None:
        account.dynamodb.put_item(
            TableName=table,
            Item={**key("x"), "n": {"N": str(n)}},
            ConditionExpression="attribute_not_exists(pk)",
        )

    errors = together([lambda n=n: put(n) for n in range(8)])
    assert len(errors) == 7
    assert {e.response["Error"]["Code"] for e in errors} == {"ConditionalCheckFailedException"}


def test_updates_are_not_lost(account: Account, table: str) -> None:
    def add() -> None:
        account.dynamodb.update_item(
            TableName=table,
            Key=key("x"),
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    assert together([add] * 16) == []
    assert number(account, table, "x") == 16


def test_a_transaction_writes_all_or_nothing(account: Account, table: str) -> None:
    account.dynamodb.put_item(TableName=table, Item={**key("a"), "n": {"N": "1"}})
    good = {"Put": {"TableName": table, "Item": {**key("b"), "n": {"N": "2"}}}}
    check = {"TableName": table, "Key": key("a"), "ConditionExpression": "n = :n"}
    bad = {"ConditionCheck": {**check, "ExpressionAttributeValues": {":n": {"N": "7"}}}}
    with pytest.raises(ClientError) as caught:
        account.dynamodb.transact_write_items(TransactItems=[good, bad])
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [r["Code"] for r in caught.value.response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert number(account, table, "b") is None
    fine = {"ConditionCheck": {**check, "ExpressionAttributeValues": {":n": {"N": "1"}}}}
    account.dynamodb.transact_write_items(TransactItems=[good, fine])
    assert number(account, table, "b") == 2


def test_a_repeated_transaction_is_made_once(account: Account, table: str) -> None:
    absent = {"TableName": table, "ConditionExpression": "attribute_not_exists(pk)"}
    first = [{"Put": {**absent, "Item": {**key("once"), "n": {"N": "1"}}}}]
    token = account.name("token")[:36]
    for _ in range(2):
        account.dynamodb.transact_write_items(TransactItems=first, ClientRequestToken=token)
    assert number(account, table, "once") == 1
    other = [{"Put": {**absent, "Item": {**key("other"), "n": {"N": "1"}}}}]
    with pytest.raises(ClientError) as caught:
        account.dynamodb.transact_write_items(TransactItems=other, ClientRequestToken=token)
    assert caught.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
    with pytest.raises(ClientError) as caught:
        account.dynamodb.transact_write_items(TransactItems=first)
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"


def test_a_transaction_that_fails_late_is_undone(account: Account, table: str) -> None:
    account.dynamodb.put_item(TableName=table, Item={**key("text"), "n": {"S": "no number"}})
    good = {"Put": {"TableName": table, "Item": {**key("b"), "n": {"N": "2"}}}}
    values = {":one": {"N": "1"}}
    update = {"TableName": table, "Key": key("text"), "UpdateExpression": "SET n = n + :one"}
    with pytest.raises(ClientError):
        account.dynamodb.transact_write_items(
            TransactItems=[good, {"Update": {**update, "ExpressionAttributeValues": values}}]
        )
    assert number(account, table, "b") is None


def test_one_item_twice_in_a_transaction_is_refused(account: Account, table: str) -> None:
    part = {"Put": {"TableName": table, "Item": {**key("b"), "n": {"N": "2"}}}}
    with pytest.raises(ClientError, match="multiple operations on one item"):
        account.dynamodb.transact_write_items(TransactItems=[part, part])


def test_transactions_move_amounts_without_losing_any(account: Account, table: str) -> None:
    """Transfers guarded by what was read: failed ones leave nothing behind, and readers see no half of one."""
    names = ["a", "b", "c"]
    for name in names:
        account.dynamodb.put_item(TableName=table, Item={**key(name), "n": {"N": "100"}})
    sums: list[int] = []

    def move(give: str, take: str) -> None:
        for _ in range(5):
            before = {name: number(account, table, name) for name in (give, take)}
            parts = [
                {
                    "Update": {
                        "TableName": table,
                        "Key": key(name),
                        "UpdateExpression": "SET n = :after",
                        "ConditionExpression": "n = :before",
                        "ExpressionAttributeValues": {
                            ":before": {"N": str(before[name])},
                            ":after": {"N": str(before[name] + change)},
                        },
                    }
                }
                for name, change in ((give, -7), (take, 7))
            ]
            account.dynamodb.transact_write_items(TransactItems=parts)

    def look() -> None:
        for _ in range(10):
            items = account.dynamodb.transact_get_items(
                TransactItems=[{"Get": {"TableName": table, "Key": key(name)}} for name in names]
            )["Responses"]
            sums.append(sum(int(item["Item"]["n"]["N"]) for item in items))

    together([lambda: move("a", "b"), lambda: move("b", "c"), lambda: move("c", "a"), look])
    assert set(sums) == {300}
    assert sum(number(account, table, name) for name in names) == 300


def test_an_index_is_queried_in_order(account: Account) -> None:
    name = account.name("table")
    schema = [{"AttributeName": "d", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}]
    index = {"IndexName": "by_d", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
    account.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in ("pk", "d", "at")],
        GlobalSecondaryIndexes=[index],
        BillingMode="PAY_PER_REQUEST",
    )
    for pk, at in (("1", "b"), ("2", "a"), ("3", "c")):
        account.dynamodb.put_item(TableName=name, Item={"pk": {"S": pk}, "d": {"S": "x"}, "at": {"S": at}})
    account.dynamodb.put_item(TableName=name, Item={"pk": {"S": "4"}})
    found = account.dynamodb.query(
        TableName=name,
        IndexName="by_d",
        KeyConditionExpression="d = :d AND #at BETWEEN :a AND :b",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":d": {"S": "x"}, ":a": {"S": "a"}, ":b": {"S": "b"}},
    )["Items"]
    assert [item["at"]["S"] for item in found] == ["a", "b"]
