"""Bounds that no wish crosses: policy over offerings, caps of ``launch``, and no job that blocks those behind it."""

from __future__ import annotations

import pytest

from runnerkit.errors import PolicyRefused
from runnerkit.model import Market
from runnerkit.testing import FakeWorld, Habits
from runnerkit.wishes import Policy

REPO = "acme/widgets"


@pytest.mark.parametrize(
    ("policy", "label"),
    [
        (Policy(gpus=("t4",)), "runnerkit=1/type=g5.xlarge"),
        (Policy(gpus=("t4",)), "runnerkit=1/family=g6"),
        (Policy(types=("m7i.*",)), "runnerkit=1/gpu=t4"),
        (Policy(regions=("us-*",)), "runnerkit=1/gpu=t4"),
    ],
)
def test_policy_bounds_what_is_offered_not_only_what_is_said(policy: Policy, label: str) -> None:
    """A key left unsaid is no way around policy: types, GPUs and regions are bounded whatever the label names."""
    world = FakeWorld(policy=policy)
    with pytest.raises(PolicyRefused) as caught:
        world.fleet().launch(world.fleet().request(label, REPO))
    assert caught.value.hint
    assert 0 == world.forge.registrations


def test_policy_narrows_a_wide_wish() -> None:
    """gpu=any under a policy of one model gets that model."""
    world = FakeWorld(policy=Policy(gpus=("l4",)))
    (slot,) = world.fleet().launch(world.fleet().request("runnerkit=1/gpu=any", REPO))
    assert "g6.xlarge" == slot.type


@pytest.mark.parametrize(
    ("policy", "count"), [(Policy(max_machines=3), 4), (Policy(max_machines_per_repo=2), 3), (Policy(), 21)]
)
def test_launch_keeps_the_caps(policy: Policy, count: int) -> None:
    """More machines than policy allows are refused before the first is started."""
    world = FakeWorld(policy=policy)
    with pytest.raises(PolicyRefused, match="policy allows"):
        world.fleet().launch(world.fleet().request("runnerkit=1/gpu=t4", REPO, count=count))
    assert 0 == world.forge.registrations


def test_launch_counts_what_runs_already() -> None:
    """The cap is for everything of the owner, whoever launched it; asking again for the same machine adds none."""
    world = FakeWorld(policy=Policy(max_machines=1))
    first = world.fleet().launch(world.fleet().request("runnerkit=1/gpu=t4", REPO))
    world.clock.advance(60)
    again = world.fleet().launch(world.fleet().request("runnerkit=1/gpu=t4", REPO))
    assert first[0].instance_id == again[0].instance_id
    with pytest.raises(PolicyRefused):
        world.fleet().launch(world.fleet().request("runnerkit=2/gpu=t4", REPO))


def test_a_replacement_is_no_other_machine() -> None:
    """Asking again for a machine that was replaced by the next of its name adopts it, also at the cap."""
    world = FakeWorld(policy=Policy(max_machines=1, online_within=60), habits=Habits(never_boots=1.0))
    fleet = world.fleet()
    slots = fleet.launch(fleet.request("runnerkit=1/gpu=t4", REPO))
    world.clock.advance(10)
    world.habits.never_boots = 0.0
    (late,) = fleet.wait(slots)
    assert late.name.serial > 1
    (again,) = world.fleet().launch(world.fleet().request("runnerkit=1/gpu=t4", REPO))
    assert (late.instance_id, True) == (again.instance_id, again.adopted)


@pytest.mark.parametrize("label", ["runnerkit=9/gpu=h100", "runnerkit=9/type=g5.xlarge/spot=only"])
def test_a_wish_that_cannot_be_had_keeps_no_room(label: str) -> None:
    """The oldest job asks for the impossible: the job behind it gets the only place, in the same pass."""
    world = FakeWorld(policy=Policy(max_machines=1))
    world.cloud.refuse_all(Market.SPOT)
    world.forge.queue(REPO, [label])
    behind = world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    done = world.fleet().once()
    assert [f"rk-{behind.id}-1"] == [instance.name for instance in world.cloud.live()]
    assert [1] == [len(done.failed)]


def test_a_wish_that_could_not_be_had_is_tried_again() -> None:
    """Once refusals are forgotten and there is capacity again, the waiting job is served."""
    world = FakeWorld()
    world.cloud.refuse_all()
    job = world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    for _ in range(3):
        world.fleet().once()
        world.clock.advance(30)
    assert "moment ago" in world.fleet().preview().plan.waiting[0].why
    world.cloud.accept_all()
    for _ in range(20):
        world.fleet().once()
        world.clock.advance(60)
    assert "completed" == next(each.status for each in world.forge.real_jobs() if each.id == job.id)


def test_the_emergency_stop_needs_no_github() -> None:
    """Terminate --force ends machines while GitHub cannot be asked."""
    world = FakeWorld()
    world.fleet().launch(world.fleet().request("runnerkit=1/gpu=t4", REPO))
    world.lies.failing = 0.0
    world.forge.runners = _down  # type: ignore[method-assign,assignment]  # GitHub is down
    (outcome,) = world.fleet().terminate(force=True)
    assert outcome.done
    assert [] == world.cloud.live()


def _down(repo: str) -> None:
    raise AssertionError(f"GitHub was asked about {repo}")
