"""What becomes of the machines of a burst: each is handed name and secret of a registration that waits for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.errors import CloudError, CloudUnavailable, ForgeError, RunnerBusy, RunnerkitError
from runnerkit.events import InstanceTerminated, LaunchFailed, RunnerDeregistered
from runnerkit.launching import Started, instance_launched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from runnerkit.actions import Launch
    from runnerkit.model import Registration
    from runnerkit.names import Secret
    from runnerkit.ports import BatchOrder, Launched, Machine
    from runnerkit.readying import Outside, Readier, Ready


@dataclass(frozen=True, slots=True)
class Papers:
    """Renders what a burst's machines boot from, and what each reads when it is handed over.

    ``carrier`` tells the instance profile to boot with, given the wish's own; None: this wish cannot be served so.
    """

    shared: Callable[[Machine], bytes]
    own: Callable[[Machine, Secret], Secret]
    carrier: Callable[[str | None], str | None]


@dataclass(frozen=True, slots=True)
class BurstOutcome:
    """What became of one launch: started, failed, or left undone for the reason noted."""

    launch: Launch
    started: Started | None = None
    error: RunnerkitError | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A launch and the registration that waits for its machine."""

    launch: Launch
    registration: Registration


@dataclass(frozen=True, slots=True)
class Burst:
    """What the machines of one burst share; ``by`` is when the last of them must have been handed over."""

    ready: Ready
    order: BatchOrder
    at: datetime
    by: datetime


class Giver:
    """Hands machines over, and ends those for which that fails."""

    def __init__(self, outside: Outside, readier: Readier, own: Callable[[Machine, Secret], Secret]) -> None:
        self._outside = outside
        self._readier = readier
        self._own = own

    def give(self, burst: Burst, held: Held, launched: Launched) -> BurstOutcome:
        """Hand one machine its name and its secret."""
        launch, runner = held.launch, held.registration.runner
        on_demand = self._readier.chooser.on_demand(launch.spec, launched)
        self._outside.events.emit(instance_launched(launch, launched, on_demand))
        online_by = burst.at + timedelta(seconds=burst.ready.online_within)
        started = Started(launch, launched, runner.id, burst.at, online_by)
        machine = replace(self._readier.machine(launch, burst.ready), prices=_price(launched))
        given = tags.runner_tags(str(launch.name), launch.repo, runner.id, launch.run_id, launch.job_id)
        try:
            if self._outside.clock.now() >= burst.by:
                raise CloudUnavailable(f"the time to hand over {launched.instance_id} is up")
            secret = self._own(machine, held.registration.jit_config)
            self._outside.cloud.hand_over(launched.region, launched.instance_id, given, secret)
        except RunnerkitError as error:
            return self._give_up(held, started, error)
        return BurstOutcome(launch, started)

    def _give_up(self, held: Held, started: Started, error: RunnerkitError) -> BurstOutcome:
        """End a machine whose hand-over failed, if GitHub lets its runner go: it may have its secret after all."""
        launch = held.launch
        try:
            self._outside.forge.deregister(launch.repo, held.registration.runner.id)
        except RunnerBusy:
            return BurstOutcome(launch, started)
        except ForgeError:
            # The next pass sees a machine without a name, or one that never comes online.
            return BurstOutcome(launch, error=error)
        self._outside.events.emit(RunnerDeregistered(str(launch.name), "its machine could not be handed over"))
        self.end([started.launched], "it could not be handed over", str(launch.name))
        self._outside.events.emit(LaunchFailed(str(launch.name), error))
        self._readier.failed(launch, error)
        return BurstOutcome(launch, error=error)

    def end(self, machines: Sequence[Launched], why: str, name: str = "") -> None:
        """Terminate machines; one that stays is nameless, or without a runner, and the next pass ends it."""
        for launched in machines:
            with suppress(CloudError):
                self._outside.cloud.terminate(launched.region, [launched.instance_id])
                self._outside.events.emit(InstanceTerminated(name, launched.instance_id, why))


def _price(launched: Launched) -> dict[str, float]:
    """The price as the agent looks it up."""
    if launched.price is None:
        return {}
    return {f"{launched.type} {launched.zone} {launched.market}": round(launched.price, 6)}
