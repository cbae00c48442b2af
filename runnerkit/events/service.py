"""Events of the loop and the service around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.events.event import Event

if TYPE_CHECKING:
    from runnerkit.errors import RunnerkitError


@dataclass(frozen=True, slots=True)
class RepositorySkipped(Event):
    """GitHub could not be read about a repository, so this pass concludes nothing about it."""

    repo: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class ActionFailed(Event):
    """One action of a pass failed; the next pass is the retry."""

    action: str
    runner: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class PassEnded(Event):
    """One pass of the loop is over."""

    queued: int
    machines: int
    actions: int
    failed: int
    seconds: float = field(default=0.0)


@dataclass(frozen=True, slots=True)
class ServiceStarted(Event):
    """The service listens; ``webhooks`` is on or off, ``pages`` who may see the status page and the metrics."""

    address: str
    webhooks: str
    pages: str


@dataclass(frozen=True, slots=True)
class ServiceStopping(Event):
    """The service was told to end (``why`` is the signal); the pass under way ends what it is doing."""

    why: str


@dataclass(frozen=True, slots=True)
class DeliveryRefused(Event):
    """A webhook was not signed with our secret; told once a minute at most."""

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class DeliveriesRepeated(Event):
    """GitHub was asked to send webhooks again that had not reached us."""

    asked: int


@dataclass(frozen=True, slots=True)
class RedeliveryDenied(Event):
    """GitHub does not let us look at lost webhooks; told once. Polling finds what they would have told."""

    why: str


@dataclass(frozen=True, slots=True)
class JournalFailing(Event):
    """The journal cannot be read or written; entries are kept in memory, and told once until it works again."""

    place: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class MessageDropped(Event):
    """A message of the queue was thrown away: not signed by GitHub, or not to be understood. It is not tried again."""

    message: str
    why: str
