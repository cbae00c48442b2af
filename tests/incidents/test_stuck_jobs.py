"""Jobs that waited for ever: stolen machines, lost boots, stale answers, phantom capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ForgeUnavailable
from runnerkit.testing import FakeForge, Habits, Lies
from runnerkit.wishes import Policy
from tests.incidents.ground import LABEL, REPO, SUCCESS, passes, small, state, the_machine

if TYPE_CHECKING:
    from runnerkit.model import Job


def test_a_stolen_machine_starts_no_chain_of_thefts() -> None:
    """TAGR #3130: one lost boot, and every later job takes the machine of the one before it, for hours.

    Jobs of the same labels take each other's machines here too; only the numbers are counted, so all of them run.
    """
    world = small()
    jobs = [world.forge.queue(REPO, [LABEL]) for _ in range(4)]
    world.fleet().once()
    world.cloud.end(world.cloud.live()[0].id)
    passes(world, 30)
    assert [SUCCESS] * 4 == [state(world, job) for job in jobs]
    assert 5 == world.cloud.launches


def test_a_job_that_a_late_list_leaves_out_is_served_by_a_later_pass() -> None:
    """TAGR #2459: right after the webhook GitHub does not call the job queued yet, and nobody asks again."""
    world = small(lies=Lies(lag=50, seed=3))
    job = world.forge.queue(REPO, [LABEL])
    passes(world, 20)
    assert SUCCESS == state(world, job)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


class Shy(FakeForge):
    """Does not answer when it is asked about one job, a few times."""

    silent = 2

    def job(self, repo: str, job_id: int) -> Job | None:
        """Fail at first."""
        self.silent -= 1
        if self.silent >= 0:
            raise ForgeUnavailable("no answer")
        return super().job(repo, job_id)


def test_a_last_look_that_fails_does_not_lose_the_job() -> None:
    """TAGR #4262: the check whether a job is still queued fails, the message is used up, the job waits for ever."""
    world = small()
    world.forge = Shy(world.clock)
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    assert [] == world.cloud.live()
    passes(world, 20)
    assert SUCCESS == state(world, job)


def test_a_fifth_of_all_boots_may_fail() -> None:
    """TAGR #3493: jobs stay queued, because boots that fail are noticed by nobody."""
    world = small(habits=Habits(boot=30, job=300, never_boots=0.2), lies=Lies(seed=5))
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(20)]
    passes(world, 90)
    assert {SUCCESS} == {state(world, job) for job in jobs}
    assert 20 < world.cloud.launches < 40


def test_launched_is_not_done() -> None:
    """TAGR #3535: EC2 said yes, the message was deleted, user data failed, and the job never got a runner."""
    world = small(habits=Habits(never_boots=1.0, never_ends=1.0))
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.clock.advance(10)
    world.habits.never_boots = world.habits.never_ends = 0.0
    online_by = the_machine(world).online_by
    assert online_by is not None
    world.clock.advance((online_by - world.clock.now()).total_seconds() - 1)
    world.fleet().once()
    assert 1 == world.cloud.launches
    # It does not end itself either; the first pass past the deadline does not wait for its end.
    world.clock.advance(2)
    world.fleet().once()
    assert 2 == world.cloud.launches
    passes(world, 20)
    assert SUCCESS == state(world, job)
    assert 2 == world.cloud.launches


def test_no_run_takes_the_machine_of_another() -> None:
    """CDK #645, #72, PR #974: a job of one workflow is run by the runner that was made for another one."""
    world = small()
    mine = world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    world.fleet().once()
    other = world.forge.queue(REPO, ["runnerkit=2/gpu=t4"])
    world.clock.advance(60)
    assert ("in_progress", "queued") == (state(world, mine), state(world, other))


def test_a_waiting_job_says_why() -> None:
    """RunsOn #168: a job hangs, and nobody can tell what it waits for."""
    world = small(Policy(max_machines=1))
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    behind = world.forge.queue(REPO, ["runnerkit=2/gpu=t4"])
    world.fleet().once()
    world.clock.advance(60)
    (waiting,) = world.fleet().once().plan.waiting
    assert behind.id == waiting.job.id
    assert "policy allows 1" in waiting.why


def test_no_statistic_is_remembered() -> None:
    """ARC #3420, #3649, #3953: counts that were added up from messages go wrong, and a job waits for an hour.

    A whole set of messages is lost here (there are none at all), and two controllers take turns.
    """
    world = small()
    first, second = world.fleet(), world.fleet()
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(6)]
    for number in range(20):
        (first, second)[number % 2].once()
        world.clock.advance(60)
    assert {SUCCESS} == {state(world, job) for job in jobs}
    assert 6 == world.cloud.launches


def test_a_runner_that_never_comes_online_frees_its_place() -> None:
    """ARC #4602: one runner that never registered held the only place for an hour."""
    world = small(Policy(max_machines=1, online_within=300), Habits(never_boots=1.0, never_ends=1.0))
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    dead = the_machine(world).id
    world.clock.advance(10)
    world.habits.never_boots = world.habits.never_ends = 0.0
    passes(world, 8)
    assert dead not in {machine.id for machine in world.cloud.live()}
    passes(world, 15)
    assert SUCCESS == state(world, job)


def test_a_restarted_controller_finds_what_waits() -> None:
    """ARC #3204, #4027: after its restart the listener does not know of jobs that were queued before."""
    world = small()
    world.fleet().once()
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(3)]
    world.fleet().once()
    assert 3 == len(world.cloud.live())
    passes(world, 15)
    assert {SUCCESS} == {state(world, job) for job in jobs}


def test_failed_registrations_block_no_new_machine() -> None:
    """ARC #3685, #4136, #3014: runners in a failed state count as there, so no new ones are made."""
    world = small(Policy(max_machines=1))
    job = world.forge.queue(REPO, [LABEL])
    # A controller died right after it had registered: a runner without a machine.
    world.forge.register(REPO, f"rk-{job.id}-1", [LABEL, f"runnerkit-born-{int(world.clock.now().timestamp())}"])
    passes(world, 20)
    assert SUCCESS == state(world, job)
    assert [] == world.forge.real_runners()


def test_the_machine_of_a_lost_job_is_no_capacity_for_the_next() -> None:
    """pytorch/ci-infra #952: runners that hang were offered as capacity, and made the queue longer."""
    world = small()
    hung = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    machine = the_machine(world).id
    while state(world, hung) == "queued" and not world.forge.real_runners()[0].online:
        world.clock.advance(5)
    world.hang(machine)
    passes(world, 40)
    assert SUCCESS == state(world, hung)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_one_job_that_cannot_be_understood_stops_no_other() -> None:
    """TAGR #5215, #5219: one bad entry of a batch makes the whole batch fail, again and again."""
    world = small()
    bad = world.forge.queue(REPO, ["runnerkit=1/gpu=banana"])
    good = world.forge.queue(REPO, ["runnerkit=2/gpu=t4"])
    done = world.fleet().once()
    assert [bad.id] == [refused.job.id for refused in done.refused]
    passes(world, 15)
    assert ("queued", SUCCESS) == (state(world, bad), state(world, good))


def test_a_message_that_is_lost_after_it_was_taken_costs_nothing() -> None:
    """actions/scaleset PR #113: a message was acknowledged before it was handled, so a crash lost the job."""
    world = small()
    fleet = world.fleet()
    job = world.forge.queue(REPO, [LABEL])
    # The hint is taken, and the process dies before it has acted on it.
    fleet.hint(REPO)
    passes(world, 15)
    assert SUCCESS == state(world, job)


def test_a_type_that_is_unknown_stops_nobody_else() -> None:
    """Hetz #76, #9, #36: the whole service crashes when one type cannot be had."""
    world = small()
    world.forge.queue(REPO, ["runnerkit=1/type=p9.gigantic"])
    other = world.forge.queue(REPO, ["runnerkit=2/gpu=t4"])
    passes(world, 15)
    assert SUCCESS == state(world, other)
