"""The resource types that the rehearsal deploys, one module per service."""

from __future__ import annotations

from rehearsal.deploy.resource import ResourceType
from rehearsal.deploy.types import (
    athena,
    cdk,
    cloudwatch,
    dms,
    dynamodb,
    ec2,
    events,
    firehose,
    functions,
    glue,
    iam,
    kms,
    logs,
    messaging,
    s3,
    secrets,
    states,
)

MODULES = (
    athena,
    cdk,
    cloudwatch,
    dms,
    dynamodb,
    ec2,
    events,
    firehose,
    functions,
    glue,
    iam,
    kms,
    logs,
    messaging,
    s3,
    secrets,
    states,
)
HANDLED: dict[str, ResourceType] = {kind.name: kind for module in MODULES for kind in module.TYPES}
