"""Machines on request: adopt what is there, replace what fails, never without end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit import labels
from runnerkit.errors import ForgeDenied, ForgeUnavailable, LeaseExpired, NoCapacity, PolicyRefused, RateLimited
from runnerkit.events import InstanceTerminated, LaunchAdopted, RunnerDeregistered, RunnerOnline
from runnerkit.model import Failure
from runnerkit.names import Birth, RunnerName, label_digest
from runnerkit.slots import LOOK_AT_HOLDER_EVERY, LaunchRequest, names
from runnerkit.testing import FakeForge, FakeWorld, Habits
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.errors import ForgeError
    from runnerkit.model import Runner
    from runnerkit.slots import Slot

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
DIGEST = label_digest(REPO, [LABEL])
SETTLE = 60


def request(count: int = 1) -> LaunchRequest:
    return LaunchRequest(REPO, (LABEL,), labels.parse(LABEL).spec, run_id=5, run_attempt=2, count=count)


def launch(world: FakeWorld, count: int = 1) -> tuple[Slot, ...]:
    """Another process asks for the same machines."""
    return world.fleet().launch(request(count))


def name(serial: int) -> RunnerName:
    return RunnerName.for_launch(5, 2, DIGEST, serial)


def serials(slots: Sequence[Slot]) -> list[int]:
    return [slot.name.serial for slot in slots]


def hold(world: FakeWorld, serial: int, *born: str) -> int:
    """Somebody registers one of our names; the runner's id."""
    return world.forge.register(REPO, str(name(serial)), [LABEL, *born]).runner.id


def broken(world: FakeWorld) -> None:
    """The machines that there are neither come up nor end themselves; those to come do."""
    world.habits.never_boots = world.habits.never_ends = 1.0
    world.clock.advance(1)
    world.habits.never_boots = world.habits.never_ends = 0.0


@pytest.mark.parametrize("code", ["aws-denied", "github-denied", "not-found", "no-capacity", "launch-rejected"])
def test_the_breaker_holds_for_people_too_but_not_for_what_they_have_mended(code: str) -> None:
    """Whoever got credentials and launches again is not told to wait; who repeats what AWS rejects is, and why."""
    world = FakeWorld(policy=Policy(breaker_failures=3))
    for _ in range(3):
        world.journal.failed(Failure(world.clock.now(), DIGEST, code))
    if code != "launch-rejected":
        assert len(launch(world)) == 1
        return
    with pytest.raises(PolicyRefused, match="after 3 failures, the last of them launch-rejected"):
        launch(world)
    assert (0, []) == (world.forge.registrations, world.cloud.live())


# --- filling ----------------------------------------------------------------------------------------------------------


def test_every_slot_is_launched_under_its_own_name_and_told_at_once() -> None:
    """Run, attempt and label name the machines, serial by serial, and each is heard of as soon as it is there."""
    world = FakeWorld()
    told: list[Slot] = []
    slots = world.fleet().launch(request(3), told=told.append)
    assert [str(name(serial)) for serial in (1, 2, 3)] == [str(slot.name) for slot in slots]
    assert tuple(told) == slots
    assert {slot.instance_id for slot in slots} == {machine.id for machine in world.cloud.live()}
    assert [slot.name for slot in slots] == names(request(3), REPO)
    assert not any(slot.adopted or slot.online for slot in slots)


def test_what_was_started_stays_when_a_later_one_cannot_be_had() -> None:
    """The first machine is told and lives on although the second is refused, and nothing of the second is left."""
    world = FakeWorld()
    told: list[Slot] = []
    world.lies.at_effect = lambda effect: world.cloud.refuse_all() if effect == "after launch" else None
    with pytest.raises(NoCapacity):
        world.fleet().launch(request(2), told=told.append)
    assert [1] == serials(told)
    assert (1, 1) == (len(world.cloud.live()), len(world.forge.real_runners()))


@pytest.mark.parametrize(("age", "jobs", "online"), [(0, 0, False), (60, 0, True), (60, 1, True)])
def test_the_same_launch_again_adopts(age: int, jobs: int, online: bool) -> None:
    """Booting, ready or busy: the machine that serves the label is found again, and none is started."""
    world = FakeWorld()
    (first,) = launch(world)
    for _ in range(jobs):
        world.forge.queue(REPO, [LABEL])
    world.clock.advance(age)
    before = world.clock.now()
    (again,) = launch(world)
    assert (True, online, 1) == (again.adopted, again.online, world.cloud.launches)
    assert replace(again, adopted=False, online=False) == replace(first, price=None)
    assert [first.instance_id] == [event.instance for event in world.events.of(LaunchAdopted)]
    assert before == world.clock.now()


def test_another_attempt_of_the_run_gets_a_machine_of_its_own() -> None:
    """A re-run asks under other names, so it does not depend on what the first attempt left."""
    world = FakeWorld()
    (first,) = launch(world)
    (second,) = world.fleet().launch(replace(request(), run_attempt=3))
    assert first.instance_id != second.instance_id
    assert not second.adopted


def test_a_young_holder_is_given_time_then_replaced() -> None:
    """A registration without a machine may be a launch under way: it gets the settle window, then it is deleted."""
    world = FakeWorld()
    theirs = hold(world, 1, Birth(world.clock.now()).label)
    (slot,) = launch(world)
    assert SETTLE <= (slot.since - EPOCH).total_seconds() <= SETTLE + 2 * LOOK_AT_HOLDER_EVERY
    assert [2] == serials([slot])
    assert theirs not in {runner.id for runner in world.forge.real_runners()}
    assert ["its machine is over"] == [event.reason for event in world.events.of(RunnerDeregistered)]


def test_a_young_holder_whose_machine_appears_is_adopted() -> None:
    """EC2 lists the other launch's machine some seconds later: that is the machine that was wanted."""
    world = FakeWorld()
    (first,) = launch(world)
    world.cloud._list.hide(first.instance_id, EPOCH + timedelta(seconds=20))
    (again,) = launch(world)
    assert (first.instance_id, True, 1) == (again.instance_id, again.adopted, world.cloud.launches)
    assert timedelta(seconds=20) <= world.clock.now() - EPOCH <= timedelta(seconds=25)


def test_a_dead_machines_name_is_released_and_skipped() -> None:
    """The holder's machine is over: its registration is deleted at once, and the slot's next name is used."""
    world = FakeWorld()
    (first,) = launch(world)
    world.cloud.end(first.instance_id)
    (slot,) = launch(world)
    assert ([2], EPOCH) == (serials([slot]), world.clock.now())
    assert [slot.runner_id] == [runner.id for runner in world.forge.real_runners()]


def test_a_name_that_github_calls_busy_is_skipped() -> None:
    """The holder's machine died at work and GitHub will not delete its runner yet: the next name is used."""
    world = FakeWorld()
    (first,) = launch(world)
    world.forge.queue(REPO, [LABEL])
    world.clock.advance(60)
    world.interrupt(first.instance_id)
    (slot,) = launch(world)
    assert [2] == serials([slot])
    assert {first.runner_id, slot.runner_id} == {runner.id for runner in world.forge.real_runners()}


@pytest.mark.parametrize("past", [301, 601])
def test_a_machine_past_its_lease_is_not_adopted(past: int) -> None:
    """Neither one that missed its online deadline nor one that idled too long can be counted on."""
    world = FakeWorld()
    (first,) = launch(world)
    world.clock._listeners.clear()
    if past > 301:
        world.forge.connect(first.runner_id)
    world.clock.advance(past)
    (slot,) = launch(world)
    assert ([2], False) == (serials([slot]), slot.adopted)


FOREIGN = [(), (Birth(EPOCH, "another-team").label,), (Birth(EPOCH - timedelta(days=1), "another-team").label,)]


@pytest.mark.parametrize("born", FOREIGN)
@pytest.mark.parametrize("online", [False, True])
def test_a_holder_of_somebody_else_is_left_alone(born: tuple[str, ...], online: bool) -> None:
    """A runner of another installation, or of nobody we know, only spends the name; it is never deleted."""
    world = FakeWorld()
    theirs = hold(world, 1, *born)
    if online:
        world.forge.connect(theirs)
    (slot,) = launch(world)
    assert ([2], EPOCH) == (serials([slot]), world.clock.now())
    assert theirs in {runner.id for runner in world.forge.real_runners()}


@settings(max_examples=40, deadline=None)
@given(spent=st.sets(st.integers(1, 9)), count=st.integers(1, 3))
def test_slots_never_take_each_others_names(spent: set[int], count: int) -> None:
    """Whichever names are spent, every slot gets a name that no other slot could ever get."""
    world = FakeWorld(policy=Policy(max_tries=10))
    for serial in spent:
        hold(world, serial)
    slots = launch(world, count)
    assert [slot % count for slot in range(count)] == [(serial - 1) % count for serial in serials(slots)]
    assert not spent & set(serials(slots))
    assert count == len({slot.instance_id for slot in slots}) == world.cloud.launches


def test_names_are_tried_within_bounds() -> None:
    """After max_tries spent names there is an error that says so, and nothing was started."""
    world = FakeWorld(policy=Policy(max_tries=3))
    for serial in range(1, 5):
        hold(world, serial)
    with pytest.raises(LeaseExpired, match="3 earlier machines") as caught:
        launch(world)
    assert "SCOPE" in caught.value.hint
    assert (0, 4) == (world.cloud.launches, len(world.forge.real_runners()))


def test_machines_of_a_group_are_named_after_it() -> None:
    """Where runners are registered at an organisation, the digest in the name is that of their place."""
    world = FakeWorld()
    world.forge._organization = "acme"
    (slot,) = launch(world)
    place = world.forge.place(REPO)
    assert REPO != place == world.forge.place("acme/other")
    assert RunnerName.for_launch(5, 2, label_digest(place, [LABEL]), 1) == slot.name
    assert [slot.name] == names(request(), place)
    assert launch(world)[0].adopted


# --- waiting ----------------------------------------------------------------------------------------------------------


def wait(world: FakeWorld, slots: Sequence[Slot]) -> tuple[tuple[Slot, ...], list[Slot]]:
    """Wait for slots: what came of them, and what was told meanwhile."""
    told: list[Slot] = []
    return world.fleet().wait(slots, told=told.append), told


def test_a_runner_that_comes_online_ends_the_wait() -> None:
    """The same machine, now online, and how long it took."""
    world = FakeWorld(habits=Habits(boot=30))
    slots = launch(world, 2)
    online, told = wait(world, slots)
    assert tuple(replace(slot, online=True) for slot in slots) == online == tuple(told)
    assert [event.seconds for event in world.events.of(RunnerOnline)] == pytest.approx([31, 31], abs=2)
    assert 2 == world.cloud.launches


def test_a_job_that_is_taken_at_once_ends_the_wait_too() -> None:
    """A runner that GitHub calls busy has come online, whatever else it says."""
    world = FakeWorld()
    slots = launch(world)
    world.forge.queue(REPO, [LABEL])
    world.forge.connect(slots[0].runner_id)
    world.forge.assign(slots[0].runner_id)
    world.forge.disconnect(slots[0].runner_id)
    (online,), _ = wait(world, slots)
    assert (True, EPOCH) == (online.online, world.clock.now())


def test_an_adopted_machine_that_is_online_needs_no_wait() -> None:
    """It is looked at once."""
    world = FakeWorld()
    launch(world)
    world.clock.advance(60)
    before = world.clock.now()
    (online,), _ = wait(world, launch(world))
    assert (True, True, before) == (online.adopted, online.online, world.clock.now())


@pytest.mark.parametrize(("count", "serial"), [(1, 2), (2, 3)])
def test_a_missed_deadline_is_retired_and_replaced(count: int, serial: int) -> None:
    """Launched is a lease: the machine that never came is deregistered and ended, and the slot's next name is used."""
    world = FakeWorld(policy=Policy(online_within=120))
    slots = launch(world, count)
    broken(world)
    (online, *_), told = wait(world, slots[:1])
    assert [serial, serial] == serials(told)
    assert (False, True, True) == (told[0].online, told[1].online, online.online)
    assert slots[0].runner_id not in {runner.id for runner in world.forge.real_runners()}
    assert slots[0].instance_id not in {machine.id for machine in world.cloud.live()}
    assert ["it never came online"] == [event.reason for event in world.events.of(InstanceTerminated)]
    assert timedelta(seconds=120) <= online.since - slots[0].since <= timedelta(seconds=125)


def test_a_machine_that_works_at_its_deadline_is_kept() -> None:
    """GitHub will not delete it because a job runs there: that is as good as online, and nothing is ended."""
    world = FakeWorld(policy=Policy(online_within=120))
    slots = launch(world)
    broken(world)
    world.forge.queue(REPO, [LABEL])

    def at_last(effect: str) -> None:
        if effect == "before deregister":
            world.forge.connect(slots[0].runner_id)
            world.forge.assign(slots[0].runner_id)

    world.lies.at_effect = at_last
    (kept,), _ = wait(world, slots)
    assert (slots[0].instance_id, True) == (kept.instance_id, kept.online)
    assert [slots[0].instance_id] == [machine.id for machine in world.cloud.live()]
    assert [] == world.events.of(InstanceTerminated)


def test_a_forgotten_runner_is_replaced_before_its_deadline() -> None:
    """GitHub denies the registration by id again and again: its machine cannot come, so it is not waited for."""
    world = FakeWorld(policy=Policy(online_within=300), habits=Habits(boot=200))
    slots = launch(world)
    world.forge.vanish(slots[0].runner_id)
    world.habits.boot = 30
    (online,), told = wait(world, slots)
    assert [2, 2] == serials(told)
    assert SETTLE <= (online.since - slots[0].since).total_seconds() <= SETTLE + 5
    assert slots[0].instance_id not in {machine.id for machine in world.cloud.live()}


def test_a_runner_that_is_missing_for_a_moment_is_waited_for() -> None:
    """Two looks without it, then it is there: nothing is replaced."""
    world = FakeWorld(habits=Habits(boot=90))
    slots = launch(world)
    known = world.forge._runners

    def flicker() -> None:
        gone = (world.clock.now() - EPOCH).total_seconds() in {61, 62}
        world.forge._runners = {} if gone else known

    world.clock.listen(flicker)
    (online,), _ = wait(world, slots)
    assert (slots[0].instance_id, 1) == (online.instance_id, world.cloud.launches)


class DeafForge(FakeForge):
    """A FakeForge that cannot be asked about a runner for a while."""

    trouble: ForgeError | None = None
    until = EPOCH + timedelta(seconds=50)
    looks = 0

    def runner(self, repo: str, runner_id: int) -> Runner | None:
        """Fail or answer."""
        self.looks += 1
        if self.trouble is not None and self._clock.now() < self.until:
            raise self.trouble
        return super().runner(repo, runner_id)


def deaf_world(trouble: ForgeError) -> tuple[FakeWorld, DeafForge]:
    world = FakeWorld()
    world.forge = forge = DeafForge(world.clock, world.lies)
    forge.trouble = trouble
    return world, forge


@pytest.mark.parametrize(
    "error",
    [ForgeUnavailable("nobody answers"), RateLimited("stop", reset=DeafForge.until)],
    ids=lambda error: type(error).__name__,
)
def test_a_wait_outlasts_a_moment_without_github(error: ForgeError) -> None:
    """The machine boots on while GitHub cannot be asked, so the wait goes on within the same deadline."""
    world, forge = deaf_world(error)
    slots = launch(world)
    (online,), _ = wait(world, slots)
    assert (slots[0].instance_id, True, 1) == (online.instance_id, online.online, world.cloud.launches)
    assert forge.looks <= 50 / LOOK_AT_HOLDER_EVERY + 1


def test_a_wait_ends_when_github_refuses_the_token() -> None:
    """What no patience can mend is told at once."""
    world, _ = deaf_world(ForgeDenied("the token is gone"))
    with pytest.raises(ForgeDenied):
        wait(world, launch(world))
    assert EPOCH == world.clock.now()


@pytest.mark.parametrize("never_ends", [0.0, 1.0])
def test_replacing_is_bounded_and_leaves_nothing(never_ends: float) -> None:
    """No machine ever comes online: after max_tries of them the wait is over, with nothing alive and no runner."""
    world = FakeWorld(policy=Policy(max_tries=3), habits=Habits(never_boots=1.0, never_ends=never_ends))
    told: list[Slot] = []
    with pytest.raises(LeaseExpired, match=str(name(3))) as caught:
        world.fleet().wait(launch(world), told=told.append)
    assert "console" in caught.value.hint
    assert ([2, 3], 3) == (serials(told), world.cloud.launches)
    assert ([], []) == (world.cloud.live(), world.forge.real_runners())
