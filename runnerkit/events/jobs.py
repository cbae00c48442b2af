"""Events of jobs and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.events.event import Event

if TYPE_CHECKING:
    from runnerkit.errors import RunnerkitError


@dataclass(frozen=True, slots=True)
class JobSeen(Event):
    """A queued job asks for us, seen for the first time; ``labels`` joined by commas."""

    job: int
    run: int
    attempt: int
    repo: str
    title: str
    labels: str
    queued_at: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class JobTaken(Event):
    """A job of ours began on a runner; ``seconds`` it was queued."""

    job: int
    run: int
    repo: str
    runner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class JobOver(Event):
    """A job of ours is over; times are GitHub's, ISO 8601, empty when it does not tell."""

    job: int
    run: int
    repo: str
    runner: str
    conclusion: str
    began_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class JobRefused(Event):
    """A job asked for us and gets no machine."""

    job: int
    repo: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class JobWaiting(Event):
    """A job waits, and why."""

    job: int
    repo: str
    why: str


@dataclass(frozen=True, slots=True)
class RefusalTold(Event):
    """The author can see why a job gets no machine (``how`` is check or status), or that it gets one (withdrawn)."""

    job: int
    repo: str
    how: str


@dataclass(frozen=True, slots=True)
class RunRepeated(Event):
    """The failed jobs of a run were asked to run again, because AWS took back the machine of one of them."""

    runner: str
    repo: str
    run: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RepeatRefused(Event):
    """GitHub did not let a run that AWS interrupted be repeated; ``attempt`` is the one that was interrupted."""

    repo: str
    run: int
    attempt: int
    why: str
