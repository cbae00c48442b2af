"""Events of machines and their runners, from online to gone."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.events.event import Event


@dataclass(frozen=True, slots=True)
class RunnerOnline(Event):
    """The machine's runner is listening; ``seconds`` since the launch."""

    runner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunnerDeregistered(Event):
    """A runner record was deleted."""

    runner: str
    reason: str


@dataclass(frozen=True, slots=True)
class InstanceTerminated(Event):
    """The end of an instance was ordered."""

    runner: str
    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class TerminationSpared(Event):
    """An instance was to be terminated, but a last look forbade it."""

    runner: str
    instance: str
    why: str


@dataclass(frozen=True, slots=True)
class InstanceEnded(Event):
    """An instance is gone; ``reason`` is EC2's, times are ISO 8601."""

    runner: str
    instance: str
    repo: str
    type: str
    region: str
    zone: str
    market: str
    since: str
    until: str
    reason: str
    run: int | None = None
    job: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceInterrupted(Event):
    """AWS took back a spot instance; ``wish`` stands for what it was launched for."""

    runner: str
    instance: str
    repo: str
    type: str
    zone: str
    wish: str
    run: int | None = None
    job: int | None = None


@dataclass(frozen=True, slots=True)
class LeftoverRemoved(Event):
    """Something that outlived its launch was removed."""

    kind: str
    id: str
