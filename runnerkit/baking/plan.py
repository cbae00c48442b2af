"""What a bake will do, and what came of it: values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit import tags as words
from runnerkit.baking.steps import Work, checks, content_digest, image_digest, uses_docker, works

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.baking.ports import BakedImage, Builder
    from runnerkit.baking.recipe import Base, Recipe
    from runnerkit.baking.steps import RunnerChoice
    from runnerkit.ports import Image

_OWNER_PART = 40
# What AWS asks for a GB of snapshot and month in most regions; only written blocks count: the most.
# Source: https://aws.amazon.com/ebs/pricing/
SNAPSHOT_DOLLARS = 0.05


@dataclass(frozen=True, slots=True)
class BakeWish:
    """What a person asks for beyond the recipe; None and empty mean: as the recipe and the configuration say.

    ``force`` bakes an image that exists already, ``fresh`` ends a builder that was kept instead of going on with it,
    ``keep`` lets a builder wait after a failed step.
    """

    region: str | None = None
    base: Base | None = None
    types: tuple[str, ...] = ()
    spot: bool = False
    ssh_from: str | None = None
    force: bool = False
    fresh: bool = False
    keep: bool = True


@dataclass(frozen=True, slots=True)
class BakePlan:
    """A bake before it begins. ``digest`` stands for all of the image, ``content`` leaves runner and base out."""

    recipe: Recipe
    region: str
    base: Image
    base_source: str
    runner: RunnerChoice | None
    works: tuple[Work, ...]
    checks: tuple[Work, ...]
    types: tuple[str, ...]
    content: str
    digest: str
    name: str

    @property
    def disk(self) -> int:
        """GB of the builder's root disk; an image cannot be smaller."""
        return max(self.recipe.disk, self.base.root_gb)

    def tags(self, owner: str, now: datetime) -> dict[str, str]:
        """The tags of the image and its snapshots."""
        return {
            words.NAME: self.name,
            words.OWNER: owner,
            words.RECIPE: self.recipe.name,
            words.DIGEST: self.digest,
            words.CONTENT: self.content,
            words.RUNNER_VERSION: self.runner.version if self.runner else self.base.runner_version,
            words.BASE: self.base.id,
            words.BASE_SOURCE: self.base_source,
            words.GPU: "yes" if self.recipe.gpu else "no",
            words.BAKED_AT: str(int(now.timestamp())),
        }

    def as_dict(self) -> dict[str, Any]:
        """The plan as programs get it."""
        return {
            "recipe": self.recipe.name,
            "region": self.region,
            "image": self.name,
            "digest": self.digest,
            "base": self.base.id,
            "base_source": self.base_source,
            "arch": self.recipe.arch,
            "types": list(self.types),
            "disk": self.disk,
            "docker": str(uses_docker(self.recipe)),
            "runner": self.runner.version if self.runner else None,
            "steps": [work.title for work in self.works],
            "checks": [work.title for work in self.checks],
        }


def planned(
    recipe: Recipe,
    *,
    wish: BakeWish,
    region: str,
    base: Image,
    runner: RunnerChoice | None,
    owner: str,
    version: str,
) -> BakePlan:
    """The plan for a recipe on a base image that was looked up."""
    content = content_digest(recipe, version)
    digest = image_digest(content, runner, base.id)
    return BakePlan(
        recipe=recipe,
        region=region,
        base=base,
        base_source=str(wish.base or recipe.base),
        runner=runner,
        works=works(recipe, runner),
        checks=checks(recipe),
        types=wish.types or recipe.types,
        content=content,
        digest=digest,
        name=f"runnerkit-{owner[:_OWNER_PART]}-{recipe.name}-{digest}",
    )


def builder_tags(
    plan: BakePlan, *, owner: str, name: str, now: datetime, expires_at: datetime, extra: Mapping[str, str]
) -> dict[str, str]:
    """The tags of a builder and of everything that is made for it."""
    return {
        **extra,
        words.NAME: name,
        words.OWNER: owner,
        words.BUILDER: plan.recipe.name,
        words.LAUNCHED_AT: str(int(now.timestamp())),
        words.EXPIRES_AT: str(int(expires_at.timestamp())),
    }


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a bake would find and cost: the image that makes it needless, a builder that is there, prices of types.

    Prices are dollars an hour on demand, None where unknown.
    """

    plan: BakePlan
    exists: BakedImage | None
    builder: Builder | None
    prices: Mapping[str, float | None]

    @property
    def dollars_a_month(self) -> float:
        """What the image costs in a month, at most."""
        return self.plan.disk * SNAPSHOT_DOLLARS

    def as_dict(self) -> dict[str, Any]:
        """As programs get it."""
        return {
            **self.plan.as_dict(),
            "exists": self.exists.id if self.exists else None,
            "builder": self.builder.id if self.builder else None,
            "prices": dict(self.prices),
            "dollars_a_month": round(self.dollars_a_month, 2),
        }


@dataclass(frozen=True, slots=True)
class Baked:
    """An image, and what it took. ``made`` is False when it existed already; ``cost`` is the builder's, in dollars."""

    image: BakedImage
    made: bool
    seconds: float = 0.0
    builder: str = ""
    cost: float | None = None
    resumed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As programs get it."""
        image = self.image
        return {
            "image": image.id,
            "name": image.name,
            "region": image.region,
            "recipe": image.recipe,
            "digest": image.digest,
            "runner": image.runner_version or None,
            "snapshots": list(image.snapshots),
            "made": self.made,
            "seconds": round(self.seconds, 1),
            "builder": self.builder or None,
            "cost": None if self.cost is None else round(self.cost, 4),
            "resumed": self.resumed,
        }
