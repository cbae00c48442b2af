"""What was left behind: runners without machines, machines without runners, and passes that one bad row stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import CloudUnavailable, ForgeUnavailable
from runnerkit.events import ActionFailed, TerminationSpared
from runnerkit.model import State
from runnerkit.testing import FakeCloud, Habits
from runnerkit.wishes import Policy
from tests.incidents.ground import LABEL, REPO, SUCCESS, passes, small, state, the_machine, working

if TYPE_CHECKING:
    from collections.abc import Iterable


def test_a_machine_that_aws_took_leaves_no_runner() -> None:
    """TAGR #5007, #4376, #804: offline runners pile up at GitHub when spot machines are taken back."""
    world = small()
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4/retry=never"])
    world.fleet().once()
    world.interrupt(the_machine(world).id)
    passes(world, 3)
    assert not any(runner.name.endswith("-1") for runner in world.forge.real_runners())
    passes(world, 30)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_a_runner_that_github_denies_by_id_is_an_answer() -> None:
    """TAGR #4724: GitHub says "not found", the scale-down takes that for an error, and the machine runs for ever."""
    world = small(habits=Habits(boot=30, job=600, never_ends=1.0))
    world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.clock.advance(60)
    machine = the_machine(world).id
    world.clock.advance(700)
    assert State.RUNNING is the_machine(world).state
    passes(world, 6)
    assert machine not in {live.id for live in world.cloud.live()}
    assert [] == world.killed


def test_a_runner_whose_registration_vanished_is_replaced() -> None:
    """actions/runner #4617: a runner loses its assignment and stays as a ghost that takes no job."""
    world = small()
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.forge.vanish(world.forge.real_runners()[0].id)
    passes(world, 30)
    assert SUCCESS == state(world, job)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_a_machine_that_was_stopped_does_not_stay() -> None:
    """actions/runner #1406, #1364: a runner that is stopped does not unregister, and nothing cleans up after it."""
    world = small()
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    world.fleet().once()
    stopped = the_machine(world).id
    world.cloud.stop(stopped)
    world.fleet().once()
    assert stopped not in {live.id for live in world.cloud.live()}
    passes(world, 30)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_a_machine_that_falls_silent_is_ended_from_outside() -> None:
    """ARC #4155, #4197: after a kill for lack of memory, or a drain, a runner counts as running for ever."""
    world = small(Policy(lost_within=600), Habits(boot=30, job=600, never_ends=1.0))
    world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    while not world.forge.real_runners()[0].online:
        world.clock.advance(1)
    silent = the_machine(world).id
    world.hang(silent)
    passes(world, 16)
    assert silent not in {live.id for live in world.cloud.live()}


class Stubborn(FakeCloud):
    """Fails for one machine whatever is asked of it."""

    bad = ""

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """End the others."""
        ids = list(instance_ids)
        if self.bad in ids:
            raise CloudUnavailable("this one cannot be ended")
        super().terminate(region, ids)


def test_one_machine_that_cannot_be_ended_stops_no_other() -> None:
    """GARM #117, PR #814: one row that cannot be deleted, or is slow, keeps the reaper from all the others."""
    world = small(Policy(max_life=1800), Habits(boot=30, job=300, never_ends=1.0))
    world.cloud = cloud = Stubborn(world.clock)
    for number in range(3):
        world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"])
    world.fleet().once()
    cloud.bad = cloud.live()[0].id
    passes(world, 40)
    assert [cloud.bad] == [live.id for live in cloud.live()]
    assert world.events.of(ActionFailed)
    cloud.bad = ""
    passes(world, 2)
    assert [] == cloud.live()


def test_an_outage_of_github_strands_nobody() -> None:
    """GARM PR #841: after an outage every runner is offline at once, and the reaper ends them all."""
    world = small(habits=Habits(boot=30, job=3600))
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(5)]
    world.fleet().once()
    world.clock.advance(90)
    for runner in world.forge.real_runners():
        world.forge.disconnect(runner.id)
    passes(world, 5)
    # GitHub would refuse for those that work; within minutes nobody even asks.
    assert [] == world.events.of(TerminationSpared)
    for runner in world.forge.real_runners():
        world.forge.connect(runner.id)
    passes(world, 70)
    assert [] == world.killed
    assert {SUCCESS} == {state(world, job) for job in jobs}


def test_what_cannot_be_read_is_not_absent() -> None:
    """GARM PR #841: GitHub answers nothing for a while; what it does not say is no reason to end anything."""
    world = small(habits=Habits(boot=30, job=3600))
    job, machine = working(world)
    answering = world.forge.runners

    def silent(repo: str) -> list[object]:
        raise ForgeUnavailable(f"no answer about {repo}")

    world.forge.runners = silent  # type: ignore[method-assign,assignment]  # GitHub is down
    fleet = world.fleet()
    fleet.run(interval=60, passes=20)
    world.forge.runners = answering  # type: ignore[method-assign]  # and up again
    passes(world, 5)
    assert (machine.id, "in_progress") == (the_machine(world).id, state(world, job))


def test_a_cancelled_job_leaves_no_machine() -> None:
    """CDK #537: the job was cancelled, and its runner stayed."""
    world = small(Policy(idle=300))
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.forge.cancel(REPO, job.run_id)
    passes(world, 12)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()
    assert 1 == world.cloud.launches


def test_the_deadline_of_a_boot_begins_with_the_launch_that_worked() -> None:
    """CDK #225: the reaper counted from the first of several tries, and ended the machine of the last one."""
    world = small()
    world.cloud.refuse_all()
    job = world.forge.queue(REPO, [LABEL])
    passes(world, 10)
    world.cloud.accept_all()
    for _ in range(30):
        world.fleet().once()
        if world.cloud.live():
            break
        world.clock.advance(60)
    machine = the_machine(world)
    assert machine.online_by is not None
    assert world.policy.online_within <= (machine.online_by - machine.launched_at).total_seconds()
    passes(world, 15)
    assert SUCCESS == state(world, job)
