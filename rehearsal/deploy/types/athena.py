"""Athena workgroups and named queries."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy import shapes
from rehearsal.deploy.properties import TAGS, applied, fields, recorded
from rehearsal.deploy.resource import Made, Maker, ResourceType

_CONFIGURATION = fields(
    EnforceWorkGroupConfiguration=applied(),
    BytesScannedCutoffPerQuery=applied(),
    PublishCloudWatchMetricsEnabled=recorded("the stand-in publishes no metrics of Athena"),
    RequesterPaysEnabled=applied(False),
    EngineVersion=fields(SelectedEngineVersion=applied("Athena engine version 3", "AUTO")),
    ResultConfiguration=fields(
        OutputLocation=applied(),
        EncryptionConfiguration=fields(
            ("EncryptionOption",), EncryptionOption=applied("SSE_KMS", "SSE_S3"), KmsKey=applied()
        ),
        ExpectedBucketOwner=applied(),
    ),
)
WORKGROUP = fields(
    ("Name",),
    Name=applied(),
    Description=applied(),
    State=applied("ENABLED"),
    RecursiveDeleteOption=applied(True, False),
    WorkGroupConfiguration=_CONFIGURATION,
    Tags=TAGS,
)
QUERY = fields(
    ("Database", "QueryString"),
    Name=applied(),
    Description=applied(),
    Database=applied(),
    QueryString=applied(),
    WorkGroup=applied(),
)


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    kept = {key: props[key] for key in ("Name", "Description", "Tags") if key in props}
    configuration = props.get("WorkGroupConfiguration", {})
    maker.call("athena", "create_work_group", Configuration=configuration, **kept)
    return Made(props["Name"])


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    athena, name = maker.client("athena"), made.physical_id
    found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
    result: dict[str, Any] = {
        "Name": found["Name"],
        "Description": found.get("Description"),
        "State": found["State"],
        "WorkGroupConfiguration": shapes.from_api(_CONFIGURATION, found["Configuration"]),
        # Only the deletion uses it: the service has nowhere to keep it.
        "RecursiveDeleteOption": props.get("RecursiveDeleteOption"),
    }
    if props.get("Tags"):
        arn = maker.arn("athena", f"workgroup/{name}")
        result["Tags"] = athena.list_tags_for_resource(ResourceARN=arn)["Tags"]
    return result


def _make_query(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("Name") or maker.name(128)
    kept = {key: value for key, value in props.items() if key != "Name"}
    query = maker.call("athena", "create_named_query", Name=name, **kept)["NamedQueryId"]
    return Made(query, {"NamedQueryId": query})


def _replace_query(maker: Maker, made: Made, before: dict[str, Any], props: dict[str, Any]) -> Made:
    new = _make_query(maker, props)
    maker.client("athena").delete_named_query(NamedQueryId=made.physical_id)
    return new


TYPES = (
    ResourceType(
        "AWS::Athena::WorkGroup",
        WORKGROUP,
        _make,
        _read,
        lambda maker, made, props: maker.client("athena").delete_work_group(
            WorkGroup=made.physical_id, RecursiveDeleteOption=True
        ),
        listed=("athena workgroup",),
    ),
    ResourceType(
        "AWS::Athena::NamedQuery",
        QUERY,
        _make_query,
        lambda maker, made, props: maker.client("athena").get_named_query(NamedQueryId=made.physical_id)["NamedQuery"],
        lambda maker, made, props: maker.client("athena").delete_named_query(NamedQueryId=made.physical_id),
        attributes=("NamedQueryId",),
        listed=("named query",),
        change=_replace_query,
    ),
)
