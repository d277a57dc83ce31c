"""Roles enforced: every call but the administrator's is decided by the deployed policies, and each denial is kept."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from moto.athena.models import athena_backends
from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends

from rehearsal.cloud.calls import Names, Request
from rehearsal.cloud.encryption import Encryption
from rehearsal.cloud.faults import Caller
from rehearsal.cloud.identities import ADMINISTRATOR, Identities
from rehearsal.cloud.needs import Need, log_arn, needs
from rehearsal.cloud.policies import Deployed
from rehearsal.iam import Context, Decision, Principal, Unevaluable, decide
from rehearsal.iam import Request as Asked
from rehearsal.iam.variables import Values

# Whom a role has to trust, by the kind of caller that acts under it.
TRUSTED = {"lambda": "lambda.amazonaws.com", "job": "glue.amazonaws.com", "execution": "states.amazonaws.com"}

# Services that name the account, and the resource they act for, when they assume a role.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
SOURCES_IN_TRUST = ("states.", "events.", "scheduler.", "firehose.", "dms.")

# Condition keys whose value or absence the stand-in knows. A condition on any other refuses the request.
KNOWN_KEYS = frozenset({
    "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:userid", "aws:username",
    "aws:principaltag/*", "aws:requestedregion", "aws:securetransport", "aws:currenttime", "aws:epochtime",
    "aws:tokenissuetime", "aws:viaawsservice", "aws:principalisawsservice", "aws:principalservicename",
    "aws:principalservicenameslist", "aws:sourceaccount", "aws:sourcearn", "aws:sourceowner", "aws:resourceaccount",
    "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:federatedprovider", "aws:sourceidentity",
    "s3:prefix", "s3:delimiter", "s3:max-keys", "s3:tlsversion", "s3:versionid", "s3:authtype", "s3:signatureversion",
    "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-acl", "s3:x-amz-storage-class",
    "s3:requestobjecttagkeys", "s3:requestobjecttag/*",
    "kms:viaservice", "kms:calleraccount", "kms:encryptioncontext:*", "kms:encryptioncontextkeys",
    "kms:grantisforawsresource", "events:detail-type", "events:source", "iam:passedtoservice", "sts:externalid",
    "cloudwatch:namespace",
})  # fmt: skip


@dataclass(frozen=True)
class Denial:
    """A call that was refused.

    caller: kind and name of the actor; role: its role's ARN, or the service principal; reason: what decided.
    """

    caller: str
    role: str
    action: str
    resource: str
    reason: str

    def __str__(self) -> str:
        return f"{self.role} may not {self.action} on {self.resource} ({self.caller}): {self.reason}"


class Denials:
    """Every denial once, in the order of its first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Denial, None] = {}

    def add(self, denial: Denial) -> None:
        with self._lock:
            self._found[denial] = None

    def rows(self) -> list[Denial]:
        with self._lock:
            return list(self._found)

    def clear(self) -> None:
        with self._lock:
            self._found.clear()


class Enforcement:
    """Decides calls of one account and region.

    `use` is told of every permitted (role, permission, resource). With `on` false nothing is refused.
    """

    def __init__(
        self,
        names: Names,
        identities: Identities,
        denials: Denials,
        use: Callable[[str, str, str], None],
        on: bool,
    ):
        self._names, self._identities, self._denials, self._use, self._on = names, identities, denials, use, on
        self._deployed = Deployed(names.account, names.region)
        self.encryption = Encryption(names)

    def request(self, caller: Caller, request: Request) -> Denial | None:
        """Decide an API call: what the operation needs, and what it needs of keys."""
        if caller.kind == ADMINISTRATOR:
            return None
        wanted = [*(self._resolved(need) for need in needs(request, self._names)), *self.encryption.needs(request)]
        return self.check(caller, wanted) or self._hidden(caller, request)

    def check(self, caller: Caller, wanted: Iterable[Need]) -> Denial | None:
        """Decide what an actor is about to do. The first thing it may not do is recorded and returned."""
        if caller.kind == ADMINISTRATOR:
            return None
        wanted = list(wanted)
        if self._on and (denial := self._trust(caller)):
            return self._deny(denial)
        for need in wanted:
            if self._on:
                decision = self._decide(self._principal(caller), self._role(caller), need, self._context(caller, need))
                if not decision.allowed:
                    return self._deny(_denial(caller, need, decision))
        for need in wanted:
            self._use(caller.role, need.action, need.resource)
        return None

    def may_log(self, caller: Caller, group: str, stream: str, encrypts: bool = False) -> bool:
        """Whether a function's or job's role may write to a log stream, and CloudWatch Logs use the group's key.

        encrypts: the writer sets the group's key itself, as Glue does under a security configuration.
        """
        found = logs_backends[self._names.account][self._names.region].groups.get(group)
        wanted = [] if found else [Need("logs:CreateLogGroup", log_arn(self._names, group))]
        if encrypts:
            wanted.append(Need("logs:AssociateKmsKey", log_arn(self._names, group)))
        if found is None or stream not in found.streams:
            wanted.append(Need("logs:CreateLogStream", log_arn(self._names, group, stream)))
        wanted.append(Need("logs:PutLogEvents", log_arn(self._names, group, stream)))
        if self.check(caller, wanted):
            return False
        service = f"logs.{self._names.region}.amazonaws.com"
        context = {"aws:logs:arn": self._names.arn("logs", f"log-group:{group}")}
        key = found.kms_key_id if found else None
        owner = Caller("service", service, "", service)
        return self.check(owner, self.encryption.use("logs", key, "GenerateDataKey", context)) is None

    def session_arn(self, caller: Caller) -> str:
        """How an error message names the caller."""
        return str(self._principal(caller))

    def _deny(self, denial: Denial) -> Denial:
        self._denials.add(denial)
        return denial

    def _hidden(self, caller: Caller, request: Request) -> Denial | None:
        """S3 says 403 of a missing object, not 404, to who may not list the bucket.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        bucket, key = request.parameters.get("Bucket"), request.parameters.get("Key")
        if not self._on or request.service != "s3" or request.action not in ("GetObject", "HeadObject") or not key:
            return None
        if self.encryption.object(str(bucket), key, request.query.get("versionId")) is not None:
            return None
        return self.check(caller, [Need("s3:ListBucket", self._names.arn("s3", str(bucket)))])

    def _resolved(self, need: Need) -> Need:
        """Names that policies do not know, replaced by what they stand for."""
        service = need.action.split(":", 1)[0]
        if service == "kms" and need.resource != "*":
            key = need.resource.split("key/", 1)[-1] if "alias/" in need.resource else need.resource
            return replace(need, resource=self.encryption.key_arn(key) or need.resource)
        if service == "secretsmanager":
            for secret in list(secretsmanager_backends[self._names.account][self._names.region].secrets.values()):
                if need.resource in (secret.arn, self._names.arn("secretsmanager", f"secret:{secret.name}")):
                    return replace(need, resource=secret.arn)
        if service == "athena" and ":execution/" in need.resource:
            executions = athena_backends[self._names.account][self._names.region].executions
            found = executions.get(need.resource.rpartition("/")[2])
            group = getattr(found.workgroup, "name", "*") if found else "*"
            return replace(need, resource=self._names.arn("athena", f"workgroup/{group}"))
        return need

    def _trust(self, caller: Caller) -> Denial | None:
        """Whether the role lets the service act under it."""
        role = self._role(caller)
        service = caller.name if caller.kind == "service" else TRUSTED.get(caller.kind)
        if role is None or service is None:
            return None
        need = Need("sts:AssumeRole", role)
        context = self._service_context(service, caller, in_trust=True)
        decision = self._decide(Principal("service", service), None, need, context)
        return None if decision.allowed else replace(_denial(caller, need, decision), role=service)

    def _decide(self, principal: Principal, role: str | None, need: Need, context: Context) -> Decision:
        asked = Asked(principal, need.action, need.resource, context, owner=self._names.account)
        try:
            policies = self._deployed.of(role, need.action, need.resource)
        except Unevaluable as error:
            return Decision("refused", str(error))
        return decide(asked, policies, KNOWN_KEYS)

    @staticmethod
    def _role(caller: Caller) -> str | None:
        return caller.role if caller.role.startswith("arn:") else None

    def _principal(self, caller: Caller) -> Principal:
        role = self._role(caller)
        if role is None:
            return Principal("service", caller.role)
        return Principal("role", role, caller.name.replace(":", "-")[:64])

    def _context(self, caller: Caller, need: Need) -> Context:
        role = self._role(caller)
        if role is None:
            # A service that acts in its own name does not act through itself.
            own = {key: value for key, value in need.context if key != "kms:ViaService"}
            return self._service_context(caller.role, caller).joined(own)
        values = self._common() | {
            "aws:PrincipalArn": role,
            "aws:PrincipalAccount": self._names.account,
            "aws:PrincipalType": "AssumedRole",
            "aws:userid": f"AROA{caller.session[4:]}:{caller.name}",
            "aws:PrincipalIsAWSService": "false",
            "kms:CallerAccount": self._names.account,
        }
        found = self._deployed.role(role)
        for tag in getattr(found, "tags", None) or []:
            values[f"aws:PrincipalTag/{tag['Key']}"] = tag["Value"]
        return Context(values).joined(dict(need.context))

    def _service_context(self, service: str, caller: Caller, in_trust: bool = False) -> Context:
        values: dict[str, Values] = self._common() | {
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalServiceName": service,
            "aws:PrincipalServiceNamesList": (service,),
        }
        source = self._identities.source(caller.session)
        names_source = service.startswith(SOURCES_IN_TRUST) if in_trust else bool(source)
        if names_source:
            values |= {"aws:SourceAccount": self._names.account, "aws:SourceOwner": self._names.account}
            values |= {"aws:SourceArn": source} if source else {}
        if in_trust and service == "firehose.amazonaws.com":
            # https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html
            values["sts:ExternalId"] = self._names.account
        return Context(values)

    def _common(self) -> dict[str, Values]:
        """Keys of every request. The SDKs use TLS 1.3 where the stand-in is plain HTTP on this machine."""
        now = datetime.datetime.now(datetime.UTC)
        return {
            "aws:RequestedRegion": self._names.region,
            "aws:ResourceAccount": self._names.account,
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now.timestamp())),
            "s3:TlsVersion": "1.3",
            "s3:authType": "REST-HEADER",
            "s3:signatureversion": "AWS4-HMAC-SHA256",
        }


def _denial(caller: Caller, need: Need, decision: Decision) -> Denial:
    return Denial(f"{caller.kind} {caller.name}", caller.role, need.action, need.resource, decision.reason)
