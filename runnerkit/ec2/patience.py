"""Waiting between tries, without swallowing the wake-up call that was meant for somebody else."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.ports import Clock

# Four tries within some ten seconds: longer than EC2 usually needs, shorter than a person's patience.
DELAYS = (0.5, 2.0, 5.0)
JITTER = 0.5
_MOST_WAKES = 20
_REMEMBERED = timedelta(minutes=10)


class Backoff:
    """The tries of one call: :meth:`again` waits a little longer each time, until there are no more."""

    def __init__(self, clock: Clock, delays: tuple[float, ...] = DELAYS) -> None:
        self._clock = clock
        self._left = list(delays)

    def again(self) -> bool:
        """Wait for the next try; False when none is left."""
        if not self._left:
            return False
        pause(self._clock, self._left.pop(0) * (1 + JITTER * random.random()))
        return True


def pause(clock: Clock, seconds: float) -> None:
    """Wait all of it, and pass a wake-up call on to whoever waits next."""
    end = clock.now() + timedelta(seconds=seconds)
    woken = False
    for _ in range(_MOST_WAKES):
        left = (end - clock.now()).total_seconds()
        if left <= 0:
            break
        woken = clock.wait(left) or woken
    if woken:
        clock.wake()


class Settling:
    """The instances launched from here a moment ago, which EC2 may deny for some seconds."""

    def __init__(self, clock: Clock, window: timedelta = timedelta(seconds=60)) -> None:
        self._clock = clock
        self._window = window
        self._launched: dict[str, datetime] = {}

    def launched(self, instance_id: str) -> None:
        """Note a launch."""
        now = self._clock.now()
        self._launched = {id_: at for id_, at in self._launched.items() if now - at < _REMEMBERED}
        self._launched[instance_id] = now

    def holds(self, instance_id: str) -> bool:
        """Whether "no such instance" need not be true yet."""
        at = self._launched.get(instance_id)
        return at is not None and self._clock.now() - at < self._window
