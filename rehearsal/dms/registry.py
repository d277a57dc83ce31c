"""What exists: endpoints, replication configurations, subnet groups and their tags."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rehearsal.cloud.calls import Names
from rehearsal.dms.mappings import Mappings
from rehearsal.dms.settings import Settings
from rehearsal.dms.state import AT_WORK, Progress
from rehearsal.dms.target import Target
from rehearsal.dms.task import Task

_ALPHABET = string.ascii_uppercase + string.digits


@dataclass
class Endpoint:
    """settings: as validated, defaults filled in. given: the request."""

    arn: str
    identifier: str
    kind: str
    engine: str
    settings: dict[str, Any]
    given: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """As DescribeEndpoints has it."""
        shown = ("EndpointIdentifier", "EngineName", "DatabaseName", "KmsKeyId", "SslMode")
        name = {"postgres": ("PostgreSQL", "PostgreSQLSettings"), "s3": ("Amazon S3", "S3Settings")}[self.engine]
        return {
            **{key: self.given[key] for key in shown if key in self.given},
            "EndpointType": self.kind.upper(),
            "EngineDisplayName": name[0],
            "EndpointArn": self.arn,
            "Status": "active",
            "SslMode": self.given.get("SslMode", "none"),
            name[1]: self.given[name[1]],
        }


@dataclass
class SubnetGroup:
    identifier: str
    described: dict[str, Any]


@dataclass
class Replication:
    """A replication configuration and the replication that runs by it."""

    arn: str
    given: dict[str, Any]
    mappings: Mappings
    settings: Settings
    progress: Progress
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    task: Task | None = None
    target: Target | None = None

    @property
    def identifier(self) -> str:
        return str(self.given["ReplicationConfigIdentifier"])

    @property
    def resource_id(self) -> str:
        """The last part of the ARN: what names the replication in metrics, logs and its slot."""
        return self.arn.rsplit(":", 1)[-1]

    @property
    def at_work(self) -> bool:
        return self.progress.status in AT_WORK

    def config(self) -> dict[str, Any]:
        """As DescribeReplicationConfigs has it."""
        return {
            **{key: value for key, value in self.given.items() if key not in ("Tags", "ResourceIdentifier")},
            "ReplicationConfigArn": self.arn,
            "ReplicationConfigCreateTime": self.created,
            "ReplicationConfigUpdateTime": self.updated,
            "IsReadOnly": False,
        }

    def described(self) -> dict[str, Any]:
        """As DescribeReplications has it."""
        kept = ("ReplicationConfigIdentifier", "SourceEndpointArn", "TargetEndpointArn", "ReplicationType")
        progress = self.progress
        with progress.lock:
            times = ("ReplicationUpdateTime", "ReplicationLastStopTime")
            found = {
                **{key: self.given[key] for key in kept},
                "ReplicationConfigArn": self.arn,
                "Status": progress.status,
                "StopReason": progress.stop_reason,
                "FailureMessages": list(progress.failures),
                "StartReplicationType": progress.start_type,
                "ReplicationStats": progress.statistics(),
                "ReplicationCreateTime": self.created,
                **{name: progress.times[name] for name in times if name in progress.times},
                "IsReadOnly": False,
            }
            if progress.runs:
                state = "provisioned" if progress.status in ("running", "stopping") else "provisioning"
                capacity = self.given["ComputeConfig"].get("MinCapacityUnits", 1)
                if not self.at_work:
                    state = "deprovisioned"
                found["ProvisionData"] = {"ProvisionState": state, "ProvisionedCapacityUnits": capacity}
                found["RecoveryCheckpoint"] = f"checkpoint:V1#{progress.runs}#{progress.checkpoint.position:X}"
            return found


class Registry:
    """Everything by ARN (subnet groups by name)."""

    def __init__(self, names: Names):
        self._names = names
        self.endpoints: dict[str, Endpoint] = {}
        self.replications: dict[str, Replication] = {}
        self.groups: dict[str, SubnetGroup] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def arn(self, kind: str, identifier: str | None) -> str:
        """An ARN with the given resource identifier, or with 26 random letters and digits."""
        last = identifier or "".join(secrets.choice(_ALPHABET) for _ in range(26))
        return self._names.arn("dms", f"{kind}:{last}")

    def tag(self, arn: str, tags: list[dict[str, str]]) -> None:
        self.tags.setdefault(arn, {}).update({tag["Key"]: tag.get("Value", "") for tag in tags})

    def untag(self, arn: str, keys: list[str]) -> None:
        for key in keys:
            self.tags.get(arn, {}).pop(key, None)

    def knows(self, arn: str) -> bool:
        groups = {self.arn("subgrp", name) for name in self.groups}
        return arn in self.endpoints or arn in self.replications or arn in groups
