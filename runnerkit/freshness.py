"""What is to be said about images before money is spent: a runner that grows too old, and what baking would save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError, RunnerOutdated
from runnerkit.events import BakingAdvised, RunnerAgeUnknown, RunnerAging
from runnerkit.runner_age import judge, lacks_since, newest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.model import Offering, Release
    from runnerkit.ports import Clock, Events, Forge, Image

# An estimate, in seconds, of what a machine without a baked image does first: fetch the runner (some 200 MB), check and
# unpack it on a small instance, on a disk that is read for the first time. What jobs install themselves comes on top.
SET_UP = 30.0
HOUR = 3600


class Freshness:
    """Looks at the images of a launch. Everything it says it says once in a process.

    Args:
        forge: Knows the releases of GitHub's runner.
        clock: Tells today.
        events: Hears warnings and advice.
    """

    def __init__(self, forge: Forge, clock: Clock, events: Events) -> None:
        self._forge = forge
        self._clock = clock
        self._events = events
        self._told: set[tuple[str, ...]] = set()

    def check(self, repo: str, images: Iterable[Image], offering: Offering) -> None:
        """Warn of an old runner, and tell what baking would save; ``offering`` is the cheapest of the launch.

        What cannot be found out never stops a launch.

        Raises:
            RunnerOutdated: GitHub would give the runner in an image no job.
        """
        recipe = recipe_for(offering)
        for image in images:
            if not image.baked:
                self._advise(image, offering, recipe)
            elif image.runner_version:
                self._age(repo, image, recipe)

    def _advise(self, image: Image, offering: Offering, recipe: str) -> None:
        if self._is_new("advice"):
            dollars = None if offering.price is None else offering.price * SET_UP / HOUR
            self._events.emit(BakingAdvised(image.id, recipe, SET_UP, dollars))

    def _age(self, repo: str, image: Image, recipe: str) -> None:
        try:
            releases = self._forge.releases(repo)
        except RunnerkitError as error:
            if self._is_new("unknown", image.id):
                self._events.emit(RunnerAgeUnknown(image.id, image.runner_version, error.message))
            return
        if releases:
            self._judge(image, releases, recipe)

    def _judge(self, image: Image, releases: Sequence[Release], recipe: str) -> None:
        version, current = image.runner_version, newest(releases)
        since = lacks_since(version, releases)
        # Undated, the image's own birth is the earliest time at which it can have begun to lack something.
        guessed = since is None
        verdict = judge(version, current, since or image.created_at, self._clock.now())
        hint = f"bake it anew: `runnerkit ami bake {recipe}`"
        if verdict.level == "error" and not (guessed and verdict.days_left):
            raise RunnerOutdated(f"image {image.id} ({image.name}) in {image.region}: {verdict.text}", hint=hint)
        if verdict.level == "ok" or not self._is_new("aging", image.id, f"{self._clock.now():%Y-%m-%d}"):
            return
        why = f"runner {version} is not the newest ({current}) and may soon get no job" if guessed else verdict.text
        days = None if guessed else verdict.days_left
        self._events.emit(RunnerAging(image.id, version, current, days, f"{why}; {hint}"))

    def _is_new(self, *what: str) -> bool:
        known = what in self._told
        self._told.add(what)
        return not known


def recipe_for(offering: Offering) -> str:
    """The recipe that comes with runnerkit and bakes an image for such a machine."""
    return "gpu-ubuntu-24.04" if offering.type.gpu is not None else "cpu-ubuntu-24.04"
