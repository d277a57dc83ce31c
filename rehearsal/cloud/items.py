"""DynamoDB: transactions.

Stock moto evaluates conditions right, but copies every item of the tables for each transaction and puts the copies
back when it fails; a write of another request in between is lost. Here conditions are judged first, then all writes
are made; the gateway performs the requests of DynamoDB one at a time, so a transaction is seen whole or not at all.
Stock moto also ignores the client request token, so a call that an SDK repeats after a lost answer fails by its own
first write; here it succeeds without writing again.
"""

from __future__ import annotations

import copy
import json
import time
from typing import Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    DynamodbException,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.responses import DynamoHandler

from rehearsal.cloud.repairs import Repairs

OPERATIONS = ("ConditionCheck", "Put", "Delete", "Update")

Reason = tuple[str | None, str | None, dict[str, Any] | None]


TOKEN_SECONDS = 600
"""How long DynamoDB remembers a client request token."""


def repair_transactions(repairs: Repairs) -> None:
    repairs.replace(DynamoDBBackend, "transact_write_items", _transact_write_items)
    seen: dict[str, tuple[float, str, Any]] = {}

    def once(handler: DynamoHandler) -> Any:
        token, wanted = (
            handler.body.get("ClientRequestToken"),
            json.dumps(handler.body["TransactItems"], sort_keys=True),
        )
        now = time.time()
        for old in [name for name, (at, _, _) in seen.items() if now - at > TOKEN_SECONDS]:
            del seen[old]
        if token in seen:
            _, written, answer = seen[token]
            if written != wanted:
                raise DynamodbException("IdempotentParameterMismatchException", f"token {token}: other parameters")
            return answer
        answer = stock(handler)
        if token is not None:
            seen[token] = (now, wanted, answer)
        return answer

    stock = repairs.replace(DynamoHandler, "transact_write_items", once)


def _transact_write_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    if len(transact_items) > 100:
        raise TooManyTransactionsException()
    parts = [_part(item) for item in transact_items]
    keys = [_key(backend, kind, part) for kind, part in parts]
    touched = [(part["TableName"], str(sorted(key.items()))) for (_, part), key in zip(parts, keys, strict=True)]
    if len(set(touched)) < len(touched):
        raise MultipleTransactionsException()
    reasons = [_judge(backend, part, key) for (_, part), key in zip(parts, keys, strict=True)]
    if any(code for code, _, _ in reasons):
        raise TransactionCanceledException(reasons)
    before = [
        copy.deepcopy(backend.get_item(part["TableName"], key)) for (_, part), key in zip(parts, keys, strict=True)
    ]
    for number, ((kind, part), key) in enumerate(zip(parts, keys, strict=True)):
        try:
            _write(backend, kind, part, key)
        except Exception as error:
            for (_, earlier), earlier_key, item in list(zip(parts, keys, before, strict=True))[: number + 1]:
                _restore(backend, earlier["TableName"], earlier_key, item)
            if isinstance(error, MockValidationException):
                raise
            failed: list[Reason] = [(None, None, None)] * len(parts)
            failed[number] = (type(error).__name__, str(error), None)
            raise TransactionCanceledException(failed) from error


def _part(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if len(item) != 1:
        raise TransactWriteSingleOpException()
    kind, part = next(iter(item.items()))
    if kind not in OPERATIONS:
        raise ValueError(f"transaction operation {kind!r}: must be one of {', '.join(OPERATIONS)}")
    return kind, part


def _key(backend: DynamoDBBackend, kind: str, part: dict[str, Any]) -> dict[str, Any]:
    if kind != "Put":
        return part["Key"]
    table = backend.get_table(part["TableName"])
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    return {name: part["Item"][name] for name in names}


def _judge(backend: DynamoDBBackend, part: dict[str, Any], key: dict[str, Any]) -> Reason:
    condition = part.get("ConditionExpression")
    if condition is None:
        return None, None, None
    current = backend.get_item(part["TableName"], key)
    names, values = part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues")
    if get_filter_expression(condition, names, values).expr(current):
        return None, None, None
    wanted = part.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and current
    item = current.to_json()["Attributes"] if wanted else None
    return "ConditionalCheckFailed", str(ConditionalCheckFailed().message), item


def _write(backend: DynamoDBBackend, kind: str, part: dict[str, Any], key: dict[str, Any]) -> None:
    table = part["TableName"]
    if kind == "Put":
        backend.put_item(table, part["Item"])
    elif kind == "Delete":
        backend.delete_item(table, key)
    elif kind == "Update":
        names, values = part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues")
        backend.update_item(
            table,
            key,
            update_expression=part["UpdateExpression"],
            expression_attribute_names=names,
            expression_attribute_values=values,
        )


def _restore(backend: DynamoDBBackend, table_name: str, key: dict[str, Any], item: Any) -> None:
    table = backend.get_table(table_name)
    hash_value, range_value = backend.get_keys_value(table, key)
    if item is None:
        table.delete_item(hash_value, range_value)
    elif range_value is not None:
        table.items[hash_value][range_value] = item
    else:
        table.items[hash_value] = item
