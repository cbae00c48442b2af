"""Cancelling, shutting down and timing out, around an act that would do it too hard.

The order that makes it GitHub's way: the file ``cancel`` keeps further steps from beginning; the running step's entry
program ends its shell by the schedule and then waits; only then act hears of it. After a user's cancellation act goes
on to ``always()`` steps; at a shutdown it is simply ended, so that no later step runs.
"""

from __future__ import annotations

import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .schedule import send

if TYPE_CHECKING:
    from collections.abc import Callable

    from .acting import Act
    from .workflow import Step

SETTLE = 2.0
HOLDS = re.compile(r"always\s*\(|(?<!!)\bcancelled\s*\(")


class Stopping:
    """What was asked (user, shutdown, timeout, gone; empty as long as nothing was), and how far it has come."""

    def __init__(self, act: Act, state: Path, note: Callable[[str], None]) -> None:
        self.asked = ""
        self.over = False
        self._act = act
        self._note = note
        self._state = state
        self._signalled: set[int] = set()
        self._told_at: float | None = None

    def ask(self, what: str) -> None:
        """Begin to stop; a shutdown outranks a cancellation, and a listener that is gone outranks all."""
        ranks = ("", "timeout", "user", "shutdown", "gone")
        if ranks.index(what) <= ranks.index(self.asked):
            return
        self.asked = what
        self.over = what == "gone"
        (self._state / "cancel").touch()

    def end_step(self, step: Step) -> None:
        """End the running step, whose time is up; the job goes on with what its failure means."""
        step.timeout = None
        self._signal(signal.SIGUSR2)

    def _signal(self, number: int) -> None:
        pid = self._running()
        if pid is not None:
            self._signalled.add(pid)
            send(pid, number)

    @property
    def between_steps(self) -> bool:
        """Whether no step's entry program runs."""
        return self._running() is None

    def _running(self) -> int | None:
        with suppress(OSError, ValueError):
            pid = int((self._state / "running").read_text())
            return pid if Path(f"/proc/{pid}").exists() else None
        return None

    def _held(self, pid: int) -> bool:
        with suppress(OSError):
            return (self._state / "held").read_text() == str(pid)
        return False

    def go_on(self, current: Step | None) -> None:
        """Take the next step of a stop that was asked for; called again and again."""
        if not self.asked or self.over:
            return
        hard = self.asked == "shutdown"
        pid = self._running()
        if not hard and self._told_at is not None:
            self._let_go(current)
        elif pid is not None and pid not in self._signalled and (hard or not _goes_on(current)):
            self._signal(signal.SIGUSR1)
        elif pid is None or self._held(pid) or pid not in self._signalled:
            self._tell(hard=hard)

    def _tell(self, *, hard: bool) -> None:
        self.over = hard
        if not hard:
            self._act.cancel()
            self._note("act is told of the cancellation")
            self._told_at = time.monotonic()

    def _let_go(self, current: Step | None) -> None:
        # act still ends a step that began too early and may not go on; the seconds are for conditions only act knows.
        late = self._told_at is not None and time.monotonic() - self._told_at > SETTLE
        if late or _goes_on(current):
            (self._state / "cancel").unlink(missing_ok=True)


def _goes_on(step: Step | None) -> bool:
    # GitHub asks the condition of the running step again, and lets it run on when it holds for a cancelled job.
    return step is not None and HOLDS.search(step.condition) is not None
