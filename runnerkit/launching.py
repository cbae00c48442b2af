"""How one machine is started: register, render, launch - and take back what a failure left half done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import (
    CloudUnavailable,
    NoCapacity,
    RunnerkitError,
)
from runnerkit.events import InstanceLaunched, LaunchFailed
from runnerkit.model import LaunchNote
from runnerkit.ports import Launched, LaunchOrder
from runnerkit.readying import Outside, Readier

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.actions import Launch
    from runnerkit.model import Registration
    from runnerkit.names import Secret
    from runnerkit.ports import Machine
    from runnerkit.readying import Ready
    from runnerkit.wishes import Policy

__all__ = ["Launcher", "Outside", "Started", "instance_launched"]


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
        self._user_data = user_data
        self.readier = Readier(outside, policy, owner)
        self.chooser = self.readier.chooser

    def start(self, launch: Launch) -> Started:
        """Register a runner and launch an instance for it.

        Raises:
            NameTaken: Somebody holds that name; nothing was done.
            NotOffered, NoCapacity, LaunchRejected, CloudError: No instance; the registration was taken back.
            ForgeError: GitHub refused; nothing was launched.
        """
        try:
            return self._start(launch)
        except RunnerkitError as error:
            self.readier.failed(launch, error)
            raise

    def _start(self, launch: Launch) -> Started:
        now = self._outside.clock.now()
        ready = self.readier.ready(launch)
        registration = self.readier.register(launch)
        try:
            launched = self._launch(launch, registration, ready)
        except BaseException as error:
            self.readier.take_back(launch, registration.runner.id)
            if isinstance(error, RunnerkitError):
                self._outside.events.emit(LaunchFailed(str(launch.name), error))
            raise
        self._outside.events.emit(instance_launched(launch, launched, self.chooser.on_demand(launch.spec, launched)))
        online_by = now + timedelta(seconds=ready.online_within)
        return Started(launch, launched, registration.runner.id, now, online_by)

    def _launch(self, launch: Launch, registration: Registration, ready: Ready) -> Launched:
        order = self._order(launch, registration, ready)
        note = LaunchNote(order.name, launch.repo, self._outside.clock.now())
        try:
            launched = self._outside.cloud.launch(order, ready.tries)
        except NoCapacity as error:
            self.readier.remember(order.name, error.refusals)
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
        self.readier.remember(order.name, launched.refusals)
        return launched

    def _order(self, launch: Launch, registration: Registration, ready: Ready) -> LaunchOrder:
        machine = self.readier.machine(launch, ready)
        return LaunchOrder(
            name=str(launch.name),
            user_data=self._user_data(machine, registration.jit_config),
            tags=self.readier.tags(launch, machine, runner_id=registration.runner.id),
            images=ready.images,
            disk=launch.spec.disk,
            profile=launch.spec.profile,
        )


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
