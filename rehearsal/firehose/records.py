"""Records on their way, and what becomes of those that fail."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_numbers = itertools.count(1)

PROCESSING, EXCEEDED = "processing-failed", "activePartitionExceeded"
"""Error output types: folders of the error output."""


@dataclass(frozen=True)
class Record:
    """A record as it was put. arrived: epoch seconds."""

    id: str
    data: bytes
    arrived: float

    @classmethod
    def new(cls, data: bytes) -> Record:
        return cls(f"{next(_numbers):056d}", data, time.time())


@dataclass(frozen=True)
class Outcome:
    """A record to be delivered, with its partition keys."""

    record: Record
    data: bytes
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Failure:
    """A record that goes to the error output: why, and after how many attempts."""

    record: Record
    kind: str
    code: str
    message: str
    attempts: int = 1
    function: str = ""
    data: bytes | None = None

    def line(self) -> bytes:
        """As it is written: one JSON object on a line. Times are epoch milliseconds."""
        body = {
            "attemptsMade": self.attempts,
            "arrivalTimestamp": int(self.record.arrived * 1000),
            "errorCode": self.code,
            "errorMessage": self.message,
            "attemptEndingTimestamp": int(time.time() * 1000),
            "rawData": base64.b64encode(self.record.data if self.data is None else self.data).decode(),
        }
        if self.function:
            body["lambdaArn"] = f"{self.function}:$LATEST"
        return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def event(arn: str, region: str, invocation: str, records: list[Record]) -> bytes:
    """What the transforming function gets."""
    body: dict[str, Any] = {
        "invocationId": invocation,
        "deliveryStreamArn": arn,
        "region": region,
        "records": [
            {
                "recordId": record.id,
                "approximateArrivalTimestamp": int(record.arrived * 1000),
                "data": base64.b64encode(record.data).decode(),
            }
            for record in records
        ],
    }
    return json.dumps(body, separators=(",", ":")).encode()
