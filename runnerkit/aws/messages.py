"""What the queue's messages mean: webhooks that API Gateway put there, and events of EventBridge. Pure.

A message is a hint: it says that a look may be worth while. Nothing in it is believed; what there is to do, the pass
finds out. What comes from outside has attributes, which API Gateway makes of headers, and what EventBridge sends never
has any: so nobody outside can pass for EventBridge, whatever those headers hold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from runnerkit.web.receiver import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html and its neighbours
EC2_EVENTS = frozenset(
    {
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance Rebalance Recommendation",
        "EC2 Instance State-change Notification",
    }
)
SCHEDULE = "Scheduled Event"


class Meaning(Enum):
    """A pass is due, nothing depends on it, or it is thrown away because it will never be anything else."""

    HINT = "hint"
    NOTHING = "nothing"
    POISON = "poison"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, judged. ``why`` is for the log."""

    id: str
    meaning: Meaning
    why: str


def webhook(record: Mapping[str, Any]) -> Call | None:
    """The delivery in a record of SQS, not yet checked; None when API Gateway did not put it there."""
    if not record.get("messageAttributes"):
        return None
    told = _attributes(record)
    # Without its id: the receiver remembers ids, and a message whose pass failed must be heeded when it comes again.
    return Call(
        event=told.get("event", ""),
        guid="",
        signature=told.get("signature", ""),
        content_type=told.get("content-type", ""),
        body=_text(record.get("body")).encode(),
    )


def event(record: Mapping[str, Any]) -> Message:
    """What a record means that EventBridge put there."""
    id_ = message_id(record)
    try:
        envelope = json.loads(_text(record.get("body")))
    except (ValueError, RecursionError):
        return Message(id_, Meaning.POISON, "neither a webhook nor JSON")
    if not isinstance(envelope, dict):
        return Message(id_, Meaning.POISON, "neither a webhook nor an event")
    kind, source = _text(envelope.get("detail-type")), _text(envelope.get("source"))
    if source == "aws.ec2" and kind in EC2_EVENTS:
        return Message(id_, Meaning.HINT, kind)
    if source == "aws.events" and kind == SCHEDULE:
        return Message(id_, Meaning.HINT, "the schedule")
    return Message(id_, Meaning.POISON, f"an event that nobody here asked for ({kind[:100] or 'without a type'})")


def message_id(record: Mapping[str, Any]) -> str:
    """The id by which SQS hears what became of a message."""
    return _text(record.get("messageId"))


def _attributes(record: Mapping[str, Any]) -> dict[str, str]:
    given = record.get("messageAttributes")
    found = given.items() if isinstance(given, dict) else ()
    return {str(name): _text(value.get("stringValue")) for name, value in found if isinstance(value, dict)}


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the record holds
    return value if isinstance(value, str) else ""
