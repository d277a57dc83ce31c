"""The parts of the Cloud that a whole rehearsal needs, attached in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rehearsal import firehose
from rehearsal.cloud import alarms, athena

if TYPE_CHECKING:
    from rehearsal.cloud.cloud import Cloud


@dataclass(frozen=True)
class Services:
    """The attached parts, for what the AWS API does not tell (alarms that went off, messages published)."""

    athena: athena.Athena
    alarms: alarms.Alarms
    firehose: firehose.Firehose


def install(cloud: Cloud) -> Services:
    """Attach queries, delivery streams and alarms. To be called before the Cloud starts.

    The deployer needs it: without the Athena part, named queries cannot be deleted.
    """
    return Services(athena.install(cloud), alarms.install(cloud), firehose.install(cloud))
