"""The parts of the Cloud that a whole rehearsal needs, attached in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rehearsal import dms, firehose
from rehearsal.cloud import alarms, athena

if TYPE_CHECKING:
    from rehearsal.cloud.cloud import Cloud

DEFAULT = dms.Unverified()


@dataclass(frozen=True)
class Services:
    """The attached parts, for what the AWS API does not tell (alarms that went off, messages published)."""

    athena: athena.Athena
    alarms: alarms.Alarms
    firehose: firehose.Firehose
    dms: dms.Dms


def install(cloud: Cloud, *sources: dms.Database, unverified: dms.Unverified = DEFAULT) -> Services:
    """Attach queries, delivery streams, replications and alarms. To be called before the Cloud starts.

    The deployer needs it: without the Athena part, named queries cannot be deleted. sources: the databases that
    replications can reach; they are started and stopped with the Cloud. unverified: how DMS behaves where nothing says.
    """
    parts = athena.install(cloud), alarms.install(cloud), firehose.install(cloud)
    return Services(*parts, dms.install(cloud, *sources, unverified=unverified))
