"""Decisions on requests, each with the statement that decided.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

from rehearsal.iam.conditions import Condition, holds
from rehearsal.iam.document import Policy, Statement
from rehearsal.iam.patterns import action_matches, resource_matches
from rehearsal.iam.principals import Named, Principal, excepted, named
from rehearsal.iam.problems import Unevaluable
from rehearsal.iam.variables import Context

Outcome = Literal["allowed", "denied", "not allowed", "refused"]


@dataclass(frozen=True)
class Request:
    """Who wants to do what. resource: an ARN, or * where the action takes none.

    owner: the account of a resource whose ARN names none (a bucket).
    """

    principal: Principal
    action: str
    resource: str
    context: Context = field(default_factory=Context)
    owner: str = ""

    @property
    def account(self) -> str:
        """The account of the resource: that of its ARN, else `owner`, else the requester's."""
        parts = self.resource.split(":", 5)
        return (parts[4] if len(parts) == 6 else "") or self.owner or self.principal.account


@dataclass(frozen=True)
class Policies:
    """What applies to one request: the requester's policies and boundary, and the policy of the resource."""

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    resource: Policy | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of a request, and why.

    outcome: `allowed`; `denied` by a Deny; `not allowed`, since no statement allows it; `refused`, since a statement
    that bears on it cannot be evaluated. policy and statement: which decided, if one did.
    """

    outcome: Outcome
    reason: str
    policy: str = ""
    statement: str = ""

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"


def decide(request: Request, policies: Policies, known_keys: Collection[str] | None = None) -> Decision:
    """Decide a request.

    known_keys: the condition keys (lower case; ending in `*`: a prefix) whose value or absence the caller vouches for.
    A statement that applies but for a condition on another key makes the request `refused`. Default: all.
    """
    try:
        return _Judge(request, policies, known_keys).decide()
    except Unevaluable as error:
        return Decision("refused", str(error))


class _Judge:
    def __init__(self, request: Request, policies: Policies, known_keys: Collection[str] | None):
        self.request, self.policies, self.known = request, policies, known_keys

    def decide(self) -> Decision:
        if found := next(self._applying(allow=False), None):
            policy, statement, _ = found
            return self._by("denied", policy, statement, "denies it")
        boundary = self._boundary()
        allowed = self._resource_allows(boundary)
        if allowed is None:
            return self._not_allowed()
        if allowed is True:
            return self._identity_allows(boundary) or self._not_allowed()
        return allowed

    def _resource_allows(self, boundary: Decision | None) -> Decision | bool | None:
        """A final decision by the resource's policy; True when the requester's own policies may decide; None when
        they may not."""
        request, policy = self.request, self.policies.resource
        strict = request.action.lower().startswith(("kms:", "sts:assumerole")) and request.resource != "*"
        foreign = bool(request.principal.account) and request.principal.account != request.account
        best: tuple[Policy, Statement, Named] | None = None
        if policy is not None:
            best = max(self._applying(allow=True, only=policy), key=lambda found: found[2], default=None)
        if best is None:
            return None if strict or foreign or request.principal.kind in ("service", "anonymous") else True
        policy, statement, how = best
        if foreign:
            return True
        if how == Named.SELF or (how == Named.ROLE and boundary is None):
            return self._by("allowed", policy, statement, "allows it")
        return True

    def _identity_allows(self, boundary: Decision | None) -> Decision | None:
        for policy in self.policies.identity:
            for _, statement, _ in self._applying(allow=True, only=policy):
                return boundary or self._by("allowed", policy, statement, "allows it")
        if self.request.principal.kind == "root" and self.request.principal.account == self.request.account:
            strict = self.request.action.lower().startswith("kms:")
            return None if strict else Decision("allowed", "the root user of the account may do everything in it")
        return None

    def _boundary(self) -> Decision | None:
        """What the permissions boundary makes of the request, or None when it lets it pass."""
        boundary = self.policies.boundary
        if boundary is None or next(self._applying(allow=True, only=boundary), None):
            return None
        return Decision("not allowed", f"the permissions boundary {boundary.name} does not allow it", boundary.name)

    def _all(self) -> Iterator[Policy]:
        yield from self.policies.identity
        if self.policies.boundary is not None:
            yield self.policies.boundary
        if self.policies.resource is not None:
            yield self.policies.resource

    def _applying(self, *, allow: bool, only: Policy | None = None) -> Iterator[tuple[Policy, Statement, Named]]:
        for policy in self._all() if only is None else (only,):
            for statement in policy.statements:
                if statement.allow == allow and (how := self._applies(policy, statement)):
                    yield policy, statement, how

    def _applies(self, policy: Policy, statement: Statement) -> Named:
        if not _covers_action(statement, self.request.action):
            return Named.NOT
        how = _names(statement, self.request.principal)
        if not how or not self._covers_resource(policy, statement):
            return Named.NOT
        results = [self._holds(policy, statement, condition) for condition in statement.conditions]
        if False in results:
            return Named.NOT
        for condition, result in zip(statement.conditions, results, strict=True):
            if result is None:
                raise Unevaluable(
                    f"{policy.name} {statement}: whether a request has {condition.key} is not known here, so "
                    f"{condition.name} cannot be evaluated"
                )
        return how

    def _holds(self, policy: Policy, statement: Statement, condition: Condition) -> bool | None:
        """None: the key's value is not known, so that nobody can tell."""
        if self.request.context.get(condition.key) is None and not self._is_known(condition.key):
            return None
        try:
            return holds(condition, self.request.context)
        except Unevaluable as error:
            raise Unevaluable(f"{policy.name} {statement}: {error}") from error

    def _is_known(self, key: str) -> bool:
        if self.known is None:
            return True
        key = key.lower()
        return key in self.known or any(k.endswith("*") and key.startswith(k[:-1]) for k in self.known)

    def _covers_resource(self, policy: Policy, statement: Statement) -> bool:
        if policy.kind == "trust":
            return True
        resource, context = self.request.resource, self.request.context
        if statement.not_resources:
            return not any(resource_matches(entry, resource, context) for entry in statement.not_resources)
        return any(resource_matches(entry, resource, context) for entry in statement.resources)

    def _by(self, outcome: Outcome, policy: Policy, statement: Statement, verb: str) -> Decision:
        return Decision(outcome, f"{statement} of {policy.name} {verb}", policy.name, str(statement))

    def _not_allowed(self) -> Decision:
        return Decision("not allowed", "; ".join(self._why()))

    def _why(self) -> Iterator[str]:
        """The statements that come nearest, and what they lack."""
        own, resource = self.policies.identity, self.policies.resource
        service = self.request.action.split(":")[0].lower()
        if service == "kms" and resource is None and self.request.resource != "*":
            yield "the key has no key policy"
        elif resource is not None and resource.kind in ("key", "trust") and not self._allowing(resource):
            yield f"{resource.name} does not allow it, nor lets the account's policies decide"
        yield f"no statement of {', '.join(p.name for p in own) or 'any policy'} allows it"
        for policy in (*own, *((resource,) if resource else ())):
            for statement in policy.statements:
                if statement.allow and (lack := self._lack(policy, statement)):
                    yield f"{statement} of {policy.name} would, but {lack}"

    def _allowing(self, policy: Policy) -> bool:
        return next(self._applying(allow=True, only=policy), None) is not None

    def _lack(self, policy: Policy, statement: Statement) -> str | None:
        if not _covers_action(statement, self.request.action) or not _names(statement, self.request.principal):
            return None
        if not self._covers_resource(policy, statement):
            return "for other resources"
        for condition in statement.conditions:
            if not holds(condition, self.request.context):
                given = self.request.context.get(condition.key)
                return f"its condition {condition} does not hold ({'absent' if given is None else f'got {given}'})"
        return None


def _covers_action(statement: Statement, action: str) -> bool:
    if statement.not_actions:
        return not any(action_matches(entry, action) for entry in statement.not_actions)
    return any(action_matches(entry, action) for entry in statement.actions)


def _names(statement: Statement, principal: Principal) -> Named:
    if statement.principals is not None:
        return named(principal, statement.principals)
    if statement.not_principals is not None:
        return Named.NOT if excepted(principal, statement.not_principals) else Named.SELF
    return Named.SELF
