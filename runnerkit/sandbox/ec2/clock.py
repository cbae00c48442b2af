"""The world's clock, which tests may move on, and what is due on it."""

from __future__ import annotations

import heapq
import itertools
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class WorldClock:
    """Seconds since the epoch, running in real time from wherever it was moved to."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._still: float | None = None

    def now(self) -> float:
        """The world's time in seconds since the epoch."""
        return (time.time() if self._still is None else self._still) + self._ahead

    def stand_still(self) -> None:
        """Let only :meth:`advance` move the time from here on."""
        self._still = time.time()

    def advance(self, seconds: float) -> None:
        """Move the time on."""
        self._ahead += seconds


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as an aware UTC time."""
    return datetime.fromtimestamp(seconds, tz=UTC)


class Timeline:
    """Steps waiting for their time; each is given the time at which it was due."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()

    def at(self, due: float, step: Callable[[float], None]) -> None:
        """Plan a step."""
        heapq.heappush(self._due, (due, next(self._order), step))

    def run(self, now: float) -> None:
        """Take every step that is due, in order; steps may plan further steps."""
        while self._due and self._due[0][0] <= now:
            due, _, step = heapq.heappop(self._due)
            step(due)

    def next(self) -> float | None:
        """When the next step is due."""
        return self._due[0][0] if self._due else None

    def clear(self) -> None:
        """Forget everything planned."""
        self._due.clear()
