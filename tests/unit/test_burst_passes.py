"""Bursts in whole passes: equal jobs get their machines by one call, and a crash in between costs nobody a machine."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from runnerkit import labels
from runnerkit.actions import Launch, Terminate
from runnerkit.breakers import Pause
from runnerkit.events import SpotPaused
from runnerkit.names import RunnerName
from runnerkit.pacing import PACED
from runnerkit.passes import Pass
from runnerkit.phases import Phase, is_capacity, join, phase
from runnerkit.plan import plan
from runnerkit.testing import Crash, FakeWorld, Habits
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy

REPO, LABEL = "acme/widgets", "runnerkit=1/gpu=t4"


def crowded(jobs: int, **habits: float) -> FakeWorld:
    """A world whose controllers launch by the burst, with so many equal jobs."""
    world = FakeWorld(habits=Habits(boot=20, job=120, **habits), bursts=True, policy=Policy(max_machines=50))
    for _ in range(jobs):
        world.forge.queue(REPO, [LABEL])
    return world


def settled(world: FakeWorld) -> None:
    """Let controllers work until all is over."""
    world.fleet().run(interval=30, passes=60)
    assert world.left() == {"instances": 0, "runners": 0, "jobs": 0}


def test_equal_jobs_get_their_machines_by_one_call() -> None:
    """Every job is served, by a machine of its own, and nothing is left."""
    world = crowded(9)
    world.fleet().once()
    assert (world.cloud.fleets, len(world.cloud.live())) == ([9], 9)
    assert {instance.unnamed for instance in world.cloud.live()} == {False}
    settled(world)
    assert {job.conclusion for job in world.forge.real_jobs()} == {"success"}
    assert world.cloud.launches == 9


@pytest.mark.parametrize("effect", range(1, 24))
def test_a_controller_that_dies_during_a_burst_costs_nobody_a_machine(effect: int) -> None:
    """Wherever it dies: every job is done in the end, nothing is left, and few machines were in vain."""
    world, left = crowded(3), effect

    def die(_what: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Crash

    world.lies.at_effect = die
    with suppress(Crash):
        world.fleet().once()
    world.lies.at_effect = lambda _what: None
    settled(world)
    assert {job.conclusion for job in world.forge.real_jobs()} == {"success"}
    assert world.cloud.launches <= 6


def handed_over_late() -> FakeWorld:
    """A burst whose controller died after the launch: three machines without a name, three registrations."""
    world, launched = crowded(3), False

    def die(what: str) -> None:
        nonlocal launched
        launched = launched or what == "after launch"
        if launched:
            raise Crash

    world.lies.at_effect = die
    with pytest.raises(Crash):
        world.fleet().once()
    world.lies.at_effect = lambda _what: None
    assert [(each.unnamed, each.live) for each in world.cloud.live()] == [(True, True)] * 3
    return world


def test_machines_without_a_name_yet_count_as_the_capacity_they_will_be() -> None:
    """Each with one registration: neither too few machines are launched nor too many, nor is one counted twice."""
    world = handed_over_late()
    observed = world.fleet().preview().observed
    pairs = list(join(observed))
    assert [(pair.instance is not None, pair.runner is not None) for pair in pairs] == [(True, True)] * 3
    assert {phase(pair, world.policy, observed.at) for pair in pairs} == {Phase.BOOTING}
    assert all(is_capacity(pair, world.policy, observed.at) for pair in pairs)
    assert world.fleet().preview().plan.actions == ()


def test_past_the_time_for_a_hand_over_they_are_ended_and_replaced() -> None:
    """Nobody comes back for them."""
    world = handed_over_late()
    late = max(each.hand_over_by for each in world.cloud.live() if each.hand_over_by)
    observed = replace(world.fleet().preview().observed, at=late)
    actions = plan(observed, (), world.policy, late).actions
    assert sum(isinstance(action, Terminate) and action.unnamed for action in actions) == 3
    old = {each.id for each in world.cloud.live()}
    world.clock.advance((late - world.clock.now()).total_seconds() + 1)
    world.fleet().run(interval=30, passes=3)
    assert not old & {each.id for each in world.cloud.live()}
    settled(world)
    assert {job.conclusion for job in world.forge.real_jobs()} == {"success"}


def test_a_machine_that_got_its_name_since_is_spared() -> None:
    """EC2's list is behind; before the end it is asked once more."""
    world = handed_over_late()
    fleet = world.fleet()
    machine = world.cloud.live()[0]
    world.cloud.tag(machine.region, machine.id, {"runnerkit:runner": "rk-1-1"})
    end = Terminate("", REPO, machine.id, machine.region, "late", unnamed=True)
    (outcome,) = fleet._applier.apply([end])
    assert (outcome.note, len(world.cloud.live())) == ("it has its name after all", 3)


def test_its_lifetime_ends_a_machine_without_a_name_too() -> None:
    """The emergency road asks nobody."""
    world = handed_over_late()
    observed = world.fleet().preview().observed
    gone = max(each.expires_at for each in observed.instances if each.expires_at) + timedelta(seconds=1)
    actions = plan(replace(observed, at=gone), (), world.policy, gone).actions
    assert sum(isinstance(action, Terminate) and not action.unnamed for action in actions) == 3


# No bound of policy is in the way of a crowd.
WIDE = Policy(max_machines=2_000)


def throng(world: FakeWorld, jobs: int) -> None:
    """So many jobs of ten label sets, queued in turns."""
    for number in range(jobs):
        world.forge.queue(REPO, [f"runnerkit={number % 10}/gpu=t4"])


def test_a_thousand_jobs_do_not_hold_up_a_pass() -> None:
    """Each pass starts what GitHub's pace allows, says of the rest why it waits and until when, and goes on with it."""
    world = FakeWorld(habits=Habits(boot=20, job=3_600), bursts=True, policy=WIDE)
    throng(world, 1_000)
    fleet, start = world.fleet(), world.clock.now()
    passes: list[Pass] = []
    fleet.run(interval=3_600, passes=6, after=lambda done: passes.append(done) if isinstance(done, Pass) else None)
    assert [len(each.outcomes) for each in passes] == [180, 180, 180, 180, 180, 100]
    assert {wait.why for wait in passes[0].plan.waiting} == {PACED}
    assert len(passes[0].plan.waiting) == 820
    assert {(wait.until - start).total_seconds() for wait in passes[0].plan.waiting if wait.until} == {60}
    assert (passes[-1].put_off, passes[-1].plan.waiting) == (0, ())
    assert (world.clock.now() - start).total_seconds() == 300
    assert len(world.cloud.live()) == 1_000
    assert len(world.cloud.fleets) <= 30


def test_the_wait_for_the_pace_is_noted_once() -> None:
    """However many webhooks make passes meanwhile."""
    world = FakeWorld(bursts=True, policy=WIDE)
    throng(world, 300)
    fleet = world.fleet()
    for _ in range(3):
        fleet.once()
    said = [note for note in world.journal.notes(EPOCH, {"job-waiting"}) if note.facts["why"] == PACED]
    assert len(said) == 120
    assert world.journal.notes(EPOCH, {"launch-skipped"}) == []


def test_what_is_put_off_is_not_said_to_be_bought_on_demand() -> None:
    """That is told of each machine once, when it is started."""
    world = FakeWorld(bursts=True, policy=WIDE)
    jobs = [world.forge.queue(REPO, [LABEL]) for _ in range(200)]
    spec, pause = labels.parse(LABEL).spec, Pause(EPOCH, 2)
    launches = [Launch(RunnerName.for_job(j.id), REPO, j.labels, spec, 1, j.id, pause) for j in jobs]
    outcomes = world.fleet()._applier.apply(launches)
    assert sum(outcome.note == PACED for outcome in outcomes) == 20
    assert len(world.events.of(SpotPaused)) == 180


def test_launches_with_user_data_keep_the_same_pace() -> None:
    """They are registrations, too."""
    world = FakeWorld(habits=Habits(boot=20, job=3_600), policy=WIDE)
    for _ in range(200):
        world.forge.queue(REPO, [LABEL])
    done = world.fleet().once()
    assert (world.forge.registrations, len(done.outcomes), len(done.plan.waiting)) == (180, 180, 20)


def test_ends_do_not_wait_for_the_pace() -> None:
    """While a crowd waits for its registrations, no pass takes long, and a machine that is due ends with the next."""
    world = FakeWorld(
        habits=Habits(boot=20, job=7_200), bursts=True, policy=WIDE.model_copy(update={"max_life": 3_600})
    )
    throng(world, 400)
    fleet, start = world.fleet(), world.clock.now()
    fleet.once()
    assert world.clock.now() == start
    due = {each.id for each in world.cloud.live()}
    world.clock.advance(3_600)
    began = world.clock.now()
    fleet.once()
    assert world.clock.now() == began
    assert not due & {each.id for each in world.cloud.live()}


def test_a_machine_on_request_gets_a_parameter_as_well() -> None:
    """`launch` keeps the secret out of user data as the controller does, and finds its machine when asked again."""
    world = FakeWorld(habits=Habits(boot=20, job=60), bursts=True)
    fleet = world.fleet()
    request = fleet.request(LABEL, REPO, count=2, run_id=7)
    slots = fleet.wait(fleet.launch(request))
    assert set(world.cloud.handed) == {slot.instance_id for slot in slots} == {i.id for i in world.cloud.live()}
    assert [slot.instance_id for slot in world.fleet().launch(request)] == [slot.instance_id for slot in slots]
    assert all(b"jit-" not in data for data in world.cloud.user_data.values())
