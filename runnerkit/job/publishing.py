"""Brings a report to its comment: created once, replaced in place, left alone when it tells of something newer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied
from runnerkit.job.sticky import Origin, existing

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.job.reporting import Report
    from runnerkit.job.sticky import Reports


@dataclass(frozen=True, slots=True)
class Published:
    """What became of it: created, updated, older, or denied; ``why`` explains the last two."""

    what: str
    url: str = ""
    why: str = ""


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
        written = reports.comment(repo, number, report.body(), replace=there.id if there else None)
    except ForgeDenied as error:
        return Published("denied", why=error.message)
    return Published("updated" if there else "created", written.url)
