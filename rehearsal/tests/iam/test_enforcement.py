"""Calls under roles are decided by the policies as deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.cloud.faults import Caller
from rehearsal.tests.iam.conftest import ACCOUNT, REGION, Account, allow, document

pytestmark = pytest.mark.cloud


def test_an_object_needs_its_permission_and_its_key(account: Account):
    key, other = account.key(), account.key()
    bucket = account.bucket(key)
    objects = f"arn:aws:s3:::{bucket}/in/*"
    reader = account.role(allow("s3:GetObject", objects), allow("kms:Decrypt", key))
    writer = account.role(allow("s3:PutObject", objects), allow("kms:GenerateDataKey", key))
    blind = account.role(allow(["s3:GetObject", "s3:PutObject"], objects), allow("kms:*", other))
    of = {"Bucket": bucket, "Key": "in/a"}
    account.cloud.client("s3", writer).put_object(**of, Body=b"1")
    assert account.cloud.client("s3", reader).get_object(**of)["Body"].read() == b"1"

    denial = account.refused(account.cloud.client("s3", reader).put_object, **of, Body=b"2")
    assert (denial.role, denial.action, denial.resource) == (reader, "s3:PutObject", f"arn:aws:s3:::{bucket}/in/a")
    assert account.refused(account.cloud.client("s3", writer).head_object, **of).action == "s3:GetObject"
    denial = account.refused(account.cloud.client("s3", blind).get_object, **of)
    assert (denial.action, denial.resource) == ("kms:Decrypt", key)
    assert (
        account.refused(account.cloud.client("s3", blind).put_object, **of, Body=b"2").action == "kms:GenerateDataKey"
    )
    uses = {(action, resource) for role, action, resource, _ in account.cloud.uses if role == reader}
    assert uses == {("s3:GetObject", f"arn:aws:s3:::{bucket}/in/a"), ("kms:Decrypt", key)}


def test_a_key_is_used_through_s3_for_one_bucket_or_object(account: Account):
    def only(arn: str, through: str) -> dict[str, Any]:
        condition = {"kms:EncryptionContext:aws:s3:arn": arn, "kms:ViaService": f"{through}.{REGION}.amazonaws.com"}
        return allow("kms:GenerateDataKey", Condition={"StringEquals": condition})

    whole, each = account.bucket(account.key()), account.bucket(account.key(), bucket_key=False)
    put = allow("s3:PutObject")
    fits = account.role(put, only(f"arn:aws:s3:::{whole}", "s3"), only(f"arn:aws:s3:::{each}/a", "s3"))
    s3 = account.cloud.client("s3", fits)
    for bucket in (whole, each):
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert account.refused(s3.put_object, Bucket=each, Key="b", Body=b"1").action == "kms:GenerateDataKey"
    through = account.role(put, only(f"arn:aws:s3:::{whole}", "sqs"))
    denial = account.refused(account.cloud.client("s3", through).put_object, Bucket=whole, Key="a", Body=b"1")
    assert "kms:ViaService" in denial.reason or "EncryptionContext" in denial.reason


def test_a_key_policy_that_delegates_nothing(account: Account):
    role = account.role(allow(["s3:PutObject", "kms:*"]))
    alone = account.key(allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"}))
    denial = account.refused(
        account.cloud.client("s3", role).put_object, Bucket=account.bucket(alone), Key="a", Body=b"1"
    )
    assert denial.action == "kms:GenerateDataKey" and "nor lets the account's policies decide" in denial.reason
    named = account.key(allow("kms:GenerateDataKey", Principal={"AWS": role}))
    account.cloud.client("s3", account.role(allow("s3:PutObject")))
    account.cloud.client("s3", role).put_object(Bucket=account.bucket(named), Key="a", Body=b"1")


def test_multipart_copies_and_versions(account: Account):
    key = account.key()
    source, target = account.bucket(), account.bucket(key)
    account.s3.put_object(Bucket=source, Key="a", Body=b"1")
    put = allow("s3:PutObject", f"arn:aws:s3:::{target}/*")
    read = allow("s3:GetObject", f"arn:aws:s3:::{source}/*")
    uploads = account.cloud.client("s3", account.role(put, allow("kms:GenerateDataKey", key)))
    begun = uploads.create_multipart_upload(Bucket=target, Key="m")["UploadId"]
    part = {"Bucket": target, "Key": "m", "UploadId": begun, "PartNumber": 1, "Body": b"1"}
    assert account.refused(uploads.upload_part, **part).action == "kms:Decrypt"
    copies = account.cloud.client("s3", account.role(put, allow("kms:*", key)))
    arguments = {"Bucket": target, "Key": "c", "CopySource": {"Bucket": source, "Key": "a"}}
    denial = account.refused(copies.copy_object, **arguments)
    assert (denial.action, denial.resource) == ("s3:GetObject", f"arn:aws:s3:::{source}/a")
    account.cloud.client("s3", account.role(put, read, allow("kms:*", key))).copy_object(**arguments)
    reader = account.cloud.client("s3", account.role(read))
    assert account.refused(reader.get_object, Bucket=source, Key="a", VersionId="null").action == "s3:GetObjectVersion"


def test_who_may_not_list_does_not_learn_that_an_object_is_missing(account: Account):
    bucket = account.bucket()
    read, see = allow("s3:GetObject"), allow("s3:ListBucket")
    with pytest.raises(ClientError, match="NoSuchKey"):
        account.cloud.client("s3", account.role(read, see)).get_object(Bucket=bucket, Key="no")
    denial = account.refused(account.cloud.client("s3", account.role(read)).get_object, Bucket=bucket, Key="no")
    assert (denial.action, denial.resource) == ("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    limited = account.role(allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "in/*"}}))
    account.cloud.client("s3", limited).list_objects_v2(Bucket=bucket, Prefix="in/")
    denial = account.refused(account.cloud.client("s3", limited).list_objects_v2, Bucket=bucket, Prefix="out/")
    assert "its condition StringLike s3:prefix in/* does not hold (got out/)" in denial.reason


def test_bucket_policies_deny_and_allow(account: Account):
    bucket, key = account.bucket(), account.key()
    role = account.role(allow(["s3:PutObject", "kms:*"]))
    guest = account.role()
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    deny = {"Effect": "Deny", "Principal": "*", "Resource": everything}
    account.s3.put_bucket_policy(
        Bucket=bucket,
        Policy=document(
            {**deny, "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {**deny, "Action": "s3:*", "Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}},
            {
                **deny, "Sid": "DenyOtherKeys", "Action": "s3:PutObject",
                "Condition": {
                    "Null": {"s3:x-amz-server-side-encryption": "false"},
                    "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key},
                },
            },
            allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": guest}),
        ),
    )  # fmt: skip
    put = account.cloud.client("s3", role).put_object
    put(Bucket=bucket, Key="a", Body=b"1")
    put(Bucket=bucket, Key="a", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    denial = account.refused(put, Bucket=bucket, Key="a", Body=b"1", ServerSideEncryption="AES256")
    assert denial.reason == f"statement 3 (DenyOtherKeys) of the policy of bucket {bucket} denies it"
    assert account.cloud.client("s3", account.role(allow("kms:Decrypt"), trusts={"AWS": "*"}))
    account.s3.put_object(Bucket=bucket, Key="b", Body=b"2")
    assert account.cloud.client("s3", guest).get_object(Bucket=bucket, Key="b")["Body"].read() == b"2"


def test_queues_topics_and_their_keys(account: Account):
    key = account.key()
    url, arn = account.queue(KmsMasterKeyId=key)
    send = account.role(allow("sqs:SendMessage", arn), allow("kms:GenerateDataKey", key))
    denial = account.refused(account.cloud.client("sqs", send).send_message, QueueUrl=url, MessageBody="x")
    assert (denial.action, denial.resource) == ("kms:Decrypt", key)
    with pytest.raises(account.sqs.exceptions.ClientError) as error:
        account.cloud.client("sqs", account.role()).send_message(QueueUrl=url, MessageBody="x")
    assert error.value.response["Error"]["Code"] == "AccessDenied", "the SDK's name of the error"
    topic = account.sns.create_topic(Name=account.name("topic"), Attributes={"KmsMasterKeyId": key})["TopicArn"]
    publish = account.role(allow("sns:Publish", topic))
    denial = account.refused(account.cloud.client("sns", publish).publish, TopicArn=topic, Message="x")
    assert (denial.action, denial.resource) == ("kms:GenerateDataKey", key)
    both = account.role(allow("sns:Publish", topic), allow(["kms:GenerateDataKey", "kms:Decrypt"], key))
    account.cloud.client("sns", both).publish(TopicArn=topic, Message="x")


def test_a_topic_needs_the_policy_of_its_queue(account: Account):
    topic = account.sns.create_topic(Name=account.name("topic"))["TopicArn"]
    url, arn = account.queue()
    account.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    account.sns.publish(TopicArn=topic, Message="lost")
    denial = account.cloud.denials[-1]
    assert (denial.role, denial.action, denial.resource) == ("sns.amazonaws.com", "sqs:SendMessage", arn)
    source = {"ArnEquals": {"aws:SourceArn": topic}}
    policy = document(allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"}, Condition=source))
    account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    account.sns.publish(TopicArn=topic, Message="heard")
    (message,) = account.sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["Message"] == "heard"


def test_a_function_logs_only_where_its_role_may(account: Account):
    group = account.name("log")
    key = account.key()
    account.logs.create_log_group(logGroupName=group, kmsKeyId=key)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    enforcement = account.cloud._live().enforcement
    may = Caller("lambda", "f", "", account.role(allow(["logs:CreateLogStream", "logs:PutLogEvents"], arn)))
    assert not enforcement.may_log(may, group, "s"), "the key policy does not admit CloudWatch Logs"
    denial = account.cloud.denials[-1]
    assert (denial.role, denial.action) == (f"logs.{REGION}.amazonaws.com", "kms:GenerateDataKey")
    use = allow("kms:GenerateDataKey", Principal={"Service": f"logs.{REGION}.amazonaws.com"})
    account.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(use))
    assert enforcement.may_log(may, group, "s")
    assert not enforcement.may_log(may, group, "s", encrypts=True)
    assert account.cloud.denials[-1].action == "logs:AssociateKmsKey"
    assert not enforcement.may_log(may, "other", "s")
    assert account.cloud.denials[-1].action == "logs:CreateLogGroup"


def test_every_part_of_a_transaction(account: Account):
    table = account.name("table")
    key = account.key()
    account.dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    item = {"pk": {"S": "1"}}
    parts = [
        {"Put": {"TableName": table, "Item": item}},
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": {"pk": {"S": "2"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]
    decrypt = allow("kms:Decrypt", key)
    half = account.cloud.client("dynamodb", account.role(allow("dynamodb:PutItem", arn), decrypt))
    denial = account.refused(half.transact_write_items, TransactItems=parts)
    assert (denial.action, denial.resource) == ("dynamodb:ConditionCheckItem", arn)
    whole = account.role(allow(["dynamodb:PutItem", "dynamodb:ConditionCheckItem"], arn), decrypt)
    account.cloud.client("dynamodb", whole).transact_write_items(TransactItems=parts)
    keyless = account.cloud.client("dynamodb", account.role(allow("dynamodb:GetItem", arn)))
    assert account.refused(keyless.get_item, TableName=table, Key=item).action == "kms:Decrypt"


def test_a_table_of_the_catalog_needs_its_database_and_the_catalog(account: Account):
    account.glue.create_database(DatabaseInput={"Name": "sales"})
    account.glue.create_table(DatabaseName="sales", TableInput={"Name": "orders"})

    def arn(tail: str) -> str:
        return f"arn:aws:glue:{REGION}:{ACCOUNT}:{tail}"

    table = account.cloud.client("glue", account.role(allow("glue:GetTable", arn("table/sales/*"))))
    assert account.refused(table.get_table, DatabaseName="sales", Name="orders").resource == arn("catalog")
    three = [arn("catalog"), arn("database/sales"), arn("table/sales/orders")]
    account.cloud.client("glue", account.role(allow("glue:GetTable", three))).get_table(
        DatabaseName="sales", Name="orders"
    )


def test_secrets_by_name_and_arn(account: Account):
    key = account.key()
    made = account.secretsmanager.create_secret(Name=account.name("secret"), SecretString="s", KmsKeyId=key)
    read = allow("secretsmanager:GetSecretValue", made["ARN"])
    denial = account.refused(
        account.cloud.client("secretsmanager", account.role(read)).get_secret_value, SecretId=made["ARN"]
    )
    assert (denial.action, denial.resource) == ("kms:Decrypt", key)
    client = account.cloud.client("secretsmanager", account.role(read, allow("kms:Decrypt", key)))
    assert client.get_secret_value(SecretId=made["Name"])["SecretString"] == "s"


def test_roles_are_assumed_by_whom_they_trust_and_passed_by_whom_may(account: Account):
    target = account.role(allow("s3:ListAllMyBuckets"), trusts={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    with_right = account.role(allow("sts:AssumeRole", target))
    denial = account.refused(
        account.cloud.client("sts", account.role()).assume_role, RoleArn=target, RoleSessionName="app"
    )
    assert (denial.action, denial.resource) == ("sts:AssumeRole", target)
    closed = account.role()  # trusts Lambda only
    anyone = account.cloud.client("sts", account.role(allow("sts:AssumeRole")))
    assert account.refused(anyone.assume_role, RoleArn=closed, RoleSessionName="app").resource == closed
    keys = account.cloud.client("sts", with_right).assume_role(RoleArn=target, RoleSessionName="app")["Credentials"]
    account.cloud.client_of("s3", keys["AccessKeyId"]).list_buckets()

    machine = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    make = {"name": account.name("machine"), "definition": machine, "roleArn": target}
    maker = account.role(
        allow("states:*"), allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "x"}})
    )
    assert (
        account.refused(account.cloud.client("stepfunctions", maker).create_state_machine, **make).action
        == "iam:PassRole"
    )


def test_a_service_acts_under_a_role_only_if_the_role_trusts_it(account: Account):
    url, arn = account.queue()
    target = {"Arn": arn, "RoleArn": account.role(allow("sqs:SendMessage", arn))}  # trusts Lambda only
    rule = account.name("rule")
    account.events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    account.events.put_targets(Rule=rule, Targets=[{"Id": "1", **target}])
    account.events.put_events(Entries=[{"Source": rule, "DetailType": "t", "Detail": "{}"}])
    account.cloud.wait_idle(10)
    denial = account.cloud.denials[-1]
    assert (denial.role, denial.action, denial.resource) == (
        "events.amazonaws.com",
        "sts:AssumeRole",
        target["RoleArn"],
    )
    assert not account.sqs.receive_message(QueueUrl=url).get("Messages")


def test_a_rule_needs_the_queue_s_policy_and_key(account: Account):
    rule = account.name("rule")
    made = account.events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))["RuleArn"]
    service = {"Service": "events.amazonaws.com"}
    root = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    use = {"Principal": service, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}
    closed, open_ = account.key(root), account.key(root, allow(["kms:GenerateDataKey", "kms:Decrypt"], **use))
    url, arn = account.queue(KmsMasterKeyId=closed)
    account.events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])

    def send() -> list[Any]:
        before = account.cloud.denials
        account.events.put_events(Entries=[{"Source": rule, "DetailType": "t", "Detail": "{}"}])
        account.cloud.wait_idle(10)
        return [d for d in account.cloud.denials if d not in before]

    (denial,) = send()
    assert (denial.role, denial.action, denial.resource) == ("events.amazonaws.com", "sqs:SendMessage", arn)
    source = {"ArnEquals": {"aws:SourceArn": made}}
    policy = document(allow("sqs:SendMessage", arn, Principal=service, Condition=source))
    account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    (denial,) = send()
    assert (denial.action, denial.resource) == ("kms:GenerateDataKey", closed)
    account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": open_})
    assert send() == [] and len(account.sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    other = policy.replace(made, made + "x")
    account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": other})
    (denial,) = send()
    assert "ArnEquals aws:SourceArn" in denial.reason


def test_a_policy_that_cannot_be_evaluated_refuses(account: Account):
    role = account.role(allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}))
    assert "aws:PrincipalOrgID is not known" in account.refused(account.cloud.client("s3", role).list_buckets).reason
    bucket = account.bucket()
    odd = allow("s3:*", f"arn:aws:s3:::{bucket}", Principal={"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"})
    account.s3.put_bucket_policy(Bucket=bucket, Policy=document(odd))
    role = account.role(allow("s3:*"))
    denial = account.refused(account.cloud.client("s3", role).list_objects_v2, Bucket=bucket)
    assert "cannot be evaluated" in denial.reason and "not CanonicalUser" in denial.reason


def test_attached_policies_boundaries_and_changes_count_at_once(account: Account):
    role = account.role()
    name = role.rsplit("/", 1)[1]
    buckets = account.cloud.client("s3", role).list_buckets
    account.refused(buckets)
    policy = account.iam.create_policy(PolicyName=account.name("p"), PolicyDocument=document(allow("s3:*")))["Policy"][
        "Arn"
    ]
    account.iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    buckets()
    limit = account.iam.create_policy(PolicyName=account.name("p"), PolicyDocument=document(allow("sqs:*")))["Policy"][
        "Arn"
    ]
    account.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=limit)
    assert "permissions boundary" in account.refused(buckets).reason
