"""What goes wrong inside of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.errors.words import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Sequence


class JobError(RunnerkitError):
    """A job's own work did not come to a good end."""

    code = "job"
    exit_code = 10


class PipelineFailed(JobError):
    """A stage failed, or DVC did; nothing is wrong with the machine.

    Args:
        message: Names the stage.
        stage: The stage, empty when DVC failed outside of any.
        stage_exit: The exit code of the stage's own command.
        hint: What to do next.
    """

    code = "pipeline-failed"

    def __init__(self, message: str, *, stage: str = "", stage_exit: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.stage_exit = stage_exit

    def as_dict(self) -> dict[str, Any]:
        """The error with the stage and its own exit code."""
        return {**super().as_dict(), "stage": self.stage, "stage_exit": self.stage_exit}


class OutputsMissing(PipelineFailed):
    """DVC reported success, but declared outputs do not exist."""

    code = "outputs-missing"


class NotPushed(JobError):
    """The pipeline is done, but its results could not be pushed to the remote."""

    code = "not-pushed"
    exit_code = 9
    retryable = True


class LockStale(JobError):
    """The lock that a run left belongs to another commit than the one it should go to; nothing was changed."""

    code = "lock-stale"
    exit_code = 9


class NotTold(JobError):
    """A message did not arrive at somebody who should have been told; the reason has no secret address in it."""

    code = "not-told"
    exit_code = 9
    retryable = True


class GateFailed(JobError):
    """A metric is missing, not a number, out of its bounds, or worse than the base by more than is allowed."""

    code = "gate-failed"
    exit_code = 13


class PromotionRefused(JobError):
    """A model version must not go to a stage as things are: a dirty tree, an unpushed lock, a missing object.

    Args:
        message: What is refused, with every reason.
        reasons: Each of them.
        hint: What to do next.
    """

    code = "promotion-refused"
    exit_code = 13

    def __init__(self, message: str, *, reasons: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)

    def as_dict(self) -> dict[str, Any]:
        """The error with every reason."""
        return {**super().as_dict(), "reasons": list(self.reasons)}


class SpotInterrupted(JobError):
    """AWS takes the machine back; what was finished is pushed, so the next attempt goes on from there."""

    code = "spot-interrupted"
    exit_code = 11
    retryable = True


class JobCancelled(JobError):
    """The job was cancelled, or somebody pressed Ctrl-C; the pipeline was ended."""

    code = "cancelled"
    exit_code = 130
