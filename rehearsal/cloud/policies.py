"""The policies as deployed: read from the services' own state at each request, parsed once per text."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import Role, iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition

from rehearsal.iam import InvalidPolicy, Policies, Policy, Unevaluable, parse
from rehearsal.iam.document import Kind


class Deployed:
    """The policies of one account and region."""

    def __init__(self, account: str, region: str):
        self._account, self._region, self._partition = account, region, get_partition(region)

    def of(self, role: str | None, action: str, resource: str) -> Policies:
        """What applies to a request of a role, or of a service when `role` is None. Raises Unevaluable."""
        attached = self._resource_policy(action, resource)
        if role is None:
            return Policies(resource=attached)
        found = self.role(role)
        if found is None:
            raise Unevaluable(f"there is no role {role}")
        return Policies(tuple(self._identity(found)), self._boundary(found), attached)

    def role(self, arn: str) -> Role | None:
        """The role with this ARN."""
        name = arn.rsplit("/", 1)[-1]
        for role in list(self._iam.roles.values()):
            if role.name == name:
                return role
        return None

    @property
    def _iam(self) -> Any:
        return iam_backends[self._account][self._partition]

    def _identity(self, role: Role) -> list[Policy]:
        found = [_parsed(_text(body), "identity", f"policy {name}") for name, body in role.policies.items()]
        for policy in list(role.managed_policies.values()):
            found.append(_parsed(_default_version(policy), "identity", f"managed policy {policy.name}"))
        return found

    def _boundary(self, role: Role) -> Policy | None:
        if not role.permissions_boundary_arn:
            return None
        policy = self._iam.get_policy(role.permissions_boundary_arn)
        return _parsed(_default_version(policy), "boundary", f"permissions boundary {policy.name}")

    def _resource_policy(self, action: str, resource: str) -> Policy | None:
        service = action.split(":", 1)[0]
        read = {
            "s3": self._bucket,
            "kms": self._key,
            "sqs": self._queue,
            "sns": self._topic,
            "lambda": self._function,
            "secretsmanager": self._secret,
            "sts": self._trust,
        }.get(service)
        return read(resource) if read and resource != "*" else None

    def _bucket(self, arn: str) -> Policy | None:
        name = arn.split(":", 5)[5].split("/", 1)[0]
        bucket = s3_backends[self._account][self._partition].buckets.get(name)
        if bucket is None or bucket.policy is None:
            return None
        return _parsed(_text(bucket.policy), "resource", f"the policy of bucket {name}")

    def _key(self, arn: str) -> Policy | None:
        key = kms_backends[self._account][self._region].keys.get(arn.rsplit("/", 1)[-1])
        return None if key is None else _parsed(_text(key.policy), "key", f"the policy of key {key.id}")

    def _queue(self, arn: str) -> Policy | None:
        queue = sqs_backends[self._account][self._region].queues.get(arn.rsplit(":", 1)[-1])
        if queue is None or not queue.policy:
            return None
        return _parsed(_text(queue.policy), "resource", f"the policy of queue {queue.name}")

    def _topic(self, arn: str) -> Policy | None:
        topic = sns_backends[self._account][self._region].topics.get(arn)
        return None if topic is None else _parsed(_text(topic.policy), "resource", f"the policy of topic {topic.name}")

    def _function(self, arn: str) -> Policy | None:
        name = arn.split(":")[6] if arn.count(":") >= 6 else arn
        for function in lambda_backends[self._account][self._region].list_functions():
            if function.function_name == name and function.policy.statements:
                document = {"Version": "2012-10-17", "Statement": function.policy.statements}
                return _parsed(json.dumps(document), "resource", f"the policy of function {name}")
        return None

    def _secret(self, arn: str) -> Policy | None:
        for secret in list(secretsmanager_backends[self._account][self._region].secrets.values()):
            text = getattr(secret, "policy", None)
            if text and arn in (secret.arn, secret.name):
                return _parsed(_text(text), "resource", f"the policy of secret {secret.name}")
        return None

    def _trust(self, arn: str) -> Policy | None:
        role = self.role(arn)
        if role is None:
            return None
        return _parsed(_text(role.assume_role_policy_document), "trust", f"the trust policy of {role.name}")


def _default_version(policy: Any) -> str:
    return _text(next(version.document for version in policy.versions if version.is_default))


def _text(document: Any) -> str:
    if isinstance(document, bytes):
        return document.decode()
    return document if isinstance(document, str) else json.dumps(document)


@lru_cache(maxsize=2_000)
def _read(text: str, kind: Kind, name: str) -> Policy | InvalidPolicy:
    try:
        return parse(text, kind, name)
    except InvalidPolicy as error:
        return error


def _parsed(text: str, kind: Kind, name: str) -> Policy:
    found = _read(text, kind, name)
    if isinstance(found, InvalidPolicy):
        raise Unevaluable(f"{name} cannot be evaluated: {found}")
    return found
