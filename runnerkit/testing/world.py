"""FakeWorld: machines that boot, take jobs and end themselves - or do not - over FakeCloud and FakeForge."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import boot
from runnerkit.fleet import Fleet
from runnerkit.handing import Papers
from runnerkit.launching import Outside
from runnerkit.model import State
from runnerkit.testing.clock import FakeClock
from runnerkit.testing.cloud import FakeCloud
from runnerkit.testing.forge import FakeForge
from runnerkit.testing.lies import Lies
from runnerkit.testing.memory import MemoryJournal, RecordedEvents
from runnerkit.understanding import Wishes
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.model import Instance, Job
    from runnerkit.ports import Boots

# GitHub gives a job up when its runner has been silent for so long.
JOB_LEASE = timedelta(minutes=10)
TRUSTING = Policy(online_within=300, idle=300, max_life=6 * 3600)


@dataclass
class Habits:
    """How machines behave, in seconds and probabilities."""

    boot: float = 30.0
    job: float = 600.0
    never_boots: float = 0.0
    never_ends: float = 0.0


@dataclass
class Box:
    """The inside of one machine."""

    born: datetime
    boots: bool
    ends: bool
    online_at: datetime | None = None
    job_id: int | None = None
    done_at: datetime | None = None
    silent_since: datetime | None = None
    hung_since: datetime | None = None
    conclusion: str = "success"
    over: bool = False
    due: datetime | None = None


# Every wish's profile carries what a machine needs to read its parameter.
PAPERS = Papers(boot.shared_user_data, boot.own_document, lambda profile: profile or "runner")


@dataclass
class FakeWorld:
    """A whole small world with its own time. ``killed`` are the jobs whose machine somebody ended too early."""

    lies: Lies = field(default_factory=Lies)
    habits: Habits = field(default_factory=Habits)
    policy: Policy = TRUSTING
    repos: Sequence[str] = ("acme/widgets",)
    killed: list[int] = field(default_factory=list)
    bursts: bool = False

    def __post_init__(self) -> None:
        self.clock = FakeClock(step=10.0)
        self.cloud = FakeCloud(self.clock, lies=self.lies)
        self.forge = FakeForge(self.clock, lies=self.lies)
        self.journal = MemoryJournal()
        self.events = RecordedEvents()
        self._boxes: dict[str, Box] = {}
        self.clock.listen(self.step)

    @property
    def outside(self) -> Outside:
        """The ports, wired to this world."""
        return Outside(self.cloud, self.forge, self.clock, self.events, self.journal)

    def fleet(
        self,
        *,
        workers: int = 1,
        default: RunnerSpec | None = None,
        policy: Policy | None = None,
        outside: Outside | None = None,
        user_data: Boots = boot.user_data,
    ) -> Fleet:
        """A controller of this world; ask again for another one that knows nothing of the first."""
        return Fleet(
            outside or self.outside,
            policy=policy or self.policy,
            repos=self.repos,
            owner="runnerkit",
            wishes=Wishes({}, default or RunnerSpec()),
            user_data=user_data,
            workers=workers,
            papers=PAPERS if self.bursts else None,
        )

    # --- time ---------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Let every machine do what is due."""
        for instance in self.cloud.real():
            box = self._boxes.get(instance.id) or self._new_box(instance)
            if not box.over:
                self.visit(instance, box)

    def visit(self, instance: Instance, box: Box) -> None:
        """Let one machine do what is due."""
        if instance.live:
            self._live(instance, box)
        else:
            self._dead(instance, box)

    def _new_box(self, instance: Instance) -> Box:
        box = self.open_box(instance)
        self._boxes[instance.id] = box
        return box

    def open_box(self, instance: Instance) -> Box:
        """What a new machine will be like."""
        chance = self.lies.chance
        return Box(instance.launched_at, not chance(self.habits.never_boots), not chance(self.habits.never_ends))

    def boot_seconds(self, _instance: Instance) -> float:
        """How long this machine takes until its runner listens."""
        return self.habits.boot

    def took(self, _instance: Instance, _box: Box, _job: Job) -> float:
        """A machine takes a job: how long it will work, in seconds."""
        return self.habits.job

    def gave(self, _instance: Instance, box: Box, job_id: int, conclusion: str) -> None:
        """A machine is done with its job, or GitHub gave the job up."""
        self.forge.finish(job_id, conclusion)
        box.job_id = None

    def _live(self, instance: Instance, box: Box) -> None:
        now = self.clock.now()
        if box.hung_since is not None:
            return
        if box.online_at is None:
            self._booting(instance, box, now)
        elif box.job_id is not None:
            self._working(instance, box, now)
        elif not box.done_at:
            self._idle(instance, box, now)
        if instance.expires_at and now >= instance.expires_at:
            self._end(instance, box)

    def _booting(self, instance: Instance, box: Box, now: datetime) -> None:
        if instance.state is State.PENDING:
            self.cloud.run(instance.id)
        booted = box.boots and now >= box.born + timedelta(seconds=self.boot_seconds(instance))
        # A machine of a burst waits for its name before it does anything.
        if booted and not instance.unnamed:
            if instance.runner_id is not None and self.forge.connect(instance.runner_id):
                box.online_at = now
            else:
                self._end(instance, box)
        elif instance.online_by and now >= instance.online_by:
            self._end(instance, box)

    def _idle(self, instance: Instance, box: Box, now: datetime) -> None:
        assert instance.runner_id is not None  # noqa: S101 - it is online
        assert box.online_at is not None  # noqa: S101 - as above
        job = self.forge.assign(instance.runner_id)
        if job is not None:
            box.job_id, box.done_at = job.id, now + timedelta(seconds=self.took(instance, box, job))
        elif now >= box.online_at + timedelta(seconds=self.policy.idle) or not self._known(instance):
            self.forge.disconnect(instance.runner_id)
            self._end(instance, box)

    def _working(self, instance: Instance, box: Box, now: datetime) -> None:
        assert box.job_id is not None  # noqa: S101 - it works
        if box.done_at and now >= box.done_at:
            self.gave(instance, box, box.job_id, box.conclusion)
            self._end(instance, box)

    def _dead(self, instance: Instance, box: Box) -> None:
        now = self.clock.now()
        if box.silent_since is None:
            box.silent_since = now
            if instance.runner_id is not None:
                self.forge.disconnect(instance.runner_id)
            if box.job_id is not None and instance.state_reason == "Client.UserInitiatedShutdown":
                early = instance.expires_at is None or now < instance.expires_at
                self.killed += [box.job_id] if early else []
        elif box.job_id is None:
            box.over = True
        elif now >= box.silent_since + JOB_LEASE:
            self.gave(instance, box, box.job_id, "failure")

    def _end(self, instance: Instance, box: Box) -> None:
        if box.ends:
            self.cloud.end(instance.id)

    def _known(self, instance: Instance) -> bool:
        return any(runner.id == instance.runner_id for runner in self.forge.real_runners())

    # --- what tests do to it ------------------------------------------------------------------------------------------

    def interrupt(self, instance_id: str) -> None:
        """AWS takes a spot instance back."""
        self.cloud.end(instance_id, "Server.SpotInstanceTermination")

    def hang(self, instance_id: str) -> None:
        """A machine falls silent without ending: its kernel hangs, or its network is gone."""
        box = self._boxes.get(instance_id)
        if box is not None and box.online_at is not None and box.job_id is None and box.done_at is None:
            box.hung_since = self.clock.now()
            runner = next(i.runner_id for i in self.cloud.real() if i.id == instance_id)
            self.forge.disconnect(runner or 0)

    def overdue(self, slack: float = 300.0) -> list[str]:
        """The live machines that should have been ended by somebody, each with the reason."""
        policy = self.policy
        lost = policy.lost_within + policy.settle + policy.confirm
        found = [(i, self.why_overdue(i, lost_within=lost, slack=slack)) for i in self.cloud.live()]
        return [f"{instance.name}: {why}" for instance, why in found if why]

    def why_overdue(
        self, instance: Instance, *, lost_within: float, online_within: float | None = None, slack: float = 0.0
    ) -> str:
        """Why a live machine should have been ended by somebody, or an empty text.

        Args:
            instance: The machine.
            lost_within: How long it may be silent, in seconds.
            online_within: How long it may boot; None: as its tags say.
            slack: How late everything may be, in seconds.
        """
        now, late, box = self.clock.now(), timedelta(seconds=slack), self._boxes.get(instance.id)
        if box is None:
            return ""
        if instance.expires_at and now > instance.expires_at + late:
            return "its life is over"
        online_by = instance.online_by
        if online_within is not None:
            online_by = instance.launched_at + timedelta(seconds=online_within)
        if box.online_at is None and online_by and now > online_by + late + JOB_LEASE:
            return "it never came online"
        if box.hung_since is not None and now > box.hung_since + timedelta(seconds=lost_within) + late:
            return "it has been silent for too long"
        return ""

    def left(self) -> dict[str, int]:
        """How much there is of everything that should be gone in the end."""
        waiting = [job for job in self.forge.real_jobs() if job.status != "completed"]
        return {
            "instances": len(self.cloud.live()),
            "runners": len(self.forge.real_runners()),
            "jobs": len(waiting),
        }
