"""What the controller itself stands on: time, its voice, its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from runnerkit.events import Event
    from runnerkit.history import Note
    from runnerkit.model import Failure, LaunchNote, Refusal


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> datetime:
        """The time, aware UTC."""

    def wait(self, seconds: float) -> bool:
        """Sleep; returns early and True when somebody called :meth:`wake`."""

    def wake(self) -> None:
        """End a :meth:`wait` that is under way, or the next one."""


class Events(Protocol):
    """The only outward voice of the core. Must neither fail nor block."""

    def emit(self, event: Event) -> None:
        """Tell what happened."""


class Journal(Protocol):
    """Append-only memory of what neither AWS nor GitHub keeps.

    Losing it endangers nothing: the breaker starts anew, and what EC2 and GitHub still show bounds the launches.
    """

    def failed(self, failure: Failure) -> None:
        """Note a launch that came to nothing."""

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""

    def launched(self, launch: LaunchNote) -> None:
        """Note a machine that was started, or may have been."""

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of AWS."""

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""

    def note(self, note: Note) -> None:
        """Note something that happened, for cost, budgets and `why`."""

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes made since then, of these kinds or of all; oldest first."""

    def flush(self) -> None:
        """Write down what was only gathered so far. Called after each pass; may do nothing."""
