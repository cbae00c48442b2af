"""The controller on AWS Lambda: its log, its queue and its secrets; the rest is runners' and the journal's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import allow

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement

EXAMPLE_LOG, EXAMPLE_QUEUE, PARAMETERS = "log-group:*", "*", "/runnerkit-controller"


def function(place: Place) -> tuple[Statement, ...]:
    """What the function's role has beside. Source: AWS's guide of Lambda on SQS as a source of events."""
    secrets = place.arn("ssm", f"parameter{place.parameters or PARAMETERS}")
    own = (
        allow(
            "Log",
            "logs:CreateLogStream PutLogEvents",
            (place.log or place.arn("logs", EXAMPLE_LOG),),
            "to write its log",
        ),
        allow(
            "Queue",
            "sqs:DeleteMessage GetQueueAttributes ReceiveMessage",
            (place.queue or place.arn("sqs", EXAMPLE_QUEUE),),
            "to take hints from the queue",
        ),
        allow("Secrets", "ssm:GetParametersByPath", (secrets,), "to read its secrets"),
    )
    if not place.key:
        return own
    return (*own, allow("SecretsKey", "kms:Decrypt", (place.key,), "to decrypt them"))
