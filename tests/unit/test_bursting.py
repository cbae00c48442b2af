"""Starting many equal machines at once: what a burst does, and what a failure at any point leaves behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot
from runnerkit.actions import Launch
from runnerkit.bursting import MOST_AT_ONCE, Burster, Starter
from runnerkit.errors import CloudUnavailable, ForgeUnavailable, LaunchRejected, NameTaken, NoCapacity
from runnerkit.events import InstanceLaunched, InstanceTerminated, LaunchFailed, LaunchSkipped, RunnerRegistered
from runnerkit.handing import Papers
from runnerkit.launching import Launcher
from runnerkit.model import Market
from runnerkit.names import RunnerName, Secret
from runnerkit.pacing import PACED
from runnerkit.readying import Outside, Readier
from runnerkit.settings import AwsSettings
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, MemoryJournal, RecordedEvents, shop
from runnerkit.testing.clock import EPOCH
from runnerkit.testing.lies import Crash, Lies
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.handing import BurstOutcome

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
RUN = 4711
T4 = RunnerSpec(type=("g4dn.xlarge",))
SSM = AwsSettings(secrets="ssm", instance_profile="runnerkit-runner", ssm_profiles=("ours-*",))


class Yard:
    """A Burster on fakes, and queued jobs of one run."""

    def __init__(self, *, organization: str | None = None) -> None:
        self.lies = Lies()
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock, lies=self.lies)
        self.forge = FakeForge(self.clock, lies=self.lies, organization=organization)
        self.events, self.journal = RecordedEvents(), MemoryJournal()
        self.outside = Outside(self.cloud, self.forge, self.clock, self.events, self.journal)
        self.readier = Readier(self.outside, Policy(), "runnerkit")
        papers = Papers(boot.shared_user_data, boot.own_document, SSM.carrier)
        self.burster = Burster(self.outside, self.readier, papers, workers=1)

    def launches(self, count: int, label: str = LABEL, spec: RunnerSpec = T4, repo: str = REPO) -> list[Launch]:
        """So many jobs wait, each for a machine of its own."""
        jobs = [self.forge.queue(repo, [label], run_id=RUN) for _ in range(count)]
        return [Launch(RunnerName.for_job(j.id), repo, j.labels, spec, run_id=RUN, job_id=j.id) for j in jobs]

    def start(self, launches: Sequence[Launch]) -> tuple[BurstOutcome, ...]:
        """Start them."""
        return self.burster.start(launches)

    def documents(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Instance and what it was handed."""
        for instance_id, secret in self.cloud.handed.items():
            yield instance_id, json.loads(secret.reveal())


@pytest.fixture
def yard() -> Yard:
    """A fresh world."""
    return Yard()


def test_a_burst_is_one_launch_call(yard: Yard) -> None:
    """Three jobs, three registrations, one call, three machines, each with its own name and secret."""
    launches = yard.launches(3)
    outcomes = yard.start(launches)
    assert yard.cloud.fleets == [3]
    assert [outcome.launch for outcome in outcomes] == launches
    assert all(outcome.started and not outcome.error for outcome in outcomes)
    runners = {runner.name: runner.id for runner in yard.forge.real_runners()}
    assert {i.name: i.runner_id for i in yard.cloud.live()} == runners
    assert {i.job_id for i in yard.cloud.live()} == {launch.job_id for launch in launches}
    for instance_id, document in yard.documents():
        (instance,) = (i for i in yard.cloud.live() if i.id == instance_id)
        assert (document["name"], document["jit"]) == (instance.name, f"jit-{instance.runner_id}")
        assert document["labels"] == [LABEL]


def test_what_a_burst_tells_is_what_single_launches_tell(yard: Yard) -> None:
    """An event and a note for each machine, by name; cost and budgets live on them."""
    launches = yard.launches(2)
    yard.start(launches)
    told = yard.events.of(InstanceLaunched)
    assert [event.runner for event in told] == [str(launch.name) for launch in launches]
    assert {(event.repo, event.run, event.market) for event in told} == {(REPO, RUN, "spot")}
    assert all(event.on_demand and event.price and event.price < event.on_demand for event in told)
    assert [note.name for note in yard.journal.launches(EPOCH)] == [str(launch.name) for launch in launches]
    assert len(yard.events.of(RunnerRegistered)) == 2


def test_user_data_of_a_burst_is_nobodys(yard: Yard) -> None:
    """Neither a name nor a secret is in it, and two bursts of the same wish boot from the same bytes."""
    yard.start(yard.launches(2))
    yard.start(yard.launches(1, "runnerkit=2/gpu=t4"))
    (data,) = set(yard.cloud.user_data.values())
    for told in (b"rk-", b"jit-", REPO.encode(), b"gpu=t4"):
        assert told not in data


def test_label_sets_and_wishes_are_bursts_of_their_own(yard: Yard) -> None:
    """Machines of different labels are not equal, nor are those of different wishes."""
    first, second = yard.launches(2), yard.launches(1, "runnerkit=2/gpu=t4")
    third = yard.launches(1, spec=replace_spec(life=600))
    outcomes = yard.start([*second, *first, *third])
    assert sorted(yard.cloud.fleets) == [1, 1, 2]
    assert [outcome.launch for outcome in outcomes] == [*second, *first, *third]


def replace_spec(**changes: object) -> RunnerSpec:
    """The usual wish with changes."""
    return T4.model_copy(update=changes)


def test_a_large_burst_is_cut(yard: Yard) -> None:
    """All registrations of a call must have their machines within the settle window."""
    yard.start(yard.launches(MOST_AT_ONCE + 1))
    assert yard.cloud.fleets == [MOST_AT_ONCE, 1]


def test_registrations_keep_githubs_pace(yard: Yard) -> None:
    """Never more than 180 within a minute, no burst is half registered, and nobody waits: the rest is for later."""
    launches, start = yard.launches(250), yard.clock.now()
    outcomes = yard.start(launches)
    assert yard.clock.now() == start
    assert [outcome.note for outcome in outcomes if not outcome.started] == [PACED] * 70
    assert len(yard.forge.real_runners()) == 180
    yard.clock.advance(60)
    outcomes = yard.start(launches[180:])
    assert all(outcome.started for outcome in outcomes)
    assert yard.cloud.fleets == [100, 80, 70]


def test_what_little_the_pace_allows_is_left_for_a_whole_burst(yard: Yard) -> None:
    """Else a crowd would be ordered machine by machine."""
    yard.start(yard.launches(100))
    yard.start(yard.launches(60))
    assert {outcome.note for outcome in yard.start(yard.launches(40))} == {PACED}
    assert all(outcome.started for outcome in yard.start(yard.launches(20)))


def test_one_by_itself_is_told_by_its_parameter_too(yard: Yard) -> None:
    """Its secret is in no user data, and a name that is taken is told as for every single launch."""
    starter = Starter(Launcher(yard.outside, Policy(), "runnerkit", boot.user_data), yard.burster)
    (launch,) = yard.launches(1)
    started = starter.start(launch)
    (instance,) = yard.cloud.live()
    assert (instance.id, instance.name) == (started.launched.instance_id, str(launch.name))
    assert set(yard.cloud.handed) == {instance.id}
    assert b"jit-" not in yard.cloud.user_data[instance.id]
    with pytest.raises(NameTaken):
        starter.start(launch)
    assert (yard.events.of(LaunchSkipped), len(yard.cloud.live())) == ([], 1)


def test_one_by_itself_that_fails_leaves_nothing(yard: Yard) -> None:
    """No registration stays, and the breaker counts one failure."""
    starter = Starter(Launcher(yard.outside, Policy(), "runnerkit", boot.user_data), yard.burster)
    yard.cloud.refuse_all()
    with pytest.raises(NoCapacity):
        starter.start(yard.launches(1)[0])
    assert (yard.forge.real_runners(), yard.cloud.live()) == ([], [])
    assert len(yard.journal.failures(EPOCH)) == 1


def test_a_profile_without_our_statement_is_launched_with_user_data(yard: Yard) -> None:
    """Its machine could not read a parameter."""
    starter = Starter(Launcher(yard.outside, Policy(), "runnerkit", boot.user_data), yard.burster)
    starter.start(yard.launches(1, spec=replace_spec(profile="theirs"))[0])
    assert (yard.cloud.handed, len(yard.cloud.live())) == ({}, 1)


def test_a_name_that_is_taken_leaves_the_burst(yard: Yard) -> None:
    """Another controller launches that one; nothing of it is touched."""
    launches = yard.launches(3)
    held = yard.forge.register(REPO, str(launches[1].name), [LABEL])
    outcomes = yard.start(launches)
    assert [bool(outcome.started) for outcome in outcomes] == [True, False, True]
    assert (outcomes[1].note, outcomes[1].error) == ("another controller is launching it", None)
    assert yard.cloud.fleets == [2]
    assert held.runner in yard.forge.real_runners()
    assert [event.runner for event in yard.events.of(LaunchSkipped)] == [str(launches[1].name)]


def test_a_job_that_is_not_queued_any_more_gets_no_machine(yard: Yard) -> None:
    """The last look is one read for the run."""
    launches = yard.launches(2)
    yard.forge.finish(launches[0].job_id or 0, "cancelled")
    outcomes = yard.start(launches)
    assert [outcome.note for outcome in outcomes] == ["the job is not queued any more", ""]
    assert yard.cloud.fleets == [1]


def test_what_spot_cannot_give_is_bought_on_demand(yard: Yard) -> None:
    """Partial fulfilment: the missing rest goes on to the next attempt."""
    spot = next(o for o in shop() if o.market is Market.SPOT and o.type.name == "g4dn.xlarge")
    for offering in shop():
        if offering.market is Market.SPOT and offering != spot:
            yard.cloud.refuse(offering)
    yard.cloud.limit(spot, 2)
    yard.start(yard.launches(3))
    assert yard.cloud.fleets == [3, 1]
    assert sorted(i.market for i in yard.cloud.live()) == ["on-demand", "spot", "spot"]


def test_registrations_without_a_machine_are_taken_back(yard: Yard) -> None:
    """AWS has two machines left: the third job's runner is deleted, and one failure is noted."""
    yard.cloud.refuse_all()
    spot = next(o for o in shop() if o.market is Market.SPOT and o.type.name == "g4dn.xlarge")
    yard.cloud._refusing.pop((spot.type.name, spot.zone, spot.market))
    yard.cloud.limit(spot, 2)
    outcomes = yard.start(yard.launches(4))
    assert [bool(outcome.started) for outcome in outcomes] == [True, True, False, False]
    assert all(isinstance(outcome.error, NoCapacity) for outcome in outcomes[2:])
    assert len(yard.forge.real_runners()) == 2
    assert [failure.code for failure in yard.journal.failures(EPOCH)] == ["no-capacity"]
    assert yard.journal.refusals(EPOCH)


def test_no_capacity_leaves_nothing(yard: Yard) -> None:
    """Every registration is taken back; it counts as one failure, whatever the size of the burst."""
    yard.cloud.refuse_all()
    outcomes = yard.start(yard.launches(5))
    assert all(isinstance(outcome.error, NoCapacity) for outcome in outcomes)
    assert (yard.forge.real_runners(), yard.cloud.real()) == ([], [])
    assert len(yard.journal.failures(EPOCH)) == 1
    assert len(yard.events.of(LaunchFailed)) == 5


def test_a_launch_whose_answer_is_lost_is_looked_for(yard: Yard) -> None:
    """Its machines carry the batch: they are handed over as if the answer had come."""
    launches = yard.launches(2)
    answer = yard.cloud.launch_batch

    def lost(*order: object) -> object:
        answer(*order)  # type: ignore[arg-type]  # a fault there
        raise CloudUnavailable("the answer was lost")

    yard.cloud.launch_batch = lost  # type: ignore[method-assign, assignment]  # a fault there
    assert all(outcome.started for outcome in yard.start(launches))
    assert {i.name for i in yard.cloud.live()} == {str(launch.name) for launch in launches}


def test_a_hand_over_that_fails_ends_that_machine_alone(yard: Yard) -> None:
    """Its registration is the lock: deleted first, then the machine is terminated; the sibling works."""
    launches = yard.launches(2)
    give, calls = yard.cloud.hand_over, []

    def failing(region: str, instance_id: str, tags: dict[str, str], secret: Secret) -> None:
        calls.append(instance_id)
        if len(calls) == 1:
            raise LaunchRejected("too large")
        give(region, instance_id, tags, secret)

    yard.cloud.hand_over = failing  # type: ignore[method-assign, assignment]  # a fault there
    outcomes = yard.start(launches)
    assert [type(outcome.error) for outcome in outcomes] == [LaunchRejected, type(None)]
    assert [i.name for i in yard.cloud.live()] == [str(launches[1].name)]
    assert [runner.name for runner in yard.forge.real_runners()] == [str(launches[1].name)]
    assert [event.instance for event in yard.events.of(InstanceTerminated)] == [calls[0]]


def test_a_hand_over_without_answer_spares_a_runner_that_works(yard: Yard) -> None:
    """GitHub says that it is busy: the secret had arrived after all."""
    (launch,) = yard.launches(1)
    give = yard.cloud.hand_over

    def lost(region: str, instance_id: str, tags: dict[str, str], secret: Secret) -> None:
        give(region, instance_id, tags, secret)
        runner_id = int(tags["runnerkit:runner-id"])
        yard.forge.connect(runner_id)
        yard.forge.assign(runner_id)
        raise CloudUnavailable("the answer was lost")

    yard.cloud.hand_over = lost  # type: ignore[method-assign, assignment]  # a fault there
    (outcome,) = yard.start([launch])
    assert (outcome.error, bool(outcome.started)) == (None, True)
    assert len(yard.cloud.live()) == 1


def test_a_machine_whose_time_is_up_is_not_handed_over(yard: Yard) -> None:
    """Another controller may be terminating it just now."""
    give = yard.cloud.hand_over

    def slow(region: str, instance_id: str, tags: dict[str, str], secret: Secret) -> None:
        yard.clock.advance(61)
        give(region, instance_id, tags, secret)

    yard.cloud.hand_over = slow  # type: ignore[method-assign, assignment]  # a fault there
    first, second = yard.start(yard.launches(2))
    assert first.started
    assert isinstance(second.error, CloudUnavailable)
    assert len(yard.cloud.live()) == 1


def test_github_that_fails_fails_the_burst_before_anything_is_started(yard: Yard) -> None:
    """No registration, no machine."""
    yard.lies.failing = 1.0
    outcomes = yard.start(yard.launches(2))
    assert all(outcome.error for outcome in outcomes)
    assert (yard.forge.real_runners(), yard.cloud.real()) == ([], [])


def test_a_lost_registration_does_not_hold_up_the_others(yard: Yard) -> None:
    """What GitHub may have registered is taken back; the others get their machines."""
    launches = yard.launches(3)
    register = yard.forge.register

    def losing(repo: str, name: str, labels: Sequence[str]) -> object:
        made = register(repo, name, labels)
        if name == str(launches[0].name):
            raise ForgeUnavailable("lost")
        return made

    yard.forge.register = losing  # type: ignore[method-assign, assignment]  # a fault there
    outcomes = yard.start(launches)
    assert [bool(outcome.started) for outcome in outcomes] == [False, True, True]
    assert len(yard.forge.real_runners()) == len(yard.cloud.live()) == 2


def test_a_wishs_own_profile_needs_our_statement(yard: Yard) -> None:
    """An instance has one profile: what nobody said to carry our statement is not served by a burst."""
    ours, mine, theirs = (
        yard.launches(1, spec=replace_spec(profile=profile))[0] for profile in (None, "ours-train", "train")
    )
    assert [yard.burster.takes(each) for each in (ours, mine, theirs)] == [True, True, False]
    user_data_mode = Burster(
        yard.outside, yard.readier, Papers(boot.shared_user_data, boot.own_document, AwsSettings().carrier)
    )
    assert not user_data_mode.takes(ours)


def test_jobs_of_several_repositories_share_a_burst_of_a_group() -> None:
    """In an organisation's group a label set is one, whoever asks; each machine is tagged with its own repository."""
    yard = Yard(organization="acme")
    launches = [*yard.launches(1), *yard.launches(1, repo="acme/gadgets")]
    assert all(outcome.started for outcome in yard.start(launches))
    assert yard.cloud.fleets == [2]
    assert {i.repo for i in yard.cloud.live()} == {REPO, "acme/gadgets"}


@pytest.mark.parametrize("dies_at", range(1, 40))
def test_a_crash_at_any_line_leaves_what_a_pass_can_repair(dies_at: int) -> None:
    """Machines without a name say until when they may live so; named ones have a registration; nothing is doubled."""
    yard = Yard()
    launches = yard.launches(3)
    effects: list[str] = []

    def die(effect: str) -> None:
        effects.append(effect)
        if len(effects) >= dies_at:
            raise Crash

    yard.lies.at_effect = die
    try:
        yard.start(launches)
    except Crash:
        pass
    else:
        assert dies_at > len(effects)
    registered = {runner.id for runner in yard.forge.real_runners()}
    live = yard.cloud.live()
    assert len(live) <= len(launches)
    for instance in live:
        assert instance.batch
        assert instance.hand_over_by is not None
        assert instance.expires_at is not None
        if not instance.unnamed:
            assert instance.runner_id in registered
    named = [instance.name for instance in live if instance.name]
    assert len(named) == len(set(named))
    assert set(yard.cloud.handed) <= {instance.id for instance in live if instance.name}
    assert all(runner.birth for runner in yard.forge.real_runners())


@pytest.mark.parametrize("seed", range(25))
def test_whatever_fails_no_machine_and_no_registration_is_forgotten(seed: int) -> None:
    """What a burst calls started is there; what it does not is gone, or says by its tags how it ends."""
    yard = Yard()
    launches = yard.launches(6)
    yard.lies.seed, yard.lies.lost, yard.lies.failing = seed, 0.2, 0.2
    yard.lies.__post_init__()
    outcomes = yard.start(launches)
    started = {str(outcome.launch.name) for outcome in outcomes if outcome.started}
    names = {i.name for i in yard.cloud.live()}
    assert started <= names
    assert [outcome.launch for outcome in outcomes] == launches
    assert all(outcome.started or outcome.error or outcome.note for outcome in outcomes)
    assert len(yard.cloud.live()) <= len(launches)


def test_a_burst_that_gets_nothing_is_not_repeated_for_the_rest(yard: Yard) -> None:
    """250 jobs and no capacity: AWS is asked once, GitHub for the first 100 only."""
    yard.cloud.refuse_all()
    outcomes = yard.start(yard.launches(250))
    assert all(isinstance(outcome.error, NoCapacity) for outcome in outcomes)
    assert yard.forge.registrations == 100
    assert yard.cloud.fleets == [100, 100]
