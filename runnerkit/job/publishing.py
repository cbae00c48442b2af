"""Brings a report to its comment: created once, replaced in place, left alone when it tells of something newer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, ForgeError, NotFound
from runnerkit.job.sticky import Origin, every, existing

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.job.reporting import Report
    from runnerkit.job.sticky import Reports, Written


@dataclass(frozen=True, slots=True)
class Published:
    """What became of it: created, updated, older, or denied; ``why`` explains the last two."""

    what: str
    url: str = ""
    why: str = ""


def _write(reports: Reports, repo: str, number: int, body: str, there: Written | None) -> Written:
    if there is not None:
        # Somebody may have deleted it since we looked.
        with suppress(NotFound):
            return reports.comment(repo, number, body, replace=there.id)
    return reports.comment(repo, number, body)


def conclusion(report: Report) -> str:
    """A report as the conclusion of a check run: success only if the pipeline is done and the gate holds."""
    outcome = report.result.outcome if report.result else ""
    if outcome == "cancelled" or not outcome:
        return "cancelled" if outcome else "neutral"
    holds = report.judged is None or report.judged.holds
    return "success" if outcome == "success" and holds else "failure"


def publish(report: Report, reports: Reports, repo: str, number: int, ours: Callable[[str], bool]) -> Published:
    """Write the report on a pull request.

    Args:
        report: What to say.
        reports: Where to say it.
        repo: The repository.
        number: The pull request.
        ours: Tells by an author's login whether a comment may be replaced.

    Raises:
        ForgeError: GitHub fails in another way than by denying the permission.
    """
    try:
        there = existing(reports.comments(repo, number), report.key, ours)
        earlier = Origin.read(there.body) if there else None
        if earlier is not None and earlier.newer_than(report.origin):
            why = f"the comment is from run {earlier.number}, attempt {earlier.attempt}, which is newer"
            return Published("older", there.url if there else "", why)
        report.follows(earlier)
        written = _write(reports, repo, number, report.body(), there)
    except ForgeDenied as error:
        return Published("denied", why=error.message)
    if there is None:
        _leave_one(reports, repo, number, report.key, ours)
    return Published("updated" if there else "created", written.url)


def _leave_one(reports: Reports, repo: str, number: int, key: str, ours: Callable[[str], bool]) -> None:
    """Where another job has made a comment at the same moment, keep the same one as that job will."""
    with suppress(ForgeError):
        comments = reports.comments(repo, number)
        kept = existing(comments, key, ours)
        for each in every(comments, key, ours):
            if kept is not None and each.id != kept.id:
                reports.comment(repo, number, f"This report is in [another comment]({kept.url}).", replace=each.id)
