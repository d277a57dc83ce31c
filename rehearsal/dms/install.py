"""DMS for a Cloud, put together: the databases, the service, and the API in front of it."""

from __future__ import annotations

from rehearsal.cloud.cloud import Cloud
from rehearsal.dms.answers import install_answers
from rehearsal.dms.database import Database
from rehearsal.dms.service import Dms
from rehearsal.dms.unverified import Unverified

DEFAULT = Unverified()


def install(cloud: Cloud, *databases: Database, unverified: Unverified = DEFAULT) -> Dms:
    """Give the Cloud DMS and the databases it can replicate from. To be called before the Cloud starts.

    The databases are parts of the Cloud: they are started (if they are not up yet) and stopped with it.
    """
    for database in databases:
        cloud.attach(database)
    part = Dms(cloud, list(databases), unverified, install_answers)
    cloud.attach(part)
    return part
