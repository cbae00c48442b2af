"""A report that follows a running pipeline: edited when something changed, seldom enough for GitHub, not for ever."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, RateLimited, RunnerkitError
from runnerkit.job.result import FILE, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from runnerkit.job.publishing import Published
    from runnerkit.job.reporting import Report

LOOK_EVERY = 2.0
EDIT_EVERY = 30.0
LONGEST_PAUSE = 900.0
BEGINS_WITHIN = 900.0
LONGEST = 5 * 86_400.0  # GitHub's own limit for a job on a self-hosted runner


@dataclass(slots=True)
class Watch:
    """One pipeline that is followed.

    Args:
        work: The folder of its result file.
        files: What else a change of is worth an edit: metrics and plot data.
        gather: Reads a report.
        write: Brings it to the comment.
        say: Takes a line for the log.
        now: Seconds since the epoch.
        wait: Sleeps for so many seconds.
        parent: The process whose end ends the watch as well.
        every: Seconds between two edits, at least.
        longest: Seconds after which the watch ends whatever happens.
    """

    work: Path
    files: tuple[Path, ...]
    gather: Callable[[], Report]
    write: Callable[[Report], Published]
    say: Callable[[str], object]
    now: Callable[[], float]
    wait: Callable[[float], object]
    parent: Callable[[], int] = os.getppid
    every: float = EDIT_EVERY
    longest: float = LONGEST
    _seen: tuple[object, ...] = ()
    _next: float = 0.0
    _pause: float = 0.0

    def follow(self) -> str:
        """Edit the comment until the run is over; returns why it ended: ended, gone, never began, denied, too long."""
        began, parent, before = self.now(), self.parent(), _finished(self.work)
        while (now := self.now()) - began < self.longest:
            result = Result.read(self.work)
            fresh = result is not None and result.started != before
            if fresh and result is not None and result.outcome != "running":
                return self._last("ended")
            if self.parent() != parent:
                return self._last("gone") if fresh else "gone"
            if not fresh and now - began > BEGINS_WITHIN:
                return "never began"
            if fresh and now >= self._next and self._changed() and not self._edit(now, live=True):
                return "denied"
            self.wait(LOOK_EVERY)
        return "too long"

    def _changed(self) -> bool:
        seen = tuple(_stamp(file) for file in (self.work / FILE, *self.files))
        changed, self._seen = seen != self._seen, seen
        return changed

    def _last(self, why: str) -> str:
        # One try: a report of the whole job usually comes after this one.
        self._edit(self.now(), live=False)
        return why

    def _edit(self, now: float, *, live: bool) -> bool:
        """Whether it is worth trying again: not when the token may not comment."""
        self._next = now + self.every
        try:
            report = self.gather()
            report.live = live
            done = self.write(report)
        except ForgeDenied as error:
            self.say(f"::notice::runnerkit: this token may not comment ({error.message})")
            return False
        except (RunnerkitError, OSError) as error:
            self._pause = min(max(self._pause * 2, self.every), LONGEST_PAUSE)
            until = error.reset.timestamp() if isinstance(error, RateLimited) else 0.0
            self._next, self._seen = max(now + self._pause, until), ()
            self.say(f"::warning::runnerkit: the live report will be tried again later: {error}")
            return True
        self._pause = 0.0
        if done.what == "denied":
            self.say(f"::notice::runnerkit: this token may not comment ({done.why})")
        return done.what != "denied"


def _finished(work: Path) -> float | None:
    """When the run began that an earlier attempt has left here; None when there is none, or it is under way."""
    result = Result.read(work)
    return result.started if result is not None and result.outcome != "running" else None


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


def watched(here: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """The files of a project whose changes count."""
    return tuple(here / name for name in dict.fromkeys(names))
