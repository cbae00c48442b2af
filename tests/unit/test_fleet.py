"""The one service: passes, the loop around them, sweeping, ending machines, and the breaker from end to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot
from runnerkit.actions import Launch, Retire
from runnerkit.errors import (
    CloudDenied,
    CloudUnavailable,
    ForgeDenied,
    ForgeError,
    ForgeUnavailable,
    LabelError,
    NotOffered,
    PolicyRefused,
    RateLimited,
)
from runnerkit.events import (
    ActionFailed,
    JobRefused,
    JobWaiting,
    LeftoverRemoved,
    PassEnded,
    RepositorySkipped,
    TerminationSpared,
)
from runnerkit.fleet import Fleet
from runnerkit.launching import Outside
from runnerkit.model import Leftover
from runnerkit.names import RunnerName
from runnerkit.phases import Phase
from runnerkit.testing import FakeCloud, FakeForge, FakeWorld, Habits, MemoryJournal, RecordedEvents
from runnerkit.testing.clock import EPOCH
from runnerkit.understanding import Wishes
from runnerkit.wishes import GpuWish, Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.model import Attempt, Instance, Runner
    from runnerkit.ports import Launched, LaunchOrder
    from runnerkit.slots import LaunchRequest, Slot

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"


def request(world: FakeWorld, label: str = LABEL, count: int = 1) -> LaunchRequest:
    return world.fleet().request(label, REPO, run_id=5, count=count)


def machines(world: FakeWorld, count: int, *, age: int = 60) -> tuple[Slot, ...]:
    """Machines on request, so many seconds later."""
    slots = world.fleet().launch(request(world, count=count))
    world.clock.advance(age)
    return slots


def at_work(world: FakeWorld) -> Slot:
    """One machine that runs a job."""
    (slot,) = machines(world, 1, age=0)
    world.forge.queue(REPO, [LABEL])
    world.clock.advance(60)
    assert world.forge.real_runners()[0].busy
    return slot


def live(world: FakeWorld) -> set[str]:
    return {machine.id for machine in world.cloud.live()}


class Forge(FakeForge):
    """A FakeForge whose lists fail until a moment, or for ever; it keeps when it was asked."""

    trouble: ForgeError | None = None
    until: datetime | None = None
    only = ""
    asked: tuple[datetime, ...] = ()

    def runners(self, repo: str) -> Sequence[Runner]:
        """Fail or answer."""
        self.asked = (*self.asked, self._clock.now())
        over = self.until is not None and self._clock.now() >= self.until
        if self.trouble is not None and not over and self.only in {"", repo}:
            raise self.trouble
        return super().runners(repo)


class Cloud(FakeCloud):
    """A FakeCloud whose calls fail as they are told."""

    trouble: Exception | None = None
    launch_trouble: Exception | None = None
    stuck = ""

    def instances(self) -> Sequence[Instance]:
        """Fail once, or answer."""
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        return super().instances()

    def launch(self, order: LaunchOrder, attempts: Sequence[Attempt]) -> Launched:
        """Fail or launch."""
        if self.launch_trouble is not None:
            raise self.launch_trouble
        return super().launch(order, attempts)

    def remove(self, leftover: Leftover) -> None:
        """Fail for one of them."""
        if leftover.id == self.stuck:
            raise CloudUnavailable("nobody answers")
        super().remove(leftover)


def troubled(policy: Policy | None = None) -> tuple[FakeWorld, Cloud, Forge]:
    """A world whose cloud and forge fail as they are told."""
    world = FakeWorld(policy=policy or Policy(idle=300, max_life=6 * 3600))
    world.cloud = cloud = Cloud(world.clock, lies=world.lies)
    world.forge = forge = Forge(world.clock, world.lies)
    return world, cloud, forge


# --- one pass ---------------------------------------------------------------------------------------------------------


def test_a_preview_decides_and_does_nothing() -> None:
    """What once would do is told, and neither AWS nor GitHub is changed."""
    world = FakeWorld()
    job = world.forge.queue(REPO, [LABEL])
    preview = world.fleet().preview()
    (action,) = preview.plan.actions
    assert isinstance(action, Launch)
    assert RunnerName.for_job(job.id) == action.name
    assert ((), 0, 0) == (preview.outcomes, world.forge.registrations, world.cloud.launches)
    assert [] == world.events.seen


def test_a_pass_serves_refuses_and_tells() -> None:
    """Machines for those who may, a reason for those who may not, and the figures of the pass."""
    world = FakeWorld(policy=Policy(max_machines=1))
    jobs = [world.forge.queue(REPO, [LABEL]) for _ in range(2)]
    bad = world.forge.queue(REPO, ["runnerkit=1/gup=t4"])
    done = world.fleet().once()
    assert [f"rk-{jobs[0].id}-1"] == [machine.name for machine in world.cloud.live()]
    assert [bad.id] == [event.job for event in world.events.of(JobRefused)]
    assert [(jobs[1].id, True)] == [(event.job, "max_machines" in event.why) for event in world.events.of(JobWaiting)]
    (ended,) = world.events.of(PassEnded)
    assert (2, 0, 1, 0) == (ended.queued, ended.machines, ended.actions, ended.failed)
    assert () == done.failed


def test_a_pass_counts_what_failed() -> None:
    """An action that fails is an outcome of the pass, not its end."""
    world = FakeWorld()
    world.cloud.refuse_all()
    world.forge.queue(REPO, [LABEL])
    done = world.fleet(workers=8).once()
    assert ["no-capacity"] == [outcome.error.code for outcome in done.failed if outcome.error]
    assert [1] == [event.failed for event in world.events.of(PassEnded)]


def test_one_unreadable_repository_does_not_stop_the_others() -> None:
    """Its jobs wait and it is told; the others are served."""
    world, _, forge = troubled()
    world.repos = ("acme/gone", REPO)
    forge.trouble, forge.only = ForgeDenied("not yours"), "acme/gone"
    for repo in world.repos:
        forge.queue(repo, [LABEL])
    assert () == world.fleet().once().failed
    assert [REPO] == [machine.repo for machine in world.cloud.live()]
    assert ["acme/gone"] == [event.repo for event in world.events.of(RepositorySkipped)]


# --- blindness --------------------------------------------------------------------------------------------------------


def test_a_blind_pass_still_ends_what_outlived_itself_then_fails() -> None:
    """GitHub says nothing at all: the maximum lifetime holds nevertheless, and the pass is no success."""
    world, _, forge = troubled(Policy(max_life=1_000))
    world.habits.never_ends = 1.0
    machines(world, 1, age=1_001)
    forge.trouble = ForgeUnavailable("down")
    with pytest.raises(ForgeUnavailable):
        world.fleet().once()
    assert set() == live(world)
    assert [REPO] == [event.repo for event in world.events.of(RepositorySkipped)]
    assert 1 == len(world.events.of(PassEnded))


@pytest.mark.parametrize("ask", ["preview", "status", "sweep", "terminate"])
def test_who_sees_nothing_does_not_say_that_there_is_nothing(ask: str) -> None:
    """A question that GitHub cannot answer is an error, never an empty list."""
    world, _, forge = troubled()
    machines(world, 1)
    forge.trouble = ForgeDenied("the token is gone")
    with pytest.raises(ForgeDenied):
        getattr(world.fleet(), ask)()
    assert 1 == len(live(world))


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_the_loop_ends_after_its_passes() -> None:
    """So many passes, an interval apart, and no wait after the last."""
    world, _, forge = troubled()
    world.fleet().run(interval=30, passes=3)
    assert [EPOCH + timedelta(seconds=seconds) for seconds in (0, 30, 60)] == list(forge.asked)
    assert EPOCH + timedelta(seconds=60) == world.clock.now()


def test_the_loop_serves_what_is_queued_while_it_runs() -> None:
    """Every pass reads the world anew."""
    world = FakeWorld(habits=Habits(boot=10, job=60))

    def push() -> None:
        if not world.forge.real_jobs():
            world.forge.queue(REPO, [LABEL])

    world.clock.listen(push)
    world.fleet().run(interval=30, passes=30)
    assert ["success"] == [job.conclusion for job in world.forge.real_jobs()]
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()


def test_a_machine_whose_quick_job_is_over_keeps_no_other_job_waiting() -> None:
    """As young as it is it seems to boot, but its runner was seen to take a job; so it is with one that AWS takes."""
    world = FakeWorld(habits=Habits(boot=10, job=5, never_ends=1))
    world.forge.queue(REPO, [LABEL])
    fleet = world.fleet()
    fleet.once()
    world.clock.advance(12)
    fleet.once()
    world.clock.advance(8)
    assert [] == world.forge.real_runners()
    second = world.forge.queue(REPO, [LABEL])
    assert [second.id] == [action.job_id for action in fleet.once().plan.actions if isinstance(action, Launch)]
    assert 2 == len(live(world))


def test_a_wake_starts_the_next_pass_at_once() -> None:
    """A hint that something happened spares the wait."""
    world, _, forge = troubled()
    world.clock.wake()
    world.fleet().run(interval=30, passes=2)
    assert (EPOCH, EPOCH + timedelta(seconds=0.5)) == forge.asked


def test_the_loop_outlasts_a_rate_limit() -> None:
    """Each pass is told as failed, lifetimes are enforced meanwhile, and after the reset all goes on."""
    world, _, forge = troubled(Policy(max_life=100))
    world.habits.never_ends = 1.0
    machines(world, 1, age=61)
    overdue = live(world)
    forge.until = world.clock.now() + timedelta(seconds=80)
    forge.trouble = RateLimited("stop", reset=forge.until)
    world.forge.queue(REPO, ["runnerkit=2/gpu=l4"])
    world.fleet().run(interval=30, passes=3)
    assert [RateLimited] * 3 == [type(event.error) for event in world.events.of(ActionFailed)]
    assert set() == live(world) & overdue
    world.fleet().run(interval=30, passes=2)
    world.clock.advance(30)
    world.fleet().run(interval=30, passes=1)
    assert 2 == world.cloud.launches


@pytest.mark.parametrize("where", ["cloud", "forge"])
def test_a_failure_that_passes_by_itself_is_told_and_the_loop_goes_on(where: str) -> None:
    """The next pass is the retry."""
    world, cloud, forge = troubled()
    world.forge.queue(REPO, [LABEL])
    if where == "cloud":
        cloud.trouble = CloudUnavailable("down")
    else:
        forge.trouble, forge.until = ForgeUnavailable("down"), EPOCH + timedelta(seconds=1)
    world.fleet().run(interval=30, passes=2)
    assert ["pass"] == [event.action for event in world.events.of(ActionFailed)]
    assert 1 == len(live(world))


@pytest.mark.parametrize("error", [CloudDenied("no permission"), ForgeDenied("the token is gone")])
def test_a_failure_that_a_person_must_mend_ends_the_loop(error: CloudDenied | ForgeDenied) -> None:
    """Going on would only repeat it, call by call."""
    world, cloud, forge = troubled()
    if isinstance(error, ForgeDenied):
        forge.trouble = error
    else:
        cloud.trouble = error
    with pytest.raises(type(error)):
        world.fleet().run(interval=30, passes=5)
    assert EPOCH == world.clock.now()


def test_a_loop_that_once_worked_goes_on() -> None:
    """A token that is refused later may be mended while the loop holds machines to their lifetimes."""
    world, _, forge = troubled()

    def refuse() -> None:
        forge.trouble, forge.until = ForgeDenied("the token is gone"), EPOCH + timedelta(seconds=80)

    world.clock.listen(refuse)
    world.forge.queue(REPO, [LABEL])
    world.fleet().run(interval=30, passes=4)
    assert [ForgeDenied, ForgeDenied] == [type(event.error) for event in world.events.of(ActionFailed)]
    assert EPOCH + timedelta(seconds=90) == forge.asked[-1]


# --- bounded launches -------------------------------------------------------------------------------------------------


def watch(world: FakeWorld, seconds: int, every: int = 30) -> list[tuple[datetime, int]]:
    """Passes by controllers that know nothing of each other but the journal: when, and how many launches so far."""
    seen = []
    for _ in range(seconds // every):
        world.fleet().once()
        seen.append((world.clock.now(), world.cloud.launches))
        world.clock.advance(every)
    return seen


def test_the_breaker_from_end_to_end() -> None:
    """Three machines that never come online pause their label set, for any new controller too, until the pause ends."""
    policy = Policy(online_within=120, breaker_failures=3, breaker_window=900, breaker_pause=1_800, max_tries=9)
    world = FakeWorld(policy=policy, habits=Habits(never_boots=1.0))
    world.forge.queue(REPO, [LABEL])
    seen = watch(world, 3_600)
    launched = [at for (_, before), (at, after) in pairwise([(EPOCH, 0), *seen]) if after > before]
    failed = [failure.at for failure in world.journal.failures(EPOCH)]
    assert {"never-online"} == {failure.code for failure in world.journal.failures(EPOCH)}
    assert launched[2] < failed[2] < launched[3]
    assert timedelta(seconds=1_800) <= launched[3] - failed[2] <= timedelta(seconds=1_830)
    assert any("pauses after 3 failures" in event.why for event in world.events.of(JobWaiting))


def test_the_breaker_of_one_label_set_leaves_the_others_alone() -> None:
    """While one label set pauses, another one's jobs are served."""
    world = FakeWorld(policy=Policy(online_within=60, breaker_pause=3_600), habits=Habits(never_boots=1.0))
    world.forge.queue(REPO, [LABEL])
    watch(world, 900)
    launches = world.cloud.launches
    world.habits.never_boots = 0.0
    world.forge.queue(REPO, ["runnerkit=2/gpu=l4"])
    watch(world, 300)
    assert (3, 4) == (launches, world.cloud.launches)
    assert ["queued", "in_progress"] == [job.status for job in world.forge.real_jobs()]


def test_a_lost_journal_only_forgets() -> None:
    """Without it machines are still bounded by the tries for each job, which EC2's list shows."""
    world = FakeWorld(policy=Policy(online_within=60, max_tries=4), habits=Habits(never_boots=1.0))
    world.forge.queue(REPO, [LABEL])
    for _ in range(60):
        world.journal = MemoryJournal()
        watch(world, 30)
    assert 4 == world.cloud.launches


@pytest.mark.parametrize("error", [CloudDenied("no permission"), CloudUnavailable("down")])
def test_a_missing_permission_does_not_register_for_ever(error: Exception) -> None:
    """What only a person can mend stops after three tries; what passes by itself is tried on, and leaves nothing."""
    world, cloud, _ = troubled()
    cloud.launch_trouble = error
    world.forge.queue(REPO, [LABEL])
    watch(world, 1_500)
    assert (world.forge.registrations == 3) is isinstance(error, CloudDenied)
    assert ([], []) == (world.cloud.live(), world.forge.real_runners())


# --- sweeping ---------------------------------------------------------------------------------------------------------


def leave_behind(cloud: FakeCloud) -> None:
    for number in (1, 2, 3):
        cloud.remains[f"vol-{number}"] = Leftover("volume", f"vol-{number}", "eu-west-1", f"rk-9-{number}", EPOCH)


def test_a_sweep_ends_what_is_due_and_starts_nothing() -> None:
    """Leftovers and overdue machines go; queued jobs wait for a pass."""
    world, cloud, _ = troubled(Policy(online_within=120))
    world.habits.never_boots = world.habits.never_ends = 1.0
    machines(world, 2, age=121)
    world.forge.queue(REPO, [LABEL])
    leave_behind(cloud)
    done, leftovers = world.fleet().sweep()
    assert [Retire, Retire] == [type(outcome.action) for outcome in done.outcomes]
    assert (3, {}) == (len(leftovers), cloud.remains)
    assert ["vol-1", "vol-2", "vol-3"] == [event.id for event in world.events.of(LeftoverRemoved)]
    assert (set(), 2, []) == (live(world), cloud.launches, world.events.of(PassEnded))


def test_a_dry_sweep_only_tells() -> None:
    """Everything that would go is named, and stays."""
    world, cloud, _ = troubled(Policy(online_within=120))
    world.habits.never_boots = world.habits.never_ends = 1.0
    machines(world, 1, age=121)
    leave_behind(cloud)
    world.events.seen.clear()
    decided, leftovers = world.fleet().sweep(dry_run=True)
    assert ([Retire], 3) == ([type(action) for action in decided.plan.actions], len(leftovers))
    assert ((), 3, 1, []) == (decided.outcomes, len(cloud.remains), len(live(world)), world.events.seen)


def test_a_leftover_that_stays_keeps_no_other() -> None:
    """One that cannot be removed is told, the next are removed."""
    world, cloud, _ = troubled()
    leave_behind(cloud)
    cloud.stuck = "vol-2"
    world.fleet().sweep()
    assert ["vol-2"] == list(cloud.remains)
    assert [("remove", "rk-9-2")] == [(event.action, event.runner) for event in world.events.of(ActionFailed)]


# --- machines on request ----------------------------------------------------------------------------------------------


def test_a_request_is_a_label_within_policy() -> None:
    """The label's words with configuration and policy applied, ready to be launched."""
    fleet = FakeWorld(policy=Policy(idle=120)).fleet(default=RunnerSpec(gpu=(GpuWish(model="l4"),)))
    asked = fleet.request("runnerkit=1/life=1h", REPO, count=2, run_id=3, run_attempt=4)
    assert ((REPO, ("runnerkit=1/life=1h",)), (3, 4, 2)) == (
        (asked.repo, asked.labels),
        (asked.run_id, asked.run_attempt, asked.count),
    )
    assert ("l4", 120, 3_600) == (asked.spec.gpu[0].model, asked.spec.idle, asked.spec.life)


@pytest.mark.parametrize(
    ("label", "error"), [("runnerkit=1/gup=t4", LabelError), ("runnerkit=1/profile=Admin", PolicyRefused)]
)
def test_a_request_that_cannot_be_is_refused_before_anything_starts(label: str, error: type[Exception]) -> None:
    """The same words that a job would be refused for."""
    world = FakeWorld()
    with pytest.raises(error):
        world.fleet().request(label, REPO)
    assert 0 == world.forge.registrations


def test_choosing_starts_nothing() -> None:
    """The launch calls that would be made, best first; an impossible wish says so."""
    world = FakeWorld()
    attempts = world.fleet().choose(request(world).spec)
    assert ["spot", "on-demand"] == [attempt.market for attempt in attempts]
    with pytest.raises(NotOffered):
        world.fleet().choose(request(world, "runnerkit=1/gpu=h100").spec)
    assert (0, 0) == (world.forge.registrations, world.cloud.launches)


def test_status_names_every_machine_that_is_not_over() -> None:
    """By name, with its phase; what has ended is left out, what was only registered is not."""
    world = FakeWorld()
    slots = machines(world, 2)
    (booting,) = world.fleet().launch(replace(request(world), run_id=6))
    world.cloud.end(slots[0].instance_id)
    world.forge.vanish(slots[0].runner_id)
    world.forge.register(REPO, "rk-7-1", [LABEL, world.forge.real_runners()[0].labels[-1]])
    found = {status.name: status.phase for status in world.fleet().status()}
    assert {str(slots[1].name): Phase.READY, str(booting.name): Phase.BOOTING} == {
        name: where for name, where in found.items() if name != "rk-7-1"
    }
    assert list(found) == sorted(found)
    assert "rk-7-1" in found


@pytest.mark.parametrize("by", ["name", "instance"])
def test_machines_are_ended_by_name_or_instance(by: str) -> None:
    """The one that is meant and no other, with its registration."""
    world = FakeWorld()
    one, other = machines(world, 2)
    (outcome,) = world.fleet().terminate([str(one.name) if by == "name" else one.instance_id])
    assert (None, {other.instance_id}) == (outcome.error, live(world))
    assert [other.runner_id] == [runner.id for runner in world.forge.real_runners()]


def test_all_machines_are_ended_together() -> None:
    """None named means all of them; an empty list means none."""
    world = FakeWorld()
    machines(world, 3)
    assert () == world.fleet().terminate([])
    assert () == world.fleet().terminate(["rk-nobody", "i-0"])
    assert 3 == len(world.fleet(workers=8).terminate())
    assert (set(), []) == (live(world), world.forge.real_runners())


def test_a_machine_at_work_is_spared_unless_somebody_insists() -> None:
    """GitHub's refusal saves it; force does not ask."""
    world = FakeWorld()
    slot = at_work(world)
    world.fleet().terminate()
    assert {slot.instance_id} == live(world)
    assert ["GitHub says it is busy"] == [event.why for event in world.events.of(TerminationSpared)]
    world.fleet().terminate([str(slot.name)], force=True)
    assert set() == live(world)


def test_a_machine_without_a_runner_is_ended_without_asking() -> None:
    """Somebody asked for it, and there is nothing that GitHub could refuse."""
    world = FakeWorld()
    (slot,) = machines(world, 1, age=0)
    world.forge.vanish(slot.runner_id)
    world.fleet().terminate([slot.instance_id])
    assert set() == live(world)


def test_two_installations_on_one_repository_leave_each_other_alone() -> None:
    """Same account's neighbour, same repository, same labels: no pass, sweep or command touches the other's runners."""
    world = FakeWorld()
    slots = machines(world, 2, age=70)
    events = RecordedEvents()
    cloud = FakeCloud(world.clock, owner="neighbour")
    neighbour = Fleet(
        Outside(cloud, world.forge, world.clock, events, MemoryJournal()),
        policy=world.policy,
        repos=world.repos,
        owner="neighbour",
        wishes=Wishes({}, RunnerSpec()),
        user_data=boot.user_data,
        workers=1,
    )
    assert () == neighbour.once().plan.actions
    assert () == neighbour.sweep()[0].plan.actions
    assert ((), ()) == (neighbour.status(), neighbour.terminate(force=True))
    (own,) = neighbour.launch(request(world))
    assert {slot.runner_id for slot in slots} | {own.runner_id} == {r.id for r in world.forge.real_runners()}
    assert () == world.fleet().once().plan.actions
    assert ({slot.instance_id for slot in slots}, 1) == (live(world), len(cloud.live()))


def test_a_flood_of_hints_does_not_become_a_flood_of_passes() -> None:
    """However often the loop is woken, it rests half a second between two passes."""
    world = FakeWorld()
    fleet = world.fleet()
    began, times = world.clock.now(), []

    def again(_: object) -> None:
        times.append((world.clock.now() - began).total_seconds())
        for _ in range(100):
            assert fleet.hint("acme/widgets")

    fleet.run(interval=60, passes=4, after=again)
    assert times == [0.0, 0.5, 1.0, 1.5]


def test_a_hint_during_a_pass_is_not_lost_to_another_wait() -> None:
    """What waits inside of a pass may be woken by it; the next pass begins soon all the same."""
    world = FakeWorld()
    fleet = world.fleet()
    times: list[float] = []

    def after(_: object) -> None:
        if not times:
            fleet.hint("acme/widgets")
            world.clock.wait(1)
        times.append(world.clock.now().timestamp())

    fleet.run(interval=60, passes=2, after=after)
    assert times[1] - times[0] < 2


def test_who_is_told_to_stop_stops_after_the_pass_under_way() -> None:
    """Any thread may say so; a loop that was stopped before it began makes no pass."""
    world = FakeWorld()
    fleet = world.fleet()
    passes: list[object] = []

    def stop(done: object) -> None:
        passes.append(done)
        fleet.stop()

    fleet.run(interval=60, after=stop)
    fleet.run(interval=60, after=stop)
    assert len(passes) == 1
