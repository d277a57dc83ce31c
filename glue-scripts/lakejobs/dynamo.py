"""One DynamoDB table as the ledger uses it: conditional writes, all or none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

TRANSACTION_LIMIT = 100

_CONFLICT_TRIES = 6
_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()

Key = tuple[str, str]
Write = dict[str, Any]


class ConditionFailed(Exception):
    """The conditions of the writes at these positions did not hold; nothing was written."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(f"conditions of writes {list(positions)} do not hold")
        self.positions = tuple(positions)


class Items:
    """The items of a table with keys `pk` and `sk`. In expressions every `#name` stands for the attribute `name`."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self, key: Key) -> dict[str, Any] | None:
        """The item as it is now."""
        item = self._dynamodb.get_item(TableName=self._table, Key=_encode_key(key), ConsistentRead=True).get("Item")
        return None if item is None else _decode(item)

    def partition(self, pk: str) -> Iterator[dict[str, Any]]:
        """The items of a partition as they are now."""
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "#pk = :pk",
            "ExpressionAttributeNames": {"#pk": "pk"},
            "ExpressionAttributeValues": _encode({":pk": pk}),
            "ConsistentRead": True,
        }
        for page in self._dynamodb.get_paginator("query").paginate(**query):
            yield from map(_decode, page["Items"])

    def before(self, index: str, partition: tuple[str, str], sort: tuple[str, str]) -> Iterator[dict[str, Any]]:
        """The items of an index's partition with a sort key below the one given, last first. Each pair is an attribute
        and its value. What was written a moment ago may be missing."""
        query = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#partition = :partition AND #sort < :sort",
            "ExpressionAttributeNames": {"#partition": partition[0], "#sort": sort[0]},
            "ExpressionAttributeValues": _encode({":partition": partition[1], ":sort": sort[1]}),
            "ScanIndexForward": False,
        }
        for page in self._dynamodb.get_paginator("query").paginate(**query):
            yield from map(_decode, page["Items"])

    def check(self, key: Key, condition: str, values: dict[str, Any]) -> Write:
        """Writes nothing; fails the transaction unless the condition holds."""
        return {"ConditionCheck": self._conditional(key, condition, condition, values)}

    def update(self, key: Key, expression: str, condition: str, values: dict[str, Any]) -> Write:
        """Changes the item if the condition holds."""
        write = self._conditional(key, condition, f"{expression} {condition}", values)
        return {"Update": {**write, "UpdateExpression": expression}}

    def put(self, key: Key, values: dict[str, Any]) -> Write:
        """Replaces the item."""
        return {"Put": {"TableName": self._table, "Item": _encode_key(key) | _encode(values)}}

    def delete(self, key: Key) -> Write:
        """Removes the item."""
        return {"Delete": {"TableName": self._table, "Key": _encode_key(key)}}

    def transact(self, writes: Sequence[Write]) -> None:
        """Makes all writes or none. Raises ConditionFailed; collisions with other transactions are tried again."""
        wait = 0.025
        for attempt in range(1, _CONFLICT_TRIES + 1):
            try:
                self._dynamodb.transact_write_items(TransactItems=list(writes))
                return
            except ClientError as error:
                codes = [r.get("Code") for r in error.response.get("CancellationReasons", [])]
                failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
                if failed:
                    raise ConditionFailed(failed) from error
                if "TransactionConflict" not in codes or attempt == _CONFLICT_TRIES:
                    raise
            time.sleep(wait)
            wait *= 2

    def _conditional(self, key: Key, condition: str, named: str, values: dict[str, Any]) -> dict[str, Any]:
        words = named.replace(",", " ").replace("(", " ").replace(")", " ").split()
        return {
            "TableName": self._table,
            "Key": _encode_key(key),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {word: word[1:] for word in words if word.startswith("#")},
            "ExpressionAttributeValues": {f":{name}": value for name, value in _encode(values).items()},
        }


def _decode(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


def _encode(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _SERIALIZER.serialize(value) for name, value in values.items()}


def _encode_key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
