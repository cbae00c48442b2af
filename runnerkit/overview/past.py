"""The journal's notes, sorted out once for everything that asks for them."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from runnerkit.history import Note, Rental
    from runnerkit.model import Job

# A pass notes things a little after they happened.
SLACK = timedelta(minutes=10)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
JOB_SEEN, JOB_TAKEN, JOB_OVER = "job-seen", "job-taken", "job-over"
LAUNCHED, ONLINE, ENDED = "instance-launched", "runner-online", "instance-ended"
INTERRUPTED, TERMINATED = "instance-interrupted", "instance-terminated"
OF_MACHINES = frozenset({JOB_TAKEN, JOB_OVER, ONLINE, ENDED, INTERRUPTED, TERMINATED})


class Past:
    """Notes by kind and by runner, and what they tell about jobs.

    Args:
        notes: Of the last week, in any order.
        now: Aware UTC.
        jobs: Those that GitHub shows just now.
        web: Where GitHub's pages are, should no job tell.
    """

    def __init__(self, notes: Iterable[Note], now: datetime, jobs: Iterable[Job], web: str) -> None:
        self._kinds: dict[str, list[Note]] = defaultdict(list)
        self._runners: dict[str, list[Note]] = defaultdict(list)
        self._titles: dict[int, tuple[str, str]] = {}
        self._web, self._since = web, now - DAY
        for note in sorted(notes, key=lambda note: note.at):
            self._kinds[note.kind].append(note)
            if note.kind in OF_MACHINES:
                self._runners[note.text("runner")].append(note)
            elif note.kind == JOB_SEEN:
                self._learn(note.id("job") or 0, note.text("title"), note.text("url"))
        for job in jobs:
            self._learn(job.id, job.name, job.url)

    def _learn(self, job: int, title: str, url: str) -> None:
        url = safe(url)
        self._titles[job] = (title, url)
        if url:
            parts = urlsplit(url)
            self._web = f"{parts.scheme}://{parts.netloc}"

    def all(self, *kinds: str) -> list[Note]:
        """Every note of some kinds, oldest first."""
        found = [note for kind in kinds for note in self._kinds.get(kind, ())]
        return sorted(found, key=lambda note: note.at) if len(kinds) > 1 else found

    def day(self, *kinds: str) -> list[Note]:
        """The notes of some kinds in the last 24 hours, oldest first."""
        return [note for note in self.all(*kinds) if note.at >= self._since]

    def of(self, runner: str) -> Sequence[Note]:
        """What happened to a machine, oldest first."""
        return self._runners.get(runner, ())

    def taker(self, rental: Rental) -> int | None:
        """The run whose job took a machine, the last one; None when nobody did, or it was not noted."""
        until = rental.until + SLACK if rental.until else None
        taken = (
            note.id("run")
            for note in reversed(self.of(rental.runner))
            if note.kind == JOB_TAKEN and note.at >= rental.since and (until is None or note.at <= until)
        )
        return next(taken, None)

    def title(self, job: int | None) -> str:
        """A job's name; empty when nobody told."""
        return self._titles.get(job or 0, ("", ""))[0]

    def link(self, repo: str, run: int | None, job: int | None = None) -> str:
        """The page of a job, else that of its run, else that of the repository; empty when nothing is known."""
        known = self._titles.get(job or 0, ("", ""))[1]
        if known:
            return known
        if repo.count("/") != 1:
            return ""
        return safe(f"{self._web}/{repo}/actions/runs/{run}" if run else f"{self._web}/{repo}")


def safe(url: str) -> str:
    """An address that a page may link to; empty for any other."""
    return url if url.lower().startswith(("https://", "http://")) else ""
