"""A journal that is read and never written: whoever asks why leaves no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from runnerkit.history import Note
    from runnerkit.model import Failure, LaunchNote, Refusal
    from runnerkit.ports import Journal


class Unwritten:
    """Reads from another journal, and drops what is written. The port :class:`runnerkit.ports.Journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def failed(self, failure: Failure) -> None:
        """Drop it."""

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""
        return self._journal.failures(since)

    def launched(self, launch: LaunchNote) -> None:
        """Drop it."""

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""
        return self._journal.launches(since)

    def refused(self, refusal: Refusal) -> None:
        """Drop it."""

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""
        return self._journal.refusals(since)

    def note(self, note: Note) -> None:
        """Drop it."""

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes made since then."""
        return self._journal.notes(since, kinds)

    def flush(self) -> None:
        """Nothing was gathered."""
