"""Lists what exists in the account, by kind, so that what a deployment leaves behind can be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rehearsal.deploy.resource import Account

Lister = Callable[[Account], Iterable[str]]


def _pages(service: str, method: str, *path: str) -> Lister:
    """Names at `path` of every page of a paginated list call; without a second part, the items are the names."""

    def names(cloud: Account) -> Iterable[str]:
        for page in cloud.client(service).get_paginator(method).paginate():
            for item in page.get(path[0], []):
                yield item[path[1]] if len(path) > 1 else item

    return names


def _buckets(cloud: Account) -> Iterable[str]:
    return [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]


def _keys(cloud: Account) -> Iterable[str]:
    kms = cloud.client("kms")
    for key in _pages("kms", "list_keys", "Keys", "KeyId")(cloud):
        metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
        if metadata["KeyState"] != "PendingDeletion" and metadata.get("KeyManager") != "AWS":
            yield key


def _aliases(cloud: Account) -> Iterable[str]:
    return [name for name in _pages("kms", "list_aliases", "Aliases", "AliasName")(cloud) if "alias/aws/" not in name]


def _policies(cloud: Account) -> Iterable[str]:
    for page in cloud.client("iam").get_paginator("list_policies").paginate(Scope="Local"):
        yield from (policy["Arn"] for policy in page["Policies"])


def _tables(cloud: Account) -> Iterable[str]:
    glue = cloud.client("glue")
    for database in _pages("glue", "get_databases", "DatabaseList", "Name")(cloud):
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
            yield from (f"{database}.{table['Name']}" for table in page["TableList"])


def _workgroups(cloud: Account) -> Iterable[str]:
    groups = cloud.client("athena").list_work_groups()["WorkGroups"]
    return [group["Name"] for group in groups if group["Name"] != "primary"]


def _queries(cloud: Account) -> Iterable[str]:
    athena = cloud.client("athena")
    for group in ["primary", *_workgroups(cloud)]:
        for page in athena.get_paginator("list_named_queries").paginate(WorkGroup=group):
            yield from page["NamedQueryIds"]


def _rules(cloud: Account) -> Iterable[str]:
    return [rule["Name"] for rule in cloud.client("events").list_rules()["Rules"]]


def _delivery_streams(cloud: Account) -> Iterable[str]:
    return cloud.client("firehose").list_delivery_streams(Limit=10_000)["DeliveryStreamNames"]


def _vpc_endpoints(cloud: Account) -> Iterable[str]:
    for page in cloud.client("ec2").get_paginator("describe_vpc_endpoints").paginate():
        yield from (item["VpcEndpointId"] for item in page["VpcEndpoints"] if item["State"] != "deleted")


LISTERS: dict[str, Lister] = {
    "alarm": lambda cloud: [
        alarm["AlarmName"] for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    ],
    "athena workgroup": _workgroups,
    "delivery stream": _delivery_streams,
    "dms endpoint": _pages("dms", "describe_endpoints", "Endpoints", "EndpointArn"),
    "dms replication config": lambda cloud: [
        config["ReplicationConfigArn"]
        for config in cloud.client("dms").describe_replication_configs()["ReplicationConfigs"]
    ],
    "dms subnet group": _pages(
        "dms", "describe_replication_subnet_groups", "ReplicationSubnetGroups", "ReplicationSubnetGroupIdentifier"
    ),
    "dynamodb table": _pages("dynamodb", "list_tables", "TableNames"),
    "event rule": _rules,
    "event source mapping": _pages("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    "flow log": _pages("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    "glue connection": _pages("glue", "get_connections", "ConnectionList", "Name"),
    "glue database": _pages("glue", "get_databases", "DatabaseList", "Name"),
    "glue job": _pages("glue", "get_jobs", "Jobs", "Name"),
    "glue security configuration": _pages("glue", "get_security_configurations", "SecurityConfigurations", "Name"),
    "glue table": _tables,
    "iam policy": _policies,
    "iam role": _pages("iam", "list_roles", "Roles", "RoleName"),
    "kms alias": _aliases,
    "kms key": _keys,
    "lambda function": _pages("lambda", "list_functions", "Functions", "FunctionName"),
    "log group": _pages("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "named query": _queries,
    "route table": _pages("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    "s3 bucket": _buckets,
    "schedule": _pages("scheduler", "list_schedules", "Schedules", "Name"),
    "secret": _pages("secretsmanager", "list_secrets", "SecretList", "ARN"),
    "security group": _pages("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    "sns subscription": _pages("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "sns topic": _pages("sns", "list_topics", "Topics", "TopicArn"),
    "sqs queue": _pages("sqs", "list_queues", "QueueUrls"),
    "subnet": _pages("ec2", "describe_subnets", "Subnets", "SubnetId"),
    "state machine": _pages("stepfunctions", "list_state_machines", "stateMachines", "stateMachineArn"),
    "vpc": _pages("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    "vpc endpoint": _vpc_endpoints,
}
ALWAYS = ("s3 bucket", "log group", "glue table")
"""Kinds that running work makes even where the template has none of them."""


def take(cloud: Account, kinds: Iterable[str]) -> dict[str, set[str]]:
    """What exists now: kind → names."""
    return {kind: set(LISTERS[kind](cloud)) for kind in sorted(set(kinds) | set(ALWAYS))}


def added(before: dict[str, set[str]], now: dict[str, set[str]]) -> list[tuple[str, str]]:
    """(kind, name) of everything that exists now and did not before."""
    return [(kind, name) for kind, names in now.items() for name in sorted(names - before.get(kind, set()))]


def describe(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{kind} {name}" for kind, name in items]
