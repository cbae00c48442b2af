"""What AWS refuses, or cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.errors.words import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Refusal


class CloudError(RunnerkitError):
    """AWS did not do what was asked.

    Args:
        message: What happened, to what, why.
        aws_code: AWS's own error code, empty when there is none.
        hint: What to do next.
    """

    code = "cloud"
    exit_code = 6

    def __init__(self, message: str, *, aws_code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.aws_code = aws_code

    def as_dict(self) -> dict[str, Any]:
        """The error with AWS's own code."""
        return {**super().as_dict(), "aws_code": self.aws_code}


class NoCapacity(CloudError):
    """Every offering was refused, or none is left to try.

    Args:
        message: What was wanted.
        refusals: Who said no, and with which code.
        hint: What to do next.
    """

    code = "no-capacity"
    exit_code = 4
    retryable = True

    def __init__(self, message: str, *, refusals: Sequence[Refusal] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.refusals = tuple(refusals)

    def as_dict(self) -> dict[str, Any]:
        """The error with one entry per refused pool."""
        return {**super().as_dict(), "refusals": [refusal.as_dict() for refusal in self.refusals]}


class LaunchRejected(CloudError):
    """The launch itself is wrong; repeating it changes nothing."""

    code = "launch-rejected"


class ImageMissing(LaunchRejected):
    """The image does not exist here or may not be used."""

    code = "image-missing"


class CloudDenied(CloudError):
    """AWS does not accept the credentials, or they lack a permission (which the message names)."""

    code = "aws-denied"


class CloudThrottled(CloudError):
    """AWS asks for fewer calls."""

    code = "aws-throttled"
    retryable = True
    exit_code = 8


class CloudUnavailable(CloudError):
    """AWS failed or could not be reached; for a launch, whether it happened is unknown."""

    code = "aws-unavailable"
    retryable = True
    exit_code = 8
