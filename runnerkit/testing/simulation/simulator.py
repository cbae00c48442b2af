"""Plays a scenario: the real fleet against a made-up world, days in seconds."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import RunnerkitError
from runnerkit.launching import Outside
from runnerkit.testing.simulation.controller import TurnClock, Turns
from runnerkit.testing.simulation.fakes import NEVER
from runnerkit.testing.simulation.journal import QuickJournal
from runnerkit.testing.simulation.judge import Judge
from runnerkit.testing.simulation.load import arrivals
from runnerkit.testing.simulation.report import Report, reckon
from runnerkit.testing.simulation.weather import Weather
from runnerkit.testing.simulation.wire import EC2, GITHUB, Line
from runnerkit.testing.simulation.world import SimWorld
from runnerkit.wishes import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.fleet import Fleet
    from runnerkit.testing.simulation.load import Arrival
    from runnerkit.testing.simulation.scenario import Scenario
    from runnerkit.wishes import Policy

LOOK = 60.0
# At how many effects from now a controller dies at most.
WITHIN_EFFECTS = 4


class Watcher(Protocol):
    """Hears how far a simulation has got."""

    def __call__(self, now: float, end: float, machines: int, waiting: int) -> None:
        """Told once for each simulated hour; times are seconds since the start."""


class Control:
    """One controller, from start to crash to start.

    Args:
        simulation: Whose it is.
        number: Which one.
    """

    def __init__(self, simulation: Simulation, number: int) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.crashes = 0
        self.alive = False
        self._simulation = simulation
        self._journal = simulation.journals[number]
        self._number = number
        self._chance = random.Random(f"{simulation.scenario.seed} controller {number}")
        self._fleet: Fleet | None = None
        self._line: Line | None = None
        self._clock: TurnClock | None = None

    def start(self) -> None:
        """A process begins that knows nothing of those before it, but for the journal."""
        simulation, controllers = self._simulation, self._simulation.scenario.controllers
        agenda = simulation.world.agenda
        if controllers.journal_lost:
            self._journal = QuickJournal()
        clock = TurnClock(agenda)
        turns = Turns(agenda, lambda: fleet.run(controllers.interval))
        clock.turns = turns
        line = Line(
            agenda, simulation.weather.breakdown, simulation.world.lies, lambda: turns.sleep(controllers.latency)
        )
        line.calls = self.calls
        outside = simulation.outside(line, clock, self._journal)
        fleet = simulation.world.fleet(outside=outside, policy=simulation.policy, user_data=lambda _machine, _jit: b"")
        self._fleet, self._line, self._clock, self.alive = fleet, line, clock, True
        self.turns = turns
        if controllers.crashes:
            agenda.after(self._chance.expovariate(controllers.crashes / DAY), lambda: self.doom(line))
        agenda.after(0.0, turns.resume)

    def doom(self, line: Line | None = None) -> None:
        """Let it die at one of its next effects."""
        if self._line is not None and line in {None, self._line}:
            self._line.effects_left = self._chance.randint(1, 2 * WITHIN_EFFECTS)

    def hint(self, repo: str) -> None:
        """A webhook arrives."""
        if self.alive and self._fleet is not None:
            self._fleet.hint(repo)

    def check(self) -> None:
        """Start it again some time after it died.

        Raises:
            BaseException: It died of a mistake of ours.
        """
        if not self.alive or not self.turns.over.is_set():
            return
        self.alive = False
        if self.turns.error is not None and not isinstance(self.turns.error, RunnerkitError):
            raise self.turns.error
        self.crashes += 1
        self._simulation.judge.note(f"controller {self._number} dies")
        self._simulation.world.agenda.after(self._simulation.scenario.controllers.restart, self.start)


class Simulation:
    """One scenario on its way.

    Args:
        scenario: What to play.
        policy: What the controllers are given; None: the scenario's. The invariants are always the scenario's.
    """

    def __init__(self, scenario: Scenario, policy: Policy | None = None) -> None:
        self.scenario = scenario
        self.policy = policy or scenario.policy
        self.world = SimWorld(scenario)
        self.judge = Judge(self.world, scenario)
        self.weather = Weather(scenario, self.world, self.judge, self._crash)
        shared = QuickJournal()
        count = scenario.controllers.count
        self.journals = [shared if scenario.controllers.shared_journal else QuickJournal() for _ in range(count)]
        self.controls = [Control(self, number) for number in range(count)]
        self._chance = random.Random(f"{scenario.seed} hints")
        self._looked = 0.0
        self._excused = 0.0
        self.world.changed.append(self._hint)

    def outside(self, line: Line, clock: TurnClock, journal: QuickJournal) -> Outside:
        """The ports of one controller."""
        world = self.world
        return Outside(line.to(EC2, world.cloud), line.to(GITHUB, world.forge), clock, self.judge, journal)

    def play(self, told: Watcher | None = None) -> Report:
        """Play it to the end, or to the first invariant that breaks.

        Raises:
            Exception: A mistake of the core that no error of ours describes.
        """
        began = time.perf_counter()
        end = self.scenario.days * DAY
        for arrival in arrivals(self.scenario):
            self.world.agenda.after(arrival.at, _arriving(self.world, arrival))
        for number, control in enumerate(self.controls):
            self.world.agenda.after(1.0 + 7.0 * number, control.start)
        self._every(LOOK, self._look)
        self._every(HOUR, lambda: self._hourly(end, told))
        try:
            self._until(end)
        finally:
            for control in self.controls:
                if control.alive:
                    control.turns.end()
        if not self.judge.breaches:
            self.judge.last_look()
        return reckon(self, time.perf_counter() - began)

    def _until(self, end: float) -> None:
        """Moment after moment: through the load, and then until nothing is left."""
        world, last = self.world, end + self.scenario.drain
        while not self.judge.breaches:
            due = world.move()
            for control in self.controls:
                control.check()
            self.judge.glance()
            if world.agenda.seconds() > end and (self._is_over() or world.agenda.seconds() > last):
                return
            world.agenda.go(min(due, world.agenda.next() or NEVER))

    def _is_over(self) -> bool:
        world = self.world
        if world.cloud.live() or world.forge.real_runners():
            return False
        tries = self.scenario.policy.max_tries
        return (
            all(job.status == "completed" or world.tries(job.id) >= tries for job in world.forge.real_jobs())
            and not self._recoverable()
        )

    def _recoverable(self) -> bool:
        """Whether a run that AWS interrupted may still be repeated: give the controllers some passes' time."""
        now = self.world.clock.now()
        wait = 10 * self.scenario.controllers.interval + 300
        return any(
            task.stints[-1].interrupted
            and task.stints[-1].over_at is not None
            and (now - task.stints[-1].over_at).total_seconds() < wait
            for task in self.world.ledger.tasks.values()
        )

    def _every(self, seconds: float, do: Callable[[], None]) -> None:
        def again() -> None:
            do()
            self.world.agenda.after(seconds, again)

        self.world.agenda.after(seconds, again)

    def _look(self) -> None:
        alive = all(control.alive for control in self.controls)
        down = self.weather.breakdown.active(self.world.clock.now())
        calm = self.weather.calm and alive and self.policy.dollars_per_day is None
        self.judge.look(LOOK, calm=calm, working=alive and not down)

    def _hourly(self, end: float, told: Watcher | None) -> None:
        self.world.tidy()
        if told is not None:
            told(self.world.agenda.seconds(), end, len(self.world.cloud.live()), len(self.world.waiting()))

    def _hint(self, repo: str, _job_id: int) -> None:
        faults = self.scenario.faults
        for control in self.controls:
            if self._chance.random() >= faults.hints_lost:
                delay = faults.hint_delay * self._chance.uniform(0.5, 2.0)
                self.world.agenda.after(delay, _hinting(control, repo))

    def _crash(self) -> None:
        for control in self.controls:
            control.doom()


def _arriving(world: SimWorld, arrival: Arrival) -> Callable[[], None]:
    return lambda: world.arrive(arrival)


def _hinting(control: Control, repo: str) -> Callable[[], None]:
    return lambda: control.hint(repo)


def simulate(
    scenario: Scenario,
    *,
    days: float | None = None,
    seed: int | None = None,
    policy: Policy | None = None,
    told: Watcher | None = None,
) -> Report:
    """Play a scenario and tell what came of it.

    Args:
        scenario: What to play.
        days: Another length than the scenario's.
        seed: Another seed than the scenario's.
        policy: What the controllers are given instead of the scenario's policy, which the invariants keep to.
        told: Hears how far it has got.
    """
    changes = {"days": days, "seed": seed}
    given = {key: value for key, value in changes.items() if value is not None}
    return Simulation(scenario.model_copy(update=given), policy).play(told)
