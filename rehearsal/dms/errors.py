"""Errors of the DMS API, by the names its actions' pages have."""

from __future__ import annotations

from moto.core.exceptions import JsonRESTError


class _Fault(JsonRESTError):
    code = 400
    name = ""

    def __init__(self, message: str):
        super().__init__(self.name, message)


class NotFound(_Fault):
    name = "ResourceNotFoundFault"


class AlreadyExists(_Fault):
    name = "ResourceAlreadyExistsFault"


class InvalidState(_Fault):
    name = "InvalidResourceStateFault"


class InvalidValue(_Fault):
    name = "InvalidParameterValueException"


class InvalidCombination(_Fault):
    name = "InvalidParameterCombinationException"


class InvalidSubnet(_Fault):
    name = "InvalidSubnet"


class TooFewZones(_Fault):
    name = "ReplicationSubnetGroupDoesNotCoverEnoughAZs"
