"""A clock that tests own: waiting takes no time and moves the world on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Keeps the Clock contract without sleeping.

    Args:
        start: The first moment, aware UTC.
        step: How far the world is moved on at most at once while waiting, in seconds.
    """

    def __init__(self, start: datetime = EPOCH, step: float = 5.0) -> None:
        self._now = start
        self._step = step
        self._woken = False
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self._now

    def wait(self, seconds: float) -> bool:
        """Move time on by so many seconds, or not at all when woken before."""
        if self._woken:
            self._woken = False
            return True
        self.advance(seconds)
        return False

    def wake(self) -> None:
        """End the next wait at once."""
        self._woken = True

    def advance(self, seconds: float) -> None:
        """Move time on in steps, telling everybody who listens after each."""
        left = seconds
        while left > 0:
            part = min(left, self._step)
            self._now += timedelta(seconds=part)
            left -= part
            for listener in self._listeners:
                listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every step of time."""
        self._listeners.append(listener)
