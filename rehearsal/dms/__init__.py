"""A model of DMS serverless: an embedded PostgreSQL is loaded and followed by logical replication, and written to S3
in the layout that DMS writes. What no source says of DMS is a switch (`Unverified`)."""

from rehearsal.dms.database import Database
from rehearsal.dms.install import install
from rehearsal.dms.service import Dms
from rehearsal.dms.unverified import OTHER, Unverified

__all__ = ["OTHER", "Database", "Dms", "Unverified", "install"]
