"""How one machine is started: choose, register, render, launch - and take back what a failure left half done."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.choosing import Chooser
from runnerkit.errors import (
    CloudError,
    CloudUnavailable,
    ForgeError,
    ForgeUnavailable,
    LaunchRejected,
    NoCapacity,
    NotOffered,
    PolicyRefused,
    RunnerkitError,
)
from runnerkit.events import (
    InstanceLaunched,
    LaunchFailed,
    OfferingChosen,
    OfferingRefused,
    RunnerDeregistered,
    RunnerRegistered,
)
from runnerkit.freshness import Freshness
from runnerkit.model import Failure, LaunchNote
from runnerkit.names import Birth, label_digest
from runnerkit.ports import Launched, LaunchOrder, Machine
from runnerkit.specs import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.actions import Launch
    from runnerkit.model import Attempt, Refusal, Registration
    from runnerkit.names import Secret
    from runnerkit.ports import Clock, Cloud, Events, Forge, Image, Journal
    from runnerkit.wishes import Policy, RunnerSpec


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that the core acts through, wired once by the composition root."""

    cloud: Cloud
    forge: Forge
    clock: Clock
    events: Events
    journal: Journal


@dataclass(frozen=True, slots=True)
class Started:
    """A machine on its way: what AWS promised, the registration it will take, and until when it must be online."""

    launch: Launch
    launched: Launched
    runner_id: int
    at: datetime
    online_by: datetime


class Launcher:
    """Starts machines. A launch that fails leaves no registration behind.

    Args:
        outside: The ports.
        policy: Deadlines and bounds.
        owner: The installation, as in tags and birth labels.
        user_data: Renders what the machine boots from.
    """

    def __init__(
        self, outside: Outside, policy: Policy, owner: str, user_data: Callable[[Machine, Secret], bytes]
    ) -> None:
        self._outside = outside
        self._policy = policy
        self._owner = owner
        self._user_data = user_data
        self.chooser = Chooser(outside.cloud, outside.journal, outside.clock, policy)
        self._freshness = Freshness(outside.forge, outside.clock, outside.events)

    def start(self, launch: Launch) -> Started:
        """Register a runner and launch an instance for it.

        Raises:
            NameTaken: Somebody holds that name; nothing was done.
            NotOffered, NoCapacity, LaunchRejected, CloudError: No instance; the registration was taken back.
            ForgeError: GitHub refused; nothing was launched.
        """
        try:
            return self._start(launch)
        except (CloudError, ForgeError, NotOffered, PolicyRefused) as error:
            if not error.retryable or isinstance(error, NoCapacity):
                digest = label_digest(self._outside.forge.place(launch.repo), launch.labels)
                self._outside.journal.failed(Failure(self._outside.clock.now(), digest, error.code, str(launch.name)))
            raise

    def _start(self, launch: Launch) -> Started:
        now = self._outside.clock.now()
        tries = self.chooser.choose(launch.spec)
        tries, images = self._suited(launch.spec, tries)
        best = tries[0].offerings[0]
        self._freshness.check(launch.repo, images.values(), best)
        download = self._download(launch.repo, images)
        self._outside.events.emit(
            OfferingChosen(
                str(launch.name),
                best.type.name,
                best.zone,
                best.market,
                best.price,
                candidates=sum(len(attempt.offerings) for attempt in tries),
            )
        )
        self._prepare(tries[0].region)
        registration = self._register(launch)
        try:
            launched = self._launch(launch, registration, tries, images, download)
        except BaseException as error:
            self._take_back(launch, registration.runner.id)
            if isinstance(error, RunnerkitError):
                self._outside.events.emit(LaunchFailed(str(launch.name), error))
            raise
        self._outside.events.emit(instance_launched(launch, launched, self.chooser.on_demand(launch.spec, launched)))
        online_by = now + timedelta(seconds=self._online_within(images))
        return Started(launch, launched, registration.runner.id, now, online_by)

    def _prepare(self, region: str) -> None:
        """Let the cloud get ready while GitHub is waited for; what goes wrong with that, the launch will tell."""

        def ready() -> None:
            with suppress(Exception):
                self._outside.cloud.prepare(region)

        threading.Thread(target=ready, name="prepare", daemon=True).start()

    def _suited(
        self, spec: RunnerSpec, tries: Sequence[Attempt]
    ) -> tuple[tuple[Attempt, ...], dict[tuple[str, str], Image]]:
        """The attempts that one user data can serve, and their images.

        A baked image and a stock one boot from different user data, and a stock one downloads the runner of one
        architecture: baked images win, else the architecture of the cheapest offering does.
        """
        wanted = {(attempt.region, offering.type.arch) for attempt in tries for offering in attempt.offerings}
        images = {key: self._outside.cloud.image(spec, *key) for key in sorted(wanted)}
        first = tries[0].offerings[0].type.arch
        baked = {key for key, image in images.items() if image.baked}
        kept = baked or {key for key in images if key[1] == first}
        suited = [
            replace(attempt, offerings=tuple(o for o in attempt.offerings if (o.region, o.type.arch) in kept))
            for attempt in tries
        ]
        return tuple(attempt for attempt in suited if attempt.offerings), {key: images[key] for key in kept}

    def _register(self, launch: Launch) -> Registration:
        forge, name = self._outside.forge, str(launch.name)
        birth = Birth(self._outside.clock.now(), self._owner)
        try:
            registration = forge.register(launch.repo, name, (*launch.labels, birth.label))
        except ForgeUnavailable:
            # The answer is lost, and with it the secret: a registration that did happen is of no use to anybody.
            held = forge.runner_named(launch.repo, name)
            if held is not None and birth.label in {label.lower() for label in held.labels}:
                self._take_back(launch, held.id)
            raise
        self._outside.events.emit(RunnerRegistered(name, launch.repo, registration.runner.id))
        return registration

    def _launch(
        self,
        launch: Launch,
        registration: Registration,
        tries: Sequence[Attempt],
        images: Mapping[tuple[str, str], Image],
        download: Mapping[str, str],
    ) -> Launched:
        order = self._order(launch, registration, tries, images, download)
        note = LaunchNote(order.name, launch.repo, self._outside.clock.now())
        try:
            launched = self._outside.cloud.launch(order, tries)
        except NoCapacity as error:
            self._remember(order.name, error.refusals)
            raise
        except CloudUnavailable:
            self._outside.journal.launched(note)
            known = [
                i for i in self._outside.cloud.find(order.name) if i.live and i.runner_id == registration.runner.id
            ]
            if not known:
                raise
            there = known[0]
            return Launched(there.id, there.type, there.region, there.zone, there.market, there.price)
        self._outside.journal.launched(note)
        self._remember(order.name, launched.refusals)
        return launched

    def _remember(self, name: str, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            self._outside.journal.refused(refusal)
            self._outside.events.emit(OfferingRefused(name, refusal))

    def _order(
        self,
        launch: Launch,
        registration: Registration,
        tries: Sequence[Attempt],
        images: Mapping[tuple[str, str], Image],
        download: Mapping[str, str],
    ) -> LaunchOrder:
        spec, policy, now = launch.spec, self._policy, self._outside.clock.now()
        online_within = self._online_within(images)
        life = min(spec.life or policy.max_life, policy.max_life)
        idle = spec.idle or policy.idle
        online_by = now + timedelta(seconds=online_within)
        machine = Machine(
            name=str(launch.name),
            repo=launch.repo,
            labels=launch.labels,
            online_within=online_within,
            idle=idle,
            life=life,
            baked=_baked(images),
            imds_for_job=spec.profile is not None,
            facts={"run_id": str(launch.run_id or ""), "job_id": str(launch.job_id or "")},
            prices=_prices(tries),
            **download,
        )
        return LaunchOrder(
            name=str(launch.name),
            user_data=self._user_data(machine, registration.jit_config),
            tags=tags.launch_tags(
                owner=self._owner,
                name=str(launch.name),
                repo=launch.repo,
                digest=label_digest(self._outside.forge.place(launch.repo), launch.labels),
                runner_id=registration.runner.id,
                run_id=launch.run_id,
                job_id=launch.job_id,
                launched_at=now,
                online_by=online_by,
                idle_until=online_by + timedelta(seconds=idle),
                expires_at=now + timedelta(seconds=life),
                wish=_taggable(", ".join(launch.labels)),
                wish_digest=digest(spec),
            ),
            images=images,
            disk=spec.disk,
            profile=spec.profile,
        )

    def _online_within(self, images: Mapping[tuple[str, str], Image]) -> int:
        return self._policy.online_within if _baked(images) else self._policy.online_within_unbaked

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

    def _take_back(self, launch: Launch, runner_id: int) -> None:
        """Delete the registration of a launch that failed; what cannot be deleted now, the next pass will find."""
        with suppress(ForgeError):
            self._outside.forge.deregister(launch.repo, runner_id)
            self._outside.events.emit(RunnerDeregistered(str(launch.name), "its launch failed"))


def instance_launched(launch: Launch, launched: Launched, on_demand: float | None) -> InstanceLaunched:
    """The event of a launch."""
    return InstanceLaunched(
        runner=str(launch.name),
        instance=launched.instance_id,
        type=launched.type,
        zone=launched.zone,
        market=launched.market,
        price=launched.price,
        repo=launch.repo,
        region=launched.region,
        run=launch.run_id,
        job=launch.job_id,
        on_demand=on_demand,
    )


def _prices(tries: Sequence[Attempt]) -> dict[str, float]:
    offerings = [offering for attempt in tries for offering in attempt.offerings]
    return {f"{o.type.name} {o.zone} {o.market}": round(o.price, 6) for o in offerings if o.price is not None}


def _baked(images: Mapping[tuple[str, str], Image]) -> bool:
    return all(image.baked for image in images.values())


def _taggable(text: str) -> str:
    """A text for people, in the characters that AWS allows in tags."""
    return re.sub(r"[^A-Za-z0-9 +\-=._:/@]", "_", text)
