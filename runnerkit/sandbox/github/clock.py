"""The world's time: it runs like the real one and can be pushed forward."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the world needs of a clock."""

    def now(self) -> datetime:
        """Tell the time, with a time zone."""
        ...


class WorldClock:
    """Real time plus what was skipped with `advance`; frozen when a start is given."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start
        self._skipped = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Tell the world's time in UTC."""
        with self._lock:
            return (self._start or datetime.now(UTC)) + self._skipped

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once.

        Raises:
            ValueError: time would run backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot be advanced by {seconds} seconds; start a new world instead")
        with self._lock:
            self._skipped += timedelta(seconds=seconds)


def stamp(moment: datetime) -> str:
    """Write a moment the way GitHub's JSON does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
