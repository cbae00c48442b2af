"""The words of a bill: what a machine's time was for, lines that add it up, and the whole. Dollars and seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit.costs import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from runnerkit.history import Note, Rental
    from runnerkit.model import Instance


class Part(StrEnum):
    """What a machine's time was for. All but work, and what nobody knows, is waste."""

    WORK = "work"
    BOOT = "boot"
    IDLE = "idle"
    AFTER = "after"
    REPEATED = "repeated"
    FAILED = "failed"
    UNKNOWN = "unknown"


WASTE = (Part.BOOT, Part.IDLE, Part.AFTER, Part.REPEATED, Part.FAILED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a machine's time was for, from when to when."""

    part: Part
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """A machine from its launch to its end, or to now.

    ``repo``, ``run`` and ``job`` are those that took it, else those it was launched for; ``spec`` is the wish without
    its scope, empty when unknown. ``certain`` is false when nobody noted its end: then it lived at least so long.
    """

    rental: Rental
    repo: str
    run: int | None
    job: int | None
    title: str
    spec: str
    stretches: tuple[Stretch, ...]
    live: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Sources:
    """What a bill is made of.

    ``instances`` is None when EC2 could not be read; ``prices_of`` is the day of the shipped table of prices, and
    ``on_demand`` looks into it: dollars an hour for a type and a region, None where it does not know.
    """

    notes: Sequence[Note]
    instances: Sequence[Instance] | None
    now: datetime
    prices_of: date
    kept_days: int = 35
    on_demand: Callable[[str, str], float | None] = lambda _type, _region: None


@dataclass(slots=True)
class Line:
    """What one run, job, repository, day or spec came to, or all together.

    Dollars are those of machines with a known price; ``unpriced`` counts the others, whose hours are in ``seconds``.
    ``at_most`` is what those would have cost on demand, None when that is unknown of one of them.
    ``open_ended`` counts machines whose end nobody noted: they cost at least what is counted. ``instead`` is what the
    spot machines would have cost on demand, of which ``saved`` was saved; ``unsaved`` counts those of which that is
    unknown. ``failed_launches`` started no machine.
    """

    key: str
    machines: int = 0
    spot_machines: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    unpriced: int = 0
    at_most: float | None = 0.0
    open_ended: int = 0
    saved: float = 0.0
    instead: float = 0.0
    unsaved: int = 0
    failed_launches: int = 0
    part_seconds: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))
    part_dollars: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))

    @property
    def hours(self) -> float:
        """Machine hours."""
        return self.seconds / HOUR

    @property
    def known_dollars(self) -> float | None:
        """The dollars, or None when not one of the machines has a known price."""
        return None if self.unpriced and self.unpriced == self.machines else self.dollars

    @property
    def waste(self) -> float:
        """The dollars of time without use."""
        return sum(self.part_dollars[part] for part in WASTE)

    def share(self, dollars: float) -> float | None:
        """Which share of the line's dollars these are; None of nothing."""
        return dollars / self.dollars if self.dollars else None

    @property
    def saved_share(self) -> float | None:
        """Which share of the price on demand was saved; None when there was no spot machine, or nothing is known."""
        return self.saved / self.instead if self.instead else None

    def as_dict(self) -> dict[str, Any]:
        """The line as programs get it; what is unknown is null."""
        priced = self.known_dollars is not None
        known = self.unsaved < self.spot_machines or not self.spot_machines
        parts = {
            str(part): {
                "seconds": round(self.part_seconds[part], 1),
                "dollars": round(self.part_dollars[part], 6) if priced else None,
                "share": _rounded(self.share(self.part_dollars[part])),
            }
            for part in Part
        }
        return {
            "key": self.key,
            "machines": self.machines,
            "hours": round(self.hours, 4),
            "dollars": round(self.dollars, 6) if priced else None,
            "unpriced": self.unpriced,
            "open_ended": self.open_ended,
            "saved": round(self.saved, 6) if known else None,
            "saved_share": _rounded(self.saved_share),
            "unsaved": self.unsaved,
            "waste": round(self.waste, 6) if priced else None,
            "failed_launches": self.failed_launches,
            "parts": parts,
        }


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of policy: what it covers, dollars a day, and what was spent of it today (UTC)."""

    pattern: str
    limit: float
    spent: float

    @property
    def left(self) -> float:
        """The dollars that may still be spent today."""
        return max(0.0, self.limit - self.spent)

    def as_dict(self) -> dict[str, Any]:
        """As programs get it."""
        told = {"pattern": self.pattern, "dollars_per_day": self.limit, "spent": round(self.spent, 6)}
        return told | {"left": round(self.left, 6), "exhausted": self.spent >= self.limit}


@dataclass(frozen=True, slots=True)
class Bill:
    """The whole: lines, their total, budgets, where prices are from, and what is not known, as sentences."""

    since: datetime
    until: datetime
    by: str
    lines: tuple[Line, ...]
    total: Line
    live: int | None
    budgets: tuple[Budget, ...]
    prices: Mapping[str, str]
    unknown: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The bill as programs get it."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "by": self.by,
            "lines": [line.as_dict() for line in self.lines],
            "total": self.total.as_dict(),
            "live": self.live,
            "budgets": [budget.as_dict() for budget in self.budgets],
            "prices": dict(self.prices),
            "unknown": list(self.unknown),
        }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
