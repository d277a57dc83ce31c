"""Glue databases, tables, jobs and security configurations."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import STRING_SET, STRINGS, ListOf, MapOf, applied, fields, recorded
from rehearsal.deploy.resource import Made, Maker, ResourceType

NO_WORKERS = "jobs run on this machine: the worker type and number are not used"
NO_ENCRYPTION = "job logs and bookmarks are not encrypted in the stand-in"
NO_NETWORK = "there is no network in the stand-in: jobs reach whatever this machine reaches"
NO_QUEUEING = "job runs are not queued by the stand-in"

DATABASE = fields(
    ("CatalogId", "DatabaseInput"),
    CatalogId=applied(),
    DatabaseInput=fields(("Name",), Name=applied(), Description=applied(), LocationUri=applied(), Parameters=MapOf()),
)
_COLUMNS = ListOf(fields(("Name",), Name=applied(), Type=applied(), Comment=applied()))
_SERDE = fields(Name=applied(), SerializationLibrary=applied(), Parameters=MapOf())
TABLE = fields(
    ("CatalogId", "DatabaseName", "TableInput"),
    CatalogId=applied(),
    DatabaseName=applied(),
    TableInput=fields(
        ("Name",),
        Name=applied(),
        Description=applied(),
        TableType=applied("EXTERNAL_TABLE"),
        Parameters=MapOf(),
        PartitionKeys=_COLUMNS,
        StorageDescriptor=fields(
            Columns=_COLUMNS,
            Compressed=applied(),
            InputFormat=applied(),
            Location=applied(),
            OutputFormat=applied(),
            SerdeInfo=_SERDE,
            StoredAsSubDirectories=applied(),
        ),
    ),
)
CONNECTION = fields(
    ("CatalogId", "ConnectionInput"),
    CatalogId=applied(),
    ConnectionInput=fields(
        ("ConnectionType", "Name", "PhysicalConnectionRequirements"),
        Name=applied(),
        ConnectionType=applied("NETWORK"),
        ConnectionProperties=MapOf(),
        Description=applied(),
        PhysicalConnectionRequirements=fields(
            ("AvailabilityZone", "SecurityGroupIdList", "SubnetId"),
            AvailabilityZone=applied(),
            SecurityGroupIdList=STRING_SET,
            SubnetId=applied(),
        ),
    ),
)
JOB = fields(
    ("Command", "Role"),
    Name=applied(),
    Description=applied(),
    Role=applied(),
    Command=fields(
        ("Name", "ScriptLocation"), Name=applied("glueetl"), ScriptLocation=applied(), PythonVersion=applied("3")
    ),
    Connections=fields(("Connections",), Connections=STRINGS),
    DefaultArguments=MapOf(),
    NonOverridableArguments=MapOf(),
    ExecutionProperty=fields(MaxConcurrentRuns=applied()),
    ExecutionClass=recorded(NO_WORKERS),
    GlueVersion=applied("5.1"),
    JobRunQueuingEnabled=recorded(NO_QUEUEING),
    MaxRetries=applied(),
    NumberOfWorkers=recorded(NO_WORKERS),
    WorkerType=recorded(NO_WORKERS),
    SecurityConfiguration=applied(),
    Timeout=applied(),
    Tags=MapOf(),
)
SECURITY = fields(
    ("Name", "EncryptionConfiguration"),
    Name=applied(),
    EncryptionConfiguration=fields(
        CloudWatchEncryption=fields(CloudWatchEncryptionMode=applied(), KmsKeyArn=applied()),
        JobBookmarksEncryption=fields(JobBookmarksEncryptionMode=applied(), KmsKeyArn=applied()),
        S3Encryptions=ListOf(fields(S3EncryptionMode=applied(), KmsKeyArn=applied())),
    ),
)


def _make_database(maker: Maker, props: dict[str, Any]) -> Made:
    maker.call("glue", "create_database", **props)
    return Made(props["DatabaseInput"]["Name"])


def _read_database(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = maker.client("glue").get_database(Name=made.physical_id)["Database"]
    return {"CatalogId": found.get("CatalogId"), "DatabaseInput": found}


def _remove_database(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    """Tables go with their database, those that jobs made as well."""
    glue, name = maker.client("glue"), made.physical_id
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=name):
        for table in page["TableList"]:
            glue.delete_table(DatabaseName=name, Name=table["Name"])
    glue.delete_database(Name=name)


def _make_table(maker: Maker, props: dict[str, Any]) -> Made:
    maker.call("glue", "create_table", **props)
    return Made(props["TableInput"]["Name"])


def _read_table(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = maker.client("glue").get_table(DatabaseName=props["DatabaseName"], Name=made.physical_id)["Table"]
    return {"CatalogId": found.get("CatalogId"), "DatabaseName": found["DatabaseName"], "TableInput": found}


def _make_connection(maker: Maker, props: dict[str, Any]) -> Made:
    maker.call("glue", "create_connection", **props)
    return Made(props["ConnectionInput"]["Name"])


def _read_connection(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = maker.client("glue").get_connection(Name=made.physical_id)["Connection"]
    # The stand-in has the type among what it was given, and nowhere else.
    kind = props["ConnectionInput"]["ConnectionType"]
    return {"CatalogId": props["CatalogId"], "ConnectionInput": {**found, "ConnectionType": kind}}


def _make_job(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("Name") or maker.name(255)
    kept = {key: value for key, value in props.items() if key != "Name"}
    maker.call("glue", "create_job", Name=name, **kept)
    return Made(name)


def _read_job(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    glue = maker.client("glue")
    found = dict(glue.get_job(JobName=made.physical_id)["Job"])
    found["Tags"] = glue.get_tags(ResourceArn=maker.arn("glue", f"job/{made.physical_id}"))["Tags"]
    return found


def _make_security(maker: Maker, props: dict[str, Any]) -> Made:
    encryption = dict(props["EncryptionConfiguration"])
    if "S3Encryptions" in encryption:
        encryption["S3Encryption"] = encryption.pop("S3Encryptions")
    maker.call("glue", "create_security_configuration", Name=props["Name"], EncryptionConfiguration=encryption)
    return Made(props["Name"])


def _read_security(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = maker.client("glue").get_security_configuration(Name=made.physical_id)["SecurityConfiguration"]
    encryption = dict(found["EncryptionConfiguration"])
    return {
        "Name": found["Name"],
        "EncryptionConfiguration": {**encryption, "S3Encryptions": encryption.get("S3Encryption")},
    }


TYPES = (
    ResourceType(
        "AWS::Glue::Database",
        DATABASE,
        _make_database,
        _read_database,
        _remove_database,
        listed=("glue database", "glue table"),
    ),
    ResourceType(
        "AWS::Glue::Table",
        TABLE,
        _make_table,
        _read_table,
        lambda maker, made, props: maker.client("glue").delete_table(
            DatabaseName=props["DatabaseName"], Name=made.physical_id
        ),
        listed=("glue table",),
    ),
    ResourceType(
        "AWS::Glue::Connection",
        CONNECTION,
        _make_connection,
        _read_connection,
        lambda maker, made, props: maker.client("glue").delete_connection(ConnectionName=made.physical_id),
        listed=("glue connection",),
        note=NO_NETWORK,
    ),
    ResourceType(
        "AWS::Glue::Job",
        JOB,
        _make_job,
        _read_job,
        lambda maker, made, props: maker.client("glue").delete_job(JobName=made.physical_id),
        listed=("glue job", "log group"),
    ),
    ResourceType(
        "AWS::Glue::SecurityConfiguration",
        SECURITY,
        _make_security,
        _read_security,
        lambda maker, made, props: maker.client("glue").delete_security_configuration(Name=made.physical_id),
        listed=("glue security configuration",),
        note=NO_ENCRYPTION,
    ),
)
