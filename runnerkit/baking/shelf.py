"""The images there are: which are too old, which may go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from runnerkit import runner_age
from runnerkit.baking.plan import SNAPSHOT_DOLLARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.baking.ports import BakedImage
    from runnerkit.model import Release

Level = Literal["ok", "warn", "error"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "error")
_AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Present:
    """What a recipe would put into an image just now: None where it could not be found out."""

    content: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an image is worth. ``newest`` is False for one that a newer image of its recipe has replaced."""

    image: BakedImage
    level: Level
    reasons: tuple[str, ...]
    newest: bool
    days_left: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As programs get it."""
        return {
            "image": self.image.id,
            "recipe": self.image.recipe,
            "region": self.image.region,
            "level": self.level,
            "newest": self.newest,
            "reasons": list(self.reasons),
            "runner": self.image.runner_version or None,
            "days_left": self.days_left,
            "baked_at": self.image.created_at.isoformat(),
        }


def judged(
    images: Iterable[BakedImage],
    *,
    releases: Sequence[Release],
    present: Mapping[tuple[str, str], Present],
    now: datetime,
) -> list[Verdict]:
    """A verdict on each image.

    Args:
        images: Of any recipe and region.
        releases: Of GitHub's runner, newest first; empty where nothing is known.
        present: What each recipe would hold now, by recipe and region.
        now: Aware UTC.
    """
    return [
        _judged(image, releases, present.get((image.recipe, image.region), Present()), now, newest=number == 0)
        for _, group in _by_recipe(images)
        for number, image in enumerate(group)
    ]


def _judged(
    image: BakedImage, releases: Sequence[Release], present: Present, now: datetime, *, newest: bool
) -> Verdict:
    said: list[tuple[Level, str]] = []
    days_left = None
    if image.state != _AVAILABLE:
        said.append(("warn", f"the image is {image.state}"))
    if image.runner_version:
        age = runner_age.judge(
            image.runner_version,
            releases[0].version if releases else "",
            runner_age.lacks_since(image.runner_version, releases) or image.created_at,
            now,
        )
        said.append((age.level, age.text))
        days_left = age.days_left
    if present.base is not None and image.base and present.base != image.base:
        said.append(("warn", f"a newer base image is there ({present.base})"))
    if present.content is not None and image.content and present.content != image.content:
        said.append(("warn", "the recipe, or what runnerkit puts in, has changed since"))
    level: Level = max((level for level, _ in said), key=LEVELS.index, default="ok")
    return Verdict(image, level, tuple(text for _, text in said), newest, days_left)


def worst(verdicts: Iterable[Verdict]) -> Level:
    """The worst level among the images that are used: the newest of each recipe, region and architecture."""
    return max((verdict.level for verdict in verdicts if verdict.newest), key=LEVELS.index, default="ok")


def prunable(images: Iterable[BakedImage], used: Mapping[str, int], keep: int) -> list[BakedImage]:
    """The images that may go: neither among the newest ``keep`` of their kind, nor in use, nor under way.

    Failed images do not count as kept. The newest image of a kind always stays.

    Args:
        images: Of one region.
        used: How many live instances run from each.
        keep: How many of each recipe and architecture stay; at least 1.
    """
    gone: list[BakedImage] = []
    for _, group in _by_recipe(images):
        listed = list(group)
        good = [image for image in listed if image.state == _AVAILABLE]
        broken = [image for image in listed if image.state not in {_AVAILABLE, "pending"}]
        gone += [image for image in (*good[max(keep, 1) :], *broken) if not used.get(image.id)]
    return gone


def dollars_a_month(image: BakedImage) -> float:
    """What its snapshots cost in a month, at most."""
    return image.gigabytes * SNAPSHOT_DOLLARS


def _by_recipe(images: Iterable[BakedImage]) -> Iterable[tuple[tuple[str, str, str], Iterable[BakedImage]]]:
    """Images by recipe, region and architecture; available ones first, newest first."""

    def kind(image: BakedImage) -> tuple[str, str, str]:
        return image.recipe, image.region, image.arch

    ranked = sorted(images, key=lambda each: (each.state == _AVAILABLE, each.created_at), reverse=True)
    return groupby(sorted(ranked, key=kind), key=kind)
