"""FakeHooks: webhooks that live in memory and keep the Hooks contract."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeUnavailable, NotFound
from runnerkit.ports import Delivery
from runnerkit.testing.lies import Lies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.ports import Clock

OK = 200
LOST = 502


class FakeHooks:
    """Keeps the Hooks contract in memory.

    Args:
        clock: The world's clock.
        lies: What it does wrong.
        answer: The status of what is delivered again.
    """

    def __init__(self, clock: Clock, lies: Lies | None = None, answer: int = OK) -> None:
        self.lies = lies or Lies()
        self.answer = answer
        self.redelivered: list[Delivery] = []
        self._clock = clock
        self._deliveries: dict[int, Delivery] = {}
        self._numbers = count(1)

    def deliveries(self, since: datetime) -> Sequence[Delivery]:
        """What was sent since then, newest first."""
        self._may_fail("deliveries")
        found = [each for each in self._deliveries.values() if each.at >= since]
        return sorted(found, key=lambda each: (each.at, each.id), reverse=True)

    def redeliver(self, delivery: Delivery) -> None:
        """Send it once more, under the same GUID."""
        self.lies.at_effect("before redeliver")
        self._may_fail("redeliver")
        if delivery.id not in self._deliveries:
            raise NotFound(f"there is no delivery {delivery.id}")
        self.redelivered.append(delivery)
        self._keep(replace(delivery, status=self.answer, again=True))
        self.lies.at_effect("after redeliver")

    def send(self, guid: str, event: str = "workflow_job", action: str = "queued", status: int = LOST) -> Delivery:
        """For tests: GitHub sent this, and got an answer of this status (0: none)."""
        return self._keep(Delivery(0, 1, guid, event, action, self._clock.now(), status))

    def _keep(self, delivery: Delivery) -> Delivery:
        kept = replace(delivery, id=next(self._numbers), at=self._clock.now())
        self._deliveries[kept.id] = kept
        return kept

    def _may_fail(self, what: str) -> None:
        if self.lies.chance(self.lies.failing):
            raise ForgeUnavailable(f"the fake GitHub fails at {what}")
