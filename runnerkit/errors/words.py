"""What every error has, the exit codes, and errors of what people wrote."""

from __future__ import annotations

from typing import Any, ClassVar

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
