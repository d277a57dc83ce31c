"""Roles and policies."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import STRING_SET, TAGS, ListOf, applied, document, fields, recorded
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_text

_INLINE = fields(("PolicyName", "PolicyDocument"), PolicyName=applied(), PolicyDocument=document())

ROLE = fields(
    ("AssumeRolePolicyDocument",),
    RoleName=applied(),
    AssumeRolePolicyDocument=document(),
    Description=applied(),
    Path=applied(),
    MaxSessionDuration=recorded("sessions of the stand-in do not expire"),
    Policies=ListOf(_INLINE, ordered=False),
    ManagedPolicyArns=STRING_SET,
    PermissionsBoundary=applied(),
    Tags=TAGS,
)


def _make_role(maker: Maker, props: dict[str, Any]) -> Made:
    iam, name = maker.client("iam"), props.get("RoleName") or maker.name(64)
    kept = {k: props[k] for k in ("Description", "Path", "PermissionsBoundary", "Tags") if k in props}
    role = maker.call(
        "iam", "create_role", RoleName=name, AssumeRolePolicyDocument=props["AssumeRolePolicyDocument"], **kept
    )["Role"]
    for policy in props.get("Policies", []):
        _put(maker, "role", name, policy["PolicyName"], policy["PolicyDocument"])
    for arn in props.get("ManagedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _put(maker: Maker, kind: str, name: str, policy: str, body: Any) -> None:
    put = getattr(maker.client("iam"), f"put_{kind}_policy")
    put(**{f"{kind.title()}Name": name, "PolicyName": policy, "PolicyDocument": as_text(body)})


def _read_role(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    iam, name = maker.client("iam"), made.physical_id
    role = iam.get_role(RoleName=name)["Role"]
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    asked = {policy["PolicyName"] for policy in props.get("Policies", [])}
    return {
        **role,
        "PermissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "Policies": [iam.get_role_policy(RoleName=name, PolicyName=policy) for policy in inline if policy in asked],
        "ManagedPolicyArns": [p["PolicyArn"] for p in attached if p["PolicyArn"] in props.get("ManagedPolicyArns", [])],
    }


def _remove_role(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    iam, name = maker.client("iam"), made.physical_id
    for policy in props.get("Policies", []):
        iam.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])
    for arn in props.get("ManagedPolicyArns", []):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.delete_role(RoleName=name)


def _make_policy(maker: Maker, props: dict[str, Any]) -> Made:
    for role in props["Roles"]:
        _put(maker, "role", role, props["PolicyName"], props["PolicyDocument"])
    return Made(f"{maker.stack}-{maker.logical_id}")


def _change_policy(maker: Maker, made: Made, before: dict[str, Any], props: dict[str, Any]) -> Made:
    _make_policy(maker, props)
    for role in before["Roles"]:
        if role not in props["Roles"] or before["PolicyName"] != props["PolicyName"]:
            maker.client("iam").delete_role_policy(RoleName=role, PolicyName=before["PolicyName"])
    return made


def _read_policy(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    answers = [
        maker.client("iam").get_role_policy(RoleName=role, PolicyName=props["PolicyName"]) for role in props["Roles"]
    ]
    documents = [answer["PolicyDocument"] for answer in answers]
    agreed = documents[0] if all(item == documents[0] for item in documents) else documents
    return {
        "PolicyName": props["PolicyName"],
        "Roles": [answer["RoleName"] for answer in answers],
        "PolicyDocument": agreed,
    }


def _remove_policy(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    for role in props["Roles"]:
        maker.client("iam").delete_role_policy(RoleName=role, PolicyName=props["PolicyName"])


def _make_managed(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("ManagedPolicyName") or maker.name(128)
    kept = {key: props[key] for key in ("Description", "Path") if key in props}
    kept["PolicyDocument"] = props["PolicyDocument"]
    policy = maker.call("iam", "create_policy", PolicyName=name, **kept)["Policy"]
    for role in props.get("Roles", []):
        maker.client("iam").attach_role_policy(RoleName=role, PolicyArn=policy["Arn"])
    return Made(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})


def _read_managed(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    iam, arn = maker.client("iam"), made.physical_id
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    roles = iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]
    return {
        **policy,
        "ManagedPolicyName": policy["PolicyName"],
        "PolicyDocument": version["Document"],
        "Roles": [role["RoleName"] for role in roles],
    }


def _remove_managed(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    for role in props.get("Roles", []):
        maker.client("iam").detach_role_policy(RoleName=role, PolicyArn=made.physical_id)
    maker.client("iam").delete_policy(PolicyArn=made.physical_id)


TYPES = (
    ResourceType("AWS::IAM::Role", ROLE, _make_role, _read_role, _remove_role, ("Arn", "RoleId"), ("iam role",)),
    ResourceType(
        "AWS::IAM::Policy",
        fields(
            ("PolicyName", "PolicyDocument", "Roles"),
            PolicyName=applied(),
            PolicyDocument=document(),
            Roles=STRING_SET,
        ),
        _make_policy,
        _read_policy,
        _remove_policy,
        listed=("iam role",),
        change=_change_policy,
    ),
    ResourceType(
        "AWS::IAM::ManagedPolicy",
        fields(
            ("PolicyDocument",),
            ManagedPolicyName=applied(),
            Description=applied(),
            Path=applied(),
            PolicyDocument=document(),
            Roles=STRING_SET,
        ),
        _make_managed,
        _read_managed,
        _remove_managed,
        attributes=("PolicyArn", "PolicyId"),
        listed=("iam policy",),
    ),
)
