"""In-memory journal and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from runnerkit.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.model import Failure, LaunchNote, Refusal

E = TypeVar("E", bound=Event)


class MemoryJournal:
    """Keeps the Journal contract for the life of the process."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._refusals: list[Refusal] = []
        self._launches: list[LaunchNote] = []

    def failed(self, failure: Failure) -> None:
        """Note a launch that came to nothing."""
        self._failures.append(failure)

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""
        return [failure for failure in self._failures if failure.at >= since]

    def launched(self, launch: LaunchNote) -> None:
        """Note a machine that was started."""
        self._launches.append(launch)

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""
        return [launch for launch in self._launches if launch.at >= since]

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of AWS."""
        self._refusals.append(refusal)

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""
        return [refusal for refusal in self._refusals if refusal.at >= since]


class RecordedEvents:
    """Keeps every event, for tests to look at."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        """Remember what happened."""
        self.seen.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, oldest first."""
        return [event for event in self.seen if isinstance(event, kind)]
