"""What the engine refuses, and how it names what decided."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.iam import Context, Decision, InvalidPolicy, Policies, Principal, Request, decide, parse
from rehearsal.iam.patterns import action_matches, arn_like, resource_matches
from rehearsal.iam.principals import read

ROLE = "arn:aws:iam::111122223333:role/app"
OBJECT = "arn:aws:s3:::b/k"


def policy(*statements: dict[str, Any], kind: Any = "identity", version: str = "2012-10-17"):
    return parse({"Version": version, "Statement": list(statements)}, kind, f"{kind} policy")


def allow(action: str = "s3:*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def ask(*policies: Any, known: Any = None, context: dict[str, Any] | None = None, **of: Any) -> Decision:
    request = Request(Principal("role", ROLE, "s"), "s3:GetObject", OBJECT, Context(context))
    return decide(request, Policies(tuple(policies), **of), known)


@pytest.mark.parametrize(
    "document,kind,says",
    [
        ({"Statement": [], "Version": "2012-10-17"}, "identity", ["Statement: must be"]),
        ({"Statement": [allow()], "Version": "2013"}, "identity", ["Version: must be"]),
        ({"Statement": [allow()], "Verson": "2012-10-17"}, "identity", ["Verson: is no member"]),
        ({"Statement": [{**allow(), "Effect": "Permit", "Acton": "s3:*"}]}, "identity", ["Effect", "Acton"]),
        ({"Statement": [allow(Principal="*")]}, "identity", ["Principal: has no place"]),
        ({"Statement": [allow()]}, "resource", ["exactly one of Principal"]),
        ({"Statement": [allow(Principal="*")]}, "trust", ["Resource: has no place in a trust policy"]),
        ({"Statement": [allow(NotPrincipal={"AWS": "111122223333"})]}, "resource", ["NotPrincipal: is evaluated in a"]),
        ({"Statement": [allow(NotAction="s3:*")]}, "identity", ["exactly one of Action and NotAction"]),
        ({"Statement": [allow(action="GetObject", resource="b/k")]}, "identity", ["<service>:<action>", "six parts"]),
        ({"Statement": [allow(resource="arn:aws:s*:::b")]}, "identity", ["service's part"]),
        ({"Statement": [allow(resource="arn:aws:sqs")]}, "identity", ["six parts"]),
        ({"Statement": [allow(Principal={"AWS": "arn:aws:iam::111122223333:role/*"})]}, "resource", ["no wildcard"]),
        ({"Statement": [allow(Principal={"CanonicalUser": "79a5"})]}, "resource", ["not CanonicalUser"]),
        ({"Statement": [allow(Principal={"Service": "*"})]}, "resource", ["a service such as"]),
        ({"Statement": [allow(Condition={"StringMatches": {"aws:PrincipalArn": "x"}})]}, "identity", ["no operator"]),
        ({"Statement": [allow(Condition={"NullIfExists": {"aws:PrincipalArn": "true"}})]}, "identity", ["no operator"]),
        ({"Statement": [allow(Condition={"StringLike": {"principal": "x"}})]}, "identity", ["is no condition key"]),
        ({"Statement": [allow(Condition={"NumericEquals": {"s3:max-keys": "ten"}})]}, "identity", ["a number"]),
        ({"Statement": [allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}})]}, "identity", ["CIDR"]),
        ({"Statement": [allow(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})]}, "identity", ["ISO 8601"]),
        ({"Statement": [allow(resource="arn:aws:s3:::${user}/*")], "Version": "2012-10-17"}, "identity", ["variable"]),
        (
            {"Statement": [allow(resource="arn:aws:s3:::${aws:username")], "Version": "2012-10-17"},
            "identity",
            ["closed"],
        ),
        ({"Statement": [allow(resource="arn:aws:s3:::${aws:username}")]}, "identity", ["need Version 2012-10-17"]),
        ("{", "identity", ["is no JSON"]),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_refused(document: Any, kind: Any, says: list[str]):
    with pytest.raises(InvalidPolicy) as refused:
        parse(document, kind, "p")
    assert len(refused.value.problems) == len(says), str(refused.value)
    assert all(text in str(refused.value) for text in says), str(refused.value)


def test_decisions_name_the_statement():
    one = policy(allow(), {"Sid": "NoSecrets", "Effect": "Deny", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"})
    assert ask(one) == Decision(
        "denied", "statement 2 (NoSecrets) of identity policy denies it", "identity policy", "statement 2 (NoSecrets)"
    )
    assert ask(policy(allow())).reason == "statement 1 of identity policy allows it"


@pytest.mark.parametrize(
    "statement,says",
    [
        (allow(resource="arn:aws:s3:::other/*"), "but for other resources"),
        (allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}), "does not hold (absent)"),
        (allow(action="s3:PutObject"), "no statement of identity policy allows it"),
    ],
)
def test_a_refusal_says_what_comes_nearest(statement: dict[str, Any], says: str):
    decision = ask(policy(statement))
    assert decision.outcome == "not allowed" and says in decision.reason


def test_a_condition_on_an_unknown_key_refuses_the_request_only_where_it_decides():
    guarded = {
        "Effect": "Deny",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:PrincipalIsRoot": "true"}},
    }
    assert ask(policy(allow(), guarded)).allowed, "without a list of known keys an absent key is absent"
    refused = ask(policy(allow(), guarded), known={"aws:principalarn"})
    assert refused.outcome == "refused" and "aws:PrincipalIsRoot is not known" in refused.reason
    elsewhere = {**guarded, "Resource": "arn:aws:s3:::other/*"}
    assert ask(policy(allow(), elsewhere), known={"aws:principalarn"}).allowed
    other = {**guarded["Condition"], "StringEquals": {"aws:PrincipalArn": "another"}}
    settled = ask(
        policy(allow(), {**guarded, "Condition": other}), known={"aws:principalarn"}, context={"aws:PrincipalArn": ROLE}
    )
    assert settled.allowed, "another condition is false whatever the key says"


def test_a_request_value_that_does_not_fit_the_operator_refuses_the_request():
    guarded = {
        "Effect": "Deny",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    assert ask(policy(allow(), guarded), context={"aws:SourceIp": "here"}).outcome == "refused"
    tags = {**guarded, "Condition": {"StringEquals": {"aws:TagKeys": "a"}}}
    assert ask(policy(allow(), tags), context={"aws:TagKeys": ("a", "b")}).outcome == "refused"


def test_role_named_by_a_resource_policy_is_limited_by_its_boundary_a_session_is_not():
    boundary = policy(allow(action="sqs:*"), kind="boundary")

    def named(arn: str) -> Decision:
        return ask(resource=policy(allow(Principal={"AWS": arn}), kind="resource"), boundary=boundary)

    assert not named(ROLE).allowed
    assert "boundary" in ask(policy(allow()), boundary=boundary).reason
    assert named("arn:aws:sts::111122223333:assumed-role/app/s").allowed


@pytest.mark.parametrize(
    "pattern,resource,want",
    [
        ("*", "*", True),
        ("arn:aws:s3:::b/*", "*", False),
        ("arn:aws:s3:*", "arn:aws:s3:::b/k", True),
        ("arn:aws:logs:*:1:log-group:g:*", "arn:aws:logs:eu-west-1:1:log-group:g:log-stream:s", True),
        ("arn:aws:logs:eu-*-1:1:log-group:g:*", "arn:aws:logs:eu-west-1:1:log-group:g:*", True),
        ("arn:aws:sqs:e*t:1:q", "arn:aws:sqs:eu:2:x:t:1:q", False),
        ("arn:aws:sqs:eu-west-?:1:q", "arn:aws:sqs:eu-west-1:1:q", True),
        ("arn:aws:s3:::b/a.c", "arn:aws:s3:::b/abc", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b\n", True),
    ],
)
def test_resources(pattern: str, resource: str, want: bool):
    assert resource_matches(pattern, resource, Context()) is want


def test_variables_are_literals():
    context = Context({"aws:username": "a*"})
    assert resource_matches("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/a*", context)
    assert not resource_matches("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/abc", context)
    assert resource_matches("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", context)
    assert not resource_matches("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", context)
    assert resource_matches("arn:aws:s3:::b/${aws:userid}", "arn:aws:s3:::b/x", context) is None


def test_actions_and_arns():
    assert action_matches("S3:get*", "s3:GetObject") and not action_matches("s3:get", "s3:GetObject")
    assert not action_matches("s3*:GetObject", "s3express:GetObject")
    assert not arn_like("arn:aws:s3:::b", "b", Context())


@pytest.mark.parametrize(
    "text", ["app", "arn:aws:s3:::b", "arn:aws:iam::1:role/app", "lambda", "arn:aws:iam::111122223333:group/g"]
)
def test_a_principal_must_be_readable(text: str):
    with pytest.raises(ValueError, match="a role, user, root"):
        read(text)
