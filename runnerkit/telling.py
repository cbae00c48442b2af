"""Refused jobs, told to the people who wrote them: a check on the commit, or a status where we are no GitHub App.

A job that is refused stays queued for a day, and nobody should have to ask an administrator why.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, ForgeError
from runnerkit.events import ActionFailed, RefusalTold

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from runnerkit.actions import Refused
    from runnerkit.errors import RunnerkitError
    from runnerkit.launching import Outside
    from runnerkit.model import Job
    from runnerkit.ports import Reports

CONTEXT, TITLE = "runnerkit", "No machine for this job"
AFTER_ALL = "This job gets a machine after all"
TOLD = "refusal-told"
WITHDRAWN = "withdrawn"
LOOKBACK = timedelta(days=2)
# Who may write neither checks nor statuses is not asked again for so long.
DENIED_FOR = timedelta(hours=1)
REMEMBERED = 10_000
# Source: GitHub allows 80 requests a minute and 500 an hour that make content; others of ours count, too.
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
MOST_IN_A_PASS = 20
MOST_OF_A_RUN = 10
_LIVE = {"\\": "\\\\", "&": "&amp;", "<": "&lt;", "`": "'", "@": "@\u200b", "[": "\\[", "*": "\\*"}
_ADDRESSES = {"://": ":\u200b//", "www.": "www\u200b."}


class Teller:
    """Tells each refusal once, and takes it back when the job gets a machine after all. Never fails a pass."""

    def __init__(self, outside: Outside, reports: Reports | None) -> None:
        self._outside = outside
        self._reports = reports
        self._told: OrderedDict[int, str] = OrderedDict()
        self._of_run: Counter[tuple[str, int]] = Counter()
        self._began = False
        self._denied: dict[str, datetime] = {}

    def tell(self, refused: Iterable[Refused], granted: Iterable[Job] = ()) -> None:
        """Tell what was not told before, and withdraw what does not hold any more (an approval came late)."""
        if self._reports is None:
            return
        self._begin()
        tries = 0
        for job, error in (*((job, None) for job in granted), *((each.job, each.error) for each in refused)):
            if job.head_sha and tries < MOST_IN_A_PASS and self._may(job, error):
                tries += 1
                self._say(job, self._reports, error)

    def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        now, journal = self._outside.clock.now(), self._outside.journal
        for note in journal.notes(now - LOOKBACK, {TOLD}):
            self._mark(note.id("job") or 0, note.text("how"))
        for note in journal.notes(now - DENIED_FOR, {"action-failed"}):
            error = note.facts.get("error")
            if note.text("action") == "tell" and isinstance(error, dict) and error.get("code") == ForgeDenied.code:
                self._denied[note.text("runner").lower()] = note.at + DENIED_FOR

    def _may(self, job: Job, error: RunnerkitError | None) -> bool:
        """Whether it is news, and worth a write: not where nobody lets us, nor for ever more jobs of a run."""
        denied = self._denied.get(job.repo.lower())
        if denied is not None and self._outside.clock.now() < denied:
            return False
        if error is None:
            return self._told.get(job.id, WITHDRAWN) != WITHDRAWN
        return job.id not in self._told and self._of_run[job.repo.lower(), job.run_id] < MOST_OF_A_RUN

    def _mark(self, job: int, how: str) -> None:
        self._told[job] = how
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _say(self, job: Job, reports: Reports, error: RunnerkitError | None) -> None:
        """Write a refusal, or without an error that there is none any more."""
        try:
            how = _write(job, reports, error)
        except ForgeError as fault:
            if isinstance(fault, ForgeDenied):
                self._denied[job.repo.lower()] = self._outside.clock.now() + DENIED_FOR
            elif not fault.retryable:
                self._mark(job.id, WITHDRAWN)
            self._outside.events.emit(ActionFailed("tell", job.repo, fault))
            return
        how = how if error is not None else WITHDRAWN
        self._of_run[job.repo.lower(), job.run_id] += 1
        self._mark(job.id, how)
        self._outside.events.emit(RefusalTold(job.id, job.repo, how))


def _write(job: Job, reports: Reports, error: RunnerkitError | None) -> str:
    name = f"{CONTEXT}: {job.name}" if job.name else CONTEXT
    what = (AFTER_ALL, "success") if error is None else (error.message, "error")
    conclusion, title = ("neutral", AFTER_ALL) if error is None else ("action_required", TITLE)
    try:
        reports.check(job.repo, job.head_sha, name, conclusion, title, _summary(job, error))
    except ForgeDenied:
        reports.status(job.repo, job.head_sha, what[1], name, what[0], job.url)
        return "status"
    return "check"


def _summary(job: Job, error: RunnerkitError | None) -> str:
    asks = f"Job **{_plain(job.name)}** asks for `{_plain(', '.join(job.labels))}`"
    if error is None:
        return f"{asks}. It was refused for a while; what was missing has come."
    lines = [f"{asks} and gets no machine.", "", _plain(error.message)]
    lines += ["", f"What to do: {_plain(error.hint)}"] if error.hint else []
    return "\n".join([*lines, "", f"`runnerkit why {job.id}` tells more. The job stays queued until it is cancelled."])


def _plain(text: str) -> str:
    """Words of strangers, so that they are only words in Markdown: no markup, links, mentions or lines of their own."""
    words = "".join(_LIVE.get(letter, letter) for letter in " ".join(text.split()))
    for live, dead in _ADDRESSES.items():
        words = words.replace(live, dead)
    return words
