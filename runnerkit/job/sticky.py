"""One comment per key that is replaced in place, never by an older run, never somebody else's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.job.place import Place


class Written(Protocol):
    """A comment, as far as it matters here."""

    @property
    def id(self) -> int:
        """GitHub's number of it."""

    @property
    def body(self) -> str:
        """Its text."""

    @property
    def author(self) -> str:
        """Who wrote it."""

    @property
    def url(self) -> str:
        """Where people see it."""


class Reports(Protocol):
    """What is needed of :class:`runnerkit.ports.Reports`."""

    def comments(self, repo: str, number: int) -> Sequence[Written]:
        """Every comment on a pull request, oldest first."""

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Written:
        """Write a comment, or replace the text of an existing one."""


_ORIGIN = re.compile(
    r"<!-- runnerkit:run number=([0-9]{1,12}) attempt=([0-9]{1,6}) sha=([0-9a-f]{0,64}) interruptions=([0-9]{1,6})"
    r"(?: before=([0-9]{1,6}))? -->"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which run wrote a report; hidden in the comment. Of its interruptions, so many were ``before`` this attempt."""

    number: int
    attempt: int
    sha: str = ""
    interruptions: int = 0
    before: int = 0

    @classmethod
    def of(cls, place: Place, interruptions: int = 0, before: int = 0) -> Origin:
        """The run we are in."""
        sha = place.sha if re.fullmatch(r"[0-9a-f]{1,64}", place.sha) else ""
        return cls(place.run_number, place.run_attempt, sha, interruptions, before)

    @classmethod
    def read(cls, body: str) -> Origin | None:
        """The run that wrote a comment."""
        match = _ORIGIN.search(body[:MARKERS])
        return cls(int(match[1]), int(match[2]), match[3], int(match[4]), int(match[5] or 0)) if match else None

    def newer_than(self, other: Origin) -> bool:
        """Whether this is a later run, or a later attempt of the same."""
        return (self.number, self.attempt) > (other.number, other.attempt)

    def __str__(self) -> str:
        told = f"number={self.number} attempt={self.attempt} sha={self.sha} interruptions={self.interruptions}"
        before = f" before={self.before}" if self.before else ""
        return f"<!-- runnerkit:run {told}{before} -->"


MARKERS = 1_000  # the markers stand at the very beginning: what a report quotes further down is none


def marker(key: str) -> str:
    """What marks the comments of a key; nothing in a key can end the marker."""
    safe = re.sub(r"[^\w./ -]", "_", key, flags=re.ASCII)[:200].replace("--", "-_")
    return f"<!-- runnerkit:report:{safe} -->"


def writer(author: str, token: str) -> Callable[[str], bool]:
    """Whose comments may be replaced, so that nobody can plant one.

    Args:
        author: The login to accept; empty when nobody says.
        token: What we write with. An installation's (as in Actions) writes as a bot; of others the login is unknown.
    """
    if author:
        return lambda login: login.lower() == author.lower()
    if token.startswith("ghs_"):
        return lambda login: login.endswith("[bot]")
    return lambda _: True


def existing(comments: Sequence[Written], key: str, ours: Callable[[str], bool]) -> Written | None:
    """The comment of this key: the one of the newest run, should there be several, and of those the last."""
    found = every(comments, key, ours)
    return max(found, key=lambda each: (*_order(each), each.id)) if found else None


def every(comments: Sequence[Written], key: str, ours: Callable[[str], bool]) -> list[Written]:
    """The comments of this key; two jobs that report for the first time at the same moment make two."""
    mark = marker(key)
    return [each for each in comments if each.body.lstrip().startswith(mark) and ours(each.author)]


def _order(comment: Written) -> tuple[int, int]:
    origin = Origin.read(comment.body)
    return (origin.number, origin.attempt) if origin else (0, 0)
