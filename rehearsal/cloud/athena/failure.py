"""Why a query does not succeed, in Athena's words."""

from __future__ import annotations


class QueryFailed(Exception):
    """The query ends FAILED. The text is its StateChangeReason: an error name of Trino, a colon, and the reason."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name = name


class ScanLimit(Exception):
    """The query would read more than its workgroup allows: it ends CANCELLED."""


def not_handled(what: str) -> QueryFailed:
    """SQL that Athena may take but that the stand-in does not run, so that it never answers differently."""
    return QueryFailed("NOT_SUPPORTED", f"the rehearsal does not run {what}")
