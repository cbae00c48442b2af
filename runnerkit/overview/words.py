"""The words of the overview: frozen values that become one JSON document, the contract between service and page.

In the document times are whole seconds since 1970 (UTC), prices US dollars an hour, amounts US dollars. What is not
known is null or an empty text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1


class State(StrEnum):
    """Why a job has no machine."""

    LAUNCHING = "launching"
    COMING = "coming"
    WAITING = "waiting"
    FAILED = "failed"
    REFUSED = "refused"
    UNSERVED = "unserved"


class Kind(StrEnum):
    """What a machine did for a while; the phases of a live one, and what they were for one that is over."""

    REGISTERED = "registered"
    BOOTING = "booting"
    READY = "ready"
    BUSY = "busy"
    ENDING = "ending"
    LOST = "lost"
    GONE = "gone"
    STOPPED = "stopped"
    DANGLING = "dangling"


class End(StrEnum):
    """How a machine ended; NONE while it lives."""

    NONE = ""
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job without a machine of its own, why, and when it is looked at again (None: in the next pass)."""

    id: int
    run: int
    repo: str
    title: str
    url: str
    labels: tuple[str, ...]
    state: State
    why: str
    hint: str
    since: datetime
    until: datetime | None = None
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """What a machine did from when to when; ``end`` is None while it still does."""

    kind: Kind
    begin: datetime
    end: datetime | None = None

    def as_dict(self) -> list[Any]:
        """Three entries without names: there are thousands of them."""
        return [str(self.kind), _seconds(self.begin), _seconds(self.end)]


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A machine that lives, or ended not long ago. ``phase`` is empty when GitHub could not be asked about it."""

    name: str
    instance: str
    phase: str
    repo: str
    run: int | None
    job: int | None
    title: str
    url: str
    type: str
    zone: str
    market: str
    price: float | None
    since: datetime
    until: datetime | None
    lease: datetime | None
    end: End
    reason: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What comes first. Queue times (seconds), ``taken``, ``launches``, ``interruptions``, ``reruns``: last 24 hours.

    ``unpriced`` counts the live machines whose price is unknown, and which the dollars leave out.
    """

    waiting: int
    blocked: int
    phases: dict[str, int]
    dollars_an_hour: float
    unpriced: int
    dollars_today: float
    dollars_week: float
    saved_today: float
    saved_week: float
    queue_p50: float | None
    queue_p90: float | None
    taken: int
    launches: int
    interruptions: int
    reruns: int


@dataclass(frozen=True, slots=True)
class RepoCost:
    """What a repository has cost."""

    repo: str
    today: float
    week: float
    saved: float
    machines: int


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run has cost in the last 7 days, with all of its attempts; ``going`` while one of its machines lives."""

    repo: str
    run: int
    url: str
    dollars: float
    machines: int
    last: datetime
    going: bool


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """A pool that said no in the last 24 hours: how often, when last, and until when it is left out for that."""

    code: str
    type: str
    zone: str
    market: str
    times: int
    last: datetime
    until: datetime
    message: str


@dataclass(frozen=True, slots=True)
class FailureLine:
    """Something that failed: when last, what, for which machine, why, what to do next, and how often."""

    at: datetime
    what: str
    runner: str
    code: str
    message: str
    hint: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Trouble:
    """A pass that failed as a whole, since when passes fail, and why."""

    at: datetime
    since: datetime
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of GitHub's hourly budget."""

    remaining: int | None = None
    limit: int | None = None
    reset: datetime | None = None


@dataclass(frozen=True, slots=True)
class About:
    """The installation: its name, whom it serves, where, and how often it looks (seconds)."""

    owner: str = ""
    served: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    interval: float = 30.0
    version: str = ""
    web: str = "https://github.com"
    allowance: Callable[[], Allowance | None] = field(default=lambda: None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """What the page says about the installation."""
        names = ("owner", "served", "regions", "interval", "version", "web")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows. ``passed`` is when the last good pass looked; None before the first one.

    ``left_out`` counts ended machines that were too many to list; ``missed`` are launches that came to nothing.
    """

    at: datetime
    about: About
    passed: datetime | None
    trouble: Trouble | None
    numbers: Numbers
    jobs: tuple[JobLine, ...]
    machines: tuple[MachineLine, ...]
    left_out: int
    missed: tuple[datetime, ...]
    repos: tuple[RepoCost, ...]
    runs: tuple[RunCost, ...]
    refusals: tuple[RefusalLine, ...]
    failures: tuple[FailureLine, ...]
    github: Allowance | None

    def as_dict(self) -> dict[str, Any]:
        """The document, ready for JSON."""
        return {"format": FORMAT} | {each.name: plain(getattr(self, each.name)) for each in fields(self)}


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    """A value as JSON has it."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if kind is datetime:
        return _seconds(value)
    if kind in (tuple, list):
        return [plain(each) for each in value]
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _names(kind)}
    return str(value) if isinstance(value, StrEnum) else value


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    # Asking a class for its fields takes longer than all the rest, and there are thousands of lines.
    if kind not in _NAMES:
        _NAMES[kind] = tuple(each.name for each in fields(kind))
    return _NAMES[kind]


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
