"""Every type is made, read back, and taken away again."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from rehearsal.cloud import Cloud
from rehearsal.deploy import Assembly, DeployFailed, FileAsset, LeftBehind, NotExecuted, Stack, TemplateRefused, deploy
from rehearsal.deploy.types import HANDLED
from rehearsal.tests.deploy.conftest import TRUST, assembly, bucket, policy, queue, stack
from rehearsal.tests.deploy.every_type import get, of, ref, template

pytestmark = pytest.mark.cloud


def test_every_type_is_made_read_back_and_destroyed(cloud: Cloud, code: FileAsset) -> None:
    body = template()
    assert {resource["Type"] for resource in body["Resources"].values()} == set(HANDLED)
    made = deploy(cloud, Assembly(Path("."), (Stack("Every", body, (code,)),)))
    raw = made.resources["Raw"]
    assert made.stack_name == "Every"
    assert made.outputs == {
        "RawBucket": raw.physical_id,
        "MachineArn": made.resources["Machine"].physical_id,
    }
    assert raw.attributes["Arn"] == f"arn:aws:s3:::{raw.physical_id}"
    assert [resource.logical_id for resource in made.of_type("AWS::Glue::Job")] == ["Job"]
    rule = cloud.client("s3").get_bucket_encryption(Bucket=raw.physical_id)["ServerSideEncryptionConfiguration"]
    default = rule["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made.resources["Key"].attributes["Arn"]}
    cloud.client("s3").put_object(Bucket=raw.physical_id, Key="left/behind", Body=b"x")
    gone = made.destroy()
    assert len(gone.deleted) == len(made.resources) - 1
    assert [label.split(" ")[0] for label in gone.retained] == ["Every/Raw"]
    with pytest.raises(ClientError):
        cloud.client("s3").head_bucket(Bucket=raw.physical_id)


def test_what_is_not_executed_is_listed(cloud: Cloud) -> None:
    resources = {
        "Raw": bucket(LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 1}]}),
        "Role": of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Topic": of("AWS::SNS::Topic", Subscription=[{"Protocol": "email", "Endpoint": "a@example.org"}]),
    }
    made = deploy(cloud, assembly(resources))
    assert made.not_executed == [
        NotExecuted("AWS::S3::Bucket LifecycleConfiguration", "the stand-in does not expire or move objects"),
        NotExecuted(
            "AWS::SNS::Topic Subscription.Protocol", "no mail is sent: what was published to the topic is recorded"
        ),
    ]
    made.destroy()


def test_a_difference_on_reading_back_fails(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = cloud.client("s3")
    monkeypatch.setattr(s3, "put_bucket_versioning", lambda **_: {})
    with pytest.raises(DeployFailed) as error:
        deploy(cloud, assembly({"Raw": bucket(VersioningConfiguration={"Status": "Enabled"}), "Other": queue()}))
    assert "Test/Raw (AWS::S3::Bucket) VersioningConfiguration.Status: the service reports null" in str(error.value)
    monkeypatch.undo()
    assert len(error.value.deployment.destroy().deleted) == 2


def test_a_policy_that_another_overwrites_is_noticed(cloud: Cloud) -> None:
    one = of("AWS::SQS::QueuePolicy", Queues=[ref("Q")], PolicyDocument=policy("sqs:SendMessage", get("Q")))
    two = of("AWS::SQS::QueuePolicy", Queues=[ref("Q")], PolicyDocument=policy("sqs:ReceiveMessage", get("Q")))
    with pytest.raises(DeployFailed, match=r"Test/One .*PolicyDocument: the service reports"):
        deploy(cloud, assembly({"Q": queue(), "One": one, "Two": {**two, "DependsOn": "One"}}))


def test_a_refused_call_names_the_resource_and_leaves_the_rest_to_destroy(cloud: Cloud) -> None:
    resources = {
        "A": queue(),
        "B": {**of("AWS::KMS::Alias", AliasName="no-prefix", TargetKeyId="nothing"), "DependsOn": "A"},
    }
    with pytest.raises(DeployFailed, match=r"Test/B \(AWS::KMS::Alias\): NotFoundException") as error:
        deploy(cloud, assembly(resources))
    assert len(error.value.deployment.destroy().deleted) == 1


def test_destroy_says_what_is_left(cloud: Cloud) -> None:
    made = deploy(cloud, assembly({"Q": queue()}))
    cloud.client("sqs").create_queue(QueueName="stray")
    with pytest.raises(LeftBehind, match=r"sqs queue \S+/stray") as error:
        made.destroy()
    assert len(error.value.left) == 1
    url = cloud.client("sqs").get_queue_url(QueueName="stray")["QueueUrl"]
    cloud.client("sqs").delete_queue(QueueUrl=url)


def test_destroy_says_what_could_not_be_deleted(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    made = deploy(cloud, assembly({"Q": queue()}))

    def refuse(**_: str) -> None:
        raise ClientError({"Error": {"Code": "Denied", "Message": "no"}}, "DeleteQueue")

    monkeypatch.setattr(cloud.client("sqs"), "delete_queue", refuse)
    with pytest.raises(LeftBehind) as error:
        made.destroy()
    assert [line.split(" ")[0] for line in error.value.left] == ["Test/Q", "sqs"]
    monkeypatch.undo()
    cloud.client("sqs").delete_queue(QueueUrl=made.resources["Q"].physical_id)


def test_destroy_removes_what_work_made(cloud: Cloud) -> None:
    database = of("AWS::Glue::Database", CatalogId=ref("AWS::AccountId"), DatabaseInput={"Name": "db"})
    made = deploy(cloud, assembly({"Db": database}))
    cloud.client("glue").create_table(DatabaseName="db", TableInput={"Name": "made_by_a_job"})
    cloud.client("logs").create_log_group(logGroupName="/aws-glue/jobs/output")
    gone = made.destroy()
    assert gone.by_products == ("log group /aws-glue/jobs/output",)


def test_values_cross_stacks(cloud: Cloud) -> None:
    first = stack({"Q": queue()}, "First", Outputs={"Arn": {"Value": get("Q"), "Export": {"Name": "First:Arn"}}})
    redrive = {"deadLetterTargetArn": {"Fn::ImportValue": "First:Arn"}, "maxReceiveCount": 3}
    second = stack({"Main": queue(RedrivePolicy=redrive)}, "Second")
    made = deploy(cloud, Assembly(Path("."), (first, second)))
    arn = made.resources["First/Q"].attributes["Arn"]
    assert made.outputs == {"First/Arn": arn}
    url = made.resources["Second/Main"].physical_id
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert json.loads(found["RedrivePolicy"])["deadLetterTargetArn"] == arn
    with pytest.raises(ValueError, match="2 stacks: First, Second"):
        _ = made.stack_name
    made.destroy()


def test_conditions_choose_resources_and_properties(cloud: Cloud) -> None:
    conditions = {"Yes": {"Fn::Equals": [ref("AWS::Region"), "eu-west-1"]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}}
    resources = {
        "Kept": queue(DelaySeconds={"Fn::If": ["Yes", 7, ref("AWS::NoValue")]}),
        "Dropped": {**queue(), "Condition": "No"},
    }
    made = deploy(cloud, assembly(resources, Conditions=conditions))
    assert list(made.resources) == ["Kept"]
    assert made.resources["Kept"].properties == {"DelaySeconds": 7}
    made.destroy()


def test_handlers_with_a_source_are_built_for_this_machine(cloud: Cloud, code: FileAsset, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.26\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("built here") }\n')
    resources = {
        "Role": of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Fn": {
            **of(
                "AWS::Lambda::Function",
                Code={"S3Bucket": {"Fn::Sub": code.bucket}, "S3Key": code.key},
                Role=get("Role"),
                Runtime="provided.al2023",
                Handler="bootstrap",
                Architectures=["arm64"],
            ),
            "Metadata": {"strata:go-import-path": "example.com/m"},
        },
    }
    template = Stack("Handlers", {"Resources": resources}, (code,))
    made = deploy(cloud, Assembly(Path("."), (template,), tmp_path))
    function = cloud.client("lambda").get_function(FunctionName=made.resources["Fn"].physical_id)["Configuration"]
    assert function["CodeSize"] > 100_000, "the compiled program, not the asset"
    reasons = [item.reason for item in made.not_executed if item.type == "AWS::Lambda::Function Code"]
    assert reasons == ["the arm64 binary itself is not run: the same source is built for the host"]
    made.destroy()
    with pytest.raises(TemplateRefused, match="the folder of the app is unknown"):
        deploy(cloud, Assembly(Path("."), (template,)))


def test_zip_assets_are_zipped(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "lib" / "pkg").mkdir(parents=True)
    (tmp_path / "lib" / "pkg" / "a.py").write_text("x = 1\n")
    asset = FileAsset("lib", tmp_path / "lib", "zip", "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}", "l.zip")
    made = deploy(cloud, Assembly(Path("."), (Stack("Assets", {"Resources": {"Q": queue()}}, (asset,)),)))
    name = f"cdk-hnb659fds-assets-{cloud.account}-{cloud.region}"
    body = cloud.client("s3").get_object(Bucket=name, Key="l.zip")["Body"].read()
    (tmp_path / "l.zip").write_bytes(body)
    assert zipfile.ZipFile(tmp_path / "l.zip").namelist() == ["pkg/a.py"]
    made.destroy()
