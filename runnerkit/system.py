"""The real clock, and the log."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from runnerkit.plain import in_json, lines

if TYPE_CHECKING:
    from runnerkit.events import Event

LONGEST_WAIT = 0.5


class SystemClock:
    """Time as the machine tells it."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(tz=UTC)

    def wait(self, seconds: float) -> bool:
        """Sleep, or return True at once when woken."""
        # In parts: a wait does not notice a signal that the system gave to another thread.
        end, woken, left = time.monotonic() + seconds, self._woken.is_set(), seconds
        while not woken and left > 0:
            woken = self._woken.wait(min(left, LONGEST_WAIT))
            left = end - time.monotonic()
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """End a wait that is under way, or the next one."""
        self._woken.set()


class LogEvents:
    """Events as a log: lines for people or JSON for programs, through structlog."""

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        # structlog takes a third of a second to import, which a command that prints no log need not spend.
        import structlog

        json, text = structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer(colors=False)
        last: list[Any] = [json, _harmless_json] if as_json else [text, _harmless]
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), *last],
            wrapper_class=structlog.BoundLogger,
        )

    def emit(self, event: Event) -> None:
        """Write one line."""
        facts = event.as_dict()
        self._log.msg(facts.pop("event"), **facts)


def _harmless_json(_log: object, _method: str, document: str) -> str:
    return in_json(document)


def _harmless(_log: object, _method: str, line: str) -> str:
    return lines(line).replace("\n", " ")


class SilentEvents:
    """Nobody listens."""

    def emit(self, event: Event) -> None:
        """Let it pass."""


class SeveralEvents:
    """Passes events on to several listeners; one that fails does not keep the others from hearing."""

    def __init__(self, *listeners: Any) -> None:  # noqa: ANN401 - anything with emit()
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            with suppress(Exception):
                listener.emit(event)
