"""What a pass sees: several repositories, some unreadable; other installations; jobs in words we may not understand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from runnerkit import labels
from runnerkit.attention import Attention
from runnerkit.errors import (
    CloudUnavailable,
    ForgeDenied,
    ForgeError,
    ForgeUnavailable,
    LabelError,
    PolicyRefused,
    RateLimited,
    RunnerkitError,
)
from runnerkit.events import RepositorySkipped
from runnerkit.launching import Outside
from runnerkit.model import Failure, Instance, Job, Market, Runner, State
from runnerkit.names import Birth
from runnerkit.observing import Observer
from runnerkit.phases import join
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, FakeWorld, MemoryJournal, RecordedEvents
from runnerkit.testing.clock import EPOCH
from runnerkit.understanding import Wishes
from runnerkit.wishes import Policy, RunnerSpec

WIDGETS, GADGETS, TOYS = "acme/widgets", "acme/gadgets", "acme/toys"
LABEL = "runnerkit=1/gpu=t4"
BORN = Birth(EPOCH).label
MACHINE = Instance(
    "i-1",
    "rk-1-1",
    WIDGETS,
    "eu-west-1",
    "eu-west-1a",
    "g4dn.xlarge",
    Market.SPOT,
    State.RUNNING,
    EPOCH,
)


class Forge(FakeForge):
    """A FakeForge that cannot be read about some repositories, or only about their queue."""

    def __init__(self, clock: FakeClock, organization: str | None = None) -> None:
        super().__init__(clock, organization=organization)
        self.trouble: dict[str, ForgeError] = {}
        self.no_queue: dict[str, ForgeError] = {}
        self.both: dict[str, Runner] = {}

    def runners(self, repo: str) -> list[Runner]:
        """Fail or answer."""
        if repo in self.trouble:
            raise self.trouble[repo]
        if repo in self.both:
            return [self.both[repo]]
        return list(super().runners(repo))

    def active(self, repo: str) -> list[Job]:
        """Fail or answer."""
        if repo in self.no_queue:
            raise self.no_queue[repo]
        return list(super().active(repo))


class Ground:
    """One installation that looks at repositories."""

    def __init__(
        self,
        *repos: str,
        owner: str = "runnerkit",
        organization: str | None = None,
        arrays: bool = False,
        policy: Policy | None = None,
        nothing: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.cloud, self.forge = FakeCloud(self.clock), Forge(self.clock, organization)
        self.events, self.journal = RecordedEvents(), MemoryJournal()
        outside = Outside(self.cloud, self.forge, self.clock, self.events, self.journal)
        named = {"train": labels.parse("runnerkit/gpu=l4").spec}
        wishes = Wishes(named, RunnerSpec(idle=600), arrays)
        attention = Attention(() if nothing else repos or (WIDGETS,), self.forge)
        self.observer = Observer(outside, policy or Policy(), owner, attention, wishes)


# --- repositories -----------------------------------------------------------------------------------------------------


def test_an_unreadable_repository_is_left_out_of_the_pass() -> None:
    """Nothing is concluded about its machines and nothing starts for it; the others are served."""
    ground = Ground(WIDGETS, GADGETS)
    jobs = {repo: ground.forge.queue(repo, [LABEL]) for repo in (WIDGETS, GADGETS)}
    ground.forge.trouble = {GADGETS: ForgeUnavailable("nobody answers")}
    look = ground.observer.look()
    assert frozenset({WIDGETS}) == look.observed.repos
    assert [jobs[WIDGETS].id] == [demand.job.id for demand in look.demand]
    assert [GADGETS] == [event.repo for event in ground.events.of(RepositorySkipped)]
    assert look.blind is None


def test_a_repository_whose_queue_cannot_be_read_still_has_its_machines_judged() -> None:
    """Nothing starts for it, and that is told; the leases of what runs there are kept all the same."""
    ground = Ground(WIDGETS, GADGETS)
    ground.forge.register(GADGETS, "rk-1-1", [LABEL, BORN])
    ground.forge.queue(GADGETS, [LABEL])
    ground.forge.no_queue = {GADGETS: ForgeUnavailable("nobody answers")}
    look = ground.observer.look()
    assert (frozenset({WIDGETS, GADGETS}), ()) == (look.observed.repos, look.demand)
    assert ["rk-1-1"] == [runner.name for runner in look.observed.runners]
    assert [GADGETS] == [event.repo for event in ground.events.of(RepositorySkipped)]


LIMITED = RateLimited("stop", reset=EPOCH + timedelta(minutes=5))
DOWN, DENIED = ForgeUnavailable("down"), ForgeDenied("the token is gone")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (DOWN, LIMITED, LIMITED),
        (LIMITED, DENIED, LIMITED),
        (DENIED, DOWN, DOWN),
        (DENIED, DENIED, DENIED),
    ],
)
def test_who_sees_nothing_says_why(first: ForgeError, second: ForgeError, reason: ForgeError) -> None:
    """With every repository unreadable the reason is kept: a limit first, then what passes by itself."""
    ground = Ground(WIDGETS, GADGETS)
    ground.forge.trouble = {WIDGETS: first, GADGETS: second}
    look = ground.observer.look()
    assert (reason, frozenset(), ()) == (look.blind, look.observed.repos, look.demand)


def test_without_repositories_there_is_nothing_to_be_blind_to() -> None:
    """Only instances are looked at then."""
    ground = Ground(nothing=True)
    look = ground.observer.look()
    assert (None, frozenset()) == (look.blind, look.observed.repos)


def test_without_the_list_of_machines_nothing_is_decided() -> None:
    """The cloud's failure is the pass's failure."""
    ground = Ground()
    ground.cloud.lies.failing = 1.0
    with pytest.raises(CloudUnavailable):
        ground.observer.look()


def test_runners_of_an_organization_are_one_however_many_repositories_list_them() -> None:
    """Each repository of a group lists the same runners; a runner that counted twice would serve two jobs."""
    ground = Ground(WIDGETS, GADGETS, TOYS, organization="acme")
    for serial in (1, 2):
        ground.forge.register(WIDGETS, f"rk-1-{serial}", [LABEL, BORN])
    ground.forge.queue(GADGETS, [LABEL])
    look = ground.observer.look()
    assert ["rk-1-1", "rk-1-2"] == sorted(runner.name for runner in look.observed.runners)
    assert [ground.forge.place(WIDGETS)] == [demand.place for demand in look.demand]


@pytest.mark.parametrize("runner_id", [11, None])
def test_equal_ids_of_different_places_are_different_runners(runner_id: int | None) -> None:
    """GitHub counts runners anew for every owner: each machine is joined to the runner of its own repository."""
    elsewhere = "zoo/widgets"
    ground = Ground(WIDGETS, elsewhere)
    for repo in (WIDGETS, elsewhere):
        ground.forge.both[repo] = Runner(11, "rk-1-1", repo, online=True, busy=False, labels=(LABEL, BORN), place=repo)
    observed = ground.observer.look().observed
    assert {WIDGETS, elsewhere} == {runner.repo for runner in observed.runners}
    machines = tuple(
        replace(MACHINE, id=f"i-{repo}", repo=repo, runner_id=runner_id) for repo in (elsewhere, WIDGETS.title())
    )
    pairs = list(join(replace(observed, instances=machines)))
    assert {("i-zoo/widgets", elsewhere), ("i-Acme/Widgets", WIDGETS)} == {
        (pair.instance and pair.instance.id, pair.runner and pair.runner.repo) for pair in pairs
    }


def test_a_groups_runner_belongs_to_the_machine_of_any_of_its_repositories() -> None:
    """Registered at the organisation for one repository, listed by another: still one machine."""
    ground = Ground(WIDGETS, GADGETS, organization="Acme")
    runner = ground.forge.register(WIDGETS, "rk-1-1", [LABEL, BORN]).runner
    observed = replace(ground.observer.look().observed, instances=(replace(MACHINE, runner_id=runner.id),))
    (pair,) = join(observed)
    assert ("i-1", runner.id) == (pair.instance and pair.instance.id, pair.runner and pair.runner.id)


def test_a_repository_given_twice_counts_once() -> None:
    """Its jobs and runners are not counted double."""
    ground = Ground(WIDGETS, WIDGETS)
    ground.forge.queue(WIDGETS, [LABEL])
    ground.forge.register(WIDGETS, "rk-1-1", [LABEL, BORN])
    look = ground.observer.look()
    assert (1, 1) == (len(look.demand), len(look.observed.runners))


def test_owners_separate_two_installations_on_one_repository() -> None:
    """Each sees its own runners only, whatever the case of its name, and nobody sees those of strangers."""
    mine, other = Ground(owner="ML-Team"), Ground()
    for ground in (mine, other):
        ground.forge.register(WIDGETS, "rk-1-1", [LABEL, Birth(EPOCH, "ml-team").label])
        ground.forge.register(WIDGETS, "rk-2-1", [LABEL, BORN])
        ground.forge.register(WIDGETS, "rk-3-1", [LABEL])
    assert ["rk-1-1"] == [runner.name for runner in mine.observer.look().observed.runners]
    assert ["rk-2-1"] == [runner.name for runner in other.observer.look().observed.runners]


def test_failures_are_remembered_as_long_as_a_job_may_wait() -> None:
    """GitHub gives a queued job up after a day; until then its failed machines count."""
    ground = Ground()
    ground.journal.failed(Failure(EPOCH, "d", "never-online", "rk-1-1"))
    ground.clock.advance(25 * 3600)
    assert 1 == len(ground.observer.look().observed.failures)
    ground.clock.advance(1)
    assert () == ground.observer.look().observed.failures


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_a_queued_job_becomes_a_wish_with_defaults_and_place() -> None:
    """The label, over a named spec, over the configuration's default."""
    ground = Ground()
    ground.forge.queue(WIDGETS, ["runnerkit=1/spec=train/cpu=8"])
    (demand,) = ground.observer.look().demand
    assert ("l4", 8, 600, WIDGETS) == (
        demand.spec.gpu[0].model,
        demand.spec.cpu and demand.spec.cpu.low,
        demand.spec.idle,
        demand.place,
    )


def test_jobs_of_others_are_neither_served_nor_refused() -> None:
    """A job that does not say our word is none of our business."""
    ground = Ground()
    for asked in (["ubuntu-latest"], ["self-hosted", "gpu"], ["runnerkit-like"], []):
        ground.forge.queue(WIDGETS, asked)
    look = ground.observer.look()
    assert ((), ()) == (look.demand, look.refused)


REFUSED: list[tuple[list[str], dict[str, object], type[RunnerkitError]]] = [
    (["runnerkit=1/gup=t4"], {}, LabelError),
    (["runnerkit=1/spec=nope"], {}, LabelError),
    (["runnerkit=1/gpu=t4", "extra"], {}, LabelError),
    (["runnerkit=1/profile=Admin"], {}, PolicyRefused),
    ([LABEL], {"private": False}, PolicyRefused),
    ([LABEL], {"fork": True, "event": "pull_request"}, PolicyRefused),
    ([LABEL], {"event": "pull_request_target"}, PolicyRefused),
]


@pytest.mark.parametrize(("asked", "facts", "error"), REFUSED)
def test_a_job_that_gets_nothing_is_told_why(
    asked: list[str], facts: dict[str, object], error: type[RunnerkitError]
) -> None:
    """Words that nobody understands, wishes that policy forbids, origins not to be trusted; others are served."""
    ground = Ground()
    bad = ground.forge.queue(WIDGETS, asked, **facts)  # type: ignore[arg-type]  # the table's facts are queue's
    good = ground.forge.queue(WIDGETS, [LABEL])
    look = ground.observer.look()
    assert [(bad.id, error)] == [(refused.job.id, type(refused.error)) for refused in look.refused]
    assert [good.id] == [demand.job.id for demand in look.demand]


def test_distrust_comes_before_understanding_a_wish() -> None:
    """A job of a fork is refused for being one, whatever it asks for."""
    ground = Ground()
    ground.forge.queue(WIDGETS, ["runnerkit=1/spec=nope"], fork=True)
    (refused,) = ground.observer.look().refused
    assert "forks" in refused.error.hint


@pytest.mark.parametrize("arrays", [False, True])
def test_arrays_count_only_when_configured(arrays: bool) -> None:
    """An array of labels asks for a machine where the configuration says so; elsewhere it is refused."""
    ground = Ground(arrays=arrays)
    ground.forge.queue(WIDGETS, ["self-hosted", "runnerkit", "gpu=t4"])
    look = ground.observer.look()
    assert (["t4"] if arrays else []) == [demand.spec.gpu[0].model for demand in look.demand]
    assert len(look.refused) == (0 if arrays else 1)


def test_a_sweep_does_not_ask_for_jobs() -> None:
    """Without the queue there is no demand, whatever waits."""
    world = FakeWorld()
    world.forge.queue(WIDGETS, [LABEL])
    attention = Attention(world.repos, world.forge)
    observer = Observer(world.outside, world.policy, "runnerkit", attention, Wishes({}, RunnerSpec()))
    assert ((), 1) == (observer.look(queue=False).demand, len(observer.look().demand))
