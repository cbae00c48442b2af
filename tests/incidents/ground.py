"""What the tests of incidents share: a small world, and time that passes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.testing import FakeWorld, Habits, Lies
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from runnerkit.model import Instance, Job

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
SUCCESS, FAILURE = "success", "failure"


def small(policy: Policy | None = None, habits: Habits | None = None, lies: Lies | None = None) -> FakeWorld:
    """A world with one repository, quick boots and jobs of ten minutes."""
    return FakeWorld(lies or Lies(), habits or Habits(boot=30, job=600), policy or Policy(max_machines=50), (REPO,))


def passes(world: FakeWorld, minutes: int) -> None:
    """A controller that knows nothing does a pass each minute."""
    for _ in range(minutes):
        world.fleet().once()
        world.clock.advance(60)


def state(world: FakeWorld, job: Job) -> str | None:
    """How a job stands: its conclusion, or its status while it goes on."""
    now = next(each for each in world.forge.real_jobs() if each.id == job.id)
    return now.conclusion or now.status


def the_machine(world: FakeWorld) -> Instance:
    """The only live machine."""
    (machine,) = world.cloud.live()
    return machine


def working(world: FakeWorld, labels: tuple[str, ...] = (LABEL,)) -> tuple[Job, Instance]:
    """A job that runs, and its machine."""
    job = world.forge.queue(REPO, labels)
    world.fleet().once()
    world.clock.advance(60)
    assert state(world, job) == "in_progress"
    return job, the_machine(world)
