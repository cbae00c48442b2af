"""Refused jobs, told to the people who wrote them: a check on the commit, or a status where we are no GitHub App.

A job that is refused stays queued for a day, and nobody should have to ask an administrator why.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, ForgeError, RunnerkitError
from runnerkit.events import ActionFailed, RefusalTold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.actions import Refused
    from runnerkit.launching import Outside
    from runnerkit.model import Job
    from runnerkit.ports import Reports

CONTEXT, TITLE = "runnerkit", "No machine for this job"
TOLD = "refusal-told"
LOOKBACK = timedelta(days=2)
REMEMBERED = 10_000
MOST_IN_A_PASS = 20


class Teller:
    """Tells each refusal once; who may write neither checks nor statuses is not bothered again."""

    def __init__(self, outside: Outside, reports: Reports | None) -> None:
        self._outside = outside
        self._reports = reports
        self._told: OrderedDict[int, None] = OrderedDict()
        self._began = False
        self._denied: set[str] = set()

    def tell(self, refused: Iterable[Refused]) -> None:
        """Tell what was not told before. Never fails a pass."""
        if self._reports is None:
            return
        self._begin()
        new = [each for each in refused if each.job.head_sha and each.job.id not in self._told]
        for each in new[:MOST_IN_A_PASS]:
            if each.job.repo.lower() in self._denied:
                continue
            try:
                how = self._write(each, self._reports)
            except ForgeError as error:
                if not error.retryable:
                    self._denied.add(each.job.repo.lower())
                self._outside.events.emit(ActionFailed("tell", each.job.repo, error))
                continue
            self._mark(each.job.id)
            self._outside.events.emit(RefusalTold(each.job.id, each.job.repo, how))

    def _begin(self) -> None:
        if not self._began:
            self._began = True
            for note in self._outside.journal.notes(self._outside.clock.now() - LOOKBACK, {TOLD}):
                self._mark(note.id("job") or 0)

    def _mark(self, job: int) -> None:
        self._told[job] = None
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _write(self, refused: Refused, reports: Reports) -> str:
        job, error = refused.job, refused.error
        name = f"{CONTEXT}: {job.name}" if job.name else CONTEXT
        try:
            reports.check(
                job.repo, job.head_sha, name, "action_required", "No machine for this job", _summary(job, error)
            )
        except ForgeDenied:
            reports.status(job.repo, job.head_sha, "error", name, error.message, job.url)
            return "status"
        return "check"


def _summary(job: Job, error: RunnerkitError) -> str:
    lines = [
        f"Job **{_plain(job.name)}** asks for `{_plain(', '.join(job.labels))}` and gets no machine.",
        "",
        _plain(error.message),
    ]
    lines += ["", f"What to do: {_plain(error.hint)}"] if error.hint else []
    return "\n".join([*lines, "", f"`runnerkit why {job.id}` tells more. The job stays queued until it is cancelled."])


def _plain(text: str) -> str:
    """Words of strangers, so that they are only words in Markdown."""
    return text.replace("`", "'").replace("<", "&lt;").replace("@", "@\u200b").replace("[", "\\[").replace("*", "\\*")
