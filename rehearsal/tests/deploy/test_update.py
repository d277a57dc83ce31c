"""A stack update makes what is new, changes what differs, removes what is gone, and refuses what it cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.cloud import Cloud
from rehearsal.deploy import Assembly, DeployFailed, FileAsset, Stack, TemplateRefused, deploy
from rehearsal.tests.deploy.conftest import TRUST, assembly, bucket, policy, queue
from rehearsal.tests.deploy.every_type import get, of, ref

pytestmark = pytest.mark.cloud


def role(**properties: Any) -> dict[str, Any]:
    return of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST, **properties)


def grant(action: str, *roles: str) -> dict[str, Any]:
    return of("AWS::IAM::Policy", PolicyName="own", PolicyDocument=policy(action), Roles=[ref(r) for r in roles])


def test_makes_changes_and_removes(cloud: Cloud) -> None:
    first = {"Old": queue(), "Kept": queue(), "R": role(), "S": role(), "P": grant("s3:GetObject", "R", "S")}
    made = deploy(cloud, assembly(first, Outputs={"Url": {"Value": ref("Old")}}))
    old, kept = made.resources["Old"].physical_id, made.resources["Kept"].physical_id
    second = {"New": queue(DelaySeconds=5), "Kept": queue(), "R": role(), "S": role(), "P": grant("s3:PutObject", "R")}
    done = made.update(assembly(second, Outputs={"Url": {"Value": ref("New")}}))
    assert [[label.split(" ")[0] for label in part] for part in (done.made, done.changed, done.removed)] == [
        ["Test/New"],
        ["Test/P"],
        ["Test/Old"],
    ]
    assert made.resources["Kept"].physical_id == kept
    assert set(made.resources) == set(second)
    assert made.outputs == {"Url": made.resources["New"].physical_id}
    with pytest.raises(ClientError):
        cloud.client("sqs").get_queue_attributes(QueueUrl=old)
    iam = cloud.client("iam")
    document = iam.get_role_policy(RoleName=made.resources["R"].physical_id, PolicyName="own")["PolicyDocument"]
    assert document["Statement"][0]["Action"] == "s3:PutObject"
    assert iam.list_role_policies(RoleName=made.resources["S"].physical_id)["PolicyNames"] == []
    assert len(made.destroy().deleted) == len(second)


def test_a_second_update_with_the_same_template_does_nothing(cloud: Cloud) -> None:
    made = deploy(cloud, assembly({"Q": queue()}))
    done = made.update(assembly({"Q": queue()}))
    assert (done.made, done.changed, done.removed, done.retained) == ((), (), (), ())
    made.destroy()


def test_what_is_retained_stays_until_destroy(cloud: Cloud) -> None:
    made = deploy(cloud, assembly({"Raw": {**bucket(), "DeletionPolicy": "Retain"}, "Q": queue()}))
    name = made.resources["Raw"].physical_id
    cloud.client("s3").put_object(Bucket=name, Key="a", Body=b"x")
    done = made.update(assembly({"Q": queue()}))
    assert [label.split(" ")[-1] for label in done.retained] == [name]
    assert cloud.client("s3").get_object(Bucket=name, Key="a")["Body"].read() == b"x"
    gone = made.destroy()
    assert [label.split(" ")[-1] for label in gone.retained] == [name]


def test_what_cannot_be_changed_is_refused_before_anything_is_done(cloud: Cloud) -> None:
    made = deploy(cloud, assembly({"Q": queue(DelaySeconds=1), "X": queue()}))
    with pytest.raises(TemplateRefused) as refused:
        made.update(assembly({"New": queue(), "Q": queue(DelaySeconds=2), "X": bucket()}))
    text = str(refused.value)
    assert "Test/Q (AWS::SQS::Queue): the rehearsal does not change resources of this type" in text
    assert "DelaySeconds" in text
    assert "Test/X (AWS::S3::Bucket) Type: an update cannot change a resource's type" in text
    with pytest.raises(TemplateRefused, match="an update keeps the stacks as they are; deployed: Test"):
        made.update(assembly({"Q": queue(DelaySeconds=1)}, name="Other"))
    assert set(made.resources) == {"Q", "X"}
    made.destroy()


def test_a_failed_update_leaves_everything_to_destroy(cloud: Cloud) -> None:
    made = deploy(cloud, assembly({"A": queue(), "Z": queue()}))
    alias = {**of("AWS::KMS::Alias", AliasName="no-prefix", TargetKeyId="nothing"), "DependsOn": "N"}
    with pytest.raises(DeployFailed, match=r"Test/B \(AWS::KMS::Alias\): NotFoundException") as failed:
        made.update(assembly({"A": queue(), "N": queue(), "B": alias}))
    assert failed.value.deployment is made
    assert [label.split(" ")[0] for label in made.destroy().deleted] == ["Test/N", "Test/Z", "Test/A"]


def test_a_function_gets_code_and_configuration(cloud: Cloud, code: FileAsset, tmp_path: Path) -> None:
    def function(**properties: Any) -> dict[str, Any]:
        body = of(
            "AWS::Lambda::Function",
            Code={"S3Bucket": {"Fn::Sub": code.bucket}, "S3Key": code.key},
            Role=get("R"),
            Runtime="provided.al2023",
            Handler="bootstrap",
            Architectures=["arm64"],
            **properties,
        )
        return {**body, "Metadata": {"strata:go-import-path": "example.com/m"}}

    def app(text: str, template: dict[str, Any]) -> Assembly:
        (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.26\n")
        (tmp_path / "main.go").write_text(f"package main\n\nfunc main() {{ println({text!r}) }}\n".replace("'", '"'))
        stack = Stack("Test", {"Resources": {"R": role(), "F": template}}, (code,))
        return Assembly(Path("."), (stack,), tmp_path)

    made = deploy(cloud, app("one", function(Timeout=3, Environment={"Variables": {"A": "1"}})))
    name = made.resources["F"].physical_id
    before = cloud.client("lambda").get_function(FunctionName=name)["Configuration"]["CodeSha256"]
    made.update(app("two", function(Timeout=9, Environment={"Variables": {"A": "2"}})))
    found = cloud.client("lambda").get_function(FunctionName=name)["Configuration"]
    assert (found["Timeout"], found["Environment"]["Variables"]) == (9, {"A": "2"})
    assert found["CodeSha256"] != before
    with pytest.raises(DeployFailed, match="Environment left the function"):
        made.update(app("two", function(Timeout=9)))
    made.destroy()


def test_what_cannot_be_removed_is_told_and_goes_with_the_stack(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    made = deploy(cloud, assembly({"A": queue(), "B": queue(), "C": queue()}))

    def refuse(**_: str) -> None:
        raise ClientError({"Error": {"Code": "InUse", "Message": "in use"}}, "DeleteQueue")

    with monkeypatch.context() as patched:
        patched.setattr(cloud.client("sqs"), "delete_queue", refuse)
        done = made.update(assembly({"A": queue()}))
    assert [label.split(" ")[0] for label in done.left] == ["Test/C", "Test/B"]
    assert "in use" in done.left[0]
    assert [label.split(" ")[0] for label in made.destroy().deleted] == ["Test/C", "Test/B", "Test/A"]
