"""SNS: deliveries to queues and functions need the permission of the receiver.

Stock moto delivers to any queue or function of the account.
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sns.models import Subscription

from rehearsal.cloud.enforcement import Enforcement
from rehearsal.cloud.faults import Caller
from rehearsal.cloud.identities import Identities
from rehearsal.cloud.needs import Need
from rehearsal.cloud.repairs import Repairs

PRINCIPAL = "sns.amazonaws.com"


def repair_topics(enforcement: Enforcement, identities: Identities, repairs: Repairs) -> None:
    """A delivery that is not allowed is dropped, as the service does after its retries, and the denial recorded."""

    def publish(subscription: Subscription, *args: Any, **kwargs: Any) -> None:
        session = identities.service(PRINCIPAL, source=subscription.topic.arn)
        caller = Caller("service", PRINCIPAL, session.access_key, PRINCIPAL)
        if enforcement.check(caller, _needs(enforcement, subscription)) is None:
            stock(subscription, *args, **kwargs)

    stock: Callable[..., None] = repairs.replace(Subscription, "publish", publish)


def _needs(enforcement: Enforcement, subscription: Subscription) -> list[Need]:
    if subscription.protocol == "lambda":
        return [Need("lambda:InvokeFunction", subscription.endpoint)]
    if subscription.protocol == "sqs":
        use = enforcement.encryption.queue(subscription.endpoint, "GenerateDataKey", "Decrypt")
        return [Need("sqs:SendMessage", subscription.endpoint), *use]
    return []
