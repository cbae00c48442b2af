"""When the next pass begins: after an interval, when woken, when something is due - and never right after the last."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.passes import Pass
    from runnerkit.ports import Clock, Events

# How seldom a loop looks for leftovers.
TIDY_EVERY = 20
# Seconds between two passes at least, whoever wakes the loop.
SHORTEST_REST = 0.5


class Loop:
    """Pass after pass. Any thread may wake it or stop it."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock = clock
        self._events = events
        self._stopping, self._hinted = threading.Event(), threading.Event()

    def run(
        self,
        once: Callable[[bool], Pass],
        interval: float,
        passes: int | None,
        after: Callable[[Pass | RunnerkitError], None],
    ) -> None:
        """Make passes until so many are done (None: any number), or until somebody stops it.

        Args:
            once: Makes a pass; True asks it to tidy up as well.
            interval: Seconds between two passes when nothing wakes the loop.
            passes: How many.
            after: Hears of each pass, or why it failed.

        Raises:
            RunnerkitError: The first pass failed, and no further one can succeed.
        """
        done, due = 0, None
        while (passes is None or done < passes) and not self._stopping.is_set():
            # What was hinted at during a pass may have been overlooked by it, and something else may have been woken.
            if done and not self._rest(self._until(due, interval)):
                break
            self._hinted.clear()
            done, due = done + 1, None
            try:
                made = once(done % TIDY_EVERY == 1)
                due = made.due
                after(made)
            except RunnerkitError as error:
                if done == 1 and not error.retryable:
                    raise
                self._events.emit(ActionFailed("pass", "", error))
                after(error)

    def wake(self) -> None:
        """Let the next pass begin soon."""
        self._hinted.set()
        self._clock.wake()

    def stop(self) -> None:
        """Let it end after the pass that is under way."""
        self._stopping.set()
        self._clock.wake()

    def _until(self, due: datetime | None, interval: float) -> float:
        """Seconds to the next pass: what was put off is not kept waiting for the rest of an interval."""
        left = (due - self._clock.now()).total_seconds() if due else interval
        return max(0.0, min(interval, left))

    def _rest(self, interval: float) -> bool:
        """Wait for the next pass; False when there shall be none. However many hints come, a pass ends before the next.

        A flood of webhooks would otherwise mean passes without a pause, each of them with reads that cost something.
        """
        earliest = self._clock.now() + timedelta(seconds=min(interval, SHORTEST_REST))
        if not self._hinted.is_set():
            self._clock.wait(interval)
        while (left := (earliest - self._clock.now()).total_seconds()) > 0 and not self._stopping.is_set():
            self._clock.wait(left)
        return not self._stopping.is_set()
