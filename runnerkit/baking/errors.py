"""What can go wrong while an image is baked: the branch of :mod:`runnerkit.errors` that only bakers need.

::

    BakeError                an image could not be baked
    ├── StepFailed           a step or check of the recipe; nothing is wrong with AWS
    ├── HostKeyMismatch      somebody else than the builder answers at its address
    └── ConnectionLost       the builder cannot be reached (any more)
"""

from __future__ import annotations

from typing import Any

from runnerkit.errors import RunnerkitError


class BakeError(RunnerkitError):
    """An image could not be baked."""

    code = "bake"
    exit_code = 12


class StepFailed(BakeError):
    """A step or a check of a recipe failed on the builder.

    Args:
        message: Names the step and how it ended.
        step: The step's title.
        step_exit: The exit code of its script; None when it has none, as after its time is up.
        output: The last lines it wrote.
        hint: What to do next.
    """

    code = "bake-step-failed"

    def __init__(
        self, message: str, *, step: str = "", step_exit: int | None = None, output: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.step_exit = step_exit
        self.output = output

    def as_dict(self) -> dict[str, Any]:
        """The error with the step, its exit code and its last lines."""
        return {**super().as_dict(), "step": self.step, "step_exit": self.step_exit, "output": self.output}


class HostKeyMismatch(BakeError):
    """What answers at a builder's address has none of the keys that the builder printed on its console."""

    code = "host-key-mismatch"


class ConnectionLost(BakeError):
    """A builder cannot be reached; what was started there goes on."""

    code = "connection-lost"
    retryable = True
