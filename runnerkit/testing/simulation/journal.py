"""A journal that is quick for a whole month: typed entries in memory, found by time."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from runnerkit.history import Note
    from runnerkit.model import Failure, LaunchNote, Refusal

T = TypeVar("T")


class _Row(Generic[T]):
    """Entries of one kind in the order of their times."""

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._entries: list[T] = []

    def add(self, at: datetime, entry: T) -> None:
        place = len(self._times)
        while place and self._times[place - 1] > at:
            place -= 1
        self._times.insert(place, at)
        self._entries.insert(place, entry)

    def since(self, moment: datetime) -> list[T]:
        return self._entries[bisect_left(self._times, moment) :]


class QuickJournal:
    """Keeps the Journal contract for the life of a simulation."""

    def __init__(self) -> None:
        self._failures: _Row[Failure] = _Row()
        self._launches: _Row[LaunchNote] = _Row()
        self._refusals: _Row[Refusal] = _Row()
        self._notes: defaultdict[str, _Row[Note]] = defaultdict(_Row)

    def failed(self, failure: Failure) -> None:
        """Note a launch that came to nothing."""
        self._failures.add(failure.at, failure)

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""
        return self._failures.since(since)

    def launched(self, launch: LaunchNote) -> None:
        """Note a machine that was started, or may have been."""
        self._launches.add(launch.at, launch)

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""
        return self._launches.since(since)

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of AWS."""
        self._refusals.add(refusal.at, refusal)

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""
        return self._refusals.since(since)

    def note(self, note: Note) -> None:
        """Note something that happened."""
        self._notes[note.kind].add(note.at, note)

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes made since then, of these kinds or of all; oldest first."""
        wanted = kinds or tuple(self._notes)
        found = [note for kind in wanted if kind in self._notes for note in self._notes[kind].since(since)]
        return sorted(found, key=lambda note: note.at)

    def flush(self) -> None:
        """Nothing is gathered."""
