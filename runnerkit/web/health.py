"""Whether the loop is alive. A pass that failed is a pass: an outage of GitHub or AWS is no reason to start again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runnerkit.events import ActionFailed, PassEnded

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.events import Event
    from runnerkit.ports import Clock

INTERVALS = 3
LEAST = timedelta(seconds=60)
PASS = "pass"  # noqa: S105 - the name of an action


@dataclass(frozen=True, slots=True)
class LastPass:
    """When the last pass ended, how long it took (seconds), and the code of the error it failed with."""

    at: datetime
    seconds: float | None = None
    error: str | None = None


class Health:
    """Hears of passes and tells whether they still come. The port :class:`runnerkit.ports.Events`.

    Args:
        clock: Tells the time.
        interval: Seconds between two passes; three of them without one (but at least a minute) are too many.
    """

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock = clock
        self._patience = max(INTERVALS * timedelta(seconds=interval), LEAST)
        self._began = clock.now()
        self._last: LastPass | None = None

    def emit(self, event: Event) -> None:
        """Note the end of a pass."""
        if isinstance(event, PassEnded):
            self._last = LastPass(self._clock.now(), event.seconds)
        elif isinstance(event, ActionFailed) and event.action == PASS:
            last = self._last
            # Blind passes end and fail; their seconds were told a moment ago.
            self._last = LastPass(self._clock.now(), last.seconds if last else None, event.error.code)

    @property
    def ok(self) -> bool:
        """Whether a pass has ended lately, or the first one may still be under way."""
        last = self._last
        return self._clock.now() - (last.at if last else self._began) <= self._patience

    def as_dict(self) -> dict[str, Any]:
        """What ``/healthz`` says. Codes alone: messages name repositories, and everybody may ask."""
        last = self._last
        return {
            "ok": self.ok,
            "last_pass_at": last.at.isoformat() if last else None,
            "last_pass_seconds": last.seconds if last else None,
            "last_error": last.error if last else None,
        }
