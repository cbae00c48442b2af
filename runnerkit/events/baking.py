"""Events of baking and of images."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.events.event import Event


@dataclass(frozen=True, slots=True)
class BuilderLaunched(Event):
    """A machine that builds an image was promised, or one that was kept is used again (``resumed``)."""

    recipe: str
    builder: str
    type: str
    zone: str
    price: float | None
    resumed: str


@dataclass(frozen=True, slots=True)
class BakeStageBegan(Event):
    """A stage of a bake has begun."""

    recipe: str
    stage: str


@dataclass(frozen=True, slots=True)
class BakeOutput(Event):
    """What a step printed since the last time."""

    recipe: str
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class BakeStageEnded(Event):
    """A stage of a bake is over: boot, a step, a check, clean, stop, image, end. ``outcome`` is ok, kept or failed."""

    recipe: str
    stage: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ImageDeleted(Event):
    """An image was deregistered and its snapshots deleted; ``stayed`` names those that are still used elsewhere."""

    image: str
    title: str
    stayed: str
