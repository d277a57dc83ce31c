"""Errors that decide what becomes of a batch or of the job."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError

REASON_LIMIT = 1000

_THROTTLING = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalServerError",
    "InternalServiceException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
}

# What Spark tells of services that could not be reached or asked to be left alone, in a driver or an executor.
_SPARK_INFRASTRUCTURE = (
    "java.net.ConnectException",
    "java.net.SocketTimeoutException",
    "java.net.UnknownHostException",
    "SdkClientException",
    "ApiCallTimeoutException",
    "AWSServiceThrottledException",
    "AWSStatus500Exception",
    "CommitStateUnknownException",
    "java.lang.OutOfMemoryError",
    "SparkContext was shut down",
    "botocore.exceptions.EndpointConnectionError",
    "botocore.exceptions.ConnectTimeoutError",
    "botocore.exceptions.ReadTimeoutError",
    "botocore.exceptions.IncompleteReadError",
    "(SlowDown)",
)


class BatchFailed(Exception):
    """The batch ends as failed, with an outcome code of the contract."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class LeaseLost(Exception):
    """Another run holds the lease. Nothing may be written for this dataset any more."""


class JobFailed(Exception):
    """The job ends in failure after it has done what it could."""


def is_infrastructure(error: BaseException) -> bool:
    """Whether the error says nothing about the batch, so that the run as a whole is to be tried again."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response.get("Error", {}).get("Code") in _THROTTLING or status >= 500
    if isinstance(error, BotoCoreError | Py4JNetworkError | ConnectionError):
        return True
    if isinstance(error, Py4JJavaError | Py4JError) or type(error).__module__.startswith("pyspark."):
        text = str(error)
        return any(name in text for name in _SPARK_INFRASTRUCTURE)
    return False


def describe(error: BaseException) -> str:
    """The error as a ledger's reason: its kind and its first lines."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:REASON_LIMIT]
