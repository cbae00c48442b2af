"""What the looks at data and at this computer see: plain values; durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remote:
    """The DVC remote of this folder; ``url`` empty: there is no DVC project here. ``region`` None: not known."""

    url: str
    region: str | None = None
    exists: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class JournalSeen:
    """The journal: where, and what keeps it from being read or written (empty: nothing)."""

    where: str
    unreadable: str = ""
    unwritable: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program on this computer; ``version`` empty: it is not there."""

    name: str
    version: str
    needed_for: str


@dataclass(frozen=True, slots=True)
class Skew:
    """How many seconds this computer is ahead of somebody's clock (behind: negative)."""

    whose: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files: what is wrong in them, and secrets that lie in a file that git has (``key``, ``file``)."""

    origin: str = ""
    problem: str = ""
    hint: str = ""
    exposed: tuple[tuple[str, str], ...] = ()
