"""AWS::CDK::Metadata: analytics of the CDK; nothing is made."""

from rehearsal.deploy.properties import applied, fields
from rehearsal.deploy.resource import Made, ResourceType

TYPES = (
    ResourceType(
        "AWS::CDK::Metadata",
        fields(Analytics=applied()),
        make=lambda maker, props: Made(maker.logical_id),
        read=lambda maker, made, props: props,
        remove=lambda maker, made, props: None,
    ),
)
