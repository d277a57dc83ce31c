"""Creating, changing and deleting endpoints, subnet groups and replication configurations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.dms import errors
from rehearsal.dms.mappings import parse_mappings
from rehearsal.dms.problems import Excluded, Refused
from rehearsal.dms.registry import Endpoint, Registry, Replication, SubnetGroup
from rehearsal.dms.settings import parse_settings, postgres_settings, s3_settings
from rehearsal.dms.state import Progress

Parameters = dict[str, Any]
TYPES = ("full-load", "cdc", "full-load-and-cdc")
CAPACITIES = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)
COMPUTE = {
    "AvailabilityZone",
    "KmsKeyId",
    "MaxCapacityUnits",
    "MinCapacityUnits",
    "MultiAZ",
    "PreferredMaintenanceWindow",
    "ReplicationSubnetGroupId",
    "VpcSecurityGroupIds",
}
ENDPOINT = {"EndpointIdentifier", "EndpointType", "EngineName", "KmsKeyId", "Tags", "ResourceIdentifier", "SslMode"}
ENGINES = {("source", "postgres"): "PostgreSQLSettings", ("target", "s3"): "S3Settings"}
CHANGEABLE = {
    "ReplicationConfigIdentifier",
    "ReplicationType",
    "TableMappings",
    "ReplicationSettings",
    "ComputeConfig",
    "SourceEndpointArn",
    "TargetEndpointArn",
}


class Endpoints:
    """PostgreSQL sources with a secret, and S3 targets."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def create(self, given: Parameters) -> Endpoint:
        pair = str(given.get("EndpointType", "")).lower(), str(given.get("EngineName", "")).lower()
        if pair not in ENGINES:
            raise errors.InvalidValue(f"endpoints of type and engine {pair} are not modelled: {list(ENGINES)}")
        member = ENGINES[pair]
        extra = set(given) - ENDPOINT - {member, "DatabaseName"}
        if extra or (pair[1] == "s3" and "DatabaseName" in given):
            raise errors.InvalidValue(f"not modelled for {pair[1]}: {', '.join(sorted(extra) or ['DatabaseName'])}")
        if given.get("SslMode", "none") not in ("none", "require"):
            raise errors.InvalidValue(f"SslMode: {given['SslMode']}: modelled: none, require")
        identifier = given["EndpointIdentifier"]
        if any(endpoint.identifier == identifier for endpoint in self._registry.endpoints.values()):
            raise errors.AlreadyExists(f"endpoint {identifier} already exists")
        read = s3_settings if pair[1] == "s3" else postgres_settings
        settings = _accepted(lambda: read(given.get(member, {})))
        arn = self._registry.arn("endpoint", given.get("ResourceIdentifier"))
        endpoint = Endpoint(arn, identifier, *pair, settings, {**given, member: given.get(member, {})})
        self._registry.endpoints[arn] = endpoint
        self._registry.tag(arn, given.get("Tags", []))
        return endpoint

    def delete(self, given: Parameters) -> Endpoint:
        arn = given["EndpointArn"]
        if arn not in self._registry.endpoints:
            raise errors.NotFound(f"endpoint {arn} is not there")
        users = [
            replication.identifier
            for replication in self._registry.replications.values()
            if arn in (replication.given["SourceEndpointArn"], replication.given["TargetEndpointArn"])
        ]
        if users:
            raise errors.InvalidState(f"endpoint {arn} is in use by {', '.join(users)}")
        self._registry.tags.pop(arn, None)
        return self._registry.endpoints.pop(arn)


class Groups:
    """Replication subnet groups. ec2: an administrator's client."""

    def __init__(self, registry: Registry, ec2: Callable[[], Any]):
        self._registry, self._ec2 = registry, ec2

    def create(self, given: Parameters) -> SubnetGroup:
        """Its subnets must exist, in one VPC and in two availability zones at least."""
        identifier = given["ReplicationSubnetGroupIdentifier"].lower()
        if identifier in self._registry.groups:
            raise errors.AlreadyExists(f"subnet group {identifier} already exists")
        try:
            subnets = self._ec2().describe_subnets(SubnetIds=given["SubnetIds"])["Subnets"]
        except ClientError as error:
            raise errors.InvalidSubnet(str(error)) from error
        networks = {subnet["VpcId"] for subnet in subnets}
        if len(networks) != 1:
            raise errors.InvalidSubnet(f"the subnets are of {len(networks)} VPCs: {', '.join(sorted(networks))}")
        zones = {subnet["AvailabilityZone"] for subnet in subnets}
        if len(zones) < 2:
            raise errors.TooFewZones(f"the subnets are in {', '.join(sorted(zones))} only: two zones are needed")
        described = {
            "ReplicationSubnetGroupIdentifier": identifier,
            "ReplicationSubnetGroupDescription": given["ReplicationSubnetGroupDescription"],
            "VpcId": networks.pop(),
            "SubnetGroupStatus": "Complete",
            "Subnets": [
                {
                    "SubnetIdentifier": subnet["SubnetId"],
                    "SubnetAvailabilityZone": {"Name": subnet["AvailabilityZone"]},
                    "SubnetStatus": "Active",
                }
                for subnet in subnets
            ],
        }
        self._registry.groups[identifier] = SubnetGroup(identifier, described)
        self._registry.tag(self._registry.arn("subgrp", identifier), given.get("Tags", []))
        return self._registry.groups[identifier]

    def delete(self, given: Parameters) -> dict[str, Any]:
        identifier = given["ReplicationSubnetGroupIdentifier"].lower()
        if identifier not in self._registry.groups:
            raise errors.NotFound(f"subnet group {identifier} is not there")
        users = [
            replication.identifier
            for replication in self._registry.replications.values()
            if replication.given["ComputeConfig"].get("ReplicationSubnetGroupId", "").lower() == identifier
        ]
        if users:
            raise errors.InvalidState(f"subnet group {identifier} is in use by {', '.join(users)}")
        del self._registry.groups[identifier]
        return {}


class Configs:
    """Replication configurations. new_progress: what a replication's state is told to; removed: cleans up after one."""

    def __init__(
        self,
        registry: Registry,
        new_progress: Callable[[str, dict[str, Any]], Progress],
        removed: Callable[[Replication], None],
    ):
        self._registry, self._new_progress, self._removed = registry, new_progress, removed

    def create(self, given: Parameters) -> Replication:
        if any(r.identifier == given["ReplicationConfigIdentifier"] for r in self._registry.replications.values()):
            raise errors.AlreadyExists(f"replication {given['ReplicationConfigIdentifier']} already exists")
        self._check(given)
        mappings = _accepted(lambda: parse_mappings(given["TableMappings"]))
        settings = _accepted(lambda: parse_settings(given.get("ReplicationSettings")))
        arn = self._registry.arn("replication-config", given.get("ResourceIdentifier"))
        replication = Replication(arn, given, mappings, settings, self._new_progress(arn, settings.values["Logging"]))
        self._registry.replications[arn] = replication
        self._registry.tag(arn, given.get("Tags", []))
        return replication

    def modify(self, given: Parameters) -> Replication:
        replication = self._find(given["ReplicationConfigArn"])
        if replication.progress.status not in ("created", "stopped", "failed"):
            raise errors.InvalidState(f"{replication.arn} is {replication.progress.status}: stop it first")
        unknown = set(given) - CHANGEABLE - {"ReplicationConfigArn"}
        if unknown:
            raise errors.InvalidValue(f"not modelled in a change: {', '.join(sorted(unknown))}")
        kind = given.get("ReplicationType", replication.given["ReplicationType"])
        if replication.progress.runs and kind != replication.given["ReplicationType"]:
            raise errors.InvalidValue(
                f"replication-type {kind} cannot be modified as the replication has been provisioned. You can only "
                "modify replication configs before provisioning capacity."
            )
        changed = {**replication.given, **{key: given[key] for key in CHANGEABLE if key in given}}
        self._check(changed)
        replication.mappings = _accepted(lambda: parse_mappings(changed["TableMappings"]))
        replication.settings = _accepted(lambda: parse_settings(changed.get("ReplicationSettings")))
        replication.given, replication.updated = changed, datetime.now(UTC)
        return replication

    def delete(self, given: Parameters) -> Replication:
        replication = self._find(given["ReplicationConfigArn"])
        if replication.at_work:
            raise errors.InvalidState(f"{replication.arn} is {replication.progress.status}: stop it first")
        self._removed(replication)
        self._registry.tags.pop(replication.arn, None)
        return self._registry.replications.pop(replication.arn)

    def _find(self, arn: str) -> Replication:
        if arn not in self._registry.replications:
            raise errors.NotFound(f"replication configuration {arn} is not there")
        return self._registry.replications[arn]

    def _check(self, given: Parameters) -> None:
        for name, kind in (("SourceEndpointArn", "source"), ("TargetEndpointArn", "target")):
            endpoint = self._registry.endpoints.get(given[name])
            if endpoint is None or endpoint.kind != kind:
                raise errors.NotFound(f"{name}: {given[name]} is no {kind} endpoint")
        if given["ReplicationType"] not in TYPES:
            raise errors.InvalidValue(f"ReplicationType: {given['ReplicationType']}: allowed: {', '.join(TYPES)}")
        if given.get("SupplementalSettings"):
            raise errors.InvalidValue("SupplementalSettings are not modelled")
        self._check_compute(given["ComputeConfig"])

    def _check_compute(self, compute: Parameters) -> None:
        unknown = set(compute) - COMPUTE
        if unknown:
            raise errors.InvalidValue(f"ComputeConfig: not modelled: {', '.join(sorted(unknown))}")
        for name in ("MinCapacityUnits", "MaxCapacityUnits"):
            if compute.get(name, 1) not in CAPACITIES:
                raise errors.InvalidValue(f"ComputeConfig.{name}: {compute[name]}: allowed: {CAPACITIES}")
        if "MaxCapacityUnits" not in compute:
            raise errors.InvalidValue("ComputeConfig.MaxCapacityUnits is required")
        if compute.get("MinCapacityUnits", 1) > compute["MaxCapacityUnits"]:
            raise errors.InvalidCombination("ComputeConfig: MinCapacityUnits is above MaxCapacityUnits")
        if compute.get("MultiAZ") and compute.get("AvailabilityZone"):
            raise errors.InvalidCombination("ComputeConfig: MultiAZ and AvailabilityZone exclude one another")
        group = compute.get("ReplicationSubnetGroupId")
        if group is not None and group.lower() not in self._registry.groups:
            raise errors.NotFound(f"ComputeConfig.ReplicationSubnetGroupId: {group} is no subnet group")


def _accepted(read: Callable[[], Any]) -> Any:
    """What `read` makes of a document; its refusal as the service's error, with every problem."""
    try:
        return read()
    except Excluded as excluded:
        raise errors.InvalidCombination(str(excluded)) from excluded
    except Refused as refused:
        raise errors.InvalidValue(str(refused)) from refused
