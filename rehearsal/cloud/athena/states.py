"""States of an execution, and the error of a request that cannot be met."""

from moto.core.exceptions import JsonRESTError

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"


class InvalidRequest(JsonRESTError):
    """The service's InvalidRequestException."""

    def __init__(self, message: str):
        super().__init__("InvalidRequestException", message)
