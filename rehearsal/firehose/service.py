"""The Firehose API in front of the streams, and the clock that moves them on.

Stock moto writes the records of each put to S3 at once, as one object under a name of its own, and neither buffers,
transforms, partitions nor compresses; it takes every setting and acts on none of them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import ServiceException
from moto.firehose.exceptions import InvalidArgumentException, ResourceNotFoundException, ValidationException
from moto.firehose.models import FirehoseBackend
from moto.utilities.utils import get_partition

from rehearsal.cloud.repairs import Repairs
from rehearsal.firehose.settings import Refused, Settings, read
from rehearsal.firehose.stream import PRINCIPAL, Account, Faults, Stream

if TYPE_CHECKING:
    from rehearsal.cloud import Cloud

RECORD, RECORDS, BATCH = 1_024_000, 500, 4 * 1024 * 1024
"""Bytes of a record, records of a PutRecordBatch, bytes of a PutRecordBatch."""


class InvalidKMSResource(ServiceException):
    """The key of the stream's encryption cannot be used."""

    def __init__(self, message: str):
        super().__init__("InvalidKMSResourceException", message)


def install(cloud: Cloud) -> Firehose:
    """Make the Cloud's Firehose deliver. To be called before the Cloud starts."""
    part = Firehose(cloud)
    cloud.attach(part)
    return part


class Firehose:
    """The part of the Cloud that runs delivery streams. `faults` may be changed at any time."""

    name = "firehose"

    def __init__(self, cloud: Cloud):
        self.faults = Faults()
        self._cloud = cloud
        self._repairs = Repairs()
        self._streams: dict[str, Stream] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        _install_backend(self._repairs, self)
        self._thread = threading.Thread(target=self._tick, name="firehose-clock", daemon=True)
        self._thread.start()

    def busy(self) -> list[str]:
        return [text for stream in list(self._streams.values()) if (text := stream.busy())]

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(5)
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        self._repairs.undo()

    def flush(self) -> None:
        """Deliver what the streams hold now as if its time were over. What their functions put back is not included."""
        for stream in list(self._streams.values()):
            stream.pump(everything=True)

    def make(self, settings: Settings, key: str) -> None:
        """Take a stream on. Raises the service's errors when its role or key cannot be used."""
        self._check_role(settings.role)
        if key:
            try:
                found = self._cloud.client("kms").describe_key(KeyId=key)["KeyMetadata"]
            except Exception as error:
                raise InvalidKMSResource(f"the key {key} cannot be used: {error}") from None
            if found["KeyState"] != "Enabled":
                raise InvalidKMSResource(f"the key {key} is {found['KeyState']}")
        account = Account(
            self._cloud.region,
            self._cloud.speed,
            self.faults,
            lambda service, role: self._cloud.service_client(PRINCIPAL, service, role, settings.arn),
            self._cloud.spawn,
            self._measure,
        )
        self._streams[settings.name] = Stream(settings, account)

    def drop(self, name: str) -> None:
        if stream := self._streams.pop(name, None):
            stream.close()

    def put(self, name: str, records: list[bytes]) -> list[str | None]:
        """Take records into a stream: their ids, None for those that are refused."""
        stream = self._streams.get(name)
        if stream is None:
            raise ResourceNotFoundException(f"Firehose {name} under account {self._cloud.account} not found.")
        ids = stream.put(records)
        with self._wake:
            self._wake.notify_all()
        return ids

    def encrypted(self, name: str) -> bool:
        return self._streams[name].settings.encrypted

    def _check_role(self, arn: str) -> None:
        problem = InvalidArgumentException(f"Firehose is unable to assume role {arn}. Please check the role provided.")
        try:
            role = self._cloud.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
        except Exception:
            raise problem from None
        if PRINCIPAL not in json.dumps(role["AssumeRolePolicyDocument"]):
            raise problem

    def _measure(self, metric: str, stream: str, value: float) -> None:
        dimensions = [{"Name": "DeliveryStreamName", "Value": stream}]
        data = {"MetricName": metric, "Value": value, "Unit": "None", "Dimensions": dimensions, "Timestamp": None}
        cloudwatch_backends[self._cloud.account][self._cloud.region].put_metric_data("AWS/Firehose", [data])

    def _tick(self) -> None:
        while True:
            with self._wake:
                times = [due for stream in list(self._streams.values()) if (due := stream.deadline()) is not None]
                wait = min(times, default=time.monotonic() + 0.2) - time.monotonic()
                if wait > 0 and not self._stopping:
                    self._wake.wait(min(wait, 0.2))
                if self._stopping:
                    return
            for stream in list(self._streams.values()):
                stream.pump()


def _install_backend(repairs: Repairs, part: Firehose) -> None:
    def create(
        backend: FirehoseBackend,
        region: str,
        name: str,
        kind: str,
        source: dict[str, Any],
        encryption: dict[str, Any],
        s3: dict[str, Any],
        extended: dict[str, Any],
        *others: Any,
    ) -> str:
        if extended is None or s3 or source or any(other for other in others[:-1]):
            raise InvalidArgumentException("only direct puts to an extended S3 destination are modelled")
        if name in backend.delivery_streams:
            return stock_create(backend, region, name, kind, source, encryption, s3, extended, *others)
        arn = f"arn:{get_partition(region)}:firehose:{region}:{backend.account_id}:deliverystream/{name}"
        try:
            settings = read(name, arn, kind or "", encryption, extended)
        except Refused as refused:
            raise InvalidArgumentException(str(refused)) from None
        key = (encryption or {}).get("KeyARN", "") if encryption else ""
        part.make(settings, key)
        return stock_create(backend, region, name, kind, source, encryption, s3, extended, *others)

    def delete(backend: FirehoseBackend, name: str) -> None:
        stock_delete(backend, name)
        part.drop(name)

    def describe(backend: FirehoseBackend, name: str) -> dict[str, Any]:
        found = stock_describe(backend, name)
        encryption = found["DeliveryStreamDescription"].get("DeliveryStreamEncryptionConfiguration")
        if encryption:
            shown = {**encryption, "Status": "ENABLED"}
            found["DeliveryStreamDescription"]["DeliveryStreamEncryptionConfiguration"] = shown
        return found

    def put_record_batch(_backend: FirehoseBackend, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        data = [bytes(record["Data"]) for record in records]
        _judge(data)
        ids = part.put(name, data)
        refused = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
        return {
            "FailedPutCount": ids.count(None),
            "Encrypted": part.encrypted(name),
            "RequestResponses": [{"RecordId": found} if found else refused for found in ids],
        }

    def put_record(_backend: FirehoseBackend, name: str, record: dict[str, Any]) -> dict[str, Any]:
        _judge([bytes(record["Data"])])
        found = part.put(name, [bytes(record["Data"])])[0]
        if found is None:
            raise ServiceException("ServiceUnavailableException", "Slow down.")
        return {"RecordId": found, "Encrypted": part.encrypted(name)}

    stock_create = repairs.replace(FirehoseBackend, "create_delivery_stream", create)
    stock_delete = repairs.replace(FirehoseBackend, "delete_delivery_stream", delete)
    stock_describe = repairs.replace(FirehoseBackend, "describe_delivery_stream", describe)
    repairs.replace(FirehoseBackend, "put_record", put_record)
    repairs.replace(FirehoseBackend, "put_record_batch", put_record_batch)
    for method in ("update_destination", "start_delivery_stream_encryption", "stop_delivery_stream_encryption"):
        repairs.replace(FirehoseBackend, method, _not_modelled(method))


def _judge(records: list[bytes]) -> None:
    if not 1 <= len(records) <= RECORDS:
        raise ValidationException(f"records: got {len(records)}; allowed: 1 to {RECORDS}")
    if too_long := [len(data) for data in records if len(data) > RECORD]:
        raise ValidationException(f"record.data: got {too_long[0]} bytes; allowed: at most {RECORD}")
    if (total := sum(len(data) for data in records)) > BATCH:
        raise InvalidArgumentException(f"records: got {total} bytes in all; allowed: at most {BATCH}")


def _not_modelled(method: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"Firehose {method}: a stream of the stand-in does not change")

    return refuse
