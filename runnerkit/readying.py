"""What comes before a machine is ordered, alone or in a burst: choose, look at the images, register, and take back."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.choosing import Chooser
from runnerkit.errors import (
    CloudError,
    ForgeError,
    ForgeUnavailable,
    ImageMissing,
    LaunchRejected,
    NoCapacity,
    NotOffered,
    PolicyRefused,
)
from runnerkit.events import OfferingChosen, OfferingRefused, RunnerDeregistered, RunnerRegistered
from runnerkit.freshness import Freshness
from runnerkit.model import Failure
from runnerkit.names import Birth, label_digest
from runnerkit.ports import Machine
from runnerkit.specs import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.actions import Launch
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Attempt, Refusal, Registration
    from runnerkit.ports import Clock, Cloud, Events, Forge, Image, Journal
    from runnerkit.wishes import Policy, RunnerSpec

COUNTED = (CloudError, ForgeError, NotOffered, PolicyRefused)


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that the core acts through, wired once by the composition root."""

    cloud: Cloud
    forge: Forge
    clock: Clock
    events: Events
    journal: Journal


@dataclass(frozen=True, slots=True)
class Ready:
    """What a launch stands on: attempts that one user data serves, their images, where a runner is to be had."""

    tries: tuple[Attempt, ...]
    images: Mapping[tuple[str, str], Image]
    download: Mapping[str, str]
    online_within: int

    @property
    def baked(self) -> bool:
        """Whether runner and agent are in the images."""
        return _baked(self.images)

    @property
    def prices(self) -> dict[str, float]:
        """Dollars an hour by "TYPE ZONE MARKET"."""
        offerings = [offering for attempt in self.tries for offering in attempt.offerings]
        return {f"{o.type.name} {o.zone} {o.market}": round(o.price, 6) for o in offerings if o.price is not None}


class Readier:
    """Gets launches ready, registers their runners, and takes back what came to nothing.

    Args:
        outside: The ports.
        policy: Deadlines and bounds.
        owner: The installation, as in tags and birth labels.
    """

    def __init__(self, outside: Outside, policy: Policy, owner: str) -> None:
        self._outside = outside
        self._policy = policy
        self._owner = owner
        self.chooser = Chooser(outside.cloud, outside.journal, outside.clock, policy)
        self._freshness = Freshness(outside.forge, outside.clock, outside.events)

    def ready(self, launch: Launch) -> Ready:
        """Choose what to try, and look at what would boot.

        Raises:
            NotOffered, NoCapacity, CloudError: Nothing can be had.
            RunnerOutdated: GitHub refuses the runner in the image.
            LaunchRejected: There is no runner to download.
        """
        tries, images = self._suited(launch.spec, *self._found(launch))
        self._prepare(tries[0].region)
        best = tries[0].offerings[0]
        self._freshness.check(launch.repo, images.values(), best)
        policy = self._policy
        online_within = policy.online_within if _baked(images) else policy.online_within_unbaked
        ready = Ready(tries, images, self._download(launch.repo, images), online_within)
        candidates = sum(len(attempt.offerings) for attempt in tries)
        self._outside.events.emit(
            OfferingChosen(str(launch.name), best.type.name, best.zone, best.market, best.price, candidates=candidates)
        )
        return ready

    def _prepare(self, region: str) -> None:
        """Let the cloud get ready while GitHub is waited for; what goes wrong with that, the launch will tell."""

        def prepared() -> None:
            with suppress(Exception):
                self._outside.cloud.prepare(region)

        threading.Thread(target=prepared, name="prepare", daemon=True).start()

    def _found(self, launch: Launch) -> tuple[Sequence[Attempt], Sequence[Image]]:
        """What to try and which images are baked: two questions that the cloud answers beside each other."""
        with ThreadPoolExecutor(1) as pool:
            baked = pool.submit(self._outside.cloud.baked, launch.spec)
            tries = self.chooser.choose(launch.spec, launch.repo)
        return tries, baked.result()

    def _suited(
        self, spec: RunnerSpec, tries: Sequence[Attempt], baked: Sequence[Image]
    ) -> tuple[tuple[Attempt, ...], dict[tuple[str, str], Image]]:
        """The attempts that one user data can serve, and their images.

        A baked image and a stock one boot from different user data, and a stock one downloads the runner of one
        architecture: baked images win, else the architecture of the cheapest offering does.
        """
        wanted = list(dict.fromkeys((tried.region, pool.type.arch) for tried in tries for pool in tried.offerings))
        own = {key: image for image in baked if (key := (image.region, image.arch)) in wanted}
        images = own or self._looked_up(spec, wanted)
        suited = [
            replace(attempt, offerings=tuple(o for o in attempt.offerings if (o.region, o.type.arch) in images))
            for attempt in tries
        ]
        return tuple(attempt for attempt in suited if attempt.offerings), images

    def _looked_up(self, spec: RunnerSpec, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Image]:
        """Images of the cheapest offering's architecture; an image that was named may be for another one alone."""
        missing: list[ImageMissing] = []
        for arch in dict.fromkeys(arch for _, arch in wanted):
            try:
                found = {key: self._outside.cloud.image(spec, *key) for key in wanted if key[1] == arch}
            except ImageMissing as error:
                missing.append(error)
            else:
                return {key: image for key, image in found.items() if image.baked} or found
        raise missing[0]

    def _download(self, repo: str, images: Mapping[tuple[str, str], Image]) -> dict[str, str]:
        """Where a machine without a baked runner gets one; one more read, and only then."""
        if _baked(images):
            return {}
        arch = next(iter(images))[1]
        for package in self._outside.forge.downloads(repo):
            if (package.os, package.arch) == ("linux", arch) and package.sha256:
                return {"runner_url": package.url, "runner_sha256": package.sha256}
        raise LaunchRejected(
            f"GitHub offers no runner for linux {arch} with a checksum",
            hint="use a baked image, or an image of another architecture",
        )

    def register(self, launch: Launch) -> Registration:
        """Register the launch's runner.

        Raises:
            NameTaken: Somebody holds the name.
            ForgeError: GitHub refused, or did not answer; then what it may have done was taken back.
        """
        forge, name = self._outside.forge, str(launch.name)
        birth = Birth(self._outside.clock.now(), self._owner)
        try:
            registration = forge.register(launch.repo, name, (*launch.labels, birth.label))
        except ForgeUnavailable:
            # The answer is lost, and with it the secret: a registration that did happen is of no use to anybody.
            held = forge.runner_named(launch.repo, name)
            if held is not None and birth.label in {label.lower() for label in held.labels}:
                self.take_back(launch, held.id)
            raise
        self._outside.events.emit(RunnerRegistered(name, launch.repo, registration.runner.id))
        return registration

    def take_back(self, launch: Launch, runner_id: int, why: str = "its launch failed") -> None:
        """Delete the registration of a launch that failed; what cannot be deleted now, the next pass will find."""
        with suppress(ForgeError):
            self._outside.forge.deregister(launch.repo, runner_id)
            self._outside.events.emit(RunnerDeregistered(str(launch.name), why))

    def machine(self, launch: Launch, ready: Ready) -> Machine:
        """What the launch's machine must know about itself."""
        spec, policy = launch.spec, self._policy.of(launch.repo)
        return Machine(
            name=str(launch.name),
            repo=launch.repo,
            labels=launch.labels,
            online_within=ready.online_within,
            idle=spec.idle or policy.idle,
            life=min(spec.life or policy.max_life, policy.max_life),
            baked=ready.baked,
            imds_for_job=spec.profile is not None,
            facts={"run_id": str(launch.run_id or ""), "job_id": str(launch.job_id or "")},
            prices=ready.prices,
            **ready.download,
        )

    def digest(self, launch: Launch) -> str:
        """What stands for the launch's label set."""
        return label_digest(self._outside.forge.place(launch.repo), launch.labels)

    def tags(
        self, launch: Launch, machine: Machine, *, runner_id: int | None = None, batch: str = ""
    ) -> dict[str, str]:
        """The tags of a machine that is launched now; in a burst they are those that all of its machines share."""
        now = self._outside.clock.now()
        online_by = now + timedelta(seconds=machine.online_within)
        return tags.launch_tags(
            owner=self._owner,
            name="" if batch else str(launch.name),
            repo=launch.repo,
            digest=self.digest(launch),
            runner_id=runner_id,
            run_id=None if batch else launch.run_id,
            job_id=None if batch else launch.job_id,
            launched_at=now,
            online_by=online_by,
            idle_until=online_by + timedelta(seconds=machine.idle),
            expires_at=now + timedelta(seconds=machine.life),
            wish=_taggable(", ".join(launch.labels)),
            wish_digest=digest(launch.spec),
            batch=batch,
        )

    def remember(self, name: str, refusals: Sequence[Refusal]) -> None:
        """Note what AWS refused on the way."""
        for refusal in refusals:
            self._outside.journal.refused(refusal)
            self._outside.events.emit(OfferingRefused(name, refusal))

    def failed(self, launch: Launch, error: RunnerkitError) -> None:
        """Note a launch that came to nothing, unless trying again at once may help; the breaker counts them."""
        if isinstance(error, COUNTED) and (not error.retryable or isinstance(error, NoCapacity)):
            failure = Failure(self._outside.clock.now(), self.digest(launch), error.code, str(launch.name))
            self._outside.journal.failed(failure)


def _baked(images: Mapping[tuple[str, str], Image]) -> bool:
    return all(image.baked for image in images.values())


def _taggable(text: str) -> str:
    """A text for people, in the characters that AWS allows in tags."""
    return re.sub(r"[^A-Za-z0-9 +\-=._:/@]", "_", text)
