"""What the buttons do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from runnerkit.sandbox.github import jobs
from runnerkit.sandbox.github.engine import approvals
from runnerkit.sandbox.github.records import Run
from runnerkit.sandbox.github.state import State


class Review(Protocol):
    """Let a reviewer approve or reject what a run wants to do in environments; ``verdict`` is approved or rejected."""

    def __call__(
        self, state: State, run: Run, names: Iterable[str], login: str, verdict: str, comment: str = ""
    ) -> object:
        """Decide.

        Raises:
            Refused: this login may not, or nothing waits.
        """


@dataclass(frozen=True, slots=True)
class Actions:
    """The rules behind the buttons, those of the REST calls unless told otherwise; called while the state is open."""

    review: Review = approvals.review
    cancel: Callable[[State, Run], object] = jobs.cancel
    rerun_failed: Callable[[State, Run, str], object] = jobs.rerun_failed
    rerun: Callable[[State, Run, set[int] | None, str], object] = jobs.rerun
