"""The world of a simulation: FakeWorld moved on by an agenda, with a load, spot that is taken back, and a memory."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.model import Market
from runnerkit.recovery import ANNOTATION
from runnerkit.testing.lies import Lies
from runnerkit.testing.memory import MemoryJournal, RecordedEvents
from runnerkit.testing.simulation.agenda import Agenda
from runnerkit.testing.simulation.fakes import NEVER, SimBox, SimCloud, SimForge, on_offer
from runnerkit.testing.simulation.ledger import Ledger
from runnerkit.testing.world import JOB_LEASE, FakeWorld, Habits
from runnerkit.wishes import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.model import Instance, Job
    from runnerkit.testing.simulation.load import Arrival
    from runnerkit.testing.simulation.scenario import Scenario
    from runnerkit.testing.world import Box

SOON = timedelta(seconds=1)
# The agent interrupts the listener so long before the machine is taken; the job then fails at once.
LISTENER_ENDS = timedelta(seconds=25)
NOTICE = timedelta(seconds=120)
CANCEL_TAKES = 10.0
KEPT = timedelta(minutes=90)
# GitHub gives a queued job up after a day.
QUEUE_LIMIT = timedelta(hours=24)


class SimWorld(FakeWorld):
    """Machines, jobs and prices of one scenario.

    Args:
        scenario: What to play.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.agenda = Agenda()
        self.changed: list[Callable[[str, int], None]] = []
        self.repeated: list[tuple[Job, str]] = []
        self._rerun_count = 0
        self._launches = 0
        self._open: dict[str, SimBox] = {}
        faults, machines = scenario.faults, scenario.machines
        lies = Lies(faults.lag, faults.missing, faults.lost, faults.failing, scenario.seed)
        bursts = scenario.controllers.bursts
        super().__init__(lies, Habits(boot=machines.boot), scenario.policy, scenario.repos, bursts=bursts)

    def __post_init__(self) -> None:
        """Build the fakes over the agenda."""
        self.clock = self.agenda
        self.offerings = on_offer(self.scenario)
        self.cloud = self.ec2 = SimCloud(self.agenda, lies=self.lies, offerings=self.offerings)
        self.forge = self.github = SimForge(self.agenda, lies=self.lies)
        self.journal = MemoryJournal()
        self.events = RecordedEvents()
        self.ledger = Ledger(self.offerings)
        self._boxes: dict[str, Box] = {}

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def arrive(self, arrival: Arrival) -> None:
        """A run is queued."""
        load, run_id = arrival.load, None
        label = " ".join(load.labels).replace("={run}", "")
        for piece in arrival.pieces:
            run_id = run_id or 1_000_000 + len(self.ledger.tasks)
            labels = [text.replace("{run}", str(run_id)) for text in load.labels]
            job = self.forge.queue(load.repo, labels, run_id=run_id, event=load.event)
            self.ledger.queued(job, label, piece)
            if piece.cancelled_after is not None:
                self.agenda.after(piece.cancelled_after, lambda number=job.id: self.cancel(number))  # type: ignore[misc]  # mypy takes the default for an argument
            self._tell(job.repo, job.id)

    def cancel(self, job_id: int, conclusion: str = "cancelled") -> None:
        """Somebody, or GitHub itself, cancels a job; one that runs takes some seconds to end."""
        task, stint = self.ledger.of_job[job_id]
        if stint.over_at is not None:
            return
        task.cancelled = True
        box = next((box for box in self._open.values() if box.job_id == job_id), None)
        if box is None:
            self.forge.finish(job_id, conclusion)
            self.ledger.over(job_id, self.clock.now(), conclusion)
            self._tell(task.repo, job_id)
        else:
            box.conclusion, box.due = conclusion, None
            box.done_at = self.clock.now() + timedelta(seconds=CANCEL_TAKES)

    def tries(self, job_id: int) -> int:
        """How many machines were tried for a job, those included of which only the registration came to be."""
        return max(self.ledger.launches.get(job_id, 0), self.github.tried[job_id])

    def waiting(self) -> list[Job]:
        """The jobs that truly wait."""
        return [job for job in self.forge.real_jobs() if job.status == "queued"]

    def _notice_reruns(self) -> None:
        """Remember the jobs that were queued again, each with what is wrong about that (or an empty text)."""
        if len(self.forge.reruns) == self._rerun_count:
            return
        self._rerun_count = len(self.forge.reruns)
        for job in self.forge.real_jobs():
            if job.id not in self.ledger.of_job:
                _, before = self.ledger.again(job)
                merely = not before.interrupted and before.conclusion != "cancelled"
                self.repeated.append(
                    (job, f"its last attempt ended as {before.conclusion} by itself" if merely else "")
                )
                self._tell(job.repo, job.id)

    def tidy(self) -> None:
        """Forget what is long over, and give up what has been queued for a day, as GitHub does."""
        now = self.clock.now()
        for job in self.waiting():
            if now - job.created_at >= QUEUE_LIMIT:
                self.cancel(job.id)
        self.github.forget(now - KEPT)

    def _tell(self, repo: str, job_id: int) -> None:
        for listener in self.changed:
            listener(repo, job_id)

    # --- machines -----------------------------------------------------------------------------------------------------

    def move(self) -> datetime:
        """Let every machine do what is due, and say when the next one has something to do."""
        now, due, over = self.clock.now(), NEVER, []
        self._notice_reruns()
        self._open_new()
        for id_, box in self._open.items():
            instance = self.ec2.true(id_)
            if box.over or instance is None:
                over.append(id_)
                continue
            if box.seen is not instance or box.due is None or now >= box.due or box.idle:
                self.visit(instance, box)
                box.seen = instance
                box.due = self._due(instance, box, now)
            due = min(due, box.due)
        for id_ in over:
            del self._open[id_]
        return due

    def _open_new(self) -> None:
        if self.cloud.launches == self._launches:
            return
        self._launches = self.cloud.launches
        for instance in self.cloud.real():
            if instance.id not in self._boxes:
                box = self._open[instance.id] = self._boxes[instance.id] = self.open_box(instance)
                box.due = None

    def open_box(self, instance: Instance) -> SimBox:
        """Fate decides at once: by seed and machine, whoever launched it."""
        habits = self.scenario.machines
        chance = random.Random(f"{self.scenario.seed} machine {instance.id}")
        rolls = [chance.random() for _ in range(4)]
        spread = chance.lognormvariate(0, habits.boot_spread)
        life = chance.expovariate(habits.interruptions / HOUR) if habits.interruptions else 0.0
        spot = instance.market is Market.SPOT and life > 0
        hire = self.ledger.launched(instance)
        return SimBox(
            instance.launched_at,
            boots=rolls[0] >= habits.never_boots,
            ends=rolls[1] >= habits.never_ends,
            boot=habits.boot * spread,
            taken_at=instance.launched_at + timedelta(seconds=life) if spot else NEVER,
            tells=rolls[2] >= habits.silent_interruptions,
            falls_silent=rolls[3] < habits.falls_silent,
            hire=hire,
        )

    def visit(self, instance: Instance, box: Box) -> None:
        """What FakeWorld does, and what AWS does to spot."""
        assert isinstance(box, SimBox)  # noqa: S101 - all of ours are
        now = self.clock.now()
        if box.hire is not None:
            self.ledger.handed_over(box.hire, instance)
        if instance.live and now >= box.taken_at - LISTENER_ENDS:
            self._being_taken(instance, box, now)
            instance = self.ec2.true(instance.id) or instance
        super().visit(instance, box)
        if box.hire is not None:
            box.hire.online_at = box.hire.online_at or box.online_at
            if not instance.live and box.hire.ended_at is None:
                box.hire.ended_at = now
        if box.falls_silent and box.idle:
            self.hang(instance.id)

    def _being_taken(self, instance: Instance, box: SimBox, now: datetime) -> None:
        gone = now >= box.taken_at
        if box.job_id is not None and (box.tells or gone):
            self._lose(box, now)
            if box.tells:
                self.forge.annotate(box.job_id, ANNOTATION)
                self.gave(instance, box, box.job_id, "failure")
        if gone:
            assert box.hire is not None  # noqa: S101 - made with the box
            box.hire.interrupted = True
            self.interrupt(instance.id)

    def _lose(self, box: SimBox, now: datetime) -> None:
        """What the job has done since its last stage is lost."""
        assert box.job_id is not None  # noqa: S101 - the caller looked
        task, stint = self.ledger.of_job[box.job_id]
        done = (now - (box.began or now)).total_seconds()
        stage, resume = self.scenario.machines.stage, self.scenario.machines.resume
        reached = min(task.piece.seconds, task.saved + done)
        kept = (reached if not stage else reached // stage * stage) if resume else 0.0
        kept = max(kept, task.saved) if resume else 0.0
        task.repeated += reached - kept
        task.repeated_dollars += (reached - kept) * ((box.hire and box.hire.rental.price) or 0.0) / HOUR
        task.saved = kept
        stint.interrupted = True
        self._worked(box, now)

    def boot_seconds(self, instance: Instance) -> float:
        """As fate decided for this machine."""
        box = self._boxes[instance.id]
        return box.boot if isinstance(box, SimBox) else 0.0

    def took(self, _instance: Instance, box: Box, job: Job) -> float:
        """A job goes on after the work that is safe already."""
        assert isinstance(box, SimBox)  # noqa: S101 - all of ours are
        task, stint = self.ledger.of_job[job.id]
        now = self.clock.now()
        stint.taken_at, box.began, box.conclusion = now, now, task.piece.conclusion
        return max(1.0, task.piece.seconds - task.saved)

    def gave(self, instance: Instance, box: Box, job_id: int, conclusion: str) -> None:
        """The job's attempt is over."""
        super().gave(instance, box, job_id, conclusion)
        now = self.clock.now()
        self.ledger.over(job_id, now, conclusion)
        if isinstance(box, SimBox):
            self._worked(box, now)
        self._tell(instance.repo, job_id)

    def _worked(self, box: SimBox, now: datetime) -> None:
        if box.began is not None and box.hire is not None:
            box.hire.worked += (now - box.began).total_seconds()
            box.began = None

    def _due(self, instance: Instance, box: SimBox, now: datetime) -> datetime:
        """When something happens to a machine by itself; what stays due for ever (a machine that hangs) is never."""
        if self.ec2.true(instance.id) is not instance:
            return now + SOON
        if not instance.live:
            return box.silent_since + JOB_LEASE if box.job_id is not None and box.silent_since else now + SOON
        times = [box.taken_at, box.taken_at - LISTENER_ENDS if box.taken_at < NEVER else NEVER, instance.expires_at]
        if box.online_at is None:
            times += [box.born + timedelta(seconds=box.boot), instance.online_by]
        elif box.job_id is not None:
            times.append(box.done_at)
        elif not box.done_at:
            times.append(box.online_at + SOON)
            times.append(box.online_at + timedelta(seconds=self.policy.idle))
        return min((time for time in times if time is not None and time > now), default=NEVER)

    def is_booting(self, instance: Instance) -> bool:
        """Whether a machine may still come online in time."""
        box, online_by = self._boxes.get(instance.id), instance.online_by
        return box is not None and box.online_at is None and online_by is not None and self.clock.now() < online_by

    def take_back(self, share: float, chance: random.Random) -> None:
        """AWS announces the end of a share of the spot machines."""
        until = self.clock.now() + NOTICE
        for instance in self.cloud.live():
            box = self._boxes.get(instance.id)
            if isinstance(box, SimBox) and instance.market is Market.SPOT and chance.random() < share:
                box.taken_at, box.due = min(box.taken_at, until), None
