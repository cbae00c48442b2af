"""One reading that answers for many askers: an organisation's list of runners serves all of its repositories."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.ports import Clock

T = TypeVar("T")
MOMENT = timedelta(seconds=5)


@dataclass
class _Reading(Generic[T]):
    at: datetime
    value: T
    asked: set[str] = field(default_factory=set)


class Shared(Generic[T]):
    """Gives a reading of a place to each asker once while it is fresh; who asks a second time gets a new one.

    So a pass over fifty repositories reads once, and the next pass reads again, however soon it follows. Any number of
    threads may use it; those that want the same place wait for one reading.

    Args:
        clock: Tells the time.
        moment: For how long a reading is fresh.
    """

    def __init__(self, clock: Clock, moment: timedelta = MOMENT) -> None:
        self._clock = clock
        self._moment = moment
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._readings: dict[str, _Reading[T]] = {}

    def take(self, place: str, asker: str, read: Callable[[], T]) -> T:
        """The reading of the place for this asker."""
        with self._lock:
            lock = self._locks.setdefault(place, threading.Lock())
        with lock:
            known = self._readings.get(place)
            if known is None or asker in known.asked or self._clock.now() - known.at > self._moment:
                known = self._readings[place] = _Reading(self._clock.now(), read())
            known.asked.add(asker)
            return known.value
