"""The journal without a place: entries as JSON has them, and what the core asks of them.

Where entries are kept (memory, a file, objects on S3) is an adapter's business: it appends and it reads.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runnerkit.history import Note
from runnerkit.model import Breadth, Failure, LaunchNote, Market, Refusal
from runnerkit.moments import aware

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

Entry = dict[str, Any]
FAILURE, LAUNCH, REFUSAL = "failure", "launch", "refusal"
TYPED = frozenset({FAILURE, LAUNCH, REFUSAL})
# How long an entry is of use: a budget lasts a day, `why` and cost look back a month.
KEPT = timedelta(days=35)
# What is of use for less: breaker and memory look back two days at most, and why a job waited is soon forgotten.
_SHORTER = {
    FAILURE: timedelta(days=3),
    LAUNCH: timedelta(days=3),
    REFUSAL: timedelta(days=3),
    "job-waiting": timedelta(days=14),
    "action-failed": timedelta(days=14),
}


def lasts(kind: str, kept: timedelta = KEPT) -> timedelta:
    """How long an entry of a kind is of use, where ``kept`` holds for most."""
    return min(kept, _SHORTER.get(kind, kept)) if kind not in TYPED else _SHORTER[kind]


class Entries:
    """Base of every journal: the port :class:`runnerkit.ports.Journal` over two methods that a place must have."""

    def append(self, entry: Entry) -> None:
        """Add an entry; must not fail for lack of a place, and keep the entry in memory then."""
        raise NotImplementedError

    def entries(self, since: datetime) -> Iterable[Entry]:
        """The entries of that moment and later (older ones may be among them), oldest first."""
        raise NotImplementedError

    def select(self, since: datetime, kinds: Collection[str]) -> Iterable[Entry]:
        """The entries of these kinds, or of any kind of note when none is named; for places with an index."""
        return [entry for entry in self.entries(since) if _wanted(entry, kinds)]

    def flush(self) -> None:
        """Write down what was only gathered so far; nothing, where each entry is written at once."""

    def failed(self, failure: Failure) -> None:
        """Note a launch that came to nothing."""
        self._add(FAILURE, asdict(failure), failure.at)

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""
        return self._read(FAILURE, since, _failure)

    def launched(self, launch: LaunchNote) -> None:
        """Note a machine that was started, or may have been."""
        self._add(LAUNCH, asdict(launch), launch.at)

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""
        return self._read(LAUNCH, since, _launch)

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of AWS."""
        self._add(REFUSAL, asdict(refusal), refusal.at)

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""
        return self._read(REFUSAL, since, _refusal)

    def note(self, note: Note) -> None:
        """Note something that happened."""
        self.append({"kind": note.kind, "at": note.at.isoformat(), "facts": dict(note.facts)})

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes made since then, of these kinds or of all; oldest first."""
        found = (_note(entry) for entry in self.select(since, kinds))
        return sorted((note for note in found if note is not None and note.at >= since), key=lambda note: note.at)

    def _add(self, kind: str, entry: Entry, at: datetime) -> None:
        self.append({"kind": kind, **entry, "at": at.isoformat()})

    def _read(self, kind: str, since: datetime, understood: Callable[[Entry], T | None]) -> list[T]:
        found = (understood(entry) for entry in self.select(since, (kind,)))
        return [each for each in found if each is not None and each.at >= since]  # type: ignore[attr-defined]  # entries have a time


def _wanted(entry: Entry, kinds: Collection[str]) -> bool:
    kind = entry.get("kind")
    return kind in kinds if kinds else kind not in TYPED


def _failure(entry: Entry) -> Failure | None:
    with suppress(KeyError, TypeError, ValueError):
        return Failure(_time(entry), str(entry["digest"]), str(entry["code"]), str(entry.get("runner", "")))
    return None


def _launch(entry: Entry) -> LaunchNote | None:
    with suppress(KeyError, TypeError, ValueError):
        return LaunchNote(str(entry["name"]), str(entry["repo"]), _time(entry))
    return None


def _refusal(entry: Entry) -> Refusal | None:
    with suppress(KeyError, TypeError, ValueError):
        return Refusal(
            str(entry["code"]),
            Breadth(entry["breadth"]),
            str(entry["type"]),
            str(entry["region"]),
            str(entry["zone"]),
            Market(entry["market"]),
            _time(entry),
            str(entry.get("message", "")),
        )
    return None


def _note(entry: Entry) -> Note | None:
    facts = entry.get("facts")
    with suppress(KeyError, TypeError, ValueError):
        return Note(_time(entry), str(entry["kind"]), facts if isinstance(facts, dict) else {})
    return None


def _time(entry: Entry) -> datetime:
    return aware(entry["at"])
