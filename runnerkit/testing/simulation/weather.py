"""The happenings of a scenario, put on the agenda: droughts, outages, rate limits, interruptions, crashes, bursts."""

from __future__ import annotations

import random
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from runnerkit.model import Market
from runnerkit.testing.simulation.load import burst
from runnerkit.testing.simulation.wire import EC2, GITHUB, Breakdown
from runnerkit.wishes import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.model import Offering
    from runnerkit.testing.simulation.judge import Judge
    from runnerkit.testing.simulation.scenario import Happening, Scenario
    from runnerkit.testing.simulation.world import SimWorld


class Weather:
    """What the world does to everybody.

    Args:
        scenario: What happens when.
        world: To what.
        judge: Notes it.
        crash: Kills every controller.
    """

    def __init__(self, scenario: Scenario, world: SimWorld, judge: Judge, crash: Callable[[], None]) -> None:
        self.breakdown = Breakdown()
        self.droughts: list[Happening] = []
        self._scenario = scenario
        self._world = world
        self._judge = judge
        self._crash = crash
        for happening in scenario.happenings:
            for at in _times(happening, scenario.days * DAY):
                world.agenda.after(at, partial(self._begin, happening))

    @property
    def calm(self) -> bool:
        """Whether nothing is broken and everything can be had."""
        return not self.droughts and not self.breakdown.active(self._world.clock.now())

    def _begin(self, happening: Happening) -> None:
        world = self._world
        self._judge.note(f"{happening.what} begins")
        match happening.what:
            case "drought":
                self.droughts.append(happening)
                self._dry()
                world.agenda.after(happening.lasts, partial(self._rain, happening))
            case "outage":
                self._down(happening, 1)
                world.agenda.after(happening.lasts, partial(self._down, happening, -1))
            case "rate-limit":
                self.breakdown.limited_until = world.clock.now() + timedelta(seconds=happening.lasts)
            case "interrupt":
                world.take_back(happening.share, random.Random(f"{self._scenario.seed} {world.agenda.seconds()}"))
            case "crash":
                self._crash()
            case "burst":
                for arrival in burst(self._scenario, world.agenda.seconds(), happening.jobs):
                    world.arrive(arrival)

    def _rain(self, happening: Happening) -> None:
        self._judge.note("drought ends")
        self.droughts.remove(happening)
        self._dry()

    def _dry(self) -> None:
        cloud = self._world.cloud
        cloud.accept_all()
        for drought in self.droughts:
            for offering in self._world.offerings:
                if _hit(drought, offering):
                    cloud.refuse(offering, drought.code)

    def _down(self, happening: Happening, more: int) -> None:
        for system in (GITHUB, EC2) if happening.of == "both" else (happening.of,):
            self.breakdown.down[system] += more


def _times(happening: Happening, end: float) -> Iterator[float]:
    at = happening.at
    while at < end:
        yield at
        if not happening.every:
            return
        at += happening.every


def _hit(drought: Happening, offering: Offering) -> bool:
    markets = set(Market) if drought.market == "both" else {Market(drought.market)}
    return (
        offering.market in markets
        and any(fnmatchcase(offering.type.name, pattern) for pattern in drought.types)
        and any(fnmatchcase(offering.zone, pattern) for pattern in drought.zones)
    )
