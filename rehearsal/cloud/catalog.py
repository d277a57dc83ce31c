"""Glue Data Catalog: table versions as an optimistic lock.

Stock moto ignores VersionId in UpdateTable: of two concurrent Iceberg commits one is lost without an error. The
service refuses an update of a version that is no longer the current one with ConcurrentModificationException
(https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html), on which Iceberg's GlueCatalog retries.
"""

from __future__ import annotations

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult
from moto.glue.responses import GlueResponse

from rehearsal.cloud.repairs import Repairs


def repair_catalog(repairs: Repairs) -> None:
    """Requests of Glue are performed one at a time by the gateway, so check and update are one step."""

    def update_table(response: GlueResponse) -> ActionResult:
        parameters = response.parameters
        name = parameters["TableInput"]["Name"]
        table = response.glue_backend.get_table(parameters["DatabaseName"], name)
        expected = parameters.get("VersionId")
        if expected is not None and str(expected) != str(table._current_version):
            text = f"Update table failed due to concurrent modifications: {expected} is not {table._current_version}."
            raise JsonRESTError("ConcurrentModificationException", text)
        return stock(response) or EmptyResult()

    stock = repairs.replace(GlueResponse, "update_table", update_table)
