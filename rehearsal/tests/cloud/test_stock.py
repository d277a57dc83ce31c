"""Why the repairs are there: stock moto still behaves like this. A failure here means that a repair can go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

pytestmark = pytest.mark.cloud


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield lambda service: boto3.session.Session(region_name="eu-west-1").client(service)


def queue(stock: Any, name: str, **attributes: str) -> tuple[str, str]:
    url = stock("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:eu-west-1:123456789012:{name}"


def test_an_update_of_an_old_table_version_is_accepted(stock: Any) -> None:
    glue = stock("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput={"Name": "t", "Parameters": {"n": "0"}})
    for n in ("1", "2"):
        glue.update_table(DatabaseName="d", TableInput={"Name": "t", "Parameters": {"n": n}}, VersionId="1")
    assert glue.get_table(DatabaseName="d", Name="t")["Table"]["Parameters"] == {"n": "2"}


def test_a_deduplication_id_is_free_again_once_its_message_is_deleted(stock: Any) -> None:
    sqs = stock("sqs")
    url, _ = queue(stock, "q.fifo", FifoQueue="true")
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="same")
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_disabled_rules_fire(stock: Any) -> None:
    url, arn = queue(stock, "q")
    stock("events").put_rule(Name="r", EventPattern=json.dumps({"source": ["s"]}), State="DISABLED")
    stock("events").put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    stock("events").put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])
    assert len(stock("sqs").receive_message(QueueUrl=url)["Messages"]) == 1


def test_a_function_as_a_target_breaks_put_events(stock: Any) -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    stock("events").put_rule(Name="r", EventPattern=json.dumps({"source": ["s"]}))
    stock("events").put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    with pytest.raises(NotImplementedError):
        stock("events").put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])


def test_object_events_are_of_another_shape_and_come_twice_for_an_upload(stock: Any) -> None:
    s3 = stock("s3")
    url, arn = queue(stock, "q")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    stock("events").put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.s3"]}))
    stock("events").put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    upload = s3.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="k", PartNumber=1, UploadId=upload, Body=b"x")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket="bucket", Key="k", UploadId=upload, MultipartUpload=parts)
    messages = stock("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    created = [json.loads(m["Body"]) for m in messages]
    assert [e["detail-type"] for e in created].count("Object Created") == 2
    assert "eTag" in created[0]["detail"]["object"]


def test_a_job_run_succeeds_by_being_looked_at(stock: Any) -> None:
    glue = stock("glue")
    glue.create_job(Name="j", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://none/none"})
    run = glue.start_job_run(JobName="j")["JobRunId"]
    states = [glue.get_job_run(JobName="j", RunId=run)["JobRun"]["JobRunState"] for _ in range(3)]
    assert states[-1] == "SUCCEEDED"


def test_log_lines_in_embedded_metric_format_are_not_metrics(stock: Any) -> None:
    logs = stock("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    directive = {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "M"}]}
    line = json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "M": 1})
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": 0, "message": line}])
    assert stock("cloudwatch").list_metrics(Namespace="N")["Metrics"] == []


def test_concerning_conditions_of_transactions_stock_is_right(stock: Any) -> None:
    """Only its locking and its cost are repaired."""
    dynamodb = stock("dynamodb")
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put = {"Put": {"TableName": "t", "Item": {"pk": {"S": "a"}}}}
    check = {"TableName": "t", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=[put, {"ConditionCheck": check}])
    assert "Item" not in dynamodb.get_item(TableName="t", Key={"pk": {"S": "a"}})
