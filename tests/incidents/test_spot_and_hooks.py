"""Spot machines that were taken back, and webhooks that did not come, or came twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.job.notice import Notice
from runnerkit.model import Market
from runnerkit.ports import Delivery
from runnerkit.recovery import ANNOTATION
from runnerkit.testing import Habits
from runnerkit.wishes import Policy
from tests.incidents.ground import FAILURE, LABEL, REPO, SUCCESS, passes, small, state, working


def test_an_interrupted_job_runs_again() -> None:
    """RunsOn #160, #36; TAGR #931, #44; ARC #1200, #2722: AWS takes the machine, and the job has simply failed."""
    world = small(habits=Habits(boot=30, job=1800))
    _, machine = working(world)
    world.interrupt(machine.id)
    passes(world, 60)
    assert [FAILURE, SUCCESS] == [job.conclusion for job in world.forge.real_jobs()]
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_all_interrupted_jobs_of_a_run_run_again() -> None:
    """RunsOn #192: of several jobs that were interrupted, one was repeated."""
    world = small(habits=Habits(boot=30, job=1800))
    for _ in range(3):
        world.forge.queue(REPO, [LABEL], run_id=7)
    world.fleet().once()
    world.clock.advance(90)
    for machine in world.cloud.live()[:2]:
        world.interrupt(machine.id)
    passes(world, 120)
    latest = world.forge.jobs(REPO, 7)
    assert ([SUCCESS] * 3, [1, 2, 2]) == ([job.conclusion for job in latest], sorted(job.run_attempt for job in latest))


def test_a_run_is_not_repeated_before_it_is_over() -> None:
    """RunsOn #259: GitHub refuses to repeat a run of which something still goes on."""
    world = small(habits=Habits(boot=30, job=3000))
    for _ in range(2):
        world.forge.queue(REPO, [LABEL], run_id=7)
    world.fleet().once()
    world.clock.advance(90)
    world.interrupt(world.cloud.live()[0].id)
    passes(world, 30)
    assert [] == world.forge.reruns
    passes(world, 120)
    assert [7] == world.forge.reruns


def test_a_run_is_repeated_a_few_times_at_most() -> None:
    """RunsOn #337, #411: the counting of attempts is wrong, and a run is repeated too often, or never."""
    world = small(Policy(max_reruns=2, spot_breaker_interruptions=100_000), Habits(boot=30, job=1800))
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4/spot=only"])
    for _ in range(200):
        world.fleet().once()
        for machine in world.cloud.live():
            if any(runner.busy and runner.name == machine.name for runner in world.forge.real_runners()):
                world.interrupt(machine.id)
        world.clock.advance(60)
    assert [1, 2, 3] == [job.run_attempt for job in world.forge.real_jobs()]


def test_two_controllers_repeat_a_run_once() -> None:
    """RunsOn #548: the feature was tested against another build than the one that ran; here two real passes meet."""
    world = small(habits=Habits(boot=30, job=1800))
    _, machine = working(world)
    world.interrupt(machine.id)
    for _ in range(60):
        world.fleet().once()
        world.fleet().once()
        world.clock.advance(60)
    assert 1 == len(world.forge.reruns)
    assert 2 == len(world.forge.real_jobs())


def test_after_two_interruptions_the_next_machine_is_bought_on_demand() -> None:
    """RunsOn #160: a quarter of all runs on large types was interrupted, and so was the next try."""
    world = small(habits=Habits(boot=30, job=1800))
    _, machine = working(world)
    for _ in range(2):
        world.interrupt(machine.id)
        world.clock.advance(660)
        world.fleet().run(interval=20, passes=8)
        (machine,) = world.cloud.live()
    assert Market.ON_DEMAND is machine.market


def test_an_interruption_is_told_from_a_failure() -> None:
    """RunsOn #506: a job that merely failed was repeated, or an interrupted one was not."""
    world = small(habits=Habits(boot=30, job=1800))
    failed, machine = working(world, ("runnerkit=1/gpu=t4",))
    world.forge.finish(failed.id, FAILURE)
    world.cloud.end(machine.id)
    passes(world, 20)
    assert [] == world.forge.reruns
    said, machine = working(world, ("runnerkit=2/gpu=t4",))
    world.forge.annotate(said.id, ANNOTATION)
    world.interrupt(machine.id)
    passes(world, 60)
    assert [said.run_id] == world.forge.reruns


def test_a_run_of_a_merge_queue_is_not_repeated() -> None:
    """RunsOn #338: the queue has thrown the change out already, so a repetition costs money and changes nothing."""
    world = small(Policy(merge_queue_spot=True), Habits(boot=30, job=1800))
    world.forge.queue(REPO, [LABEL], event="merge_group")
    world.fleet().once()
    world.clock.advance(90)
    for machine in world.cloud.live():
        world.interrupt(machine.id)
    passes(world, 60)
    assert [] == world.forge.reruns


def test_a_merge_queue_gets_machines_that_stay() -> None:
    """RunsOn #338: an interruption throws a change out of the merge queue, whatever is repeated afterwards."""
    world = small()
    world.forge.queue(REPO, [LABEL], event="merge_group")
    world.fleet().once()
    assert [Market.ON_DEMAND] == [machine.market for machine in world.cloud.live()]


def test_a_job_may_use_the_notice() -> None:
    """RunsOn #277: jobs are cut off at once, although AWS gives them two minutes."""
    notice = Notice(at=1_000.0, seen=880.0)
    assert 60 == notice.stop_at(push=0.0) - notice.seen


def test_a_lost_webhook_costs_only_time() -> None:
    """CDK #738; ubicloud PR #1042; pytorch/test-infra #5798, #5840: a delivery is lost, and the job waits for ever."""
    world = small()
    fleet = world.fleet()
    job = world.forge.queue(REPO, [LABEL])
    # Nobody hints at anything.
    fleet.run(interval=60, passes=15)
    assert SUCCESS == state(world, job)


def test_a_lost_delivery_is_asked_for_again() -> None:
    """CDK #738: GitHub does not send a failed delivery again by itself."""
    redelivery = pytest.importorskip("runnerkit.web.redelivery", reason="the service is an extra")
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    lost = Delivery(1, 1, "a", "workflow_job", "queued", now - timedelta(minutes=5), 502)
    fine = Delivery(2, 1, "b", "workflow_job", "queued", now - timedelta(minutes=5), 202)
    assert ["a"] == [each.guid for each in redelivery.which([lost, fine], now)]


def test_a_webhook_that_comes_twice_starts_one_machine() -> None:
    """CDK PR #382: a job behind an environment is told as queued, waiting and queued again, and gets two machines."""
    world = small()
    fleet = world.fleet()
    world.forge.queue(REPO, [LABEL])
    for _ in range(3):
        fleet.hint(REPO)
        fleet.run(interval=1, passes=1)
    assert 1 == world.cloud.launches
