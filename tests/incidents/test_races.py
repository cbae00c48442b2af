"""Machines that were ended while they worked: checks that were too early, lists that were wrong, idle machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from runnerkit.actions import Launch, Mark, Terminate
from runnerkit.events import TerminationSpared
from runnerkit.model import Observed
from runnerkit.plan import plan
from runnerkit.testing import Habits, Lies
from runnerkit.wishes import Policy
from tests.incidents.ground import LABEL, REPO, SUCCESS, passes, small, state, the_machine, working


def test_a_job_taken_between_the_look_and_the_end_saves_its_machine() -> None:
    """TAGR #5085: a machine was seen idle, took a deployment, and was ended thirteen seconds into it."""
    world = small(Policy(online_within=60), Habits(boot=10_000, never_ends=1.0))
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    machine = the_machine(world)
    runner = world.forge.real_runners()[0].id

    def just_then(effect: str) -> None:
        if effect == "before deregister" and state(world, job) == "queued":
            world.forge.connect(runner)
            world.forge.assign(runner)

    world.clock.advance(120)
    world.lies.at_effect = just_then
    world.fleet().once()
    assert "in_progress" == state(world, job)
    assert [machine.id] == [live.id for live in world.cloud.live()]
    assert [machine.id] == [event.instance for event in world.events.of(TerminationSpared)]


def test_a_working_runner_that_the_list_leaves_out_is_not_ended() -> None:
    """TAGR #4391: a machine was marked as an orphan and ended, because the list did not show its runner."""
    world = small(habits=Habits(boot=30, job=3600))
    job, _ = working(world)
    world.forge.hide(world.forge.real_runners()[0].id, 1800)
    passes(world, 30)
    assert [] == world.killed
    passes(world, 40)
    assert SUCCESS == state(world, job)


def test_lists_that_contradict_each_other_end_nothing() -> None:
    """TAGR #3589: one answer has a runner, the next has not."""
    world = small(habits=Habits(boot=30, job=1800), lies=Lies(missing=0.4, seed=2))
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(4)]
    passes(world, 60)
    assert [] == world.killed
    assert {SUCCESS} == {state(world, job) for job in jobs}


def test_a_fresh_runner_is_not_ended_for_being_idle() -> None:
    """ARC #4000, #3581: runners are removed as idle before their job had a chance to reach them."""
    world = small()
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.forge.cancel(REPO, job.run_id)
    world.clock.advance(60)
    for _ in range(4):
        done = world.fleet().once()
        assert () == done.plan.actions
        world.clock.advance(30)
    late = world.forge.queue(REPO, [LABEL])
    world.clock.advance(20)
    assert "in_progress" == state(world, late)


def test_a_job_that_github_calls_completed_does_not_end_its_machine() -> None:
    """actions/runner #4492: GitHub tells that a job is completed while its runner still works on it."""
    world = small(habits=Habits(boot=30, job=3600))
    _, machine = working(world)
    runner = world.forge.real_runners()[0]
    assert runner.busy
    now = world.clock.now()
    seen = Observed(at=now, repos=frozenset({REPO}), instances=(machine,), runners=(runner,))
    assert () == plan(seen, (), world.policy, now).actions
    quiet = replace(runner, busy=False)
    assert () == plan(replace(seen, runners=(quiet,)), (), world.policy, now).actions


def test_less_demand_ends_no_machine() -> None:
    """BK #1399, #435: the group shrinks, or is balanced anew, and machines in the middle of a build are ended."""
    world = small(habits=Habits(boot=30, job=3600))
    for number in range(4):
        world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"])
    world.fleet().once()
    world.clock.advance(90)
    extra = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(10, 14)]
    world.fleet().once()
    for job in extra:
        world.forge.cancel(REPO, job.run_id)
    passes(world, 20)
    assert [] == world.killed
    assert 4 == sum(job.status == "in_progress" for job in world.forge.real_jobs())


def test_no_machine_is_used_twice() -> None:
    """Hetz #26, cattle-ops/terraform-aws-gitlab-runner #1217: a machine used again is gone under its next job."""
    world = small(habits=Habits(boot=30, job=300, never_ends=1.0))
    first, machine = working(world)
    passes(world, 6)
    assert SUCCESS == state(world, first)
    second = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    assert 2 == world.cloud.launches
    world.clock.advance(90)
    assert "in_progress" == state(world, second)
    runner = next(each for each in world.forge.real_runners() if each.busy)
    assert machine.name != runner.name


def test_a_busy_machine_is_not_ended_at_any_hour() -> None:
    """gitlab#552226: a machine that worked was ended outside of the hours in which the policy kept machines."""
    world = small(Policy(max_life=24 * 3600), Habits(boot=30, job=20 * 3600))
    job, _ = working(world)
    for _ in range(24):
        world.fleet().once()
        world.clock.advance(3600)
    assert [] == world.killed
    assert SUCCESS == state(world, job)


def test_an_absence_is_marked_before_it_counts() -> None:
    """TAGR #4391: the first time a runner is missing, nothing irreversible may follow."""
    world = small(habits=Habits(boot=30, job=3600))
    _, machine = working(world)
    now = world.clock.now()
    seen = Observed(at=now, repos=frozenset({REPO}), instances=(machine,))
    (action,) = plan(seen, (), world.policy, now).actions
    assert isinstance(action, Mark)
    assert not any(isinstance(each, Launch) for each in plan(seen, (), world.policy, now).actions)
    marked = replace(seen, instances=(replace(machine, gone_since=now),))
    window = timedelta(seconds=world.policy.confirm)
    assert () == plan(marked, (), world.policy, now + window - timedelta(seconds=1)).actions
    (end,) = plan(marked, (), world.policy, now + window).actions
    assert isinstance(end, Terminate)
    assert end.confirm
