"""A topic of AWS's Simple Notification Service, whose subscribers get mails, messages or calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.errors import NotTold
from runnerkit.job.wording import body, subject

if TYPE_CHECKING:
    from runnerkit.job.notifying import Message

# What it calls, as permission.
SNS_ACTIONS = ("sns:Publish",)
_DENIED = frozenset({"AuthorizationError", "AuthorizationErrorException", "AccessDenied", "KMSAccessDenied"})


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, by its ARN, in its own region."""

    arn: str
    region: str

    @property
    def name(self) -> str:
        """The ARN."""
        return f"sns:{self.arn}"

    def send(self, message: Message) -> None:
        """By Publish; subscribers can filter by the attribute ``event``."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        retries: Any = {"mode": "standard", "total_max_attempts": 2}
        config = Config(connect_timeout=5, read_timeout=10, retries=retries, user_agent_extra="runnerkit")
        event = {"event": {"DataType": "String", "StringValue": str(message.moment)}}
        given: dict[str, Any] = {"TopicArn": self.arn, "Message": body(message), "MessageAttributes": event}
        if self.arn.endswith(".fifo"):
            group = message.repo.replace("/", ".") or "runnerkit"
            given |= {"MessageGroupId": group, "MessageDeduplicationId": _once(message)}
        try:
            client: Any = boto3.Session().client("sns", region_name=self.region, config=config)
            client.publish(Subject=subject(message), **given)
        except ClientError as error:
            raise self._told(error.response["Error"]["Code"], error.response["Error"].get("Message", "")) from error
        except BotoCoreError as error:
            raise NotTold(f"{self.name}: {error}", hint="see to the AWS credentials and the network") from error

    def _told(self, code: str, words: str) -> NotTold:
        if code in _DENIED:
            return NotTold(f"{self.name}: {code}: {words}", hint=f"allow {SNS_ACTIONS[0]} on {self.arn}")
        if code in {"NotFound", "NotFoundException"}:
            return NotTold(f"{self.name}: there is no such topic", hint="make it, or check account and region")
        return NotTold(f"{self.name}: {code}: {words}")


def _once(message: Message) -> str:
    import hashlib

    told = f"{message.run_url} {message.attempt} {message.job} {message.moment} {message.text} {message.seconds}"
    return hashlib.sha256(told.encode()).hexdigest()
