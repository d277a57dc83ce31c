"""What a lake of the tests has in its account: buckets, the ledger's table, and what lies in them."""

from __future__ import annotations

import os
from functools import cache

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from lakejobs.aws import Clients
from lakejobs.lists import Object

_ZONES = ("raw", "artifacts", "cleaned", "curated", "quarantine", "vault")


@cache
def clients_at(_: str) -> Clients:
    """Those of the stand-in at that address."""
    return Clients.connect()


class Account:
    """The buckets and the ledger of lake `n`."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.clients = clients_at(os.environ["AWS_ENDPOINT_URL"])
        self.s3, self.dynamodb, self.glue = boto3.client("s3"), boto3.client("dynamodb"), boto3.client("glue")
        self.sqs = boto3.client("sqs")
        self.buckets = {zone: f"lake{self.n}-{zone}" for zone in _ZONES}
        for zone, bucket in self.buckets.items():
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            if zone == "raw":
                self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.ledger_table = f"ledger-{self.n}"
        self.dynamodb.create_table(
            TableName=self.ledger_table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "dataset", "AttributeType": "S"},
                {"AttributeName": "frozen_at", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_dataset",
                    "KeySchema": [
                        {"AttributeName": "dataset", "KeyType": "HASH"},
                        {"AttributeName": "frozen_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def make_database(self, name: str) -> None:
        try:
            self.glue.create_database(DatabaseInput={"Name": name})
        except self.glue.exceptions.AlreadyExistsException:
            return

    def land(self, key: str, body: bytes | str) -> Object:
        body = body.encode() if isinstance(body, str) else body
        answer = self.s3.put_object(Bucket=self.buckets["raw"], Key=key, Body=body)
        etag = answer["ETag"].strip('"')
        return Object(self.buckets["raw"], key, answer["VersionId"], len(body), etag, "2026-01-01T00:00:00.000000Z")

    def put(self, pk: str, sk: str, values: dict) -> None:
        item = {"pk": {"S": pk}, "sk": {"S": sk}} | {k: TypeSerializer().serialize(v) for k, v in values.items()}
        self.dynamodb.put_item(TableName=self.ledger_table, Item=item)

    def get(self, pk: str, sk: str) -> dict | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        item = self.dynamodb.get_item(TableName=self.ledger_table, Key=key, ConsistentRead=True).get("Item")
        return item and {k: TypeDeserializer().deserialize(v) for k, v in item.items()}
