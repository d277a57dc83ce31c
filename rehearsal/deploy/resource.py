"""What the deployer knows of a resource type, and what a type may use to make one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rehearsal.deploy import shapes
from rehearsal.deploy.properties import Fields, Finding


class Account(Protocol):
    """The stand-in, as far as the deployer needs it (`rehearsal.cloud.Cloud` is one)."""

    account: str
    region: str
    workdir: Path

    def client(self, service: str, role_arn: str | None = None) -> Any: ...


@dataclass(frozen=True)
class Made:
    """What `Ref` and `Fn::GetAtt` answer for a resource."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Maker:
    """What a type's functions get: the account, and which resource of which stack this is."""

    cloud: Account
    stack: str
    logical_id: str
    metadata: dict[str, Any] = field(default_factory=dict)
    substitute_code: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def call(self, service: str, method: str, **params: Any) -> dict[str, Any]:
        """One API call with parameters in CloudFormation's names and types."""
        return shapes.call(self.client(service), method, params)

    def name(self, limit: int, lower: bool = False, suffix: str = "") -> str:
        """A physical name for a resource that the template leaves unnamed: stable for stack and logical id."""
        digest = hashlib.sha256(f"{self.cloud.account}/{self.stack}/{self.logical_id}".encode()).hexdigest()[:12]
        stem = f"{self.stack}-{self.logical_id}"[: limit - len(digest) - len(suffix) - 1].rstrip("-")
        text = f"{stem}-{digest}{suffix}"
        return text.lower() if lower else text

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        place = self.cloud.region if region is None else region
        return f"arn:{partition(self.cloud.region)}:{service}:{place}:{self.cloud.account}:{resource}"


@dataclass(frozen=True)
class ResourceType:
    """How one CloudFormation type is made, read back and removed.

    read: the properties as the service reports them, in CloudFormation's shape. listed: the inventory kinds (see
    `inventory`) in which such a resource shows. note: why nothing of the type is executed, if so. check: what is not
    handled in the combination of properties. change: makes the resource what its new properties say, from (maker,
    made, old properties, new properties); without it a stack update that changes such a resource is refused.
    """

    name: str
    properties: Fields
    make: Callable[[Maker, dict[str, Any]], Made]
    read: Callable[[Maker, Made, dict[str, Any]], dict[str, Any]]
    remove: Callable[[Maker, Made, dict[str, Any]], None]
    attributes: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    note: str = ""
    check: Callable[[Account, dict[str, Any]], Iterable[Finding]] = lambda _cloud, _props: ()
    change: Callable[[Maker, Made, dict[str, Any], dict[str, Any]], Made] | None = None


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
