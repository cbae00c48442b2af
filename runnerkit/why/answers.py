"""What is answered: a verdict, a sentence, what happened when and who says so, and what happens next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


class Verdict(StrEnum):
    """Where something is, in one stable word for programs."""

    # jobs that wait
    HOSTED = "hosted"
    NOBODY = "nobody"
    SOMEBODY = "somebody-else"
    NOT_SERVED = "not-served"
    REFUSED = "refused"
    GATED = "gated"
    HELD = "held"
    UNSEEN = "unseen"
    WAITS = "waits"
    LAUNCHING = "launching"
    COMING = "coming"
    # jobs that began, or are over
    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    GIVEN_UP = "given-up"
    SKIPPED = "skipped"
    REMEMBERED = "remembered"
    # machines; those that live have the word of their phase
    NOT_LAUNCHED = "not-launched"
    NEVER_ONLINE = "never-online"
    ENDED = "ended"
    # runs
    GOING = "going"
    OVER = "over"


class Source(StrEnum):
    """Who says so."""

    GITHUB = "GitHub"
    EC2 = "EC2"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened. ``kind`` is an event's name where there is one, ``about`` the job or runner."""

    at: datetime
    source: Source
    kind: str
    about: str
    text: str

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The moment as programs get it."""
        return {
            "at": self.at.isoformat(),
            "seconds_ago": round((now - self.at).total_seconds(), 3),
            "source": str(self.source),
            "kind": self.kind,
            "about": self.about,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next, and when, where that is known."""

    text: str
    at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """What happens next as programs get it."""
        return {"text": self.text, "at": self.at.isoformat() if self.at else None}


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its sentence."""

    verdict: str
    text: str
    next: tuple[Next, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing explained. ``kind`` is job, run or machine; ``unknown`` is what could not be found out, and why."""

    kind: str
    subject: str
    repo: str
    finding: Finding
    timeline: tuple[Moment, ...] = ()
    unknown: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The answer as programs get it; the keys are stable."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "repo": self.repo,
            "verdict": str(self.finding.verdict),
            "answer": self.finding.text,
            **self.facts,
            "timeline": [moment.as_dict(now) for moment in self.timeline],
            "next": [each.as_dict() for each in self.finding.next],
            "unknown": list(self.unknown),
        }
