"""How often something may be done, however many threads do it."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.ports import Clock

_MOST_WAKES = 1_000


class Pace:
    """At most so much within any stretch of time. Safe to use from several threads.

    Args:
        clock: Whose time counts.
        most: How much is allowed within ``window``.
        window: Seconds.
    """

    def __init__(self, clock: Clock, most: int, window: float = 60.0) -> None:
        self._clock = clock
        self._most = most
        self._window = timedelta(seconds=window)
        self._taken: deque[datetime] = deque()
        self._lock = Lock()

    def take(self, count: int, least: int | None = None) -> int:
        """Wait until so much is allowed at once, or at least a part of it, and count it as done.

        Args:
            count: How much is wanted.
            least: What to go on with when there is less; all of it by default.

        Returns:
            How much was taken.

        Raises:
            ValueError: So much is never allowed at once.
        """
        least = count if least is None else min(count, least)
        if least > self._most:
            msg = f"{least} at once is more than {self._most}"
            raise ValueError(msg)
        woken = False
        while not isinstance(until := self._try(count, least), int):
            for _ in range(_MOST_WAKES):
                left = (until - self._clock.now()).total_seconds()
                if left <= 0:
                    break
                woken = self._clock.wait(left) or woken
        if woken:
            # The call was meant for somebody who waits for news.
            self._clock.wake()
        return until

    def free(self) -> int:
        """How much is allowed just now."""
        with self._lock:
            self._forget(self._clock.now())
            return self._most - len(self._taken)

    def _try(self, count: int, least: int) -> int | datetime:
        """Take what there is, or tell when to try again."""
        with self._lock:
            now = self._clock.now()
            self._forget(now)
            free = self._most - len(self._taken)
            if free >= least:
                taken = min(count, free)
                self._taken.extend([now] * taken)
                return taken
            return self._taken[least - free - 1] + self._window

    def _forget(self, now: datetime) -> None:
        while self._taken and self._taken[0] + self._window <= now:
            self._taken.popleft()
