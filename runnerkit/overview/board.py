"""Board: keeps the last pass and a window of the journal, and hands out the overview as JSON."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed, PassEnded, RepositorySkipped
from runnerkit.overview.past import DAY, ENDED, INTERRUPTED, JOB_OVER, JOB_SEEN, JOB_TAKEN, LAUNCHED, ONLINE, WEEK
from runnerkit.overview.past import TERMINATED as ORDERED
from runnerkit.overview.troubles import ACTION_FAILED, LAUNCH_FAILED, unread_lines
from runnerkit.overview.whole import overview
from runnerkit.overview.words import Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.events import Event
    from runnerkit.history import Note
    from runnerkit.overview.seen import Seen
    from runnerkit.overview.words import About, FailureLine
    from runnerkit.ports import Clock, Journal
    from runnerkit.wishes import Policy

# The bill looks back a week, the rest a day.
OF_THE_WEEK = frozenset({LAUNCHED, ENDED, JOB_TAKEN})
KINDS = OF_THE_WEEK | {
    *(JOB_SEEN, JOB_OVER, ONLINE, INTERRUPTED, ORDERED),
    *(LAUNCH_FAILED, ACTION_FAILED, "offering-refused", "run-repeated"),
}
# Another controller's notes may reach the journal later than ours.
OVERLAP = timedelta(minutes=10)
# Amounts grow with time, also while nothing happens.
STALE = timedelta(seconds=60)


class Sheet(NamedTuple):
    """The document and the tag that changes with it."""

    body: bytes
    etag: str


class Board:
    """What the status page is served from. Any number of threads may ask while the controller tells.

    Args:
        journal: Read after each pass, only what is new.
        clock: Tells the time.
        policy: As the controller has it.
        about: The installation.
    """

    def __init__(self, journal: Journal, clock: Clock, policy: Policy, about: About) -> None:
        self._journal, self._clock, self._policy, self._about = journal, clock, policy, about
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._trouble: Trouble | None = None
        self._skipped: dict[str, RunnerkitError] = {}
        self._unread: tuple[FailureLine, ...] = ()
        self._notes: OrderedDict[tuple[object, ...], Note] = OrderedDict()
        self._read_at: datetime | None = None
        self._sheet: Sheet | None = None
        self._made_at: datetime | None = None
        self._spent: Mapping[str, float] = {}

    def saw(self, done: Seen | RunnerkitError) -> None:
        """A pass is over, or failed as a whole. Made to be the ``after`` of :meth:`runnerkit.fleet.Fleet.run`."""
        with self._lock:
            self._sheet = None
            if isinstance(done, RunnerkitError):
                self._failed(done)
            else:
                self._seen, self._trouble = done, None
                self._read_on()

    def emit(self, event: Event) -> None:
        """Hear of passes that fail, wholly or in part, as an :class:`runnerkit.ports.Events` listener."""
        # Locked for few of them: while a document is made, which takes a moment, the controller goes on.
        if isinstance(event, RepositorySkipped):
            self._skipped[event.repo] = event.error
        elif isinstance(event, PassEnded):
            with self._lock:
                self._unread = unread_lines(self._skipped, self._clock.now())
                self._skipped, self._sheet = {}, None
        elif isinstance(event, ActionFailed) and event.action == "pass":
            # Told twice it is the same.
            with self._lock:
                self._sheet = None
                self._failed(event.error)

    def _failed(self, error: RunnerkitError) -> None:
        now = self._clock.now()
        since = self._trouble.since if self._trouble else now
        self._trouble = Trouble(now, since, error.code, error.message, error.hint)

    def document(self) -> bytes:
        """The overview as JSON, UTF-8."""
        return self.sheet().body

    def spent(self) -> Mapping[str, float]:
        """The dollars of this day (UTC) by repository, as far as prices are known."""
        with self._lock:
            self._fresh()
            return self._spent

    def sheet(self) -> Sheet:
        """The document with its tag; made anew after each pass, and each minute."""
        with self._lock:
            return self._fresh()

    def _fresh(self) -> Sheet:
        now = self._clock.now()
        if self._sheet is None or self._made_at is None or now - self._made_at >= STALE:
            self._sheet, self._made_at = self._made(now), now
        return self._sheet

    def _made(self, now: datetime) -> Sheet:
        if self._read_at is None:
            self._read_on()
        shown = overview(
            self._seen,
            self._notes.values(),
            self._policy,
            now,
            about=self._about,
            trouble=self._trouble,
            unread=self._unread,
        )
        self._spent = {line.repo: line.today for line in shown.repos}
        body = json.dumps(shown.as_dict(), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
            "utf-8", "replace"
        )
        return Sheet(body, f'"{hashlib.sha256(body).hexdigest()[:20]}"')

    def _read_on(self) -> None:
        """Take in what was noted since the last look, and let go of what is too old."""
        now = self._clock.now()
        if self._read_at is None:
            fresh = [
                *self._journal.notes(now - WEEK, OF_THE_WEEK),
                *self._journal.notes(now - DAY, KINDS - OF_THE_WEEK),
            ]
        else:
            fresh = list(self._journal.notes(self._read_at - OVERLAP, KINDS))
        self._read_at = now
        for note in sorted(fresh, key=lambda note: note.at):
            self._notes.setdefault(_key(note), note)
        old = [key for key, note in self._notes.items() if note.at < now - (WEEK if note.kind in OF_THE_WEEK else DAY)]
        for key in old:
            del self._notes[key]


def _key(note: Note) -> tuple[object, ...]:
    return note.at, note.kind, json.dumps(note.facts, sort_keys=True, default=str)
