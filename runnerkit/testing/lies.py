"""How a fake lies and fails, on purpose: lagging lists, missing entries, lost answers, crashes at every effect."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from runnerkit.ports import Clock

T = TypeVar("T")
MEMORY = 200


class Crash(BaseException):
    """The controller dies here. Not an Exception, so that no clean-up of ours can catch it by accident."""


@dataclass
class Lies:
    """What a fake does wrong.

    ``lag`` is by how many seconds lists are late at most, ``missing`` the probability that a list leaves an entry out,
    ``lost`` the probability that a call is done but its answer is lost, ``failing`` that it fails without an effect.
    ``at_effect`` is called before and after every effect and may raise :class:`Crash`.
    """

    lag: float = 0.0
    missing: float = 0.0
    lost: float = 0.0
    failing: float = 0.0
    seed: int = 0
    at_effect: Callable[[str], None] = field(default=lambda _effect: None)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def chance(self, probability: float) -> bool:
        """Whether it happens this time."""
        return probability > 0 and self.random.random() < probability


class Late(Generic[T]):
    """A list that is shown as it was some seconds ago, sometimes without all of its entries."""

    def __init__(self, clock: Clock, lies: Lies) -> None:
        self._clock = clock
        self._lies = lies
        self._past: list[tuple[datetime, tuple[T, ...]]] = []
        self._hidden: dict[object, datetime] = {}

    def remember(self, entries: Iterable[T]) -> None:
        """Note what the list truly is from now on."""
        self._past.append((self._clock.now(), tuple(entries)))
        del self._past[:-MEMORY]

    def shown(self) -> list[T]:
        """What the list seems to be."""
        if not self._past:
            return []
        entries, now = self._late(), self._clock.now()
        if not self._lies.missing and not self._hidden:
            return list(entries)
        return [e for e in entries if not self._lies.chance(self._lies.missing) and not self._is_hidden(e, now)]

    def _late(self) -> tuple[T, ...]:
        """The list as it was when a late list was made."""
        if not self._lies.lag:
            return self._past[-1][1]
        moment = self._clock.now() - timedelta(seconds=self._lies.random.uniform(0, self._lies.lag))
        return next((entries for at, entries in reversed(self._past) if at <= moment), ())

    def hide(self, key: object, until: datetime) -> None:
        """Leave the entry with this id out of the list for a while, though it is there."""
        self._hidden[key] = until

    def _is_hidden(self, entry: T, now: datetime) -> bool:
        until = self._hidden.get(getattr(entry, "id", None))
        return until is not None and now < until
