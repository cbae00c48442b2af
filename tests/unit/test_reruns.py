"""A job whose machine AWS took back runs again, and no other job does."""

from __future__ import annotations

from datetime import timedelta

from runnerkit.actions import Rerun
from runnerkit.errors import ForgeRejected
from runnerkit.events import RunRepeated
from runnerkit.testing import FakeWorld, Habits

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"


def working(*, label: str = LABEL) -> tuple[FakeWorld, str]:
    """A world with one job on one machine, and the machine's id."""
    world = FakeWorld(habits=Habits(boot=10, job=6000))
    world.forge.queue(REPO, [label])
    world.fleet().run(interval=30, passes=3)
    (machine,) = world.cloud.live()
    assert [job.status for job in world.forge.real_jobs()] == ["in_progress"]
    return world, machine.id


def conclusions(world: FakeWorld) -> list[str | None]:
    """How the jobs ended so far, oldest first."""
    return [job.conclusion for job in world.forge.real_jobs()]


def test_an_interrupted_job_runs_again_on_a_new_machine() -> None:
    """From the notice to the second attempt's success, with nothing left over."""
    world, machine = working()
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=20)
    assert conclusions(world)[0] == "failure"
    assert [event.attempt for event in world.events.of(RunRepeated)] == [2]
    world.fleet().run(interval=600, passes=20)
    assert conclusions(world) == ["failure", "success"]
    assert world.left() == {"instances": 0, "runners": 0, "jobs": 0}


def test_a_job_that_merely_failed_is_not_repeated() -> None:
    """Its machine ended itself, so AWS is not to blame."""
    world, machine = working()
    world.forge.finish(world.forge.real_jobs()[0].id, "failure")
    world.cloud.end(machine)
    world.fleet().run(interval=60, passes=10)
    assert conclusions(world) == ["failure"]
    assert world.forge.reruns == []


def test_a_job_that_ended_well_before_its_machine_was_taken_is_not_repeated() -> None:
    """Success stays success, whatever becomes of the machine afterwards."""
    world, machine = working()
    world.forge.finish(world.forge.real_jobs()[0].id, "success")
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=10)
    assert world.forge.reruns == []


def test_a_label_may_forbid_the_repetition() -> None:
    """`retry=never` is for jobs that must not run twice."""
    world, machine = working(label=f"{LABEL}/retry=never")
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=20)
    assert conclusions(world) == ["failure"]


def test_a_second_controller_finds_the_run_repeated_already() -> None:
    """GitHub's refusal is no error, and nothing is repeated twice."""
    world, machine = working()
    world.interrupt(machine)
    world.clock.advance(1200)
    first, second = world.fleet(), world.fleet()
    late = second.preview()
    first.once()
    (rerun,) = [action for action in late.plan.actions if isinstance(action, Rerun)]
    (outcome,) = second._applier.apply([rerun])
    assert (outcome.error, outcome.done) == (None, False)
    assert outcome.note == "somebody has repeated it already"
    assert len(world.forge.reruns) == 1


def test_a_run_that_nobody_can_repeat_stays_failed() -> None:
    """After a month GitHub refuses for good; the loop goes on."""
    world, machine = working()

    def refuse(_repo: str, run_id: int) -> None:
        raise ForgeRejected(f"run {run_id} was created over a month ago")

    world.forge.rerun_failed = refuse  # type: ignore[method-assign,assignment]  # this GitHub refuses every time
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=20)
    assert conclusions(world) == ["failure"]
    assert world.events.of(RunRepeated) == []


def test_a_run_that_was_deleted_is_left_alone() -> None:
    """EC2 still shows the machine, GitHub no longer knows the run."""
    world, machine = working()
    world.interrupt(machine)
    world.forge._jobs.clear()
    world.clock.advance(timedelta(minutes=1).total_seconds())
    assert [a for a in world.fleet().once().plan.actions if isinstance(a, Rerun)] == []
