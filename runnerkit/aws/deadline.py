"""An end to what takes too long, in time to tell the queue: Lambda's own end comes without a word."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import TracebackType


class OutOfTime(BaseException):
    """The time is up. No Exception, so that nobody takes it for a failure of what was just being done."""


class Deadline:
    """Raises :class:`OutOfTime` inside the ``with`` block when the seconds are over; a pass may end at any line.

    Needs the main thread, which is where Lambda calls handlers; does nothing in others, nor where there is no SIGALRM.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGALRM")

    def __enter__(self) -> None:
        if self._armed:
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, max(self._seconds, 0.001))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _ring(self, _number: int, _frame: object) -> NoReturn:
        raise OutOfTime(f"{self._seconds:.0f} s were not enough")
