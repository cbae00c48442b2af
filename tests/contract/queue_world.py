"""A queue of moto's with a dead-letter queue, EventBridge in front of it, and what Lambda does with them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.ec2 import SandboxEc2

SECRET = "a-secret-of-the-webhook"
MOST_RECEIVES = 3
RECEIVED_AT_ONCE = 10


def delivery(repo: str = "acme/widgets", status: str = "queued", labels: tuple[str, ...] = ("runnerkit=1",)) -> str:
    """The body of a webhook, with letters of any script."""
    job = {"id": 7, "run_id": 1, "status": status, "labels": list(labels), "name": "prüfe ☃"}
    repository = {"full_name": repo}
    return json.dumps({"action": status, "workflow_job": job, "repository": repository}, ensure_ascii=False)


def signed(body: str, secret: str = SECRET) -> str:
    """GitHub's signature of a body."""
    return "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


class Queue:
    """The queue as the template makes it, and the mapping from it to a handler.

    Messages that a handler reports as failed are visible again at once, instead of after the visibility timeout.
    """

    def __init__(self, ec2: SandboxEc2, name: str) -> None:
        self._aws: Callable[[str], Any] = lambda service: _client(ec2, service)
        self.sqs = self._aws("sqs")
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": MOST_RECEIVES}
        attributes = {"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.name = name

    def webhook(self, body: str, signature: str | None = None, event: str = "workflow_job") -> str:
        """What API Gateway does with a request; the id of the message."""
        said = {"signature": signature or signed(body), "event": event}
        said["content-type"] = "application/json"
        attributes = {key: {"DataType": "String", "StringValue": value} for key, value in said.items()}
        return str(
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=attributes)["MessageId"]
        )

    def send(self, body: str) -> str:
        """A message without attributes, as EventBridge's are."""
        return str(self.sqs.send_message(QueueUrl=self.url, MessageBody=body)["MessageId"])

    def rule(self, pattern: Mapping[str, Any]) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """Let EventBridge put what fits a pattern into the queue; its client."""
        events = self._aws("events")
        events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": self._arn(self.url)}])
        return events

    def count(self, url: str | None = None) -> int:
        """Messages that are in the queue, or in another one."""
        names = ["ApproximateNumberOfMessages"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]])

    def deliver(self, handler: Callable[[dict[str, Any]], dict[str, Any]], *, most: int = 100) -> int:
        """Hand over batches until the queue is empty, as the mapping does; how many batches that took."""
        batches = 0
        while batches < most and (batch := self._batch()):
            batches += 1
            failed = {each["itemIdentifier"] for each in handler({"Records": batch})["batchItemFailures"]}
            for record in batch:
                if record["messageId"] not in failed:
                    self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])
        return batches

    def _batch(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=RECEIVED_AT_ONCE, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return [_record(message) for message in found]

    def _arn(self, url: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _record(message: dict[str, Any]) -> dict[str, Any]:
    """A message as Lambda's event has it.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    given = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]} for name, value in given.items()
        },
        "eventSource": "aws:sqs",
    }


def _client(ec2: SandboxEc2, service: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    environ, make = ec2.environment(), boto3.client
    made: Any = make
    return made(
        service,
        endpoint_url=ec2.url,
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
