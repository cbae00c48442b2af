"""The words for what was: workflow runs, the journal's notes, rented machines, interruptions.

Times are aware UTC datetimes, prices US dollars an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow run as GitHub tells it; ``private`` and ``fork`` are None when unknown."""

    id: int
    repo: str
    status: str
    attempt: int
    created_at: datetime | None = None
    conclusion: str | None = None
    event: str = ""
    head_sha: str = ""
    private: bool | None = None
    fork: bool | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """An entry of the journal: what happened (an event's name), when, and the event's fields as JSON has them."""

    at: datetime
    kind: str
    facts: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def text(self, key: str) -> str:
        """A fact as a text; empty when it is not one."""
        value = self.facts.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float | None:
        """A fact as a number; None when it is not one."""
        value = self.facts.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def id(self, key: str) -> int | None:
        """A fact as one of GitHub's ids; None when it is not one."""
        value = self.facts.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True, slots=True)
class Interruption:
    """AWS took back a machine that served this wish (see :func:`runnerkit.names.wish_digest`)."""

    at: datetime
    wish: str
    runner: str


@dataclass(frozen=True, slots=True)
class Rental:
    """A machine as the bill sees it; ``until`` is None while it runs, ``price`` and ``on_demand`` None when unknown.

    ``on_demand`` is what the same type costs at the other market, which is what spot saves.
    """

    runner: str
    instance: str
    repo: str
    run_id: int | None
    job_id: int | None
    type: str
    region: str
    zone: str
    market: str
    price: float | None
    on_demand: float | None
    since: datetime
    until: datetime | None = None
