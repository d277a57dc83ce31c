"""The network that an isolated VPC comes to: subnets, route tables, security groups, endpoints, flow logs.

There is no network in the stand-in: the resources are made, read back and removed, and what refers to them is right.
"""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import STRING_SET, TAGS, ListOf, applied, document, fields
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool, as_text

NO_NETWORK = "there is no network in the stand-in: nothing is routed or blocked"
ANY_PROTOCOL = "-1"

VPC = fields(
    ("CidrBlock",),
    CidrBlock=applied(),
    EnableDnsHostnames=applied(),
    EnableDnsSupport=applied(),
    InstanceTenancy=applied("default"),
    Tags=TAGS,
)
SUBNET = fields(
    ("VpcId", "CidrBlock"),
    AvailabilityZone=applied(),
    CidrBlock=applied(),
    MapPublicIpOnLaunch=applied(False),
    Tags=TAGS,
    VpcId=applied(),
)
ROUTE_TABLE = fields(("VpcId",), VpcId=applied(), Tags=TAGS)
ASSOCIATION = fields(("RouteTableId", "SubnetId"), RouteTableId=applied(), SubnetId=applied())
_RULE = {
    "CidrIp": applied(),
    "Description": applied(),
    "FromPort": applied(),
    "IpProtocol": applied(),
    "ToPort": applied(),
}
_INGRESS = fields(("IpProtocol",), **_RULE, SourceSecurityGroupId=applied())
_EGRESS = fields(("IpProtocol",), **_RULE, DestinationSecurityGroupId=applied())
GROUP = fields(
    ("GroupDescription",),
    GroupDescription=applied(),
    GroupName=applied(),
    SecurityGroupEgress=ListOf(_EGRESS, ordered=False),
    SecurityGroupIngress=ListOf(_INGRESS, ordered=False),
    Tags=TAGS,
    VpcId=applied(),
)
ENDPOINT = fields(
    ("ServiceName", "VpcId"),
    PolicyDocument=document(NO_NETWORK),
    PrivateDnsEnabled=applied(),
    RouteTableIds=STRING_SET,
    SecurityGroupIds=STRING_SET,
    ServiceName=applied(),
    SubnetIds=STRING_SET,
    Tags=TAGS,
    VpcEndpointType=applied("Gateway", "Interface"),
    VpcId=applied(),
)
FLOW_LOG = fields(
    ("ResourceId", "ResourceType"),
    DeliverLogsPermissionArn=applied(),
    LogDestination=applied(),
    LogDestinationType=applied("cloud-watch-logs", "s3"),
    LogGroupName=applied(),
    MaxAggregationInterval=applied(60, 600),
    ResourceId=applied(),
    ResourceType=applied("VPC"),
    Tags=TAGS,
    TrafficType=applied("ALL", "ACCEPT", "REJECT"),
)


def _ec2(maker: Maker) -> Any:
    return maker.client("ec2")


def _tagged(kind: str, props: dict[str, Any]) -> dict[str, Any]:
    """The tags of a create call."""
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": props["Tags"]}]} if props.get("Tags") else {}


def _without(props: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key not in (*names, "Tags")}


def _make_vpc(maker: Maker, props: dict[str, Any]) -> Made:
    kept = _without(props, "EnableDnsHostnames", "EnableDnsSupport")
    vpc = _ec2(maker).create_vpc(**kept, **_tagged("vpc", props))["Vpc"]["VpcId"]
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        if name in props:
            _ec2(maker).modify_vpc_attribute(VpcId=vpc, **{name: {"Value": as_bool(props[name])}})
    chosen = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    group = _ec2(maker).describe_security_groups(Filters=chosen)["SecurityGroups"][0]["GroupId"]
    return Made(vpc, {"VpcId": vpc, "CidrBlock": props["CidrBlock"], "DefaultSecurityGroup": group})


def _read_vpc(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = dict(_ec2(maker).describe_vpcs(VpcIds=[made.physical_id])["Vpcs"][0])
    for name, attribute in (("EnableDnsSupport", "enableDnsSupport"), ("EnableDnsHostnames", "enableDnsHostnames")):
        answer = _ec2(maker).describe_vpc_attribute(VpcId=made.physical_id, Attribute=attribute)
        found[name] = answer[name]["Value"]
    return found


def _make_subnet(maker: Maker, props: dict[str, Any]) -> Made:
    subnet = _ec2(maker).create_subnet(**_without(props, "MapPublicIpOnLaunch"), **_tagged("subnet", props))["Subnet"]
    attributes = ("SubnetId", "AvailabilityZone", "VpcId", "CidrBlock")
    return Made(subnet["SubnetId"], {name: subnet[name] for name in attributes})


def _make_route_table(maker: Maker, props: dict[str, Any]) -> Made:
    made = _ec2(maker).create_route_table(VpcId=props["VpcId"], **_tagged("route-table", props))["RouteTable"]
    return Made(made["RouteTableId"], {"RouteTableId": made["RouteTableId"]})


def _route_tables(maker: Maker, table: str) -> list[dict[str, Any]]:
    return _ec2(maker).describe_route_tables(RouteTableIds=[table])["RouteTables"]


def _read_association(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    tables = _route_tables(maker, props["RouteTableId"])
    found = [a for t in tables for a in t["Associations"] if a["RouteTableAssociationId"] == made.physical_id]
    return found[0]


def _make_group(maker: Maker, props: dict[str, Any]) -> Made:
    ec2 = _ec2(maker)
    group = ec2.create_security_group(
        GroupName=props.get("GroupName") or maker.name(255),
        Description=props["GroupDescription"],
        **({"VpcId": props["VpcId"]} if "VpcId" in props else {}),
        **_tagged("security-group", props),
    )["GroupId"]
    if "SecurityGroupEgress" in props:  # the rule that allows everything is there only while the template has none
        everything = [{"IpProtocol": ANY_PROTOCOL, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    for rule in props.get("SecurityGroupEgress", []):
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[_permission(rule)])
    for rule in props.get("SecurityGroupIngress", []):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[_permission(rule)])
    return Made(group, {"GroupId": group, "VpcId": props.get("VpcId", "")})


def _read_group(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = _ec2(maker).describe_security_groups(GroupIds=[made.physical_id])["SecurityGroups"][0]
    asked_in, asked_out = props.get("SecurityGroupIngress", []), props.get("SecurityGroupEgress", [])
    incoming = _rules(found["IpPermissions"], "SourceSecurityGroupId")
    outgoing = _rules(found["IpPermissionsEgress"], "DestinationSecurityGroupId")
    return {
        **found,
        "GroupDescription": found["Description"],
        # rules that other resources of the template added are not this one's
        "SecurityGroupIngress": [rule for rule in incoming if any(_same(rule, asked) for asked in asked_in)],
        "SecurityGroupEgress": [rule for rule in outgoing if any(_same(rule, asked) for asked in asked_out)],
    }


def _permission(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of a template as the API takes it."""
    words = {"Description": rule["Description"]} if "Description" in rule else {}
    peer = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    where: dict[str, Any] = {"UserIdGroupPairs": [{"GroupId": peer, **words}]}
    if peer is None:
        where = {"IpRanges": [{"CidrIp": rule["CidrIp"], **words}]}
    ports = {name: int(rule[name]) for name in ("FromPort", "ToPort") if name in rule}
    return {"IpProtocol": as_text(rule["IpProtocol"]), **ports, **where}


def _rules(permissions: list[dict[str, Any]], peer: str) -> list[dict[str, Any]]:
    """The API's permissions as rules of a template."""
    found = []
    for permission in permissions:
        ports = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for given in permission.get("IpRanges", []):
            found.append({**ports, **given})
        for given in permission.get("UserIdGroupPairs", []):
            words = {"Description": given["Description"]} if given.get("Description") else {}
            found.append({**ports, peer: given["GroupId"], **words})
    return found


def _same(rule: dict[str, Any], asked: dict[str, Any]) -> bool:
    return all(as_text(rule.get(name)) == as_text(value) for name, value in asked.items())


def _rule_type(name: str, node: Any, way: str, peer: str, member: str) -> ResourceType:
    """A rule that stands outside its security group."""

    def make(maker: Maker, props: dict[str, Any]) -> Made:
        call = getattr(_ec2(maker), f"authorize_security_group_{way}")
        answer = call(GroupId=props["GroupId"], IpPermissions=[_permission(_without(props, "GroupId"))])
        return Made(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
        group = _ec2(maker).describe_security_groups(GroupIds=[props["GroupId"]])["SecurityGroups"][0]
        asked = _without(props, "GroupId")
        found = [rule for rule in _rules(group[member], peer) if _same(rule, asked)]
        return {**found[0], "GroupId": props["GroupId"]}

    def remove(maker: Maker, made: Made, props: dict[str, Any]) -> None:
        call = getattr(_ec2(maker), f"revoke_security_group_{way}")
        call(GroupId=props["GroupId"], IpPermissions=[_permission(_without(props, "GroupId"))])

    tree = fields(("GroupId", "IpProtocol"), **node.members, GroupId=applied())
    return ResourceType(name, tree, make, read, remove, note=NO_NETWORK)


def _make_endpoint(maker: Maker, props: dict[str, Any]) -> Made:
    kept = _without(props)
    if "PolicyDocument" in kept:
        kept["PolicyDocument"] = as_text(kept["PolicyDocument"])
    if "PrivateDnsEnabled" in kept:
        kept["PrivateDnsEnabled"] = as_bool(kept["PrivateDnsEnabled"])
    endpoint = _ec2(maker).create_vpc_endpoint(**kept, **_tagged("vpc-endpoint", props))["VpcEndpoint"]["VpcEndpointId"]
    return Made(endpoint, {"Id": endpoint})


def _read_endpoint(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = _ec2(maker).describe_vpc_endpoints(VpcEndpointIds=[made.physical_id])["VpcEndpoints"][0]
    return {**found, "SecurityGroupIds": [group["GroupId"] for group in found.get("Groups", [])]}


def _make_flow_log(maker: Maker, props: dict[str, Any]) -> Made:
    kept = {**_without(props, "ResourceId"), "ResourceIds": [props["ResourceId"]], "TrafficType": props["TrafficType"]}
    made = _ec2(maker).create_flow_logs(**kept, **_tagged("vpc-flow-log", props))["FlowLogIds"][0]
    return Made(made, {"Id": made})


def _read_flow_log(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = _ec2(maker).describe_flow_logs(FlowLogIds=[made.physical_id])["FlowLogs"][0]
    return {**found, "ResourceType": props["ResourceType"]}  # not reported: the id tells it


TYPES = (
    ResourceType(
        "AWS::EC2::VPC",
        VPC,
        _make_vpc,
        _read_vpc,
        lambda maker, made, props: _ec2(maker).delete_vpc(VpcId=made.physical_id),
        attributes=("VpcId", "CidrBlock", "DefaultSecurityGroup"),
        listed=("vpc",),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::EC2::Subnet",
        SUBNET,
        _make_subnet,
        lambda maker, made, props: _ec2(maker).describe_subnets(SubnetIds=[made.physical_id])["Subnets"][0],
        lambda maker, made, props: _ec2(maker).delete_subnet(SubnetId=made.physical_id),
        attributes=("SubnetId", "AvailabilityZone", "VpcId", "CidrBlock"),
        listed=("subnet",),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::EC2::RouteTable",
        ROUTE_TABLE,
        _make_route_table,
        lambda maker, made, props: _ec2(maker).describe_route_tables(RouteTableIds=[made.physical_id])["RouteTables"][
            0
        ],
        lambda maker, made, props: _ec2(maker).delete_route_table(RouteTableId=made.physical_id),
        attributes=("RouteTableId",),
        listed=("route table",),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::EC2::SubnetRouteTableAssociation",
        ASSOCIATION,
        lambda maker, props: Made(_ec2(maker).associate_route_table(**props)["AssociationId"]),
        _read_association,
        lambda maker, made, props: _ec2(maker).disassociate_route_table(AssociationId=made.physical_id),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::EC2::SecurityGroup",
        GROUP,
        _make_group,
        _read_group,
        lambda maker, made, props: _ec2(maker).delete_security_group(GroupId=made.physical_id),
        attributes=("GroupId", "VpcId"),
        listed=("security group",),
        note=NO_NETWORK,
    ),
    _rule_type("AWS::EC2::SecurityGroupIngress", _INGRESS, "ingress", "SourceSecurityGroupId", "IpPermissions"),
    _rule_type("AWS::EC2::SecurityGroupEgress", _EGRESS, "egress", "DestinationSecurityGroupId", "IpPermissionsEgress"),
    ResourceType(
        "AWS::EC2::VPCEndpoint",
        ENDPOINT,
        _make_endpoint,
        _read_endpoint,
        lambda maker, made, props: _ec2(maker).delete_vpc_endpoints(VpcEndpointIds=[made.physical_id]),
        attributes=("Id",),
        listed=("vpc endpoint",),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::EC2::FlowLog",
        FLOW_LOG,
        _make_flow_log,
        _read_flow_log,
        lambda maker, made, props: _ec2(maker).delete_flow_logs(FlowLogIds=[made.physical_id]),
        attributes=("Id",),
        listed=("flow log",),
        note=NO_NETWORK,
    ),
)
