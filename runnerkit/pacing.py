"""How often something may be done, however many threads do it."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.ports import Clock

# Source: GitHub's limits: 900 points a minute for REST, five for each write.
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
REGISTRATIONS_A_MINUTE = 180
PACED = f"GitHub lets nobody register more than {REGISTRATIONS_A_MINUTE} runners a minute"


class Pace:
    """At most so much within any stretch of time. Nobody waits here; safe to use from several threads.

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

    def take(self, count: int = 1, least: int | None = None) -> int:
        """Count so much as done, as far as it is allowed now.

        Args:
            count: How much is wanted.
            least: What to go on with when there is less; all of it by default.

        Returns:
            How much was taken; 0 when less than ``least`` is allowed now.
        """
        with self._lock:
            now = self._clock.now()
            free = self._free(now)
            taken = min(count, free) if free >= self._least(count, least) else 0
            self._taken.extend([now] * taken)
            return taken

    def room_in(self, count: int, least: int | None = None) -> float:
        """In how many seconds :meth:`take` would get something; 0 when it would now."""
        with self._lock:
            now = self._clock.now()
            missing = min(self._least(count, least), self._most) - self._free(now)
            return (self._taken[missing - 1] + self._window - now).total_seconds() if missing > 0 else 0.0

    def free(self) -> int:
        """How much is allowed just now."""
        with self._lock:
            return self._free(self._clock.now())

    def _least(self, count: int, least: int | None) -> int:
        return count if least is None else min(count, least)

    def _free(self, now: datetime) -> int:
        while self._taken and self._taken[0] + self._window <= now:
            self._taken.popleft()
        return self._most - len(self._taken)


def pace_of_registrations(clock: Clock) -> Pace:
    """As often as GitHub lets one token register runners."""
    return Pace(clock, REGISTRATIONS_A_MINUTE)
