"""Which runs of a repository are not over, found with two lists a look.

GitHub lists runs by one status at a time, and a job that waits for a runner can be in a run of nearly any status: a
matrix bounded by ``max-parallel`` or a job's ``concurrency`` makes the whole run ``pending`` while legs of it are
queued (skillberry-ai/cap-evolve#228), and a run of which one job waits for an approval is ``waiting`` though another
was approved and is queued (actions/actions-runner-controller#2723). So a look takes the newest runs whatever their
status, which finds every new one, and one list by status, in turn, which finds an old run that was started again. A run
once seen is kept until it is over; the first look reads all lists by status.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.history import Run

OVER = "completed"
# In the order in which a run passes through them: none slips through in between.
EVERY_STATUS = ("requested", "pending", "waiting", "queued", "in_progress")
_IN_TURN = ("queued", "waiting", "queued", "pending", "queued", "in_progress")


class Watch:
    """The runs of one repository that are not over, as far as known. Hold ``lock`` for a whole look."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._runs: dict[int, Run] = {}
        self._seen: set[int] = set()
        self._newest = 0
        self._coming = 0
        self._turn: int | None = None

    def begin(self) -> None:
        """A look begins."""
        self._seen = set()
        self._coming = 0

    def add(self, runs: Iterable[Run]) -> None:
        """Take in a list; what is told later in a look holds."""
        for run in runs:
            self._seen.add(run.id)
            if run.status == OVER:
                self._runs.pop(run.id, None)
            else:
                self._runs[run.id] = run

    def reaches_back(self, page: Sequence[Run]) -> bool:
        """Whether a page of the newest runs, newest first, leaves no gap to those of the look before."""
        ids = [run.id for run in page]
        self._coming = max([self._coming, *ids])
        return not ids or not self._newest or min(ids) <= self._newest

    def statuses(self, *, gap: bool) -> Sequence[str]:
        """The lists by status to read in this look: one, or all of them where something may have been missed."""
        return EVERY_STATUS if gap or self._turn is None else (_IN_TURN[self._turn % len(_IN_TURN)],)

    def end(self) -> Sequence[Run]:
        """The look is complete: the runs that are not over, oldest first."""
        self._newest = max(self._newest, self._coming)
        self._turn = 0 if self._turn is None else self._turn + 1
        return [self._runs[number] for number in sorted(self._runs)]

    def unseen(self, run: Run) -> bool:
        """Whether this look's lists did not show the run, so that it is here from memory alone."""
        return run.id not in self._seen

    def forget(self, run: Run) -> None:
        """The run is over, or gone."""
        self._runs.pop(run.id, None)
