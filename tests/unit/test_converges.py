"""A world that lies, lags, refuses and crashes: whatever happens, the fleet converges and kills no running job."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runnerkit.errors import RunnerkitError
from runnerkit.model import Market, Observed
from runnerkit.names import RunnerName
from runnerkit.phases import LIFE, join, phase
from runnerkit.phases import Phase as LifePhase
from runnerkit.testing import Crash, FakeWorld, Habits, Lies
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy

REPO = "acme/widgets"
CAP = 6
POLICY = Policy(max_machines=CAP, max_life=2 * 3600, idle=300)
LABELS = st.sampled_from(["runnerkit=1/gpu=t4", "runnerkit=2/gpu=l4", "runnerkit=3/cpu=4"])


class HostileWorld(RuleBasedStateMachine):
    """Hypothesis decides who queues what, when a pass runs, what fails, and at which effect a controller dies."""

    @initialize(
        seed=st.integers(0, 2**16),
        lag=st.sampled_from([0.0, 8.0, 20.0]),
        missing=st.sampled_from([0.0, 0.02]),
        lost=st.sampled_from([0.0, 0.1]),
        failing=st.sampled_from([0.0, 0.05]),
        never_boots=st.sampled_from([0.0, 0.2, 1.0]),
        never_ends=st.sampled_from([0.0, 0.2]),
        bursts=st.booleans(),
    )
    def begin(  # noqa: D102 - the strategies say it
        self,
        seed: int,
        lag: float,
        missing: float,
        lost: float,
        failing: float,
        never_boots: float,
        never_ends: float,
        bursts: bool,
    ) -> None:
        lies = Lies(lag=lag, missing=missing, lost=lost, failing=failing, seed=seed)
        habits = Habits(never_boots=never_boots, never_ends=never_ends)
        self.world = FakeWorld(lies, habits, POLICY, (REPO,), bursts=bursts)
        self.raced = lag > 0 or missing > 0
        self.fails = lost > 0 or failing > 0
        self.phases: dict[str, LifePhase] = {}
        self.nameless: set[str] = set()
        self.deaths = 0

    @rule(labels=LABELS, number=st.integers(1, 9))
    def jobs_are_queued(self, labels: str, number: int) -> None:
        """Somebody pushes."""
        for _ in range(number):
            self.world.forge.queue(REPO, (labels,))

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 130, 310, 700]))
    def time_passes(self, seconds: int) -> None:
        """Machines boot, work and end meanwhile."""
        self.world.clock.advance(seconds)

    @rule()
    def a_pass(self) -> None:
        """A controller that remembers nothing does one pass."""
        with suppress(RunnerkitError):
            self.world.fleet().once()

    @rule(effect=st.integers(1, 40))
    def a_controller_dies(self, effect: int) -> None:
        """A controller is killed exactly before or after its n-th effect."""
        left = effect
        self.deaths += 1

        def fall(_what: str) -> None:
            nonlocal left
            left -= 1
            # Dead is dead: whatever it still tries, for example to take something back, does not happen either.
            if left <= 0:
                raise Crash

        self._with_hook(fall)

    @rule(effect=st.integers(1, 40))
    def two_controllers_at_once(self, effect: int) -> None:
        """A second controller does a whole pass in the middle of the first one's."""
        left = effect

        def intrude(_what: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                with suppress(RunnerkitError):
                    self.world.fleet().once()

        self.raced = True
        self._with_hook(intrude)

    def _with_hook(self, hook: object) -> None:
        self.world.lies.at_effect = hook  # type: ignore[assignment]  # a callable of one text
        with suppress(Crash, RunnerkitError):
            self.world.fleet().once()
        self.world.lies.at_effect = lambda _what: None

    @rule(number=st.integers(0, 5))
    def spot_interruption(self, number: int) -> None:
        """AWS takes a machine back."""
        spot = [instance for instance in self.world.cloud.live() if instance.market is Market.SPOT]
        if spot:
            self.world.interrupt(spot[number % len(spot)].id)

    @rule(number=st.integers(0, 5))
    def a_runner_vanishes(self, number: int) -> None:
        """GitHub forgets an idle runner."""
        idle = [runner for runner in self.world.forge.real_runners() if not runner.busy]
        if idle:
            self.world.forge.vanish(idle[number % len(idle)].id)

    @rule(number=st.integers(0, 5), seconds=st.sampled_from([60, 400, 1200]))
    def github_hides_a_runner(self, number: int, seconds: int) -> None:
        """A runner that is there, and perhaps works, is missing from the list for a while."""
        runners = self.world.forge.real_runners()
        if runners:
            self.raced = True
            self.world.forge.hide(runners[number % len(runners)].id, seconds)

    @rule(number=st.integers(0, 5))
    def a_machine_hangs(self, number: int) -> None:
        """A machine falls silent without ending itself."""
        live = self.world.cloud.live()
        if live:
            self.world.hang(live[number % len(live)].id)

    @rule(market=st.sampled_from([None, Market.SPOT]))
    def drought(self, market: Market | None) -> None:
        """Nothing is to be had (at a market)."""
        self.world.cloud.refuse_all(market)

    @rule()
    def plenty(self) -> None:
        """Everything is to be had again."""
        self.world.cloud.accept_all()

    @invariant()
    def no_running_job_is_killed(self) -> None:
        """Nobody ends a machine that works before its lifetime is over."""
        if hasattr(self, "world"):
            assert [] == self.world.killed

    @invariant()
    def no_run_is_repeated_for_ever(self) -> None:
        """However often AWS takes machines back, a run has its first attempt and so many more."""
        if hasattr(self, "world"):
            assert all(job.run_attempt <= 1 + POLICY.max_reruns for job in self.world.forge.real_jobs())

    @invariant()
    def names_are_unique(self) -> None:
        """The name is a lock: never two live machines of one registration."""
        if hasattr(self, "world"):
            # Machines of a burst are without one until they are handed their names.
            claims = [each.runner_id for each in self.world.cloud.live() if each.runner_id is not None]
            assert len(set(claims)) == len(claims)

    @invariant()
    def launches_are_bounded(self) -> None:
        """Caps hold; two controllers that see different worlds may exceed them, but not by more than their number."""
        if hasattr(self, "world"):
            assert (2 * CAP if self.raced else CAP) >= len(self.world.cloud.live())
            self.nameless |= {each.id for each in self.world.cloud.real() if each.unnamed and not each.live}
            # A burst whose controller died before it handed out names is nobody's try, and a cap's worth at most.
            assert len(self.nameless) <= CAP * self.deaths or self.fails
            tries = POLICY.max_tries * len(self.world.forge.real_jobs())
            assert tries >= self.world.cloud.launches - len(self.nameless)

    @invariant()
    def every_step_of_a_life_is_possible(self) -> None:
        """What truly follows upon a phase is what the table of life allows."""
        if hasattr(self, "world"):
            now, world = self.world.clock.now(), self.world
            truth = Observed(now, frozenset({REPO}), tuple(world.cloud.real()), tuple(world.forge.real_runners()))
            for pair in join(truth):
                if pair.instance is not None:
                    after = phase(pair, POLICY, now)
                    before = self.phases.get(pair.instance.id, after)
                    assert after is before or after in LIFE[before].then, f"{before} -> {after}"
                    self.phases[pair.instance.id] = after

    def teardown(self) -> None:
        """Once the world calms down, every job is served (or given up on, after max_tries) and nothing is left."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.lies.lag = world.lies.missing = world.lies.lost = world.lies.failing = 0.0
        hopeless = world.habits.never_boots == 1.0
        world.cloud.accept_all()
        world.habits.never_boots = 1.0 if hopeless else 0.0
        for minute in range(6 * 60):
            world.fleet().once()
            world.clock.advance(60)
            self.launches_are_bounded()
            self.every_step_of_a_life_is_possible()
            assert [] == (world.overdue() if minute > 30 else [])
            if minute > 30 and not any(world.left().values()):
                break  # nobody pushes any more: nothing will happen
        left = world.left()
        # Where no machine ever boots, tries go on (ever more slowly) until each job has had its five.
        assert hopeless or {"instances": 0, "runners": 0} == {key: left[key] for key in ("instances", "runners")}
        assert hopeless or not (stuck := self._stuck()), f"jobs {stuck} wait for ever"
        assert [] == world.killed

    def _stuck(self) -> list[int]:
        """The jobs that still wait though they may have another machine."""
        tried = {note.name for note in self.world.journal.launches(EPOCH)}
        waiting = [job.id for job in self.world.forge.real_jobs() if job.status != "completed"]
        return [number for number in waiting if str(RunnerName.for_job(number, POLICY.max_tries)) not in tried]


TestHostileWorld = HostileWorld.TestCase
TestHostileWorld.__doc__ = HostileWorld.__doc__
TestHostileWorld.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # Shrinking a story of hours takes minutes; the printed steps are short enough to replay by hand.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
