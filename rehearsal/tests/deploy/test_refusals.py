"""What is not handled refuses the template, before anything is made, with all problems at once."""

from __future__ import annotations

import pytest

from rehearsal.deploy import Assembly, TemplateRefused, deploy
from rehearsal.tests.deploy.conftest import Account, assembly, bucket, policy, queue, stack
from rehearsal.tests.deploy.every_type import get, of, ref, template


def refused(found: Assembly) -> list[str]:
    with pytest.raises(TemplateRefused) as error:
        deploy(Account(), found)
    return [str(problem) for problem in error.value.problems]


CASES = {
    "unknown type": (
        {"A": of("AWS::Redshift::Cluster", NodeType="x")},
        ["Test/A (AWS::Redshift::Cluster) Type: this resource type is not handled"],
    ),
    "custom resource": (
        {"A": of("Custom::S3BucketNotifications", ServiceToken="x")},
        ["Test/A (Custom::S3BucketNotifications) Type: custom resources are not run"],
    ),
    "nested stack": (
        {"A": of("AWS::CloudFormation::Stack", TemplateURL="x")},
        ["Test/A (AWS::CloudFormation::Stack) Type: this resource type is not handled"],
    ),
    "unknown property": (
        {"A": bucket(ObjectLockEnabled=True)},
        ["Test/A (AWS::S3::Bucket) ObjectLockEnabled: this property is not handled; handled here: BucketEncryption"],
    ),
    "unknown property deep inside": (
        {"A": bucket(LifecycleConfiguration={"Rules": [{"Status": "Enabled"}, {"Status": "Off", "TagFilters": []}]})},
        ["Test/A (AWS::S3::Bucket) LifecycleConfiguration.Rules[1].TagFilters: this property is not handled"],
    ),
    "value that is not handled": (
        {"A": bucket(OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})},
        [
            "Test/A (AWS::S3::Bucket) OwnershipControls.Rules[0].ObjectOwnership: this value is not handled; "
            'handled: BucketOwnerEnforced (got "ObjectWriter")'
        ],
    ),
    "wrong shape": (
        {"A": bucket(Tags={"a": "b"})},
        ['Test/A (AWS::S3::Bucket) Tags: a list is expected (got {"a": "b"})'],
    ),
    "required property": (
        {"A": of("AWS::IAM::Role", Description="x")},
        ["Test/A (AWS::IAM::Role) AssumeRolePolicyDocument: this property is required"],
    ),
    "dangling Ref": (
        {"A": of("AWS::S3::BucketPolicy", Bucket=ref("Nowhere"), PolicyDocument=policy("s3:*"))},
        ['Test/A (AWS::S3::BucketPolicy) Bucket: dangling reference: no such resource or parameter (got "Nowhere")'],
    ),
    "dangling GetAtt": (
        {"A": queue(RedrivePolicy={"deadLetterTargetArn": get("Nowhere"), "maxReceiveCount": 3})},
        ["Test/A (AWS::SQS::Queue) RedrivePolicy.deadLetterTargetArn: dangling reference"],
    ),
    "dangling reference in Sub": (
        {"A": queue(QueueName={"Fn::Sub": "x-${Nowhere}-${AWS::Region}"})},
        ['Test/A (AWS::SQS::Queue) QueueName: dangling reference: no such resource or parameter (got "Nowhere")'],
    ),
    "unknown attribute": (
        {"A": bucket(), "B": queue(QueueName=get("A", "WebsiteURL"))},
        ["Test/B (AWS::SQS::Queue) QueueName: AWS::S3::Bucket has no such attribute here; handled: Arn, DomainName"],
    ),
    "dangling DependsOn": (
        {"A": {**bucket(), "DependsOn": ["Nowhere"]}},
        ['Test/A (AWS::S3::Bucket) DependsOn: no such resource (got "Nowhere")'],
    ),
    "intrinsic that is not handled": (
        {"A": queue(QueueName={"Fn::Select": [0, {"Fn::Cidr": ""}]})},
        ["Test/A (AWS::SQS::Queue) QueueName: this intrinsic is not handled; handled: Ref, Condition, Fn::Base64"],
    ),
    "unknown condition": (
        {"A": queue(QueueName={"Fn::If": ["Big", "a", "b"]})},
        ['Test/A (AWS::SQS::Queue) QueueName: no such condition (got "Big")'],
    ),
    "import of nothing": (
        {"A": queue(QueueName={"Fn::ImportValue": "Other:Name"})},
        ["Test/A (AWS::SQS::Queue): cannot be worked out: Fn::ImportValue: no earlier stack exports 'Other:Name'"],
    ),
    "cycle": (
        {"A": queue(QueueName=get("B", "QueueName")), "B": queue(QueueName=get("A", "QueueName"))},
        ["Test/A (AWS::SQS::Queue): circular dependency: A → B → A"],
    ),
    "snapshot policy": (
        {"A": {**bucket(), "DeletionPolicy": "Snapshot"}},
        ["Test/A (AWS::S3::Bucket) DeletionPolicy: handled: Delete, Retain, RetainExceptOnCreate"],
    ),
    "update policy": (
        {"A": {**bucket(), "UpdatePolicy": {}}},
        ["Test/A (AWS::S3::Bucket) UpdatePolicy: this part of a resource is not handled"],
    ),
    "metric that the stand-in lacks": (
        {"A": {**template()["Resources"]["Alarm"], "Properties": {
            **template()["Resources"]["Alarm"]["Properties"], "AlarmActions": [], "Dimensions": [],
            "Namespace": "AWS/Lambda", "MetricName": "Throttles"}}},
        ["Test/A (AWS::CloudWatch::Alarm) MetricName: the stand-in has no such metric of AWS/Lambda"],
    ),
    "delivery stream that the stand-in lacks": (
        {"A": of("AWS::KinesisFirehose::DeliveryStream", ExtendedS3DestinationConfiguration={
            "BucketARN": "arn:aws:s3:::b", "RoleARN": "r", "ErrorOutputPrefix": "e/!{firehose:error-output-type}/",
            "Prefix": "!{timestamp:YYYY}/", "DataFormatConversionConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Decompression"}]}}),
         "B": of("AWS::KinesisFirehose::DeliveryStream", ExtendedS3DestinationConfiguration={
             "BucketARN": "arn:aws:s3:::b", "RoleARN": "r", "ErrorOutputPrefix": "e/!{firehose:error-output-type}/",
             "Prefix": "!{timestamp:YYYY}/"})},
        ["Test/A (AWS::KinesisFirehose::DeliveryStream) ExtendedS3DestinationConfiguration.DataFormatConversion",
         "Test/A (AWS::KinesisFirehose::DeliveryStream) ExtendedS3DestinationConfiguration.ProcessingConfiguration.Pro",
         "Test/B (AWS::KinesisFirehose::DeliveryStream) ExtendedS3DestinationConfiguration: timestamp 'YYYY': YYYY is"],
    ),
    "runtime that cannot run": (
        {"A": of("AWS::Lambda::Function", Code={"S3Bucket": "b", "S3Key": "k"}, Role="r", Runtime="python3.12",
                 Handler="h", Architectures=["x86_64"])},
        ['Test/A (AWS::Lambda::Function) Runtime: this value is not handled; handled: provided.al2023'],
    ),
    "definition that is no JSON": (
        {"A": of("AWS::StepFunctions::StateMachine", RoleArn="r", DefinitionString="{")},
        ["Test/A (AWS::StepFunctions::StateMachine) DefinitionString: not a definition in JSON"],
    ),
    "definition with a placeholder too many": (
        {"A": of("AWS::StepFunctions::StateMachine", RoleArn="r", DefinitionString='{"A": "${Job}"}')},
        ["Test/A (AWS::StepFunctions::StateMachine) DefinitionString: not a definition in JSON: the definition has a"],
    ),
    "replica elsewhere": (
        {"A": {**template()["Resources"]["Global"], "Properties": {
            **template()["Resources"]["Global"]["Properties"], "Replicas": [{"Region": "us-east-1"}]}}},
        ["Test/A (AWS::DynamoDB::GlobalTable) Replicas: handled: one replica, in the stack's region eu-west-1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("resources, want", CASES.values(), ids=CASES)
def test_refuses(resources: dict, want: list[str]) -> None:
    got = refused(assembly(resources))
    assert len(got) == len(want), got
    for problem, start in zip(got, want, strict=True):
        assert problem.startswith(start), problem


def test_refuses_sections_and_parameters() -> None:
    sections = {
        "Transform": "AWS::SAM",
        "Parameters": {"Size": {"Type": "AWS::EC2::VPC::Id"}},
        "Rules": {"Other": {}},
        "Outputs": {"Name": {"Value": ref("Nowhere")}},
    }
    got = refused(assembly({"A": bucket()}, **sections))
    assert [problem.split(":")[0] for problem in got] == [
        "Test/Outputs/Name Value",
        "Test/Parameters Size",
        "Test/Rules Other",
        "Test/Transform",
    ]


def test_reports_all_problems_of_all_stacks_at_once() -> None:
    first = stack({"A": bucket(Nope=1), "B": of("AWS::EC2::Instance")}, "First")
    second = stack({"C": queue(QueueName=ref("Nowhere"), Nope=2)}, "Second")
    got = refused(Assembly(assembly({}).directory, (first, second)))
    assert [problem.split(":")[0] for problem in got] == [
        "First/A (AWS",
        "First/B (AWS",
        "Second/C (AWS",
        "Second/C (AWS",
    ]
    assert {problem.split(") ")[1].split(":")[0] for problem in got} == {"Nope", "Type", "QueueName"}


def test_function_for_another_machine_needs_its_source() -> None:
    function = template()["Resources"]["Function"]
    body = {**function["Properties"], "Role": "r", "LoggingConfig": {}, "Environment": {}, "Architectures": ["s390x"]}
    got = refused(assembly({"A": {"Type": function["Type"], "Properties": body}}))
    assert any("Architectures: the code cannot run here" in problem for problem in got)


@pytest.mark.parametrize("path", ["BucketEncryption", "Deep"])
def test_a_false_branch_is_checked_for_references_only(path: str) -> None:
    choice = {"Fn::If": ["No", {"Unknown": ref("Nowhere")} if path == "Deep" else {"Unknown": 1}, ref("AWS::NoValue")]}
    conditions = {"No": {"Fn::Equals": ["a", "b"]}}
    found = assembly({"A": bucket(BucketEncryption=choice)}, Conditions=conditions)
    if path == "Deep":
        assert "dangling reference" in refused(found)[0]
    else:
        with pytest.raises(AssertionError, match="was called"):
            deploy(Account(), found)
