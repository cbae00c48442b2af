"""In-memory journal and events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from runnerkit.events import Event
from runnerkit.journal import Entries, Entry
from runnerkit.journals.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

E = TypeVar("E", bound=Event)


class MemoryJournal(Entries):
    """Keeps the Journal contract for the life of the process."""

    def __init__(self) -> None:
        self._ledger = Ledger()

    def append(self, entry: Entry) -> None:
        """Add an entry, as JSON would give it back."""
        self._ledger.add([json.loads(json.dumps(entry))])

    def entries(self, since: datetime) -> Iterable[Entry]:
        """All entries, oldest first."""
        del since
        return self._ledger.every()

    def select(self, since: datetime, kinds: Collection[str]) -> Iterable[Entry]:
        """The entries of these kinds, or of any kind of note when none is named."""
        return self._ledger.select(since, kinds)


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
