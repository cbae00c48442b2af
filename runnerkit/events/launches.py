"""Events of a launch, up to the instance that AWS promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.events.event import Event

if TYPE_CHECKING:
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Refusal


@dataclass(frozen=True, slots=True)
class OfferingChosen(Event):
    """The cheapest fitting offering is known; the launch may still end up with another."""

    runner: str
    type: str
    zone: str
    market: str
    price: float | None
    candidates: int


@dataclass(frozen=True, slots=True)
class RunnerAging(Event):
    """The runner in an image is getting too old for GitHub, or may be; told once for each image and day."""

    image: str
    version: str
    newest: str
    days_left: float | None
    why: str


@dataclass(frozen=True, slots=True)
class RunnerAgeUnknown(Event):
    """Whether the runner in an image is too old could not be found out; nothing depends on it."""

    image: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class BakingAdvised(Event):
    """Machines boot from an image without a runner; an estimate of what a baked one saves each of them, told once."""

    image: str
    recipe: str
    seconds: float
    dollars: float | None


@dataclass(frozen=True, slots=True)
class RunnerRegistered(Event):
    """GitHub accepted a just-in-time registration."""

    runner: str
    repo: str
    runner_id: int


@dataclass(frozen=True, slots=True)
class OfferingRefused(Event):
    """AWS said no to a pool."""

    runner: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class InstanceLaunched(Event):
    """AWS promised an instance."""

    runner: str
    instance: str
    type: str
    zone: str
    market: str
    price: float | None
    repo: str = ""
    region: str = ""
    run: int | None = None
    job: int | None = None
    on_demand: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchFailed(Event):
    """A launch came to nothing; its registration was taken back."""

    runner: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class LaunchAdopted(Event):
    """What was asked for exists already, from an earlier try or another controller."""

    runner: str
    instance: str


@dataclass(frozen=True, slots=True)
class LaunchSkipped(Event):
    """A planned launch was not needed any more at the last look."""

    runner: str
    why: str


@dataclass(frozen=True, slots=True)
class SpotPaused(Event):
    """A machine is bought on demand, because spot was taken back too often for the same wish."""

    runner: str
    interruptions: int
    until: str
