"""The time of a simulation: what is to happen when, and nothing in between."""

from __future__ import annotations

import heapq
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from runnerkit.testing.clock import EPOCH, FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Agenda(FakeClock):
    """A clock that jumps from one entry to the next. Entries of the same moment happen in the order they were made."""

    def __init__(self, start: datetime = EPOCH) -> None:
        super().__init__(start)
        self.start = start
        self._entries: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()

    def seconds(self) -> float:
        """The seconds since the start."""
        return (self._now - self.start).total_seconds()

    def at(self, when: datetime, do: Callable[[], None]) -> None:
        """Do something at a moment; what is past happens now."""
        heapq.heappush(self._entries, (max(when, self._now), next(self._numbers), do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something so many seconds from now."""
        self.at(self._now + timedelta(seconds=seconds), do)

    def next(self) -> datetime | None:
        """When the next entry is due; None when nothing is left."""
        return self._entries[0][0] if self._entries else None

    def go(self, when: datetime) -> None:
        """Let it be that moment, and do all that is due."""
        self._now = max(when, self._now)
        while self._entries and self._entries[0][0] <= self._now:
            heapq.heappop(self._entries)[2]()

    def advance(self, seconds: float) -> None:
        """Go on for so many seconds, through every entry on the way."""
        end = self._now + timedelta(seconds=seconds)
        while self._entries and self._entries[0][0] <= end:
            self.go(self._entries[0][0])
        self._now = end
