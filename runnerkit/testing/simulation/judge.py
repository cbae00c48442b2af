"""What must be true whatever happens, looked at all the time; the first thing that is not ends a simulation."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.names import RunnerName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.events import Event
    from runnerkit.model import Instance
    from runnerkit.testing.simulation.scenario import Scenario
    from runnerkit.testing.simulation.world import SimWorld

TRACE = 40
# How long somebody may take to end what is overdue, on top of the leases and the passes.
SLACK = 900.0


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that was broken, when (seconds since the start), and what happened before."""

    invariant: str
    what: str
    at: float
    trace: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The breach as programs get it."""
        return {"invariant": self.invariant, "what": self.what, "at": self.at, "trace": list(self.trace)}


class Judge:
    """Watches a world. ``policy`` is what the scenario says, whatever the controllers were given.

    Args:
        world: What truly is.
        scenario: What was to be.
    """

    def __init__(self, world: SimWorld, scenario: Scenario) -> None:
        self.breaches: list[Breach] = []
        self.events: Counter[str] = Counter()
        self.waited: Counter[int] = Counter()
        self.overdue: Counter[str] = Counter()
        self.most_machines = 0
        self._world = world
        self._scenario = scenario
        self._trace: deque[tuple[float, Event | str]] = deque(maxlen=TRACE)
        self._launches = 0

    def emit(self, event: Event) -> None:
        """Hear what the controllers say."""
        self.events[event.name] += 1
        if event.name not in {"job-waiting", "pass-ended"}:
            self.note(event)

    def note(self, what: Event | str) -> None:
        """Something worth remembering should an invariant break soon."""
        self._trace.append((self._world.agenda.seconds(), what))

    def breach(self, invariant: str, what: str) -> None:
        """It is broken."""
        trace = tuple(f"{clock(at)} {_told(entry)}" for at, entry in self._trace)
        self.breaches.append(Breach(invariant, what, self._world.agenda.seconds(), trace))

    # --- after every moment -------------------------------------------------------------------------------------------

    def glance(self) -> None:
        """What one moment can break."""
        world = self._world
        for job_id in world.killed:
            self.breach("no running job is killed", f"the machine of job {job_id} was ended while it worked")
        for job, wrong in world.repeated:
            if wrong:
                self.breach("a job that merely failed is never run again", f"job {job.id} ({job.name}): {wrong}")
            if job.run_attempt > 1 + self._scenario.policy.max_reruns:
                self.breach(
                    "runs are repeated a few times at most", f"run {job.run_id} is at attempt {job.run_attempt}"
                )
        world.repeated.clear()
        if world.cloud.launches != self._launches:
            self._launches = world.cloud.launches
            self._count(world.cloud.live())

    def _count(self, live: list[Instance]) -> None:
        policy = self._scenario.policy
        self.most_machines = max(self.most_machines, len(live))
        most = policy.max_machines * self._witnesses()
        if len(live) > most:
            self.breach("caps are never crossed", f"{len(live)} machines live, policy allows {policy.max_machines}")
        claims = Counter(instance.runner_id for instance in live if instance.runner_id is not None)
        for runner_id, number in claims.items():
            if number > 1:
                self.breach("a registration has one machine", f"{number} machines claim runner {runner_id}")
        for instance in live:
            name = RunnerName.parse(instance.name)
            if name is not None and name.serial > policy.max_tries:
                self.breach(
                    "launches are bounded", f"{instance.name}: policy allows {policy.max_tries} tries for a job"
                )
        if not self._lying():
            self._twins(live)

    def _twins(self, live: list[Instance]) -> None:
        """As long as a machine for a job may still come online, the job needs no other.

        Each controller may launch one when another has just released a name: they cost minutes, and are bounded.
        """
        most = self._scenario.controllers.count
        booting = Counter(i.job_id for i in live if i.job_id is not None and self._world.is_booting(i))
        for job_id, number in booting.items():
            if number > most:
                self.breach("a job has one machine on its way", f"{number} machines boot for job {job_id}")

    def _lying(self) -> bool:
        faults = self._scenario.faults
        return bool(faults.lag or faults.missing or faults.lost or faults.failing)

    def _witnesses(self) -> int:
        """Controllers that cannot see what the others did a moment ago may each fill what seems to be free."""
        scenario = self._scenario
        return max(2 if scenario.controllers.journal_lost and self._lying() else 1, scenario.controllers.count)

    # --- once in a while ----------------------------------------------------------------------------------------------

    def look(self, seconds: float, *, calm: bool, working: bool) -> None:
        """What takes time to break.

        Args:
            seconds: How long ago the last look was.
            calm: Nothing excuses that a job waits.
            working: Somebody could have ended what is overdue.
        """
        world, policy = self._world, self._scenario.policy
        if calm and len(world.cloud.live()) < policy.max_machines:
            for job in world.waiting():
                if world.tries(job.id) < policy.max_tries:
                    self._wait(job.id, seconds)
        for instance in world.cloud.live() if working else ():
            for why in self._late(instance):
                self.overdue[instance.id] += int(seconds)
                if self.overdue[instance.id] > SLACK + 3 * self._scenario.controllers.interval:
                    self.breach("no machine outlives its lease", f"{instance.name} ({instance.id}): {why}")

    def _wait(self, job_id: int, seconds: float) -> None:
        self.waited[job_id] += int(seconds)
        if self.waited[job_id] > self._scenario.longest_wait():
            what = f"job {job_id} has been queued for {self.waited[job_id]} s during which a machine could be had"
            self.breach("no queued job waits for ever", what)

    def _late(self, instance: Instance) -> Iterator[str]:
        now, policy = self._world.clock.now(), self._scenario.policy
        age = (now - instance.launched_at).total_seconds()
        lost = policy.lost_within + policy.settle + policy.confirm
        why = self._world.why_overdue(instance, lost_within=lost, online_within=policy.online_within)
        if age > policy.max_life:
            yield "its life is over"
        elif why:
            yield why

    # --- in the end ---------------------------------------------------------------------------------------------------

    def last_look(self) -> None:
        """Nothing may be left."""
        world, policy = self._world, self._scenario.policy
        for instance in world.cloud.live():
            self.breach("nothing is left", f"{instance.name} ({instance.id}) still runs")
        for runner in world.forge.real_runners():
            self.breach("nothing is left", f"runner {runner.name} is still registered")
        for job in world.forge.real_jobs():
            given_up = world.tries(job.id) >= policy.max_tries
            if job.status != "completed" and not given_up:
                self.breach("no queued job waits for ever", f"job {job.id} is {job.status} in the end")
        launches, jobs = world.cloud.launches, len(world.ledger.of_job)
        if launches > policy.max_tries * jobs:
            self.breach("launches are bounded", f"{launches} launches for {jobs} jobs")


def clock(seconds: float) -> str:
    """Seconds since the start as ``1d 06:12:33``."""
    whole = int(seconds)
    return f"{whole // 86_400}d {whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _told(entry: Event | str) -> str:
    if isinstance(entry, str):
        return entry
    facts = {key: value for key, value in entry.as_dict().items() if key != "event"}
    said = (f"{key}={_short(value)}" for key, value in facts.items() if value is not None and value != "")
    return f"{entry.name} {' '.join(said)}"


def _short(value: Any) -> str:  # noqa: ANN401 - whatever an event tells
    text = value.get("code", "?") if isinstance(value, dict) else value
    return str(text).replace(" ", "_")[:60]
