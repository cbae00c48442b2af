"""A job whose machine AWS took back runs again, and no other job does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runnerkit.actions import Rerun
from runnerkit.errors import ForgeDenied, ForgeRejected
from runnerkit.events import RepeatRefused, RunRepeated, SpotPaused
from runnerkit.model import Market
from runnerkit.testing import FakeWorld, Habits
from runnerkit.testing.memory import MemoryJournal
from runnerkit.testing.world import TRUSTING
from runnerkit.wishes import Policy

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


def test_a_run_that_github_refuses_again_and_again_is_left_alone() -> None:
    """Each try costs a write; three refusals are an answer."""
    world, machine = working()
    asked: list[int] = []

    def refuse(_repo: str, run_id: int) -> None:
        asked.append(run_id)
        raise ForgeRejected("the workflow file is gone")

    world.forge.rerun_failed = refuse  # type: ignore[method-assign,assignment]  # this GitHub refuses every time
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=40)
    assert asked == [1, 1, 1]


# --- the other witnesses ----------------------------------------------------------------------------------------------


def test_what_the_job_said_counts_where_ec2_says_something_else() -> None:
    """The machine ended itself a minute after the announced time, so EC2's reason is its own power-off."""
    world, machine = working()
    world.forge.annotate(1, "runnerkit: spot interruption - AWS takes this machine at 12:00:00")
    world.cloud.end(machine)
    world.fleet().run(interval=60, passes=20)
    assert len(world.forge.reruns) == 1


def test_what_other_jobs_said_does_not_count() -> None:
    """A warning of the job's own is no witness."""
    world, machine = working()
    world.forge.annotate(1, "spot prices look high today")
    world.cloud.end(machine)
    world.fleet().run(interval=60, passes=20)
    assert world.forge.reruns == []


def test_who_may_not_read_annotations_still_has_the_other_witnesses() -> None:
    """A token without checks: read is no reason to fail a pass, nor to ask for ever."""
    world, machine = working()
    asked: list[int] = []

    def deny(_repo: str, job_id: int) -> list[str]:
        asked.append(job_id)
        raise ForgeDenied("checks: read is missing")

    world.forge.annotations = deny  # type: ignore[method-assign,assignment]  # this token may not
    world.cloud.end(machine)
    world.fleet().run(interval=60, passes=20)
    assert (world.forge.reruns, asked) == ([], [1])


def test_the_journal_remembers_what_ec2_forgot() -> None:
    """A run that goes on for hours after one of its jobs lost its machine is repeated all the same."""
    world, machine = working()
    other = world.forge.queue(REPO, ["ubuntu-latest"], run_id=1)
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=20)
    world.clock.advance(3 * 3600)
    world.fleet().once()
    assert world.forge.reruns == []
    world.forge.finish(other.id)
    world.fleet().run(interval=60, passes=3)
    assert len(world.forge.reruns) == 1


def test_a_controller_that_was_down_at_the_end_of_the_run_repeats_it() -> None:
    """The end of the job was noted, the repetition was not made: the next controller makes it."""
    world, machine = working()
    world.forge.annotate(1, "runnerkit: spot interruption")
    world.cloud.end(machine)
    world.clock.advance(1200)
    look = world.fleet()
    look._observer.look(tell=True)
    assert world.forge.reruns == []
    world.fleet().once()
    assert len(world.forge.reruns) == 1


# --- machines by `launch` ---------------------------------------------------------------------------------------------


def test_a_machine_that_launch_made_is_made_anew_before_the_run_goes_on() -> None:
    """Re-running failed jobs leaves out the job that launches, so nobody else would start one."""
    world = FakeWorld(habits=Habits(boot=10, job=6000))
    fleet = world.fleet()
    fleet.launch(fleet.request(LABEL, REPO, run_id=1))
    world.forge.queue(REPO, [LABEL], run_id=1)
    world.fleet().run(interval=30, passes=3)
    (machine,) = world.cloud.live()
    assert [job.runner_name for job in world.forge.real_jobs()] == [machine.name]
    world.interrupt(machine.id)
    world.clock.advance(1200)
    done = world.fleet().once()
    (rerun,) = [action for action in done.plan.actions if isinstance(action, Rerun)]
    assert [str(launch.name) for launch in rerun.launches] == [f"rk-1-2-{machine.digest}-1"]
    (fresh,) = world.cloud.live()
    assert (fresh.name, fresh.digest) == (str(rerun.launches[0].name), machine.digest)
    world.fleet().run(interval=600, passes=20)
    assert conclusions(world) == ["failure", "success"]
    assert world.cloud.launches == 2


def test_an_interruption_of_one_job_spares_the_one_that_merely_failed() -> None:
    """GitHub's "re-run failed jobs" would run both again; so only the interrupted one is repeated."""
    world, machine = working()
    broken = world.forge.queue(REPO, ["ubuntu-latest"], run_id=1)
    world.forge.finish(broken.id, "failure")
    world.interrupt(machine)
    world.fleet().run(interval=60, passes=20)
    world.fleet().run(interval=600, passes=20)
    ran = [(job.name, job.conclusion) for job in world.forge.real_jobs()]
    assert ran == [("job 1", "failure"), (broken.name, "failure"), ("job 1", "success")]


def test_two_interruptions_put_the_third_attempt_on_demand() -> None:
    """The same wish was taken back twice within the window."""
    world, machine = working()
    for _ in range(2):
        world.interrupt(machine)
        world.clock.advance(700)
        world.fleet().run(interval=20, passes=6)
        (instance,) = world.cloud.live()
        machine = instance.id
    assert [job.run_attempt for job in world.forge.real_jobs()] == [1, 2, 3]
    assert instance.market is Market.ON_DEMAND
    assert len(world.events.of(SpotPaused)) == 1


def by_hand(policy: Policy = TRUSTING) -> FakeWorld:
    """A job on a machine that `launch` made, which AWS takes back; its run is over."""
    world = FakeWorld(habits=Habits(boot=10, job=6000), policy=policy)
    fleet = world.fleet()
    fleet.launch(fleet.request(LABEL, REPO, run_id=1))
    world.forge.queue(REPO, [LABEL], run_id=1)
    world.fleet().run(interval=30, passes=3)
    (machine,) = world.cloud.live()
    world.interrupt(machine.id)
    world.clock.advance(1200)
    return world


def refuse(world: FakeWorld) -> list[int]:
    """GitHub lets no run be repeated; how often it was asked to."""
    asked: list[int] = []

    def no(_repo: str, run_id: int) -> None:
        asked.append(run_id)
        raise ForgeRejected("the workflow file is gone")

    world.forge.rerun_failed = no  # type: ignore[method-assign,assignment]  # this GitHub refuses every time
    return asked


def test_refusals_are_counted_over_all_processes_and_cost_one_machine() -> None:
    """`once` is a new process each time: a machine for each of its passes would be a leak of money."""
    world = by_hand()
    asked = refuse(world)
    for _ in range(20):
        world.fleet().once()
        world.clock.advance(400)
    assert (asked, world.cloud.launches) == ([1, 1, 1], 2)
    assert [event.attempt for event in world.events.of(RepeatRefused)] == [1, 1, 1]


def test_without_a_journal_a_refused_run_costs_no_machine_a_pass() -> None:
    """EC2 shows the machine that was launched for the attempt before, dead or alive."""
    world = by_hand()
    refuse(world)
    for _ in range(6):
        world.journal = MemoryJournal()
        world.fleet().once()
        world.clock.advance(400)
    assert world.cloud.launches == 2


@pytest.mark.parametrize("bound", [{"max_machines": 0}, {"dollars_per_day": 0.0}])
def test_machines_made_anew_stay_within_the_caps(bound: dict[str, object]) -> None:
    """The run goes on, and its job waits for room like any other."""
    world = by_hand()
    world.policy = Policy.model_validate({**TRUSTING.model_dump(), **bound})
    world.fleet().once()
    assert (world.cloud.launches, len(world.forge.reruns)) == (1, 1)
    assert len(world.fleet().once().plan.waiting) == 1


def test_a_run_that_is_left_as_it_is_costs_the_next_process_nothing() -> None:
    """`once` would otherwise ask about every job that failed in the last hours, each time."""
    world, machine = working()
    world.forge.finish(1, "failure")
    world.cloud.end(machine)
    world.fleet().run(interval=60, passes=3)
    asked: list[int] = []
    world.forge.run = lambda _repo, run_id: asked.append(run_id)  # type: ignore[method-assign,assignment]  # who asks is noted
    world.fleet().once()
    assert asked == []


def test_a_preview_notes_nothing() -> None:
    """Also where it finds that a run is to be left as it is."""
    world, machine = working(label=f"{LABEL}/retry=never")
    world.interrupt(machine)
    world.clock.advance(1200)
    before = len(world.journal.notes(world.clock.now().replace(year=2000)))
    world.fleet().preview()
    assert len(world.journal.notes(world.clock.now().replace(year=2000))) == before
