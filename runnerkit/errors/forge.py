"""What GitHub refuses, or cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.errors.words import RunnerkitError

if TYPE_CHECKING:
    from datetime import datetime


class ForgeError(RunnerkitError):
    """GitHub did not do what was asked."""

    code = "github"
    exit_code = 5


class RunnerBusy(ForgeError):
    """GitHub will not delete a runner that it thinks is running a job."""

    code = "runner-busy"
    retryable = True


class NameTaken(ForgeError):
    """A runner of that name is registered: somebody else holds the lock."""

    code = "name-taken"
    retryable = True


class NotFound(ForgeError):
    """It does not exist, or this token may not see it."""

    code = "not-found"


class ForgeRejected(ForgeError):
    """GitHub understood the request and will never accept it as it is."""

    code = "github-rejected"


class RunnerOutdated(ForgeRejected):
    """The runner in the image is so old that GitHub would give it no job; nothing was started."""

    code = "runner-outdated"


class ForgeDenied(ForgeError):
    """GitHub does not accept the token, or it lacks a permission (which the message names)."""

    code = "github-denied"


class RateLimited(ForgeError):
    """GitHub asks to stop calling.

    Args:
        message: Which limit was hit.
        reset: When calling may start again, aware UTC.
        hint: What to do next.
    """

    code = "rate-limited"
    retryable = True
    exit_code = 8

    def __init__(self, message: str, *, reset: datetime, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reset = reset

    def as_dict(self) -> dict[str, Any]:
        """The error with the time at which calling may start again."""
        return {**super().as_dict(), "reset": self.reset.isoformat()}


class ForgeUnavailable(ForgeError):
    """GitHub failed or could not be reached; for a registration, whether it happened is unknown."""

    code = "github-unavailable"
    retryable = True
    exit_code = 8
