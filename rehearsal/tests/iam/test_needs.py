"""What requests need, read from the requests alone."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.cloud.calls import Names, Request
from rehearsal.cloud.needs import Need, needs

NAMES = Names("111122223333", "eu-west-1")
DELETE = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"


def of(service: str, action: str, resource: str = "*", **more: Any) -> set[tuple[str, str]]:
    return {(need.action, need.resource) for need in needs(Request(service, action, resource, **more), NAMES)}


def arn(service: str, resource: str) -> str:
    return NAMES.arn(service, resource)


@pytest.mark.parametrize(
    "request_,want",
    [
        (("sts", "GetCallerIdentity"), set()),
        (("s3", "HeadBucket", "arn:aws:s3:::b"), {("s3:ListBucket", "arn:aws:s3:::b")}),
        (("s3", "ListBuckets"), {("s3:ListAllMyBuckets", "*")}),
        (("s3", "UploadPart", "arn:aws:s3:::b/k"), {("s3:PutObject", "arn:aws:s3:::b/k")}),
        (("lambda", "Invoke", "f"), {("lambda:InvokeFunction", "f")}),
        (("sqs", "SendMessageBatch", "q"), {("sqs:SendMessage", "q")}),
        (("athena", "StartQueryExecution", "w"), {("athena:StartQueryExecution", "w")}),
    ],
)
def test_operations_and_their_permissions(request_: tuple[str, ...], want: set[tuple[str, str]]):
    assert of(*request_) == want


def test_metrics_are_put_into_a_namespace():
    (put,) = needs(Request("cloudwatch", "PutMetricData", "*", parameters={"Namespace": "Strata"}), NAMES)
    assert put == Need("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", "Strata"),))


def test_versions_tags_and_deletions_of_objects():
    key = "arn:aws:s3:::b/k"
    assert of("s3", "GetObject", key, query={"versionId": "1"}) == {("s3:GetObjectVersion", key)}
    assert of("s3", "DeleteObject", key, query={"versionId": "1"}) == {("s3:DeleteObjectVersion", key)}
    tagged = of("s3", "PutObject", key, headers={"x-amz-tagging": "a=1&b=2"})
    assert tagged == {("s3:PutObject", key), ("s3:PutObjectTagging", key)}
    assert of("s3", "DeleteObjects", "arn:aws:s3:::b", body=DELETE) == {
        ("s3:DeleteObject", "arn:aws:s3:::b/a"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::b/b"),
    }
    copied = of("s3", "CopyObject", key, headers={"x-amz-copy-source": "/c/x%20y?versionId=2"})
    assert copied == {("s3:PutObject", key), ("s3:GetObjectVersion", "arn:aws:s3:::c/x y")}


def test_condition_keys_of_objects_and_lists():
    headers = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "k"}
    (put,) = needs(Request("s3", "PutObject", "arn:aws:s3:::b/k", headers=headers), NAMES)
    assert dict(put.context) == {f"s3:{name}": value for name, value in headers.items()}
    (listed,) = needs(Request("s3", "ListObjectsV2", "arn:aws:s3:::b", query={"prefix": "p/", "list-type": "2"}), NAMES)
    assert listed == Need("s3:ListBucket", "arn:aws:s3:::b", (("s3:prefix", "p/"),))


def test_tables_of_the_catalog():
    def three(action: str, table: str = "orders") -> set[tuple[str, str]]:
        tails = ("catalog", "database/sales", f"table/sales/{table}")
        return {(f"glue:{action}", arn("glue", tail)) for tail in tails}

    assert of("glue", "GetTable", parameters={"DatabaseName": "sales", "Name": "orders"}) == three("GetTable")
    create = {"DatabaseName": "sales", "TableInput": {"Name": "orders"}}
    assert of("glue", "CreateTable", parameters=create) == three("CreateTable")
    assert of("glue", "GetTables", parameters={"DatabaseName": "sales"}) == three("GetTables", "*")
    partition = {"DatabaseName": "sales", "TableName": "orders"}
    assert of("glue", "GetPartitions", parameters=partition) == three("GetPartitions")
    database = of("glue", "GetDatabase", parameters={"Name": "sales"})
    assert database == {
        ("glue:GetDatabase", arn("glue", "catalog")),
        ("glue:GetDatabase", arn("glue", "database/sales")),
    }
    assert of("glue", "GetSecurityConfiguration", "*") == {("glue:GetSecurityConfiguration", "*")}
    assert of("glue", "StartJobRun", "job") == {("glue:StartJobRun", "job")}


def test_transactions_batches_and_logs():
    table = arn("dynamodb", "table/t")
    parts = [{"Put": {"TableName": "t"}}, {"Update": {"TableName": "u"}}, {"ConditionCheck": {"TableName": "t"}}]
    assert of("dynamodb", "TransactWriteItems", parameters={"TransactItems": parts}) == {
        ("dynamodb:PutItem", table),
        ("dynamodb:UpdateItem", arn("dynamodb", "table/u")),
        ("dynamodb:ConditionCheckItem", table),
    }
    batch = {"RequestItems": {"t": []}}
    assert of("dynamodb", "BatchWriteItem", parameters=batch) == {("dynamodb:BatchWriteItem", table)}
    stream = {"logGroupName": "/g", "logStreamName": "s"}
    assert of("logs", "PutLogEvents", parameters=stream) == {
        ("logs:PutLogEvents", arn("logs", "log-group:/g:log-stream:s"))
    }
    assert of("logs", "CreateLogGroup", parameters={"logGroupName": "/g"}) == {
        ("logs:CreateLogGroup", arn("logs", "log-group:/g:*"))
    }


def test_both_keys_of_a_change_of_keys():
    found = of("kms", "ReEncrypt", parameters={"SourceKeyId": "a", "DestinationKeyId": arn("kms", "key/b")})
    assert found == {("kms:ReEncryptFrom", arn("kms", "key/a")), ("kms:ReEncryptTo", arn("kms", "key/b"))}


@pytest.mark.parametrize(
    "service,action,parameters,passed_to",
    [
        ("lambda", "CreateFunction", {"Role": "r"}, "lambda.amazonaws.com"),
        ("events", "PutTargets", {"Targets": [{"Arn": "a"}, {"RoleArn": "r"}]}, "events.amazonaws.com"),
        ("scheduler", "CreateSchedule", {"Target": {"RoleArn": "r"}}, "scheduler.amazonaws.com"),
    ],
)
def test_roles_that_are_passed_on(service: str, action: str, parameters: dict[str, Any], passed_to: str):
    found = needs(Request(service, action, "*", parameters=parameters), NAMES)
    passed = Need("iam:PassRole", "arn:aws:iam::111122223333:role/r", (("iam:PassedToService", passed_to),))
    assert [need for need in found if need.action == "iam:PassRole"] == [passed]
