"""Webhooks that did not reach us are asked for again. GitHub does not do that by itself.

Source: GitHub's "Handling failed webhook deliveries". Nothing depends on it, for polling finds the same jobs; it wakes
the loop earlier where many repositories are polled seldom, and keeps GitHub's list of deliveries honest.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, ForgeDenied, ForgeError, NotFound, RateLimited, RunnerkitError
from runnerkit.events import ActionFailed, DeliveriesRepeated, RedeliveryDenied

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from runnerkit.ports import Clock, Delivery, Events, Hooks

EVERY = 300.0
# Whoever may not look now may be allowed to later, but nobody waits for it.
DENIED_EVERY = 3600.0
LOOK_BACK = timedelta(hours=1)
# GitHub waits 10 s for an answer; until then a delivery may look lost.
SETTLE = timedelta(seconds=30)
MOST = 50
TRIES = 2
# Source: GitHub's "Best practices for using the REST API": a second between calls that change something.
PAUSE = 1.0
HEEDED = frozenset({"workflow_job", "workflow_run"})


def which(
    deliveries: Iterable[Delivery],
    now: datetime,
    *,
    known: Callable[[str], bool] = lambda _guid: False,
    asked: Mapping[str, int] | None = None,
    most: int = MOST,
) -> tuple[Delivery, ...]:
    """The deliveries to ask for again, oldest first. Pure.

    Args:
        deliveries: What GitHub sent within the last hour, in any order.
        now: The time.
        known: Whether a delivery (by its GUID) reached us after all, whatever GitHub was told.
        asked: How often each GUID was asked for already.
        most: How many to choose at most.
    """
    of: dict[str, list[Delivery]] = {}
    for delivery in sorted(deliveries, key=lambda each: (each.at, each.id)):
        of.setdefault(delivery.guid, []).append(delivery)
    lost = [
        sent[-1] for guid, sent in of.items() if _is_lost(sent, now, (asked or {}).get(guid, 0)) and not known(guid)
    ]
    return tuple(sorted(lost, key=lambda each: (each.at, each.id))[:most])


def _is_lost(sent: list[Delivery], now: datetime, asked: int) -> bool:
    last = sent[-1]
    tried = max(asked, sum(delivery.again for delivery in sent))
    return (
        last.event in HEEDED
        and not any(200 <= delivery.status < 300 for delivery in sent)  # noqa: PLR2004 - HTTP's word for success
        and tried < TRIES
        and now - last.at >= SETTLE
        and now - sent[0].at <= LOOK_BACK
    )


class Redelivery:
    """Looks for lost webhooks every few minutes, and once at the start.

    Args:
        hooks: GitHub's list of what it sent.
        known: Whether a delivery, by its GUID, reached us.
        clock: Tells the time.
        events: Hears what was asked for, and what went wrong.
        pause: Seconds between two requests.
    """

    def __init__(
        self, hooks: Hooks, *, known: Callable[[str], bool], clock: Clock, events: Events, pause: float = PAUSE
    ) -> None:
        self._hooks = hooks
        self._known = known
        self._clock = clock
        self._events = events
        self._pause = pause
        self._asked: Counter[str] = Counter()
        self._denied = False

    def run(self, ended: threading.Event) -> None:
        """Round after round until it is over."""
        while not ended.is_set():
            self.round(ended)
            # Spread, so that several controllers do not ask at the same moment.
            ended.wait((DENIED_EVERY if self._denied else EVERY) * random.uniform(0.9, 1.1))

    def round(self, ended: threading.Event) -> int:
        """One look; how many deliveries were asked for again."""
        now, asked = self._clock.now(), 0
        try:
            found = self._hooks.deliveries(now - LOOK_BACK)
            self._asked = Counter({guid: self._asked[guid] for guid in {each.guid for each in found}})
            for delivery in which(found, now, known=self._known, asked=self._asked):
                if asked and ended.wait(self._pause):
                    break
                asked += self._ask(delivery)
            self._denied = False
        except (ConfigError, ForgeDenied, NotFound) as error:
            self._tell_denied(error)
        except RunnerkitError as error:
            self._events.emit(ActionFailed("redeliver", "", error))
        if asked:
            self._events.emit(DeliveriesRepeated(asked))
        return asked

    def _ask(self, delivery: Delivery) -> bool:
        """Ask for one; one that GitHub refuses does not keep the others from being asked for."""
        self._asked[delivery.guid] += 1
        try:
            self._hooks.redeliver(delivery)
        except (ForgeDenied, RateLimited):
            raise
        except ForgeError as error:
            self._events.emit(ActionFailed("redeliver", "", error))
            return False
        return True

    def _tell_denied(self, error: RunnerkitError) -> None:
        if not self._denied:
            self._events.emit(RedeliveryDenied(error.message))
        self._denied = True
