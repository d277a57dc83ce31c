"""Queues, topics and their subscriptions."""

from __future__ import annotations

from typing import Any

from rehearsal.deploy.properties import STRINGS, TAGS, ListOf, applied, document, fields, noted, recorded, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool, as_text, tags

PROTOCOL = noted(("sqs", "lambda", "email"), email="no mail is sent: what was published to the topic is recorded")

_QUEUE_ATTRIBUTES = {
    "ContentBasedDeduplication": applied(),
    "DeduplicationScope": applied(),
    "DelaySeconds": applied(),
    "FifoQueue": applied(),
    "FifoThroughputLimit": applied(),
    "KmsMasterKeyId": applied(),
    "KmsDataKeyReusePeriodSeconds": stored("messages are not encrypted in the stand-in"),
    "MaximumMessageSize": applied(),
    "MessageRetentionPeriod": stored("messages do not expire in the stand-in"),
    "ReceiveMessageWaitTimeSeconds": applied(),
    "RedrivePolicy": document(),
    "RedriveAllowPolicy": document("any queue may use any other as its dead-letter queue"),
    "SqsManagedSseEnabled": stored("messages are not encrypted in the stand-in"),
    "VisibilityTimeout": applied(),
}


def _make_queue(maker: Maker, props: dict[str, Any]) -> Made:
    suffix = ".fifo" if as_bool(props.get("FifoQueue", False)) else ""
    name = props.get("QueueName") or maker.name(80, suffix=suffix)
    attributes = {key: as_text(value) for key, value in props.items() if key in _QUEUE_ATTRIBUTES}
    if attributes.get("FifoQueue") == "false":
        del attributes["FifoQueue"]
    params = {"QueueName": name, "Attributes": attributes}
    if props.get("Tags"):
        params["tags"] = {tag["Key"]: tag["Value"] for tag in props["Tags"]}
    url = maker.client("sqs").create_queue(**params)["QueueUrl"]
    return Made(url, {"Arn": maker.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _read_queue(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    sqs = maker.client("sqs")
    found = dict(sqs.get_queue_attributes(QueueUrl=made.physical_id, AttributeNames=["All"])["Attributes"])
    found.setdefault("FifoQueue", "false")
    found["QueueName"] = found["QueueArn"].split(":")[-1]
    found["Tags"] = tags(sqs.list_queue_tags(QueueUrl=made.physical_id).get("Tags", {}))
    return found


def _make_queue_policy(maker: Maker, props: dict[str, Any]) -> Made:
    for url in props["Queues"]:
        body = {"Policy": as_text(props["PolicyDocument"])}
        maker.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=body)
    return Made(f"{maker.stack}-{maker.logical_id}")


def _read_queue_policy(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = [
        maker.client("sqs")
        .get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        .get("Attributes", {})
        .get("Policy")
        for url in props["Queues"]
    ]
    return {"Queues": props["Queues"], "PolicyDocument": found[0] if len(set(found)) == 1 else found}


def _remove_queue_policy(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    for url in props["Queues"]:
        maker.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


_TOPIC_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")


def _make_topic(maker: Maker, props: dict[str, Any]) -> Made:
    name = props.get("TopicName") or maker.name(256)
    attributes = {key: as_text(props[key]) for key in _TOPIC_ATTRIBUTES if key in props}
    answer = maker.client("sns").create_topic(Name=name, Attributes=attributes, Tags=props.get("Tags", []))
    for entry in props.get("Subscription", []):
        maker.client("sns").subscribe(TopicArn=answer["TopicArn"], **entry)
    return Made(answer["TopicArn"], {"TopicArn": answer["TopicArn"], "TopicName": name})


def _read_topic(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    sns = maker.client("sns")
    found = dict(sns.get_topic_attributes(TopicArn=made.physical_id)["Attributes"])
    found["TopicName"] = found["TopicArn"].split(":")[-1]
    found["Tags"] = sns.list_tags_for_resource(ResourceArn=made.physical_id)["Tags"]
    entries = sns.list_subscriptions_by_topic(TopicArn=made.physical_id)["Subscriptions"]
    found["Subscription"] = [{"Protocol": entry["Protocol"], "Endpoint": entry["Endpoint"]} for entry in entries]
    return found


def _remove_topic(maker: Maker, made: Made, props: dict[str, Any]) -> None:
    sns = maker.client("sns")
    for entry in sns.list_subscriptions_by_topic(TopicArn=made.physical_id)["Subscriptions"]:
        if entry["SubscriptionArn"].startswith("arn:"):
            sns.unsubscribe(SubscriptionArn=entry["SubscriptionArn"])
    sns.delete_topic(TopicArn=made.physical_id)


def _make_topic_policy(maker: Maker, props: dict[str, Any]) -> Made:
    for arn in props["Topics"]:
        maker.client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=as_text(props["PolicyDocument"])
        )
    return Made(f"{maker.stack}-{maker.logical_id}")


def _read_topic_policy(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    found = [maker.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] for arn in props["Topics"]]
    return {"Topics": props["Topics"], "PolicyDocument": found[0] if len(set(found)) == 1 else found}


def _make_subscription(maker: Maker, props: dict[str, Any]) -> Made:
    attributes = {key: as_text(props[key]) for key in ("RawMessageDelivery", "FilterPolicy") if key in props}
    arn = maker.client("sns").subscribe(
        TopicArn=props["TopicArn"],
        Protocol=props["Protocol"],
        Endpoint=props["Endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return Made(arn, {"Arn": arn})


_SUBSCRIPTION = fields(("Protocol", "Endpoint"), Protocol=PROTOCOL, Endpoint=applied())

TYPES = (
    ResourceType(
        "AWS::SQS::Queue",
        fields(QueueName=applied(), Tags=TAGS, **_QUEUE_ATTRIBUTES),
        _make_queue,
        _read_queue,
        lambda maker, made, props: maker.client("sqs").delete_queue(QueueUrl=made.physical_id),
        attributes=("Arn", "QueueName", "QueueUrl"),
        listed=("sqs queue",),
    ),
    ResourceType(
        "AWS::SQS::QueuePolicy",
        fields(("Queues", "PolicyDocument"), Queues=STRINGS, PolicyDocument=document()),
        _make_queue_policy,
        _read_queue_policy,
        _remove_queue_policy,
        listed=("sqs queue",),
    ),
    ResourceType(
        "AWS::SNS::Topic",
        fields(
            TopicName=applied(),
            DisplayName=applied(),
            KmsMasterKeyId=applied(),
            SignatureVersion=recorded("the stand-in does not sign messages"),
            TracingConfig=recorded("the stand-in writes no X-Ray traces"),
            Subscription=ListOf(_SUBSCRIPTION, ordered=False),
            Tags=TAGS,
        ),
        _make_topic,
        _read_topic,
        _remove_topic,
        attributes=("TopicArn", "TopicName"),
        listed=("sns topic", "sns subscription"),
    ),
    ResourceType(
        "AWS::SNS::TopicPolicy",
        fields(("Topics", "PolicyDocument"), Topics=STRINGS, PolicyDocument=document()),
        _make_topic_policy,
        _read_topic_policy,
        lambda maker, made, props: None,
        listed=("sns topic",),
    ),
    ResourceType(
        "AWS::SNS::Subscription",
        fields(
            ("TopicArn", "Protocol", "Endpoint"),
            TopicArn=applied(),
            Protocol=PROTOCOL,
            Endpoint=applied(),
            RawMessageDelivery=applied(),
            FilterPolicy=document(),
        ),
        _make_subscription,
        lambda maker, made, props: maker.client("sns").get_subscription_attributes(SubscriptionArn=made.physical_id)[
            "Attributes"
        ],
        lambda maker, made, props: maker.client("sns").unsubscribe(SubscriptionArn=made.physical_id),
        attributes=("Arn",),
        listed=("sns subscription",),
    ),
)
