"""The call of the transforming function: attempts, and the judgement of what it answers.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.firehose.records import PROCESSING, Failure, Outcome, Record, event
from rehearsal.firehose.settings import Processor

PAYLOAD = 6 * 1024 * 1024
"""Bytes of a request or response of a synchronous invocation."""

# https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html
CODES = {
    "AccessDenied": "Lambda.InvokeAccessDenied",
    "AccessDeniedException": "Lambda.InvokeAccessDenied",
    "ResourceNotFoundException": "Lambda.ResourceNotFound",
    "TooManyRequestsException": "Lambda.InvokeLimitExceeded",
}

Answers = list[Outcome | Failure]


class Failed(Exception):
    """An attempt that failed as a whole."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Transformation:
    """Calls the function of one stream. client: boto3's for Lambda, under the processor's role."""

    def __init__(self, processor: Processor, arn: str, region: str, client: Callable[[], Any], pause: float):
        self._processor, self._arn, self._region = processor, arn, region
        self._client, self._pause = client, pause
        self._configured = False

    def __call__(self, records: list[Record]) -> Answers:
        """The outcome of each record; those the function drops have none."""
        function, attempt = self._processor.function, 0
        while True:
            attempt += 1
            try:
                return self._judge(records, self._invoke(records))
            except Failed as failed:
                if attempt > self._processor.retries:
                    return [
                        Failure(record, PROCESSING, failed.code, failed.message, attempt, function)
                        for record in records
                    ]
            time.sleep(self._pause * attempt)

    def _invoke(self, records: list[Record]) -> bytes:
        payload = event(self._arn, self._region, str(uuid.uuid4()), records)
        client, function = self._client(), self._processor.function
        try:
            if not self._configured:
                client.get_function_configuration(FunctionName=function)
                self._configured = True
            answer = client.invoke(FunctionName=function, InvocationType="RequestResponse", Payload=payload)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise Failed(CODES.get(code, f"Lambda.{code}"), message) from None
        body: bytes = answer["Payload"].read()
        if answer.get("FunctionError"):
            timed_out = b"Task timed out" in body
            raise Failed(
                "Lambda.FunctionTimedOut" if timed_out else "Lambda.FunctionError", body.decode("utf-8", "replace")
            )
        if len(body) > PAYLOAD:
            raise Failed(
                "Lambda.FunctionError",
                f"Response payload size exceeded maximum allowed payload size ({PAYLOAD} bytes).",
            )
        return body

    def _judge(self, records: list[Record], body: bytes) -> Answers:
        try:
            given = json.loads(body)
        except ValueError as error:
            raise Failed("Lambda.JsonProcessingException", f"the response is no JSON: {error}") from None
        entries = given.get("records") if isinstance(given, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Failed("Lambda.JsonProcessingException", "the response has no list of records")
        by_id: dict[Any, dict[str, Any]] = {}
        for entry in entries:
            if entry.get("recordId") in by_id:
                raise Failed("Lambda.DuplicatedRecordId", "Multiple records were returned with the same record ID.")
            by_id[entry.get("recordId")] = entry
        found = [self._one(record, by_id.get(record.id)) for record in records]
        return [answer for answer in found if answer is not None]

    def _one(self, record: Record, entry: dict[str, Any] | None) -> Outcome | Failure | None:
        if entry is None:
            return self._failure(record, "Lambda.MissingRecordId", "One or more record Ids were not returned.")
        result = entry.get("result")
        if result == "Dropped":
            return None
        if result == "ProcessingFailed":
            return self._failure(record, "Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record")
        if result != "Ok":
            return self._failure(record, "Lambda.JsonProcessingException", f"unknown result {result!r}")
        keys = (entry.get("metadata") or {}).get("partitionKeys") or {}
        try:
            data = base64.b64decode(entry["data"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            return self._failure(record, "Lambda.JsonProcessingException", f"data of the record: {error!r}")
        return Outcome(record, data, {str(name): str(value) for name, value in keys.items()})

    def _failure(self, record: Record, code: str, message: str) -> Failure:
        return Failure(record, PROCESSING, code, message, 1, self._processor.function)
