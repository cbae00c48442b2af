"""What can go wrong, as a tree that callers can act on.

::

    RunnerkitError
    ├── ConfigError              what a person wrote cannot be used
    │   ├── LabelError           ... in a ``runs-on`` label
    │   ├── NotOffered           a wish that nothing on offer there can fulfil
    │   ├── MachineUnknown       no machine of ours, or not only one, is meant by a name
    │   ├── NothingKnown         nothing is known of what was asked about
    │   └── NoSession            something that a session on a machine needs is missing
    ├── PolicyRefused            understood, but not allowed here
    ├── LeaseExpired             a deadline passed: the runner did not come online in time
    ├── CloudError
    │   ├── NoCapacity           every offering was refused; carries the refusals
    │   ├── LaunchRejected       AWS will never accept this launch as it is
    │   │   └── ImageMissing
    │   ├── CloudDenied          credentials or a permission
    │   ├── CloudThrottled       AWS asks for fewer calls
    │   └── CloudUnavailable     AWS's side, or the road to it
    ├── ForgeError
    │   ├── RunnerBusy           GitHub says that a job is running there
    │   ├── NameTaken            a runner of that name is registered
    │   ├── NotFound             no such repository, run, job or runner (or not for this token)
    │   ├── ForgeRejected        GitHub will never accept this request as it is
    │   │   └── RunnerOutdated   the image's runner is so old that GitHub gives it no job
    │   ├── ForgeDenied          token, or a permission
    │   ├── RateLimited          stop calling until ``reset``
    │   └── ForgeUnavailable     GitHub's side, or the road to it
    ├── BakeError                an image could not be baked; see runnerkit.baking.errors
    └── JobError                 inside the job
        ├── PipelineFailed       a stage failed, or DVC did; nothing is wrong with the machine
        │   └── OutputsMissing   DVC says that all is well, but declared outputs do not exist
        ├── NotPushed            the pipeline is done, but its results are not on the remote
        ├── NotTold              a message did not arrive at somebody who should have been told
        ├── LockStale            the lock of a run belongs to another commit than the one it should go to
        ├── GateFailed           a metric is missing, out of its bounds, or worse than allowed
        ├── PromotionRefused     a model version that must not go to a stage as things are
        ├── SpotInterrupted      AWS takes the machine; what was finished is pushed
        └── JobCancelled         the job was cancelled, or somebody pressed Ctrl-C

``code`` is stable and meant for programs, ``hint`` says what to do next, ``exit_code`` is what commands end with,
``retryable`` tells whether the same call may succeed later without anybody changing anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.model import Refusal

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "something unexpected happened; the message says what",
    2: "bad usage, configuration or label; nothing was started",
    3: "refused by policy; nothing was started",
    4: "no capacity: every offering was refused; nothing is left behind",
    5: "GitHub refused the token, a permission or the request",
    6: "AWS refused the credentials, a permission or the request",
    7: "a deadline passed, for example a runner that never came online",
    8: "GitHub or AWS cannot be used just now (rate limit, throttle, outage); try again later",
    9: "done in part; the output says what failed",
    10: "the pipeline failed; the output names the stage and its own exit code",
    11: "AWS takes the machine back; what the pipeline finished is pushed, so run the job again",
    12: "an image could not be baked, or is too old to be used; the output says why and what to do",
    13: "a gate does not hold, or a promotion was refused; the output names every reason",
    14: "`dvc check --exit-code`: there is work to do; without that option it ends with 0",
    15: "`doctor` found a failure (with `--strict` also a warning, or what is unknown); the output says what to do",
    130: "interrupted",
}
WORK = 14
AILING = 15


class RunnerkitError(Exception):
    """Base of everything runnerkit raises on purpose.

    Args:
        message: What happened, to what, why.
        hint: What to do next; empty when there is nothing useful to say.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, Any]:
        """The error as programs get it under ``--json``."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "retryable": self.retryable}


class ConfigError(RunnerkitError):
    """A setting cannot be used; the message names file, key and reason."""

    code = "config"
    exit_code = 2


class LabelError(ConfigError):
    """A label that cannot be understood.

    Args:
        message: Names the label, the key and the value.
        key: The offending key, empty when the label as a whole is meant.
        hint: What is allowed and the nearest valid spelling.
    """

    code = "label"

    def __init__(self, message: str, *, key: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key


class NotOffered(ConfigError):
    """Nothing on offer fulfils the wish, and waiting will not change that."""

    code = "not-offered"


class MachineUnknown(ConfigError):
    """No machine of this installation, or more than one, is meant by what was typed."""

    code = "machine-unknown"


class NothingKnown(ConfigError):
    """Nothing is known of what was asked about; the message says where it was looked for."""

    code = "nothing-known"


class NoSession(ConfigError):
    """Something that a session on a machine needs is missing; what was printed before says what."""

    code = "no-session"


class PolicyRefused(RunnerkitError):
    """Understood, but not allowed here."""

    code = "policy"
    exit_code = 3


class LeaseExpired(RunnerkitError):
    """A machine missed a deadline."""

    code = "lease-expired"
    exit_code = 7
    retryable = True


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
