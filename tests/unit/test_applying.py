"""Carrying decisions out: a last look before whatever rests on an absence, and no action that stops another."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot, labels, tags
from runnerkit.actions import Action, Deregister, Launch, Mark, Retire, Terminate
from runnerkit.applying import Applier, Outcome
from runnerkit.errors import CloudUnavailable, ForgeUnavailable, NoCapacity
from runnerkit.events import (
    ActionFailed,
    InstanceLaunched,
    InstanceTerminated,
    LaunchSkipped,
    RunnerDeregistered,
    TerminationSpared,
)
from runnerkit.launching import Launcher
from runnerkit.names import RunnerName
from runnerkit.plan import GONE_SINCE, LOST_SINCE
from runnerkit.testing import FakeCloud, FakeWorld, shop
from runnerkit.testing.clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.model import Instance, Runner

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
REGION = "eu-west-1"


def apply(world: FakeWorld, *actions: Action, workers: int = 1) -> tuple[Outcome, ...]:
    launcher = Launcher(world.outside, world.policy, "runnerkit", boot.user_data)
    return Applier(world.outside, launcher, workers).apply(actions)


def a_launch(job_id: int | None = None, serial: int = 1) -> Launch:
    spec = labels.parse(LABEL).spec
    return Launch(RunnerName.for_job(job_id or 7, serial), REPO, (LABEL,), spec, job_id=job_id)


def machine(world: FakeWorld, serial: int = 1) -> tuple[Instance, Runner]:
    """One machine that has just been launched, and its runner."""
    assert apply(world, a_launch(serial=serial))[0].error is None
    world.events.seen.clear()
    return world.cloud.live()[-1], world.forge.real_runners()[-1]


def retire(there: Instance, runner: Runner, *, failed: bool = False) -> Retire:
    return Retire(there.name, REPO, runner.id, there.id, REGION, "because", digest="d", failed=failed)


def terminate(there: Instance, runner_id: int | None, *, confirm: bool = True) -> Terminate:
    return Terminate(there.name, REPO, there.id, REGION, "because", confirm=confirm, runner_id=runner_id)


def deregister(runner: Runner, *, confirm: bool = True, failed: bool = False) -> Deregister:
    return Deregister(runner.name, REPO, runner.id, "because", confirm=confirm, digest="d", failed=failed)


def spared(world: FakeWorld) -> list[str]:
    return [event.why for event in world.events.of(TerminationSpared)]


def left(world: FakeWorld) -> tuple[int, int]:
    return len(world.cloud.live()), len(world.forge.real_runners())


# --- launching --------------------------------------------------------------------------------------------------------


def test_a_job_that_still_waits_gets_its_machine() -> None:
    """The job is read once more by id, and is queued."""
    world = FakeWorld()
    job = world.forge.queue(REPO, [LABEL])
    (outcome,) = apply(world, a_launch(job.id))
    assert outcome.error is None
    assert [f"rk-{job.id}-1"] == [event.runner for event in world.events.of(InstanceLaunched)]


@pytest.mark.parametrize("status", ["in_progress", "completed", "waiting", None])
def test_a_job_that_waits_no_longer_gets_nothing(status: str | None) -> None:
    """Taken, over, held back or gone since the list was read: nothing is started, and that is no failure."""
    world = FakeWorld()
    job = world.forge.queue(REPO, [LABEL])
    if status is None:
        world.forge._jobs.clear()
    else:
        world.forge._change_job(replace(job, status=status))
    (outcome,) = apply(world, a_launch(job.id))
    assert (None, 0, 0) == (outcome.error, world.forge.registrations, world.cloud.launches)
    assert ["the job is not queued any more"] == [event.why for event in world.events.of(LaunchSkipped)]


def test_a_name_that_another_controller_holds_is_no_failure() -> None:
    """Two controllers saw the same job: the second one leaves it to the first."""
    world = FakeWorld()
    machine(world)
    (outcome,) = apply(world, a_launch())
    assert (None, (1, 1)) == (outcome.error, left(world))
    assert ["another controller is launching it"] == [event.why for event in world.events.of(LaunchSkipped)]


def test_what_ends_comes_before_what_starts() -> None:
    """Room is made before it is used, in whatever order the actions are given."""
    world = FakeWorld()
    there, runner = machine(world)
    apply(world, a_launch(serial=2), retire(there, runner))
    kinds = [type(event) for event in world.events.seen]
    assert kinds.index(InstanceTerminated) < kinds.index(InstanceLaunched)


# --- marks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [GONE_SINCE, LOST_SINCE])
def test_a_mark_is_read_back_and_taken_away(key: str) -> None:
    """A suspicion travels in the machine's tags, so that any controller can act on it later."""
    world = FakeWorld()
    there, _ = machine(world)
    field = key.replace("-", "_")
    apply(world, Mark(there.name, there.id, REGION, key, EPOCH + timedelta(seconds=7)))
    assert EPOCH + timedelta(seconds=7) == getattr(world.cloud.live()[0], field)
    apply(world, Mark(there.name, there.id, REGION, key, None))
    assert getattr(world.cloud.live()[0], field) is None


# --- retiring ---------------------------------------------------------------------------------------------------------


def test_retiring_deregisters_then_terminates() -> None:
    """GitHub's yes comes first, then the end of the machine."""
    world = FakeWorld()
    apply(world, retire(*machine(world)))
    assert (0, 0) == left(world)
    assert [RunnerDeregistered, InstanceTerminated] == [type(event) for event in world.events.seen]
    assert [] == world.journal.failures(EPOCH)


def test_retiring_a_busy_runner_spares_its_machine() -> None:
    """GitHub's refusal to delete it is the lock: nothing is ended and nothing counted."""
    world = FakeWorld()
    there, runner = machine(world)
    world.forge.queue(REPO, [LABEL])
    world.forge.connect(runner.id)
    world.forge.assign(runner.id)
    (outcome,) = apply(world, retire(there, runner, failed=True))
    assert (None, (1, 1), ["GitHub says it is busy"]) == (outcome.error, left(world), spared(world))
    assert [] == world.journal.failures(EPOCH)


def test_retiring_an_unknown_runner_spares_its_machine() -> None:
    """A 404 is an absence, which has a slower rule of its own."""
    world = FakeWorld()
    there, runner = machine(world)
    world.forge.vanish(runner.id)
    (outcome,) = apply(world, retire(there, runner, failed=True))
    assert (None, (1, 0), ["GitHub knows no such runner"]) == (outcome.error, left(world), spared(world))
    assert [] == world.journal.failures(EPOCH)


def test_a_retired_machine_that_will_not_end_is_left_to_the_next_pass() -> None:
    """The registration is gone, the machine is not: an error now, and absence ends it later."""
    world = FakeWorld()
    there, runner = machine(world)

    def fails(effect: str) -> None:
        if effect == "before terminate":
            raise CloudUnavailable("nobody answers")

    world.lies.at_effect = fails
    (outcome,) = apply(world, retire(there, runner))
    assert (CloudUnavailable, (1, 0)) == (type(outcome.error), left(world))


@pytest.mark.parametrize("failed", [False, True])
def test_a_machine_that_never_came_online_counts_for_the_breaker(failed: bool) -> None:
    """Retired or deregistered: what the plan calls a failure is journalled with label set and name."""
    world = FakeWorld()
    one, other = machine(world), machine(world, 2)
    apply(world, retire(*one, failed=failed), deregister(other[1], confirm=False, failed=failed))
    noted = [(failure.digest, failure.code, failure.runner) for failure in world.journal.failures(EPOCH)]
    assert ([("d", "never-online", "rk-7-1"), ("d", "never-online", "rk-7-2")] if failed else []) == noted


# --- terminating ------------------------------------------------------------------------------------------------------


def test_a_runner_that_github_knows_by_id_saves_its_machine() -> None:
    """The list was wrong: nothing is ended, and the suspicion is wiped from the machine."""
    world = FakeWorld()
    there, runner = machine(world)
    apply(world, Mark(there.name, there.id, REGION, GONE_SINCE, EPOCH))
    apply(world, terminate(there, runner.id))
    assert ((1, 1), ["GitHub knows its runner"]) == (left(world), spared(world))
    assert tags.GONE_SINCE not in world.cloud._tags[there.id]
    assert world.cloud.live()[0].gone_since is None


def test_a_namesake_does_not_save_a_machine() -> None:
    """The runner of that id is gone; that its name was registered anew says nothing about the old machine."""
    world = FakeWorld()
    there, runner = machine(world)
    world.forge.vanish(runner.id)
    world.forge.register(REPO, there.name, [LABEL])
    apply(world, terminate(there, runner.id))
    assert (0, 1) == left(world)


@pytest.mark.parametrize(("registered", "live"), [(True, 1), (False, 0)])
def test_without_an_id_the_name_is_asked_for(registered: bool, live: int) -> None:
    """A machine whose id tag was lost is saved by a runner of its name, and by nothing else."""
    world = FakeWorld()
    there, runner = machine(world)
    if not registered:
        world.forge.vanish(runner.id)
    apply(world, terminate(there, None))
    assert live == left(world)[0]


def test_when_github_cannot_be_asked_nothing_is_ended() -> None:
    """No answer is no absence."""
    world = FakeWorld()
    there, runner = machine(world)
    world.forge.vanish(runner.id)
    world.lies.failing = 1.0
    (outcome,) = apply(world, terminate(there, runner.id))
    world.lies.failing = 0.0
    assert (ForgeUnavailable, 1) == (type(outcome.error), left(world)[0])


def test_the_end_of_life_asks_nobody() -> None:
    """Without confirm the machine ends whatever GitHub says: the emergency road."""
    world = FakeWorld()
    there, runner = machine(world)
    apply(world, terminate(there, runner.id, confirm=False))
    assert (0, 1) == left(world)
    assert ["because"] == [event.reason for event in world.events.of(InstanceTerminated)]


# --- deregistering ----------------------------------------------------------------------------------------------------


def test_a_registration_whose_machine_is_there_is_kept() -> None:
    """The list lacked the machine, but EC2 knows it by name and it carries that very registration."""
    world = FakeWorld()
    _, runner = machine(world)
    apply(world, deregister(runner))
    assert ((1, 1), ["its instance is there after all"]) == (left(world), spared(world))


@pytest.mark.parametrize("what", ["dead", "another's", "none"])
def test_a_registration_without_a_machine_of_its_own_goes(what: str) -> None:
    """Neither a dead machine nor a namesake of another registration keeps it."""
    world = FakeWorld()
    there, runner = machine(world)
    if what == "dead":
        world.cloud.end(there.id)
    elif what == "another's":
        apply(world, Mark(there.name, there.id, REGION, "runner-id", EPOCH))
    else:
        world.cloud._real.clear()
        world.cloud._remember()
    world.events.seen.clear()
    apply(world, deregister(runner))
    assert 0 == left(world)[1]
    assert ["because"] == [event.reason for event in world.events.of(RunnerDeregistered)]


def test_a_runner_that_is_gone_already_is_no_news() -> None:
    """Absence means success for a deletion: no error, no event, and nothing counted."""
    world = FakeWorld()
    _, runner = machine(world)
    world.forge.vanish(runner.id)
    (outcome,) = apply(world, deregister(runner, confirm=False, failed=True))
    assert (None, [], []) == (outcome.error, world.events.seen, world.journal.failures(EPOCH))


# --- failures ---------------------------------------------------------------------------------------------------------


class StubbornCloud(FakeCloud):
    """A FakeCloud with one machine that will not end."""

    protected = ""

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """Refuse, or end them."""
        ids = list(instance_ids)
        if self.protected in ids:
            raise CloudUnavailable("it is protected")
        super().terminate(region, ids)


@pytest.mark.parametrize("workers", [1, 4])
def test_one_failing_action_stops_no_other(workers: int) -> None:
    """Each action's error is its own outcome and event, in the order of the actions."""
    world = FakeWorld()
    world.cloud = cloud = StubbornCloud(world.clock, lies=world.lies)
    machines = [machine(world, serial) for serial in (1, 2, 3)]
    cloud.protected = machines[1][0].id
    actions = [retire(*there) for there in machines]
    outcomes = apply(world, *actions, workers=workers)
    assert actions == [outcome.action for outcome in outcomes]
    assert [None, CloudUnavailable, None] == [outcome.error and type(outcome.error) for outcome in outcomes]
    (event,) = world.events.of(ActionFailed)
    assert ("retire", machines[1][0].name) == (event.action, event.runner)
    assert [cloud.protected] == [there.id for there in world.cloud.live()]


def test_a_launch_that_is_refused_stops_no_other() -> None:
    """The first is refused everywhere, the second is not; both are told."""
    world = FakeWorld()
    for offering in shop():
        if offering.type.gpu and offering.type.gpu.model == "t4":
            world.cloud.refuse(offering)
    other = replace(a_launch(serial=2), labels=("runnerkit=1/gpu=l4",), spec=labels.parse("runnerkit/gpu=l4").spec)
    outcomes = apply(world, a_launch(), other)
    assert [NoCapacity, None] == [outcome.error and type(outcome.error) for outcome in outcomes]
    assert ["rk-7-2"] == [there.name for there in world.cloud.live()]


def test_a_mistake_of_ours_is_not_hidden() -> None:
    """Only errors that runnerkit raises on purpose are outcomes; anything else is a bug and shows."""
    world = FakeWorld()
    there, runner = machine(world)

    def fails(_effect: str) -> None:
        raise ZeroDivisionError

    world.lies.at_effect = fails
    with pytest.raises(ZeroDivisionError):
        apply(world, retire(there, runner))


def test_actions_run_at_once() -> None:
    """Eight slow ends take as long as one: each waits until all have begun."""
    world = FakeWorld()
    machines = [machine(world, serial) for serial in range(1, 9)]
    together = threading.Barrier(len(machines), timeout=30)

    def meet(effect: str) -> None:
        if effect == "before terminate":
            together.wait()

    world.lies.at_effect = meet
    outcomes = apply(world, *(terminate(there, None, confirm=False) for there, _ in machines), workers=8)
    assert [None] * 8 == [outcome.error for outcome in outcomes]
    assert [] == world.cloud.live()
